/* The writing half of the GridFS engine.
 *
 * Whole chunks are collected and inserted a few at a time, in order, so that what is stored is
 * always a beginning of the blob. The files document comes last: it is the commit. The driver's own
 * bucket streams are not used: they report success for chunks that were never stored. */
#include "blobs/gridfs_store.h"

#include <string.h>

#include "core/clock.h"
#include "core/text.h"
#include "core/banned.h"

/* Chunks per insert: about 1 MiB of memory for each upload. */
#define BATCH 4
/* How often a writer at work says so, for those who look for orphans. */
#define TOUCH_EVERY_MS 30000

struct gridfs_writer {
    struct blob_writer base;
    struct gridfs_blobs *blobs;
    char id[ID_SIZE];
    bson_oid_t oid;
    struct gridfs_upload upload;
    int64_t touched_at_ms;
    uint8_t *frames[BATCH]; /* chunks to store; made when needed */
    size_t full;            /* so many of them are full, */
    size_t fill;            /* and the next one holds so many bytes */
    int32_t next_n;         /* number of the first */
    bool replaces_first;    /* a short chunk is stored under that number */
};

static struct gridfs_writer *writer_of(struct blob_writer *w)
{
    return CONTAINER_OF(w, struct gridfs_writer, base);
}

static struct gridfs_writer *new_writer(struct blobs *b, const char *id)
{
    struct gridfs_writer *w = xcalloc(1, sizeof(*w));
    w->blobs = gridfs_of(b);
    (void)text_copy(w->id, sizeof(w->id), id);
    gridfs_oid(&w->oid, id);
    return w;
}

void gridfs_writer_release(struct blob_writer *base)
{
    struct gridfs_writer *w = writer_of(base);
    for (size_t i = 0; i < BATCH; i++) {
        free(w->frames[i]);
    }
    free(w);
}

/* The frame that is being filled. */
static uint8_t *frame_data(struct gridfs_writer *w)
{
    if (w->frames[w->full] == NULL) {
        w->frames[w->full] = xmalloc(GRIDFS_FRAME_SIZE);
    }
    return w->frames[w->full] + GRIDFS_FRAME_DATA;
}

/* ---- the mark in fs.uploads ---- */

/* ERR_NOT_FOUND when the blob was removed behind the writer's back. */
static enum err touch(struct gridfs_writer *w, struct gridfs_session *s, struct error *e)
{
    bson_error_t error;
    bson_t reply;
    bson_iter_t it;
    enum err err = OK;
    int64_t now = clock_wall_ms();
    bson_t *filter = BCON_NEW("_id", BCON_OID(&w->oid), "removedAt", "{", "$exists",
                              BCON_BOOL(false), "}");
    bson_t *update = BCON_NEW("$set", "{", "touchedAt", BCON_DATE_TIME(now), "}");
    if (!mongoc_collection_update_one(s->uploads, filter, update, NULL, &reply, &error)) {
        err = mongo_error(&error, "touch an upload", e);
    } else if (!bson_iter_init_find(&it, &reply, "matchedCount") || bson_iter_as_int64(&it) != 1) {
        err = err_set(e, ERR_NOT_FOUND, "blobs: the blob was removed while it was written");
    } else {
        w->touched_at_ms = now;
    }
    bson_destroy(&reply);
    bson_destroy(filter);
    bson_destroy(update);
    return err;
}

static enum err insert_mark(struct gridfs_writer *w, struct gridfs_session *s, struct error *e)
{
    bson_error_t error;
    enum err err = OK;
    bson_t doc = BSON_INITIALIZER;
    gridfs_encode_upload(&doc, &w->oid, &w->upload, w->touched_at_ms);
    if (!mongoc_collection_insert_one(s->uploads, &doc, NULL, NULL, &error)) {
        err = mongo_error(&error, "create a blob", e);
    }
    bson_destroy(&doc);
    return err;
}

