#include "blobs/gridfs_store.h"

#include <string.h>

#include "core/clock.h"
#include "core/banned.h"

struct gridfs_blobs *gridfs_of(struct blobs *b)
{
    return CONTAINER_OF(b, struct gridfs_blobs, base);
}

enum err gridfs_begin(struct gridfs_blobs *g, struct gridfs_session *s, struct error *e)
{
    mongoc_client_t *client = NULL;
    enum err err = mongo_pool_pop(g->pool, &client, e);
    if (err != OK) {
        return err;
    }
    s->blobs = g;
    s->client = client;
    s->files = mongoc_client_get_collection(client, g->database, "fs.files");
    s->chunks = mongoc_client_get_collection(client, g->database, "fs.chunks");
    s->uploads = mongoc_client_get_collection(client, g->database, "fs.uploads");
    return OK;
}

void gridfs_end(struct gridfs_session *s)
{
    mongoc_collection_destroy(s->files);
    mongoc_collection_destroy(s->chunks);
    mongoc_collection_destroy(s->uploads);
    mongo_pool_push(s->blobs->pool, s->client);
}

void gridfs_id_filter(bson_t *filter, const char *id)
{
    bson_oid_t oid;
    gridfs_oid(&oid, id);
    bson_init(filter);
    BSON_APPEND_OID(filter, "_id", &oid);
}

/* ---- indexes ---- */

static enum err create_index(struct gridfs_session *s, const char *collection, const bson_t *index,
                             struct error *e)
{
    bson_error_t error;
    enum err err = OK;
    bson_t *command = BCON_NEW("createIndexes", BCON_UTF8(collection), "indexes", "[",
                               BCON_DOCUMENT(index), "]");
    if (!mongoc_client_write_command_with_opts(s->client, s->blobs->database, command, NULL, NULL,
                                               &error)) {
        err = mongo_error(&error, "create an index", e);
    }
    bson_destroy(command);
    return err;
}

static enum err create_indexes(struct gridfs_session *s, struct error *e)
{
    bson_t *chunks = BCON_NEW("key", "{", "files_id", BCON_INT32(1), "n", BCON_INT32(1), "}",
                              "name", "files_id_1_n_1", "unique", BCON_BOOL(true));
    bson_t *files = BCON_NEW("key", "{", "filename", BCON_INT32(1), "uploadDate", BCON_INT32(1),
                             "}", "name", "filename_1_uploadDate_1");
    bson_t *uploads = BCON_NEW("key", "{", "touchedAt", BCON_INT32(1), "}", "name", "touchedAt_1");
    enum err err = create_index(s, "fs.chunks", chunks, e);
    if (err == OK) {
        err = create_index(s, "fs.files", files, e);
    }
    if (err == OK) {
        err = create_index(s, "fs.uploads", uploads, e);
    }
    bson_destroy(chunks);
    bson_destroy(files);
    bson_destroy(uploads);
    return err;
}

enum err gridfs_ensure_indexes(struct gridfs_session *s, struct error *e)
{
    struct gridfs_blobs *g = s->blobs;
    (void)pthread_mutex_lock(&g->mutex);
    bool has_indexes = g->has_indexes;
    (void)pthread_mutex_unlock(&g->mutex);
    if (has_indexes) {
        return OK;
    }
    /* Two threads may both come here: making an index that is there does nothing. */
    enum err err = create_indexes(s, e);
    if (err == OK) {
        (void)pthread_mutex_lock(&g->mutex);
        g->has_indexes = true;
        (void)pthread_mutex_unlock(&g->mutex);
    }
    return err;
}

/* ---- documents ---- */

/* The first document of the cursor, valid until the cursor goes. */
static enum err first_document(mongoc_cursor_t *cursor, const bson_t **ret_doc, struct error *e)
{
    bson_error_t error;
    if (mongoc_cursor_next(cursor, ret_doc)) {
        return OK;
    }
    if (mongoc_cursor_error(cursor, &error)) {
        return mongo_error(&error, "find", e);
    }
    return err_set(e, ERR_NOT_FOUND, "blobs: no such blob");
}

