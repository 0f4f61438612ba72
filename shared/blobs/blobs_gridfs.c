/* Blobs in MongoDB, in the layout of GridFS: everything but writing. */
#include "blobs/gridfs_store.h"

#include <string.h>

#include "core/text.h"
#include "core/banned.h"

/* Connections beside one for each caller: for readiness and housekeeping. */
#define SPARE_CLIENTS 2

static enum err gridfs_open(const char *url, const char *bucket, unsigned max_parallel,
                            struct blobs **ret_blobs, struct error *e)
{
    struct mongo_pool *pool = NULL;
    enum err err = mongo_pool_open(url, max_parallel + SPARE_CLIENTS, &pool, e);
    if (err != OK) {
        return err;
    }
    metric_register(&blobs_gridfs_errors);
    struct gridfs_blobs *g = xcalloc(1, sizeof(*g));
    g->base.ops = &blobs_gridfs_ops;
    g->pool = pool;
    (void)mongo_pool_database(pool, bucket, g->database);
    (void)pthread_mutex_init(&g->mutex, NULL);
    *ret_blobs = &g->base;
    return OK;
}

static void gridfs_close(struct blobs *b)
{
    struct gridfs_blobs *g = gridfs_of(b);
    mongo_pool_close(g->pool);
    (void)pthread_mutex_destroy(&g->mutex);
    free(g);
}

static enum err gridfs_check(struct blobs *b, struct error *e)
{
    return mongo_pool_ping(gridfs_of(b)->pool, e);
}

/* ---- the cache of committed blobs, for reading ---- */

static bool cache_find(struct gridfs_blobs *g, const char *id, struct gridfs_cached *ret)
{
    bool is_found = false;
    (void)pthread_mutex_lock(&g->mutex);
    for (size_t i = 0; i < GRIDFS_CACHE_SIZE && !is_found; i++) {
        if (strcmp(g->cache[i].id, id) == 0) {
            *ret = g->cache[i];
            is_found = true;
        }
    }
    (void)pthread_mutex_unlock(&g->mutex);
    return is_found;
}

static void cache_drop(struct gridfs_blobs *g, const char *id)
{
    (void)pthread_mutex_lock(&g->mutex);
    for (size_t i = 0; i < GRIDFS_CACHE_SIZE; i++) {
        if (strcmp(g->cache[i].id, id) == 0) {
            g->cache[i].id[0] = '\0';
        }
    }
    (void)pthread_mutex_unlock(&g->mutex);
}

static void cache_add(struct gridfs_blobs *g, const char *id, const struct gridfs_file *file)
{
    cache_drop(g, id);
    (void)pthread_mutex_lock(&g->mutex);
    struct gridfs_cached *slot = &g->cache[g->next_cached];
    g->next_cached = (g->next_cached + 1) % GRIDFS_CACHE_SIZE;
    (void)text_copy(slot->id, sizeof(slot->id), id);
    slot->length = file->length;
    slot->chunk_size = file->chunk_size;
    (void)pthread_mutex_unlock(&g->mutex);
}

/* ---- stat ---- */

static enum err stat_file(struct gridfs_session *s, const char *id, struct blob_stat *st,
                          struct error *e)
{
    struct gridfs_file file;
    enum err err = gridfs_find_file(s, id, &file, e);
    if (err != OK) {
        return err;
    }
    st->is_committed = true;
    st->size_bytes = file.length;
    st->created_at_ms = file.uploaded_at_ms;
    (void)text_copy(st->sha256, sizeof(st->sha256), file.sha256);
    (void)text_copy(st->owner, sizeof(st->owner), file.owner);
    (void)text_copy(st->filename, sizeof(st->filename), file.filename);
    return OK;
}