/* Marks the blob as being written, unless its id is taken. */
static enum err claim_id(struct gridfs_writer *w, struct gridfs_session *s, struct error *e)
{
    struct gridfs_file ignored;
    enum err err = gridfs_ensure_indexes(s, e);
    if (err == OK) {
        err = insert_mark(w, s, e);
    }
    if (err != OK) {
        return err;
    }
    /* Only now: a commit between a look and the mark would go unseen. */
    err = gridfs_find_file(s, w->id, &ignored, e);
    if (err == ERR_NOT_FOUND) {
        return OK;
    }
    gridfs_unmark(s, w->id);
    return err == OK ? err_set(e, ERR_EXISTS, "blobs: the blob has been committed") : err;
}

enum err gridfs_writer_create(struct blobs *b, const char *id, const struct blob_meta *meta,
                              struct blob_writer **ret_writer, struct error *e)
{
    struct gridfs_session s;
    enum err err = gridfs_begin(gridfs_of(b), &s, e);
    if (err != OK) {
        return err;
    }
    struct gridfs_writer *w = new_writer(b, id);
    w->upload.created_at_ms = clock_wall_ms();
    w->touched_at_ms = w->upload.created_at_ms;
    (void)text_copy(w->upload.owner, sizeof(w->upload.owner), meta->owner);
    (void)text_copy(w->upload.filename, sizeof(w->upload.filename), meta->filename);
    (void)text_copy(w->upload.content_type, sizeof(w->upload.content_type), meta->content_type);
    err = claim_id(w, &s, e);
    gridfs_end(&s);
    if (err != OK) {
        gridfs_writer_release(&w->base);
        return err;
    }
    *ret_writer = &w->base;
    return OK;
}

/* Takes up an upload where its last writer left it. */
static enum err take_over(struct gridfs_writer *w, struct gridfs_session *s, struct error *e)
{
    struct gridfs_file ignored;
    int64_t n = -1;
    uint32_t len = 0;
    enum err marked = gridfs_find_upload(s, w->id, &w->upload, e);
    enum err err = gridfs_find_file(s, w->id, &ignored, e);
    if (err == OK) {
        return err_set(e, ERR_EXISTS, "blobs: the blob has been committed");
    }
    if (err != ERR_NOT_FOUND || marked != OK) {
        return err != ERR_NOT_FOUND ? err : marked;
    }
    err = touch(w, s, e);
    if (err == OK) {
        err = gridfs_find_last_chunk(s, w->id, &n, &len, frame_data(w), e);
    }
    if (err != OK) {
        return err;
    }
    w->base.size_bytes = n < 0 ? 0 : n * GRIDFS_CHUNK_SIZE + len;
    w->next_n = (int32_t)(n + 1);
    if (n >= 0 && len < GRIDFS_CHUNK_SIZE) {
        w->next_n = (int32_t)n;
        w->fill = len;
        w->replaces_first = true;
    }
    return OK;
}

enum err gridfs_writer_resume(struct blobs *b, const char *id, struct blob_writer **ret_writer,
                              struct error *e)
{
    struct gridfs_session s;
    enum err err = gridfs_begin(gridfs_of(b), &s, e);
    if (err != OK) {
        return err;
    }
    struct gridfs_writer *w = new_writer(b, id);
    err = take_over(w, &s, e);
    gridfs_end(&s);
    if (err != OK) {
        gridfs_writer_release(&w->base);
        return err;
    }
    *ret_writer = &w->base;
    return OK;
}

/* ---- storing chunks ---- */

/* Puts the data in the place of a stored chunk. One document changes, so a reader sees the old data
 * or the new. */
