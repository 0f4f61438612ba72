/* The dispatcher: picks the engine, checks arguments, and does for every engine what a writer has
 * in common: size, hash, order of calls. */
#include "blobs/blobs.h"

#include <string.h>

#include "blobs/blob_hash.h"
#include "blobs/blobs_impl.h"
#include "core/text.h"
#include "core/url.h"
#include "core/banned.h"

#define BUCKET_MAX 20
#define REWRITE_MAX ((size_t)64 * 1024)
/* Past the end of every blob; engines may add to offsets below it without overflow. */
#define OFFSET_MAX ((int64_t)1 << 53)

enum op {
    OP_CREATE,
    OP_RESUME,
    OP_WRITE,
    OP_COMMIT,
    OP_SUSPEND,
    OP_STAT,
    OP_READ,
    OP_REMOVE,
    OP_LIST
};

static const char *const op_names[] = { [OP_CREATE] = "create",   [OP_RESUME] = "resume",
                                        [OP_WRITE] = "write",     [OP_COMMIT] = "commit",
                                        [OP_SUSPEND] = "suspend", [OP_STAT] = "stat",
                                        [OP_READ] = "read",       [OP_REMOVE] = "remove",
                                        [OP_LIST] = "list",       NULL };

struct metric blobs_gridfs_errors = {
    .name = "unreel_gridfs_errors_total",
    .help = "Calls that failed for a cause on the store's side.",
    .type = METRIC_COUNTER,
    .label = "op",
    .values = op_names,
};

/* Returns err, counted unless it is an answer: that there is no such blob, or that it exists. */
static enum err counted(enum op op, enum err err)
{
    if (err == ERR_BUSY || err == ERR_TIMEOUT || err == ERR_CORRUPT || err == ERR_FAULT) {
        metric_add(&blobs_gridfs_errors, op, 1);
    }
    return err;
}

static const struct {
    const char *scheme;
    const struct blobs_ops *ops;
} engines[] = {
    { "file", &blobs_file_ops },
    { "mongodb", &blobs_gridfs_ops },
    { "mongodb+srv", &blobs_gridfs_ops },
};

/* A bucket names a folder and a database. */
static bool is_bucket(const char *bucket)
{
    size_t len = strspn(bucket, "abcdefghijklmnopqrstuvwxyz0123456789_");
    return len > 0 && len <= BUCKET_MAX && bucket[len] == '\0';
}

enum err blobs_open(const char *url, const char *bucket, unsigned max_parallel,
                    struct blobs **ret_blobs, struct error *e)
{
    if (!is_bucket(bucket)) {
        return err_set(e, ERR_INVALID, "blobs: bucket names are 1 to %d of a-z 0-9 _", BUCKET_MAX);
    }
    for (size_t i = 0; i < ARRAY_LEN(engines); i++) {
        if (url_has_scheme(url, engines[i].scheme)) {
            return engines[i].ops->open(url, bucket, max_parallel > 0 ? max_parallel : 1, ret_blobs,
                                        e);
        }
    }
    return err_set(e, ERR_INVALID, "blobs: the URL must begin with file: or mongodb://");
}

void blobs_close(struct blobs *b)
{
    if (b != NULL) {
        b->ops->close(b);
    }
}

enum err blobs_check(struct blobs *b, struct error *e)
{
    return b->ops->check(b, e);
}

static enum err read_back(void *ctx, int64_t offset, void *dst, size_t len, struct error *e)
{
    struct blob_writer *w = ctx;
    return w->blobs->ops->read_back(w, offset, dst, len, e);
}

static struct blob_hash *new_hash(struct blob_writer *w)
{
    return blob_hash_new(w->blobs->ops->has_fast_read_back ? read_back : NULL, w);
}

static void release(struct blob_writer *w)
{
    blob_hash_free(w->hash); /* its thread may still be reading */
    w->hash = NULL;
    w->blobs->ops->release(w);
}

static enum err check_text(const char *what, const char *text, size_t size, struct error *e)
{
    size_t len = strlen(text);
    if (len >= size) {
        return err_set(e, ERR_TOO_BIG, "blobs: %s is longer than %zu bytes", what, size - 1);
    }
    if (!text_is_utf8(text, len)) {
        return err_set(e, ERR_INVALID, "blobs: %s is not UTF-8", what);
    }
    return OK;
}

