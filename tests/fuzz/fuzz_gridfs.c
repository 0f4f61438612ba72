/* Documents come from collections that other drivers write to. Whatever they hold, decoding stays
 * inside the document, and what it accepts is within its bounds. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "blobs/gridfs_codec.h"
#include "core/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
    if (!condition) {
        abort();
    }
}

static void require_text(const char *text, size_t size)
{
    size_t len = strnlen(text, size);
    require(len < size && text_is_utf8(text, len));
}

static void check_file(const bson_t *doc)
{
    struct gridfs_file f;
    if (gridfs_decode_file(doc, &f, NULL) == OK) {
        require(f.length >= 0 && f.chunk_size > 0 && f.chunk_size <= GRIDFS_CHUNK_SIZE_MAX);
        require(f.length / f.chunk_size <= INT32_MAX);
        require(f.sha256[0] == '\0' || strlen(f.sha256) == BLOB_SHA256_SIZE - 1);
        require_text(f.owner, sizeof(f.owner));
        require_text(f.filename, sizeof(f.filename));
    }
}

static void check_upload(const bson_t *doc)
{
    struct gridfs_upload u;
    if (gridfs_decode_upload(doc, &u, NULL) == OK) {
        require_text(u.owner, sizeof(u.owner));
        require_text(u.filename, sizeof(u.filename));
        require_text(u.content_type, sizeof(u.content_type));
    }
}

static void check_chunk(const bson_t *doc)
{
    struct gridfs_chunk c;
    if (gridfs_decode_chunk(doc, &c, NULL) == OK) {
        require(c.n >= 0 && c.n <= INT32_MAX && c.len > 0 && c.len <= GRIDFS_CHUNK_SIZE_MAX);
        const uint8_t *start = bson_get_data(doc);
        require(c.data >= start && c.data + c.len <= start + doc->len);
        volatile uint8_t sum = 0;
        for (uint32_t i = 0; i < c.len; i++) {
            sum = (uint8_t)(sum + c.data[i]);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bson_t doc;
    if (size > (size_t)GRIDFS_CHUNK_SIZE_MAX || !bson_init_static(&doc, data, size)) {
        return 0;
    }
    check_file(&doc);
    check_upload(&doc);
    check_chunk(&doc);
    return 0;
}