static enum err replace_chunk(struct gridfs_writer *w, struct gridfs_session *s, int32_t n,
                              const uint8_t *data, size_t len, struct error *e)
{
    bson_error_t error;
    bson_t reply;
    bson_iter_t it;
    enum err err = OK;
    bson_t *filter = BCON_NEW("files_id", BCON_OID(&w->oid), "n", BCON_INT32(n));
    bson_t *update = BCON_NEW("$set", "{", "data",
                              BCON_BIN(BSON_SUBTYPE_BINARY, data, (uint32_t)len), "}");
    if (!mongoc_collection_update_one(s->chunks, filter, update, NULL, &reply, &error)) {
        err = mongo_error(&error, "replace a chunk", e);
    } else if (!bson_iter_init_find(&it, &reply, "matchedCount") || bson_iter_as_int64(&it) != 1) {
        err = err_set(e, ERR_NOT_FOUND, "gridfs: chunk %d is gone", n);
    }
    bson_destroy(&reply);
    bson_destroy(filter);
    bson_destroy(update);
    return err;
}

/* Whether the store holds this very chunk: then an insert before, whose answer was lost, worked. */
static enum err expect_chunk(struct gridfs_writer *w, struct gridfs_session *s, const bson_t *doc,
                             struct error *e)
{
    struct gridfs_chunk chunk;
    size_t got = 0;
    enum err err = gridfs_decode_chunk(doc, &chunk, e);
    if (err != OK) {
        return err;
    }
    AUTO(mem_free) uint8_t *stored = xmalloc(GRIDFS_CHUNK_SIZE);
    err = gridfs_read_range(s, w->id, GRIDFS_CHUNK_SIZE, -1, chunk.n * GRIDFS_CHUNK_SIZE, stored,
                            GRIDFS_CHUNK_SIZE, &got, e);
    if (err == OK && (got != chunk.len || memcmp(stored, chunk.data, got) != 0)) {
        err = err_set(e, ERR_CONFLICT, "gridfs: somebody else has written chunk %lld",
                      (long long)chunk.n);
    }
    return err;
}

static enum err insert_one_by_one(struct gridfs_writer *w, struct gridfs_session *s,
                                  const bson_t *docs, size_t count, struct error *e)
{
    bson_error_t error;
    enum err err = OK;
    for (size_t i = 0; i < count && err == OK; i++) {
        if (!mongoc_collection_insert_one(s->chunks, &docs[i], NULL, NULL, &error)) {
            err = mongo_error(&error, "insert a chunk", e);
            err = err == ERR_EXISTS ? expect_chunk(w, s, &docs[i], e) : err;
        }
    }
    return err;
}

/* Inserts the first `count` frames from `skip` on; the last one has last_len bytes. */
static enum err insert_frames(struct gridfs_writer *w, struct gridfs_session *s, size_t skip,
                              size_t count, size_t last_len, struct error *e)
{
    bson_t docs[BATCH];
    const bson_t *list[BATCH];
    size_t len = 0;
    for (size_t i = skip; i < count; i++) {
        size_t data_len = i + 1 == count ? last_len : GRIDFS_CHUNK_SIZE;
        size_t total = gridfs_frame_seal(w->frames[i], &w->oid, w->next_n + (int32_t)i, data_len);
        if (!bson_init_static(&docs[len], w->frames[i], total)) {
            return err_set(e, ERR_FAULT, "gridfs: a chunk could not be encoded");
        }
        list[len] = &docs[len];
        len++;
    }
    if (len == 0) {
        return OK;
    }
    bson_error_t error;
    bson_t reply;
    bson_iter_t it;
    enum err err = OK;
    if (!mongoc_collection_insert_many(s->chunks, list, len, NULL, &reply, &error)) {
        err = mongo_error(&error, "insert chunks", e);
        err = err == ERR_EXISTS ? insert_one_by_one(w, s, docs, len, e) : err;
    } else if (!bson_iter_init_find(&it, &reply, "insertedCount") ||
               bson_iter_as_int64(&it) != (int64_t)len) {
        err = err_set(e, ERR_BUSY, "gridfs: the server did not store all chunks");
    }
    bson_destroy(&reply);
    return err;
}