static enum err check_meta(const struct blob_meta *meta, struct error *e)
{
    enum err err = check_text("owner", meta->owner, BLOB_OWNER_SIZE, e);
    if (err == OK) {
        err = check_text("filename", meta->filename, BLOB_FILENAME_SIZE, e);
    }
    if (err == OK) {
        err = check_text("content type", meta->content_type, BLOB_FILENAME_SIZE, e);
    }
    return err;
}

enum err blobs_create(struct blobs *b, const char *id, const struct blob_meta *meta,
                      struct blob_writer **ret_writer, struct error *e)
{
    if (!id_is_valid(id)) {
        return err_set(e, ERR_INVALID, "blobs: not an id");
    }
    struct blob_meta full = { .owner = "", .filename = "", .content_type = "" };
    if (meta != NULL) {
        full.owner = meta->owner != NULL ? meta->owner : "";
        full.filename = meta->filename != NULL ? meta->filename : "";
        full.content_type = meta->content_type != NULL ? meta->content_type : "";
    }
    enum err err = check_meta(&full, e);
    if (err != OK) {
        return err;
    }
    struct blob_writer *w = NULL;
    err = counted(OP_CREATE, b->ops->create(b, id, &full, &w, e));
    if (err != OK) {
        return err;
    }
    w->blobs = b;
    w->hash = new_hash(w);
    *ret_writer = w;
    return OK;
}

enum err blobs_resume(struct blobs *b, const char *id, struct blob_writer **ret_writer,
                      int64_t *ret_offset, struct error *e)
{
    if (!id_is_valid(id)) {
        return err_set(e, ERR_NOT_FOUND, "blobs: not an id");
    }
    struct blob_writer *w = NULL;
    enum err err = counted(OP_RESUME, b->ops->resume(b, id, &w, e));
    if (err != OK) {
        return err;
    }
    w->blobs = b;
    w->hash = new_hash(w);
    if (w->size_bytes > 0) {
        err = blob_hash_stored(w->hash, w->size_bytes, read_back, w, e);
        if (err != OK) {
            release(w);
            return err;
        }
    }
    *ret_offset = w->size_bytes;
    *ret_writer = w;
    return OK;
}

static enum err refuse_failed(struct error *e)
{
    return err_set(e, ERR_FAULT, "blobs: this writer has failed: only abort or suspend is allowed");
}

enum err blob_write(struct blob_writer *w, const void *bytes, size_t len, struct error *e)
{
    if (w->has_failed || w->has_sha256) {
        return refuse_failed(e);
    }
    if (len == 0) {
        return OK;
    }
    enum err err = counted(OP_WRITE, w->blobs->ops->write(w, bytes, len, e));
    if (err != OK) {
        w->has_failed = true;
        return err;
    }
    w->size_bytes += (int64_t)len;
    if (w->hash != NULL) {
        blob_hash_update(w->hash, bytes, len);
    }
    return OK;
}

enum err blob_rewrite(struct blob_writer *w, int64_t offset, const void *bytes, size_t len,
                      struct error *e)
{
    if (w->has_failed || w->has_sha256) {
        return refuse_failed(e);
    }
    if (len > REWRITE_MAX || offset < 0 || offset > w->size_bytes ||
        (int64_t)len > w->size_bytes - offset) {
        return err_set(e, ERR_INVALID, "blobs: %zu bytes at %lld cannot be rewritten", len,
                       (long long)offset);
    }
    if (len == 0) {
        return OK;
    }
    blob_hash_free(w->hash);
    w->hash = NULL;
    enum err err = counted(OP_WRITE, w->blobs->ops->rewrite(w, offset, bytes, len, e));
    w->has_failed = err != OK;
    return err;
}

int64_t blob_writer_size(const struct blob_writer *w)
{
    return w->size_bytes;
}

