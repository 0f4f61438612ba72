/* SHA-256 of a blob while it is written.
 *
 * Where the engine can read back what was written at the price of a copy, a thread of its own
 * follows the writer through the store and hashes beside it; otherwise, and for small blobs, the
 * caller hashes. Reading back beats handing the bytes over in buffers: nothing is copied on the
 * writer's side, and a slow hash holds no memory. Belongs to one thread at a time. */
#ifndef UNREEL_BLOBS_BLOB_HASH_H
#define UNREEL_BLOBS_BLOB_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "blobs/blobs.h"

struct blob_hash;

/* Reads exactly len bytes at offset of what was written. */
typedef enum err blob_hash_reader(void *ctx, int64_t offset, void *dst, size_t len,
                                  struct error *e);

/* reader: NULL, or a function that may be called on another thread until blob_hash_free. */
struct blob_hash *blob_hash_new(blob_hash_reader *reader, void *ctx) MUST_CHECK;
/* Stops the thread if there is one. NULL is fine. */
void blob_hash_free(struct blob_hash *h);
DEFINE_AUTO(struct blob_hash *, blob_hash_free)

/* The next bytes; with a reader they must have been written before this call. */
void blob_hash_update(struct blob_hash *h, const void *bytes, size_t len);
/* The next len bytes, which are stored already: read with `reader` here, or, when h has a reader of
 * its own, on its thread. */
enum err blob_hash_stored(struct blob_hash *h, int64_t len, blob_hash_reader *reader, void *ctx,
                          struct error *e) MUST_CHECK;
/* Waits for the thread. Once only. */
enum err blob_hash_finish(struct blob_hash *h, char ret_sha256[BLOB_SHA256_SIZE],
                          struct error *e) MUST_CHECK;

#endif