/* Stores the full frames and, when asked, the one that is not. */
static enum err flush(struct gridfs_writer *w, bool is_last, struct error *e)
{
    bool has_short = is_last && w->fill > 0;
    size_t count = w->full + has_short;
    size_t last_len = has_short ? w->fill : GRIDFS_CHUNK_SIZE;
    if (count == 0) {
        return OK;
    }
    if (w->next_n > INT32_MAX - BATCH) {
        return err_set(e, ERR_TOO_BIG, "gridfs: more chunks than there are numbers");
    }
    struct gridfs_session s;
    enum err err = gridfs_begin(w->blobs, &s, e);
    if (err != OK) {
        return err;
    }
    if (clock_wall_ms() - w->touched_at_ms > TOUCH_EVERY_MS) {
        err = touch(w, &s, e);
    }
    size_t skip = 0;
    if (err == OK && w->replaces_first) {
        err = replace_chunk(w, &s, w->next_n, w->frames[0] + GRIDFS_FRAME_DATA,
                            count == 1 ? last_len : GRIDFS_CHUNK_SIZE, e);
        skip = 1;
    }
    if (err == OK) {
        err = insert_frames(w, &s, skip, count, last_len, e);
    }
    gridfs_end(&s);
    if (err == OK) {
        w->next_n += (int32_t)count;
        w->replaces_first = false;
        w->full = 0;
        w->fill = has_short ? 0 : w->fill;
    }
    return err;
}

enum err gridfs_writer_write(struct blob_writer *base, const void *bytes, size_t len,
                             struct error *e)
{
    struct gridfs_writer *w = writer_of(base);
    const uint8_t *from = bytes;
    while (len > 0) {
        size_t part = GRIDFS_CHUNK_SIZE - w->fill;
        part = part < len ? part : len;
        memcpy(frame_data(w) + w->fill, from, part);
        w->fill += part;
        from += part;
        len -= part;
        if (w->fill == GRIDFS_CHUNK_SIZE) {
            w->full++;
            w->fill = 0;
        }
        if (w->full == BATCH) {
            enum err err = flush(w, false, e);
            if (err != OK) {
                return err;
            }
        }
    }
    return OK;
}

/* Bytes within a chunk that is stored already. */
static enum err rewrite_stored(struct gridfs_writer *w, int32_t n, size_t at, const void *bytes,
                               size_t len, struct error *e)
{
    size_t got = 0;
    struct gridfs_session s;
    AUTO(mem_free) uint8_t *chunk = xmalloc(GRIDFS_CHUNK_SIZE);
    enum err err = gridfs_begin(w->blobs, &s, e);
    if (err != OK) {
        return err;
    }
    err = gridfs_read_range(&s, w->id, GRIDFS_CHUNK_SIZE, -1, (int64_t)n * GRIDFS_CHUNK_SIZE, chunk,
                            GRIDFS_CHUNK_SIZE, &got, e);
    if (err == OK && got < at + len) {
        err = err_set(e, ERR_CORRUPT, "gridfs: chunk %d is missing or short", n);
    }
    if (err == OK) {
        memcpy(chunk + at, bytes, len);
        err = replace_chunk(w, &s, n, chunk, got, e);
    }
    gridfs_end(&s);
    return err;
}

enum err gridfs_writer_rewrite(struct blob_writer *base, int64_t offset, const void *bytes,
                               size_t len, struct error *e)
{
    struct gridfs_writer *w = writer_of(base);
    const uint8_t *from = bytes;
    enum err err = OK;
    for (size_t done = 0, part = 0; done < len && err == OK; done += part) {
        int64_t start = offset + (int64_t)done;
        int32_t n = (int32_t)(start / GRIDFS_CHUNK_SIZE);
        size_t at = (size_t)(start % GRIDFS_CHUNK_SIZE);
        part = GRIDFS_CHUNK_SIZE - at < len - done ? GRIDFS_CHUNK_SIZE - at : len - done;
        if (n >= w->next_n) {
            memcpy(w->frames[n - w->next_n] + GRIDFS_FRAME_DATA + at, from + done, part);
        } else {
            err = rewrite_stored(w, n, at, from + done, part, e);
        }
    }
    return err;
}