static enum err stat_upload(struct gridfs_session *s, const char *id, struct blob_stat *st,
                            struct error *e)
{
    struct gridfs_upload upload;
    int64_t n = -1;
    uint32_t len = 0;
    enum err err = gridfs_find_upload(s, id, &upload, e);
    if (err == OK) {
        err = gridfs_find_last_chunk(s, id, &n, &len, NULL, e);
    }
    if (err != OK) {
        return err;
    }
    st->is_committed = false;
    st->size_bytes = n < 0 ? 0 : n * GRIDFS_CHUNK_SIZE + len;
    st->created_at_ms = upload.created_at_ms;
    st->sha256[0] = '\0';
    (void)text_copy(st->owner, sizeof(st->owner), upload.owner);
    (void)text_copy(st->filename, sizeof(st->filename), upload.filename);
    return OK;
}

static enum err stat_any(struct gridfs_session *s, const char *id, struct blob_stat *st,
                         struct error *e)
{
    enum err err = stat_file(s, id, st, e);
    if (err == ERR_NOT_FOUND) {
        err = stat_upload(s, id, st, e);
    }
    if (err == ERR_NOT_FOUND) {
        err = stat_file(s, id, st, e); /* it may have been committed between the two looks */
    }
    return err;
}

static enum err gridfs_stat(struct blobs *b, const char *id, struct blob_stat *ret_stat,
                            struct error *e)
{
    struct gridfs_session s;
    enum err err = gridfs_begin(gridfs_of(b), &s, e);
    if (err == OK) {
        err = stat_any(&s, id, ret_stat, e);
        gridfs_end(&s);
    }
    return err;
}

/* ---- pread ---- */

/* The extent of a committed blob. */
static enum err find_extent(struct gridfs_session *s, const char *id, struct gridfs_cached *ret,
                            struct error *e)
{
    struct gridfs_file file;
    if (cache_find(s->blobs, id, ret)) {
        return OK;
    }
    enum err err = gridfs_find_file(s, id, &file, e);
    if (err == OK) {
        cache_add(s->blobs, id, &file);
        ret->length = file.length;
        ret->chunk_size = file.chunk_size;
    }
    return err;
}

static enum err read_committed(struct gridfs_session *s, const char *id,
                               const struct gridfs_cached *extent, int64_t offset, void *dst,
                               size_t len, size_t *ret_len, struct error *e)
{
    if (offset >= extent->length) {
        *ret_len = 0;
        return OK;
    }
    int64_t left = extent->length - offset;
    size_t part = (int64_t)len < left ? len : (size_t)left;
    enum err err = gridfs_read_range(s, id, extent->chunk_size, extent->length, offset, dst, part,
                                     ret_len, e);
    if (err == ERR_CORRUPT) {
        /* Removed by somebody else since we learned of it? */
        struct gridfs_file ignored;
        cache_drop(s->blobs, id);
        if (gridfs_find_file(s, id, &ignored, NULL) == ERR_NOT_FOUND) {
            err = err_set(e, ERR_NOT_FOUND, "blobs: the blob has been removed");
        }
    }
    return err;
}

static enum err read_upload(struct gridfs_session *s, const char *id, int64_t offset, void *dst,
                            size_t len, size_t *ret_len, struct error *e)
{
    struct gridfs_upload upload;
    size_t got = 0;
    enum err err = gridfs_read_range(s, id, GRIDFS_CHUNK_SIZE, -1, offset, dst, len, &got, e);
    if (err == ERR_CORRUPT || (err == OK && got == 0)) {
        /* Nothing there: because it ends here, or because there is no such blob? */
        enum err marked = gridfs_find_upload(s, id, &upload, e);
        err = marked != OK ? marked : err;
    }
    if (err == OK) {
        *ret_len = got;
    }
    return err;
}

static enum err read_any(struct gridfs_session *s, const char *id, int64_t offset, void *dst,
                         size_t len, size_t *ret_len, struct error *e)
{
    struct gridfs_cached extent;
    enum err err = find_extent(s, id, &extent, e);
    if (err == OK) {
        return read_committed(s, id, &extent, offset, dst, len, ret_len, e);
    }
    if (err != ERR_NOT_FOUND) {
        return err;
    }
    err = read_upload(s, id, offset, dst, len, ret_len, e);
    if (err == ERR_NOT_FOUND) { /* it may have been committed between the two looks */
        err = find_extent(s, id, &extent, e);
        if (err == OK) {
            err = read_committed(s, id, &extent, offset, dst, len, ret_len, e);
        }
    }
    return err;
}