static mongoc_cursor_t *find_by_id(mongoc_collection_t *collection, const char *id)
{
    bson_t filter;
    bson_t opts = BSON_INITIALIZER;
    gridfs_id_filter(&filter, id);
    BSON_APPEND_INT64(&opts, "limit", 1);
    BSON_APPEND_BOOL(&opts, "singleBatch", true);
    mongoc_cursor_t *cursor = mongoc_collection_find_with_opts(collection, &filter, &opts, NULL);
    bson_destroy(&filter);
    bson_destroy(&opts);
    return cursor;
}

enum err gridfs_find_file(struct gridfs_session *s, const char *id, struct gridfs_file *ret,
                          struct error *e)
{
    const bson_t *doc = NULL;
    mongoc_cursor_t *cursor = find_by_id(s->files, id);
    enum err err = first_document(cursor, &doc, e);
    if (err == OK) {
        err = gridfs_decode_file(doc, ret, e);
    }
    mongoc_cursor_destroy(cursor);
    return err;
}

enum err gridfs_find_upload(struct gridfs_session *s, const char *id, struct gridfs_upload *ret,
                            struct error *e)
{
    const bson_t *doc = NULL;
    struct gridfs_upload upload = { .is_removing = false };
    mongoc_cursor_t *cursor = find_by_id(s->uploads, id);
    enum err err = first_document(cursor, &doc, e);
    if (err == OK) {
        err = gridfs_decode_upload(doc, &upload, e);
    }
    mongoc_cursor_destroy(cursor);
    if (err == OK && upload.is_removing) {
        err = err_set(e, ERR_NOT_FOUND, "blobs: the blob is being removed");
    }
    if (err == OK) {
        *ret = upload;
    }
    return err;
}

/* ---- chunks ----
 *
 * Always one by one, by both keys of the index: every server answers that in no time, while some
 * that speak the protocol look through the whole collection for a range or an order. */

static mongoc_cursor_t *find_chunk(struct gridfs_session *s, const char *id, int64_t n,
                                   bool with_data)
{
    bson_oid_t oid;
    gridfs_oid(&oid, id);
    bson_t *filter = BCON_NEW("files_id", BCON_OID(&oid), "n", BCON_INT32((int32_t)n));
    bson_t fields;
    bson_t opts = BSON_INITIALIZER;
    BSON_APPEND_INT64(&opts, "limit", 1);
    BSON_APPEND_BOOL(&opts, "singleBatch", true);
    BSON_APPEND_DOCUMENT_BEGIN(&opts, "projection", &fields);
    BSON_APPEND_INT32(&fields, "_id", 0);
    BSON_APPEND_INT32(&fields, "n", 1);
    if (with_data) {
        BSON_APPEND_INT32(&fields, "data", 1);
    }
    bson_append_document_end(&opts, &fields);
    mongoc_cursor_t *cursor = mongoc_collection_find_with_opts(s->chunks, filter, &opts, NULL);
    bson_destroy(filter);
    bson_destroy(&opts);
    return cursor;
}

static enum err has_chunk(struct gridfs_session *s, const char *id, int64_t n, bool *ret_has,
                          struct error *e)
{
    const bson_t *doc = NULL;
    mongoc_cursor_t *cursor = find_chunk(s, id, n, false);
    enum err err = first_document(cursor, &doc, e);
    mongoc_cursor_destroy(cursor);
    if (err == OK || err == ERR_NOT_FOUND) {
        *ret_has = err == OK;
        return OK;
    }
    return err;
}

/* How many chunks there are, given that they are numbered without a gap: doubles a guess until it
 * is too high, then halves the distance. */