enum err gridfs_writer_read_back(struct blob_writer *base, int64_t offset, void *dst, size_t len,
                                 struct error *e)
{
    struct gridfs_writer *w = writer_of(base);
    struct gridfs_session s;
    size_t got = 0;
    enum err err = gridfs_begin(w->blobs, &s, e);
    if (err == OK) {
        err = gridfs_read_range(&s, w->id, GRIDFS_CHUNK_SIZE, -1, offset, dst, len, &got, e);
        gridfs_end(&s);
    }
    if (err == OK && got < len) {
        err = err_set(e, ERR_CORRUPT, "gridfs: chunks are missing");
    }
    return err;
}

/* ---- the ends ---- */

enum err gridfs_writer_settle(struct blob_writer *base, struct error *e)
{
    return flush(writer_of(base), true, e);
}

/* After a duplicate key: whether the files document is the one we meant to write. */
static enum err expect_file(struct gridfs_writer *w, struct gridfs_session *s,
                            const struct gridfs_file *meant, struct error *e)
{
    struct gridfs_file stored;
    enum err err = gridfs_find_file(s, w->id, &stored, e);
    if (err == OK &&
        (stored.length != meant->length || stored.uploaded_at_ms != meant->uploaded_at_ms ||
         strcmp(stored.sha256, meant->sha256) != 0)) {
        err = err_set(e, ERR_EXISTS, "blobs: the blob has been committed by somebody else");
    }
    return err;
}

static enum err insert_file(struct gridfs_writer *w, struct gridfs_session *s, const char *sha256,
                            struct error *e)
{
    struct gridfs_file file = { .length = w->base.size_bytes,
                                .chunk_size = GRIDFS_CHUNK_SIZE,
                                .uploaded_at_ms = w->upload.created_at_ms,
                                .committed_at_ms = clock_wall_ms() };
    (void)text_copy(file.sha256, sizeof(file.sha256), sha256);
    (void)text_copy(file.owner, sizeof(file.owner), w->upload.owner);
    (void)text_copy(file.filename, sizeof(file.filename), w->upload.filename);
    bson_error_t error;
    enum err err = OK;
    bson_t doc = BSON_INITIALIZER;
    gridfs_encode_file(&doc, &w->oid, &file, w->upload.content_type);
    if (!mongoc_collection_insert_one(s->files, &doc, NULL, NULL, &error)) {
        err = mongo_error(&error, "commit a blob", e);
        err = err == ERR_EXISTS ? expect_file(w, s, &file, e) : err;
    }
    bson_destroy(&doc);
    return err;
}

enum err gridfs_writer_publish(struct blob_writer *base, const char *sha256, struct error *e)
{
    struct gridfs_writer *w = writer_of(base);
    struct gridfs_session s;
    enum err err = gridfs_begin(w->blobs, &s, e);
    if (err != OK) {
        return err;
    }
    err = touch(w, &s, e);
    if (err == OK) {
        err = insert_file(w, &s, sha256, e);
    }
    if (err == OK) {
        gridfs_unmark(&s, w->id);
    }
    gridfs_end(&s);
    return err;
}

enum err gridfs_writer_keep(struct blob_writer *base, struct error *e)
{
    struct gridfs_writer *w = writer_of(base);
    struct gridfs_session s;
    enum err err = gridfs_begin(w->blobs, &s, e);
    if (err == OK) {
        err = touch(w, &s, e);
        gridfs_end(&s);
    }
    return err;
}

void gridfs_writer_discard(struct blob_writer *base)
{
    struct gridfs_writer *w = writer_of(base);
    struct gridfs_session s;
    if (gridfs_begin(w->blobs, &s, NULL) == OK) {
        (void)gridfs_remove_all(&s, w->id, NULL);
        gridfs_end(&s);
    }
}