static enum err gridfs_pread(struct blobs *b, const char *id, int64_t offset, void *dst, size_t len,
                             size_t *ret_len, struct error *e)
{
    struct gridfs_session s;
    enum err err = gridfs_begin(gridfs_of(b), &s, e);
    if (err == OK) {
        err = read_any(&s, id, offset, dst, len, ret_len, e);
        gridfs_end(&s);
    }
    return err;
}

static enum err gridfs_descriptor(struct blobs *b, const char *id, int *ret_fd, struct error *e)
{
    (void)b;
    (void)id;
    (void)ret_fd;
    return err_set(e, ERR_NOT_FOUND, "blobs: GridFS has no descriptors");
}

/* ---- removing ---- */

static enum err gridfs_remove(struct blobs *b, const char *id, struct error *e)
{
    struct gridfs_session s;
    enum err err = gridfs_begin(gridfs_of(b), &s, e);
    if (err != OK) {
        return err;
    }
    cache_drop(s.blobs, id);
    err = gridfs_remove_all(&s, id, e);
    gridfs_end(&s);
    return err;
}

static mongoc_cursor_t *find_untouched(struct gridfs_session *s, int64_t before_ms)
{
    bson_t *filter = BCON_NEW("touchedAt", "{", "$lt", BCON_DATE_TIME(before_ms), "}");
    bson_t *opts = BCON_NEW("sort", "{", "touchedAt", BCON_INT32(1), "}", "projection", "{", "_id",
                            BCON_INT32(1), "}");
    mongoc_cursor_t *cursor = mongoc_collection_find_with_opts(s->uploads, filter, opts, NULL);
    bson_destroy(filter);
    bson_destroy(opts);
    return cursor;
}

/* Whether the marked blob is an orphan. The mark of a committed one, whose writer died before it
 * removed it, is cleared. */
static enum err check_mark(struct gridfs_session *s, const bson_t *doc, char ret_id[ID_SIZE],
                           bool *ret_is_orphan, struct error *e)
{
    struct gridfs_file ignored;
    bson_iter_t it;
    *ret_is_orphan = false;
    if (!bson_iter_init_find(&it, doc, "_id") || !BSON_ITER_HOLDS_OID(&it)) {
        return OK; /* not ours */
    }
    bson_oid_to_string(bson_iter_oid(&it), ret_id);
    enum err err = gridfs_find_file(s, ret_id, &ignored, e);
    if (err == OK) {
        gridfs_unmark(s, ret_id);
    }
    *ret_is_orphan = err == ERR_NOT_FOUND;
    return err == ERR_NOT_FOUND || err == ERR_CORRUPT ? OK : err;
}

static enum err list_marks(struct gridfs_session *s, int64_t before_ms, char (*ret_ids)[ID_SIZE],
                           size_t max, size_t *ret_count, struct error *e)
{
    const bson_t *doc = NULL;
    bson_error_t error;
    enum err err = OK;
    size_t count = 0;
    mongoc_cursor_t *cursor = find_untouched(s, before_ms);
    while (err == OK && count < max && mongoc_cursor_next(cursor, &doc)) {
        bool is_orphan = false;
        err = check_mark(s, doc, ret_ids[count], &is_orphan, e);
        count += is_orphan;
    }
    if (err == OK && mongoc_cursor_error(cursor, &error)) {
        err = mongo_error(&error, "list orphans", e);
    }
    mongoc_cursor_destroy(cursor);
    if (err == OK) {
        *ret_count = count;
    }
    return err;
}

static enum err gridfs_list_orphans(struct blobs *b, int64_t before_ms, char (*ret_ids)[ID_SIZE],
                                    size_t max, size_t *ret_count, struct error *e)
{
    struct gridfs_session s;
    enum err err = gridfs_begin(gridfs_of(b), &s, e);
    if (err == OK) {
        err = list_marks(&s, before_ms, ret_ids, max, ret_count, e);
        gridfs_end(&s);
    }
    return err;
}

