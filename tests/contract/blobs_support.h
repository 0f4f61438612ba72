/* What the contract suite of blobs.h shares: the engine under test, and bytes that can be checked.
 */
#ifndef UNREEL_TESTS_BLOBS_SUPPORT_H
#define UNREEL_TESTS_BLOBS_SUPPORT_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "blobs/blobs.h"

#define CHUNK 261120

struct engine {
    const char *name;
    char *url;
    const char *bucket;
    char *folder; /* of the folder engine, else NULL */
    struct blobs *blobs;
    struct blobs *other; /* a second handle, as another process has one */
};

/* The engine that the cases run against now. */
extern struct engine engine;

/* Every byte follows from the seed and its offset. */
void fill(unsigned seed, int64_t offset, uint8_t *dst, size_t len);
bool is_filled(unsigned seed, int64_t offset, const uint8_t *bytes, size_t len);
/* SHA-256 of `size` such bytes. */
void expected_sha256(unsigned seed, int64_t size, char ret_sha256[BLOB_SHA256_SIZE]);
void sha256_of(const void *bytes, size_t len, char ret_sha256[BLOB_SHA256_SIZE]);

extern const struct blob_meta meta;

/* These do not assert, so that threads and other processes can use them. */
enum err write_span(struct blob_writer *w, unsigned seed, int64_t from, int64_t to, size_t slice);
enum err put_blob(struct blobs *b, const char *id, unsigned seed, int64_t size, size_t slice);
/* Whether exactly `size` bytes are there and right. */
bool has_bytes(struct blobs *b, const char *id, unsigned seed, int64_t size);

/* Whether the store itself, seen without blobs.h, holds anything of the id. */
bool store_has_trace(const char *id);

/* Runs this binary as another process in a role of blobs_contract.c; returns its exit code, or 128
 * + the signal that ended it. */
int run_role(const char *role, const char *id, unsigned seed, int64_t from, int64_t to);

/* blobs_contract_basic.c, _list.c, _shared.c, _gridfs.c: failed tests. */
int run_basic_cases(void);
int run_list_cases(void);
int run_shared_cases(void);
int run_gridfs_cases(void);

#endif