static enum err count_chunks(struct gridfs_session *s, const char *id, int64_t *ret_count,
                             struct error *e)
{
    int64_t low = 0; /* so many are there */
    int64_t step = 1;
    bool is_growing = true;
    while (step > 0 && low + step - 1 <= INT32_MAX) {
        bool has = false;
        enum err err = has_chunk(s, id, low + step - 1, &has, e);
        if (err != OK) {
            return err;
        }
        low += has ? step : 0;
        is_growing = is_growing && has;
        step = is_growing ? step * 2 : step / 2;
    }
    *ret_count = low;
    return OK;
}

enum err gridfs_find_last_chunk(struct gridfs_session *s, const char *id, int64_t *ret_n,
                                uint32_t *ret_len, uint8_t *data, struct error *e)
{
    int64_t count = 0;
    const bson_t *doc = NULL;
    struct gridfs_chunk chunk = { .n = -1 };
    enum err err = count_chunks(s, id, &count, e);
    if (err != OK) {
        return err;
    }
    if (count == 0) {
        *ret_n = -1;
        *ret_len = 0;
        return OK;
    }
    mongoc_cursor_t *cursor = find_chunk(s, id, count - 1, true);
    err = first_document(cursor, &doc, e);
    if (err == OK) {
        err = gridfs_decode_chunk(doc, &chunk, e);
    }
    if (err == OK && chunk.len > GRIDFS_CHUNK_SIZE) {
        err = err_set(e, ERR_CORRUPT, "gridfs: chunk %lld is too long", (long long)chunk.n);
    }
    if (err == OK) {
        *ret_n = chunk.n;
        *ret_len = chunk.len;
        if (data != NULL) {
            memcpy(data, chunk.data, chunk.len);
        }
    }
    mongoc_cursor_destroy(cursor);
    return err;
}

/* The length that chunk n must have; for a blob that is being written the most it may have. */
static int64_t chunk_len(int64_t chunk_size, int64_t length, int64_t n)
{
    int64_t left = length - n * chunk_size;
    return length < 0 || left > chunk_size ? chunk_size : left;
}

/* One range as it is read. */
struct range {
    int64_t chunk_size;
    int64_t length;
    int64_t offset;
    uint8_t *dst;
    size_t len;
    size_t got;
    int64_t next_n;
    bool is_at_end; /* of what is there */
};

/* Copies what the chunk holds of the range. */
static enum err take_chunk(struct range *r, const bson_t *doc, struct error *e)
{
    struct gridfs_chunk chunk;
    enum err err = gridfs_decode_chunk(doc, &chunk, e);
    if (err != OK) {
        return err;
    }
    int64_t full_len = chunk_len(r->chunk_size, r->length, chunk.n);
    if (chunk.n != r->next_n || (int64_t)chunk.len > full_len ||
        (r->length >= 0 && (int64_t)chunk.len != full_len)) {
        return err_set(e, ERR_CORRUPT, "gridfs: chunk %lld has a wrong length",
                       (long long)r->next_n);
    }
    int64_t from = r->offset + (int64_t)r->got - chunk.n * r->chunk_size;
    if (from < (int64_t)chunk.len) {
        size_t part = chunk.len - (size_t)from;
        part = part < r->len - r->got ? part : r->len - r->got;
        memcpy(r->dst + r->got, chunk.data + from, part);
        r->got += part;
    }
    r->next_n++;
    r->is_at_end = (int64_t)chunk.len < r->chunk_size;
    return OK;
}

static enum err read_next_chunk(struct gridfs_session *s, const char *id, struct range *r,
                                struct error *e)
{
    const bson_t *doc = NULL;
    mongoc_cursor_t *cursor = find_chunk(s, id, r->next_n, true);
    enum err err = first_document(cursor, &doc, e);
    if (err == OK) {
        err = take_chunk(r, doc, e);
    } else if (err == ERR_NOT_FOUND && r->length < 0) {
        r->is_at_end = true;
        err = OK;
    } else if (err == ERR_NOT_FOUND) {
        err = err_set(e, ERR_CORRUPT, "gridfs: chunk %lld is missing", (long long)r->next_n);
    }
    mongoc_cursor_destroy(cursor);
    return err;
}

