/* The JSON file beside a blob in a folder: what is known about it besides its bytes. */
#ifndef UNREEL_BLOBS_FILE_SIDECAR_H
#define UNREEL_BLOBS_FILE_SIDECAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "blobs/blobs.h"

#define SIDECAR_SIZE_MAX 8192

struct sidecar {
    char owner[BLOB_OWNER_SIZE];
    char filename[BLOB_FILENAME_SIZE];
    char content_type[BLOB_FILENAME_SIZE];
    char sha256[BLOB_SHA256_SIZE]; /* "" before the commit */
    int64_t size_bytes;            /* 0 before the commit */
    int64_t created_at_ms;
};

/* Pure: bytes that are no such JSON give ERR_CORRUPT; a member that is missing is empty. */
enum err sidecar_decode(const char *json, size_t len, struct sidecar *ret,
                        struct error *e) MUST_CHECK;
/* NULL when a text is not UTF-8. The caller frees it. */
char *sidecar_encode(const struct sidecar *s) MUST_CHECK;

/* Reads `name` in the folder dir_fd. ERR_NOT_FOUND; ERR_CORRUPT. */
enum err sidecar_read(int dir_fd, const char *name, struct sidecar *ret,
                      struct error *e) MUST_CHECK;
/* Writes `name` whole or not at all, through `temporary_name`; durable when asked. */
enum err sidecar_write(int dir_fd, const char *name, const char *temporary_name,
                       const struct sidecar *s, bool is_durable, struct error *e) MUST_CHECK;

#endif
