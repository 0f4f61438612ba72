#include "blobs/gridfs_codec.h"

#include <string.h>

#include "core/text.h"
#include "core/banned.h"

#define OID_LEN 12
/* Beyond this a double is not exact. */
#define DOUBLE_EXACT_MAX 9007199254740992.0

void gridfs_oid(bson_oid_t *ret_oid, const char *id)
{
    bson_oid_init_from_string(ret_oid, id);
}

/* Drivers store whole numbers as int32, int64 or double. */
static bool find_int(const bson_t *doc, const char *key, int64_t *ret)
{
    bson_iter_t it;
    if (!bson_iter_init_find(&it, doc, key)) {
        return false;
    }
    if (BSON_ITER_HOLDS_INT32(&it) || BSON_ITER_HOLDS_INT64(&it)) {
        *ret = bson_iter_as_int64(&it);
        return true;
    }
    if (!BSON_ITER_HOLDS_DOUBLE(&it)) {
        return false;
    }
    double value = bson_iter_double(&it);
    /* Written so that a NaN fails. */
    if (!(value >= -DOUBLE_EXACT_MAX && value <= DOUBLE_EXACT_MAX)) {
        return false;
    }
    *ret = (int64_t)value;
    return (double)*ret == value;
}

/* "" unless there is text under the dotted key. */
static void find_text(const bson_t *doc, const char *key, char *dst, size_t size)
{
    bson_iter_t it;
    bson_iter_t found;
    dst[0] = '\0';
    if (bson_iter_init(&it, doc) && bson_iter_find_descendant(&it, key, &found) &&
        BSON_ITER_HOLDS_UTF8(&found)) {
        uint32_t len = 0;
        const char *text = bson_iter_utf8(&found, &len);
        /* A driver may store a NUL inside; text ends there for us. */
        if (text != NULL && text_is_utf8(text, strnlen(text, len))) {
            (void)text_copy(dst, size, text);
        }
    }
}

/* 0 unless there is a date under the dotted key. */
static int64_t find_date(const bson_t *doc, const char *key)
{
    bson_iter_t it;
    bson_iter_t found;
    if (bson_iter_init(&it, doc) && bson_iter_find_descendant(&it, key, &found) &&
        BSON_ITER_HOLDS_DATE_TIME(&found)) {
        return bson_iter_date_time(&found);
    }
    return 0;
}

static bool is_sha256(const char *text)
{
    return strlen(text) == BLOB_SHA256_SIZE - 1 &&
           strspn(text, "0123456789abcdef") == BLOB_SHA256_SIZE - 1;
}

enum err gridfs_decode_file(const bson_t *doc, struct gridfs_file *ret, struct error *e)
{
    struct gridfs_file f = { .length = 0 };
    if (!find_int(doc, "length", &f.length) || f.length < 0) {
        return err_set(e, ERR_CORRUPT, "gridfs: a file without a length");
    }
    if (!find_int(doc, "chunkSize", &f.chunk_size) || f.chunk_size < 1 ||
        f.chunk_size > GRIDFS_CHUNK_SIZE_MAX) {
        return err_set(e, ERR_CORRUPT, "gridfs: a file without a sensible chunkSize");
    }
    if (f.length / f.chunk_size > INT32_MAX) {
        return err_set(e, ERR_CORRUPT, "gridfs: a file of more chunks than there are numbers");
    }
    f.uploaded_at_ms = find_date(doc, "uploadDate");
    f.committed_at_ms = find_date(doc, "metadata.committedAt");
    find_text(doc, "filename", f.filename, sizeof(f.filename));
    find_text(doc, "metadata.owner", f.owner, sizeof(f.owner));
    find_text(doc, "metadata.sha256", f.sha256, sizeof(f.sha256));
    if (!is_sha256(f.sha256)) {
        f.sha256[0] = '\0';
    }
    *ret = f;
    return OK;
}

enum err gridfs_decode_upload(const bson_t *doc, struct gridfs_upload *ret, struct error *e)
{
    bson_iter_t it;
    if (!bson_iter_init_find(&it, doc, "_id")) {
        return err_set(e, ERR_CORRUPT, "gridfs: an upload without an _id");
    }
    struct gridfs_upload u = { .created_at_ms = find_date(doc, "createdAt") };
    u.is_removing = bson_iter_init_find(&it, doc, "removedAt");
    find_text(doc, "owner", u.owner, sizeof(u.owner));
    find_text(doc, "filename", u.filename, sizeof(u.filename));
    find_text(doc, "contentType", u.content_type, sizeof(u.content_type));
    *ret = u;
    return OK;
}