enum err gridfs_read_range(struct gridfs_session *s, const char *id, int64_t chunk_size,
                           int64_t length, int64_t offset, void *dst, size_t len, size_t *ret_len,
                           struct error *e)
{
    struct range r = { .chunk_size = chunk_size,
                       .length = length,
                       .offset = offset,
                       .dst = dst,
                       .len = len,
                       .next_n = offset / chunk_size };
    while (!r.is_at_end && r.got < len && r.next_n <= INT32_MAX) {
        enum err err = read_next_chunk(s, id, &r, e);
        if (err != OK) {
            return err;
        }
    }
    if (length >= 0 && r.got < len) {
        return err_set(e, ERR_CORRUPT, "gridfs: chunk %lld is missing", (long long)r.next_n);
    }
    *ret_len = r.got;
    return OK;
}

/* ---- removing ---- */

/* Counts what was deleted. */
static enum err delete_where(mongoc_collection_t *collection, const bson_t *filter,
                             int64_t *ret_count, struct error *e)
{
    bson_error_t error;
    bson_t reply;
    bson_iter_t it;
    enum err err = OK;
    if (!mongoc_collection_delete_many(collection, filter, NULL, &reply, &error)) {
        err = mongo_error(&error, "delete", e);
    } else if (bson_iter_init_find(&it, &reply, "deletedCount")) {
        *ret_count += bson_iter_as_int64(&it);
    }
    bson_destroy(&reply);
    return err;
}

/* Marks the blob as going, so that a crash in the middle leaves an orphan that can be found, and
 * nobody resumes or commits it. *ret_count grows when it had a mark before. */
static enum err mark_removing(struct gridfs_session *s, const bson_t *by_id, int64_t *ret_count,
                              struct error *e)
{
    bson_error_t error;
    bson_t reply;
    bson_iter_t it;
    enum err err = OK;
    int64_t now = clock_wall_ms();
    bson_t *update = BCON_NEW("$set", "{", "removedAt", BCON_DATE_TIME(now), "touchedAt",
                              BCON_DATE_TIME(now), "}");
    bson_t *opts = BCON_NEW("upsert", BCON_BOOL(true));
    if (!mongoc_collection_update_one(s->uploads, by_id, update, opts, &reply, &error)) {
        err = mongo_error(&error, "mark a blob as removed", e);
    } else if (bson_iter_init_find(&it, &reply, "matchedCount")) {
        *ret_count += bson_iter_as_int64(&it);
    }
    bson_destroy(&reply);
    bson_destroy(update);
    bson_destroy(opts);
    return err;
}

void gridfs_unmark(struct gridfs_session *s, const char *id)
{
    bson_t by_id;
    int64_t ignored = 0;
    gridfs_id_filter(&by_id, id);
    (void)delete_where(s->uploads, &by_id, &ignored, NULL);
    bson_destroy(&by_id);
}

enum err gridfs_remove_all(struct gridfs_session *s, const char *id, struct error *e)
{
    bson_oid_t oid;
    bson_t by_id;
    bson_t by_file = BSON_INITIALIZER;
    int64_t count = 0;
    gridfs_oid(&oid, id);
    gridfs_id_filter(&by_id, id);
    BSON_APPEND_OID(&by_file, "files_id", &oid);
    enum err err = mark_removing(s, &by_id, &count, e);
    if (err == OK) {
        err = delete_where(s->files, &by_id, &count, e);
    }
    if (err == OK) {
        err = delete_where(s->chunks, &by_file, &count, e);
    }
    if (err == OK) {
        gridfs_unmark(s, id);
    }
    bson_destroy(&by_id);
    bson_destroy(&by_file);
    if (err == OK && count == 0) {
        err = err_set(e, ERR_NOT_FOUND, "blobs: no such blob");
    }
    return err;
}
