/* The documents of GridFS (the public specification of the drivers), encoded and decoded. Pure.
 *
 * Decoding takes documents that other drivers wrote, or that are hostile: a wrong type or a value
 * out of range gives ERR_CORRUPT, never more. */
#ifndef UNREEL_BLOBS_GRIDFS_CODEC_H
#define UNREEL_BLOBS_GRIDFS_CODEC_H

#include <stddef.h>
#include <stdint.h>

#include <bson/bson.h>

#include "blobs/blobs.h"

/* The specification's default: with its names and numbers a chunk fits a page of 256 KiB. */
#define GRIDFS_CHUNK_SIZE 261120
/* No document, and so no chunk, is larger than this. */
#define GRIDFS_CHUNK_SIZE_MAX ((int64_t)16 * 1024 * 1024)

/* A chunk's document in one piece of memory: its data is put at GRIDFS_FRAME_DATA, the rest around
 * it by gridfs_frame_seal. So the data is never copied into a document. */
#define GRIDFS_FRAME_DATA 61
#define GRIDFS_FRAME_SIZE (GRIDFS_FRAME_DATA + GRIDFS_CHUNK_SIZE + 1)

struct gridfs_file {
    int64_t length;
    int64_t chunk_size;
    int64_t uploaded_at_ms;  /* when it was begun */
    int64_t committed_at_ms; /* 0 when another driver wrote it */
    char sha256[BLOB_SHA256_SIZE];
    char owner[BLOB_OWNER_SIZE];
    char filename[BLOB_FILENAME_SIZE];
};

/* The mark of a blob that is not committed: a document of fs.uploads. */
struct gridfs_upload {
    int64_t created_at_ms;
    bool is_removing;
    char owner[BLOB_OWNER_SIZE];
    char filename[BLOB_FILENAME_SIZE];
    char content_type[BLOB_FILENAME_SIZE];
};

struct gridfs_chunk {
    int64_t n;
    const uint8_t *data; /* in the document */
    uint32_t len;
};

enum err gridfs_decode_file(const bson_t *doc, struct gridfs_file *ret, struct error *e) MUST_CHECK;
enum err gridfs_decode_upload(const bson_t *doc, struct gridfs_upload *ret,
                              struct error *e) MUST_CHECK;
enum err gridfs_decode_chunk(const bson_t *doc, struct gridfs_chunk *ret,
                             struct error *e) MUST_CHECK;

/* The document of fs.files. doc is initialised. */
void gridfs_encode_file(bson_t *doc, const bson_oid_t *id, const struct gridfs_file *file,
                        const char *content_type);
void gridfs_encode_upload(bson_t *doc, const bson_oid_t *id, const struct gridfs_upload *upload,
                          int64_t touched_at_ms);

/* Makes the frame, whose data is in place, a chunk with a new _id. Returns its whole length. */
size_t gridfs_frame_seal(uint8_t *frame, const bson_oid_t *files_id, int32_t n, size_t data_len);

/* The id as an ObjectId; id must be valid. */
void gridfs_oid(bson_oid_t *ret_oid, const char *id);

#endif