/* Behind the id `cursor`; ids that are no ObjectIds, which other programs may have, compare with
 * none. */
static mongoc_cursor_t *find_files(struct gridfs_session *s, const char *cursor, size_t max)
{
    bson_oid_t after;
    gridfs_oid(&after, cursor[0] != '\0' ? cursor : "000000000000000000000000");
    int64_t limit = (int64_t)max;
    bson_t *filter = BCON_NEW("_id", "{", "$gt", BCON_OID(&after), "}");
    bson_t *opts = BCON_NEW("sort", "{", "_id", BCON_INT32(1), "}", "limit", BCON_INT64(limit),
                            "projection", "{", "length", BCON_INT32(1), "chunkSize", BCON_INT32(1),
                            "metadata.committedAt", BCON_INT32(1), "}");
    mongoc_cursor_t *found = mongoc_collection_find_with_opts(s->files, filter, opts, NULL);
    bson_destroy(filter);
    bson_destroy(opts);
    return found;
}

/* False: it is nothing that we could have written. */
static bool read_entry(const bson_t *doc, struct blob_entry *entry)
{
    struct gridfs_file file;
    bson_iter_t it;
    if (!bson_iter_init_find(&it, doc, "_id") || !BSON_ITER_HOLDS_OID(&it)) {
        return false;
    }
    bson_oid_to_string(bson_iter_oid(&it), entry->id);
    if (gridfs_decode_file(doc, &file, NULL) != OK) {
        return false;
    }
    entry->size_bytes = file.length;
    entry->committed_at_ms = file.committed_at_ms;
    return true;
}

static enum err list_files(struct gridfs_session *s, char cursor[ID_SIZE],
                           struct blob_entry *ret_entries, size_t max, size_t *ret_count,
                           struct error *e)
{
    const bson_t *doc = NULL;
    bson_error_t error;
    enum err err = OK;
    size_t seen = 0;
    size_t count = 0;
    struct blob_entry entry = { .id = "" };
    mongoc_cursor_t *found = find_files(s, cursor, max);
    for (; seen < max && mongoc_cursor_next(found, &doc); seen++) {
        if (read_entry(doc, &entry)) {
            ret_entries[count++] = entry;
        }
    }
    if (mongoc_cursor_error(found, &error)) {
        err = mongo_error(&error, "list files", e);
    }
    mongoc_cursor_destroy(found);
    if (err == OK) {
        (void)text_copy(cursor, ID_SIZE, seen == max ? entry.id : "");
        *ret_count = count;
    }
    return err;
}

static enum err gridfs_list(struct blobs *b, char cursor[ID_SIZE], struct blob_entry *ret_entries,
                            size_t max, size_t *ret_count, struct error *e)
{
    struct gridfs_session s;
    enum err err = gridfs_begin(gridfs_of(b), &s, e);
    if (err == OK) {
        err = list_files(&s, cursor, ret_entries, max, ret_count, e);
        gridfs_end(&s);
    }
    return err;
}

const struct blobs_ops blobs_gridfs_ops = {
    .has_fast_read_back = false,
    .open = gridfs_open,
    .close = gridfs_close,
    .check = gridfs_check,
    .create = gridfs_writer_create,
    .resume = gridfs_writer_resume,
    .write = gridfs_writer_write,
    .rewrite = gridfs_writer_rewrite,
    .read_back = gridfs_writer_read_back,
    .settle = gridfs_writer_settle,
    .publish = gridfs_writer_publish,
    .keep = gridfs_writer_keep,
    .discard = gridfs_writer_discard,
    .release = gridfs_writer_release,
    .stat = gridfs_stat,
    .pread = gridfs_pread,
    .remove = gridfs_remove,
    .descriptor = gridfs_descriptor,
    .list_orphans = gridfs_list_orphans,
    .list = gridfs_list,
};