enum err gridfs_decode_chunk(const bson_t *doc, struct gridfs_chunk *ret, struct error *e)
{
    struct gridfs_chunk c = { .n = 0 };
    bson_iter_t it;
    if (!find_int(doc, "n", &c.n) || c.n < 0 || c.n > INT32_MAX) {
        return err_set(e, ERR_CORRUPT, "gridfs: a chunk without a number");
    }
    if (!bson_iter_init_find(&it, doc, "data") || !BSON_ITER_HOLDS_BINARY(&it)) {
        return err_set(e, ERR_CORRUPT, "gridfs: chunk %lld has no data", (long long)c.n);
    }
    bson_subtype_t subtype;
    bson_iter_binary(&it, &subtype, &c.len, &c.data);
    if (c.data == NULL || c.len == 0 || c.len > GRIDFS_CHUNK_SIZE_MAX) {
        return err_set(e, ERR_CORRUPT, "gridfs: chunk %lld has no data", (long long)c.n);
    }
    *ret = c;
    return OK;
}

void gridfs_encode_file(bson_t *doc, const bson_oid_t *id, const struct gridfs_file *file,
                        const char *content_type)
{
    bson_t metadata;
    BSON_APPEND_OID(doc, "_id", id);
    BSON_APPEND_INT64(doc, "length", file->length);
    BSON_APPEND_INT32(doc, "chunkSize", (int32_t)file->chunk_size);
    BSON_APPEND_DATE_TIME(doc, "uploadDate", file->uploaded_at_ms);
    BSON_APPEND_UTF8(doc, "filename", file->filename);
    BSON_APPEND_DOCUMENT_BEGIN(doc, "metadata", &metadata);
    BSON_APPEND_UTF8(&metadata, "owner", file->owner);
    BSON_APPEND_UTF8(&metadata, "sha256", file->sha256);
    BSON_APPEND_UTF8(&metadata, "contentType", content_type);
    BSON_APPEND_DATE_TIME(&metadata, "committedAt", file->committed_at_ms);
    bson_append_document_end(doc, &metadata);
}

void gridfs_encode_upload(bson_t *doc, const bson_oid_t *id, const struct gridfs_upload *upload,
                          int64_t touched_at_ms)
{
    BSON_APPEND_OID(doc, "_id", id);
    BSON_APPEND_DATE_TIME(doc, "createdAt", upload->created_at_ms);
    BSON_APPEND_DATE_TIME(doc, "touchedAt", touched_at_ms);
    BSON_APPEND_UTF8(doc, "owner", upload->owner);
    BSON_APPEND_UTF8(doc, "filename", upload->filename);
    BSON_APPEND_UTF8(doc, "contentType", upload->content_type);
}

/* ---- the frame ---- */

static uint8_t *put_bytes(uint8_t *at, const void *bytes, size_t len)
{
    memcpy(at, bytes, len);
    return at + len;
}

static uint8_t *put_int32(uint8_t *at, int32_t value)
{
    uint32_t little_endian = BSON_UINT32_TO_LE((uint32_t)value);
    return put_bytes(at, &little_endian, sizeof(little_endian));
}

/* An element's type and name, which are a NUL-terminated text together. */
static uint8_t *put_key(uint8_t *at, uint8_t type, const char *name)
{
    *at = type;
    return put_bytes(at + 1, name, strlen(name) + 1);
}

size_t gridfs_frame_seal(uint8_t *frame, const bson_oid_t *files_id, int32_t n, size_t data_len)
{
    size_t total = GRIDFS_FRAME_DATA + data_len + 1;
    bson_oid_t id;
    bson_oid_init(&id, NULL);
    uint8_t *at = put_int32(frame, (int32_t)total);
    at = put_key(at, BSON_TYPE_OID, "_id");
    at = put_bytes(at, id.bytes, OID_LEN);
    at = put_key(at, BSON_TYPE_OID, "files_id");
    at = put_bytes(at, files_id->bytes, OID_LEN);
    at = put_key(at, BSON_TYPE_INT32, "n");
    at = put_int32(at, n);
    at = put_key(at, BSON_TYPE_BINARY, "data");
    at = put_int32(at, (int32_t)data_len);
    *at = BSON_SUBTYPE_BINARY;
    frame[total - 1] = '\0';
    return total;
}