/* After settle. Keeps the result for another try of the commit. */
static enum err finish_hash(struct blob_writer *w, struct error *e)
{
    enum err err = OK;
    if (w->has_sha256) {
        return OK;
    }
    if (w->hash == NULL) {
        w->hash = blob_hash_new(NULL, NULL);
        err = blob_hash_stored(w->hash, w->size_bytes, read_back, w, e);
    }
    if (err == OK) {
        err = blob_hash_finish(w->hash, w->sha256, e);
    }
    w->has_sha256 = err == OK;
    /* Whatever happened, this hash is used up: another try reads everything. */
    blob_hash_free(w->hash);
    w->hash = NULL;
    return err;
}

enum err blob_commit(struct blob_writer *w, char ret_sha256[BLOB_SHA256_SIZE], struct error *e)
{
    if (w->has_failed) {
        return refuse_failed(e);
    }
    enum err err = w->blobs->ops->settle(w, e);
    if (err == OK) {
        err = finish_hash(w, e);
    }
    if (err == OK) {
        err = w->blobs->ops->publish(w, w->sha256, e);
    }
    if (err != OK) {
        return counted(OP_COMMIT, err);
    }
    if (ret_sha256 != NULL) {
        memcpy(ret_sha256, w->sha256, BLOB_SHA256_SIZE);
    }
    release(w);
    return OK;
}

void blob_abort(struct blob_writer *w)
{
    if (w == NULL) {
        return;
    }
    w->blobs->ops->discard(w);
    release(w);
}

enum err blob_suspend(struct blob_writer *w, struct error *e)
{
    enum err err = w->blobs->ops->settle(w, e);
    if (err == OK) {
        err = w->blobs->ops->keep(w, e);
    }
    release(w);
    return counted(OP_SUSPEND, err);
}

static enum err refuse_id(struct error *e)
{
    return err_set(e, ERR_NOT_FOUND, "blobs: not an id");
}

enum err blobs_stat(struct blobs *b, const char *id, struct blob_stat *ret_stat, struct error *e)
{
    if (!id_is_valid(id)) {
        return refuse_id(e);
    }
    struct blob_stat found = { .size_bytes = 0 };
    enum err err = counted(OP_STAT, b->ops->stat(b, id, &found, e));
    if (err == OK) {
        *ret_stat = found;
    }
    return err;
}

enum err blobs_pread(struct blobs *b, const char *id, int64_t offset, void *dst, size_t len,
                     size_t *ret_len, struct error *e)
{
    if (!id_is_valid(id)) {
        return refuse_id(e);
    }
    if (offset < 0 || len > INT32_MAX) {
        return err_set(e, ERR_INVALID, "blobs: range out of bounds");
    }
    if (len == 0 || offset >= OFFSET_MAX) {
        struct blob_stat ignored;
        enum err err = blobs_stat(b, id, &ignored, e);
        if (err == OK) {
            *ret_len = 0;
        }
        return err;
    }
    return counted(OP_READ, b->ops->pread(b, id, offset, dst, len, ret_len, e));
}

enum err blobs_remove(struct blobs *b, const char *id, struct error *e)
{
    return id_is_valid(id) ? counted(OP_REMOVE, b->ops->remove(b, id, e)) : refuse_id(e);
}

enum err blobs_descriptor(struct blobs *b, const char *id, int *ret_fd, struct error *e)
{
    return id_is_valid(id) ? b->ops->descriptor(b, id, ret_fd, e) : refuse_id(e);
}

enum err blobs_list_orphans(struct blobs *b, int64_t before_ms, char (*ret_ids)[ID_SIZE],
                            size_t max, size_t *ret_count, struct error *e)
{
    return counted(OP_LIST, b->ops->list_orphans(b, before_ms, ret_ids, max, ret_count, e));
}

enum err blobs_list(struct blobs *b, char cursor[ID_SIZE], struct blob_entry *ret_entries,
                    size_t max, size_t *ret_count, struct error *e)
{
    if (max == 0 || (cursor[0] != '\0' && !id_is_valid(cursor))) {
        return err_set(e, ERR_INVALID, "blobs: a page of none, or behind what is no id");
    }
    return counted(OP_LIST, b->ops->list(b, cursor, ret_entries, max, ret_count, e));
}
