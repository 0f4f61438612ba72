/* Blobs: bytes by id, in two buckets ("videos", "mp3s"). Engines: GridFS (mongodb://) and a folder
 * (file:).
 *
 * A blob is created, written from its start to its end, and committed; commit makes it whole and
 * durable in one step. Before that it can be read by anybody up to what blobs_stat says is there,
 * and when its writer is gone it can be resumed at that offset by another process (a short last
 * chunk is replaced). A blob that was aborted leaves nothing. Ids are core/id.h ids. A struct blobs
 * is thread-safe; a struct blob_writer belongs to one thread at a time. All calls block. */
#ifndef UNREEL_BLOBS_BLOBS_H
#define UNREEL_BLOBS_BLOBS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/id.h"
#include "core/mem.h"

#define BLOB_SHA256_SIZE 65
#define BLOB_FILENAME_SIZE 256
#define BLOB_OWNER_SIZE 255

struct blobs;
struct blob_writer;

struct blob_meta {
    const char *owner;        /* e-mail; "" when unknown */
    const char *filename;     /* "" when unknown */
    const char *content_type; /* "" when unknown */
};

struct blob_stat {
    bool is_committed;
    int64_t size_bytes;            /* committed: the size; else what can be read now */
    char sha256[BLOB_SHA256_SIZE]; /* lower-case hex; "" when not committed, or written by a foreign
                                      driver */
    char owner[BLOB_OWNER_SIZE];
    char filename[BLOB_FILENAME_SIZE];
    int64_t created_at_ms;
};

struct blob_entry {
    char id[ID_SIZE];
    int64_t size_bytes;
    int64_t committed_at_ms; /* by the clock of who committed it, or of the disk; 0 when another
                                program put it here */
};

/* url: "mongodb://..." (database = bucket, collections fs.files and fs.chunks, made with their
 * indexes) or "file:FOLDER" (FOLDER/bucket is made). max_parallel: threads that will call at once.
 * Does not need the server to be up. */
enum err blobs_open(const char *url, const char *bucket, unsigned max_parallel,
                    struct blobs **ret_blobs, struct error *e) MUST_CHECK;
/* All writers must be gone. NULL is fine. */
void blobs_close(struct blobs *b);
DEFINE_AUTO(struct blobs *, blobs_close)
/* For readiness: OK when the store answers and can be written. */
enum err blobs_check(struct blobs *b, struct error *e) MUST_CHECK;

/* ERR_EXISTS when the id is taken, committed or not. The caller owns *ret_writer: commit, abort or
 * suspend frees it. */
enum err blobs_create(struct blobs *b, const char *id, const struct blob_meta *meta,
                      struct blob_writer **ret_writer, struct error *e) MUST_CHECK;
/* Goes on with an uncommitted blob at its present size (*ret_offset). ERR_NOT_FOUND; ERR_EXISTS
 * when committed. Reads what is there once, for the hash. Only one writer at a time may exist for a
 * blob: the caller sees to that. */
enum err blobs_resume(struct blobs *b, const char *id, struct blob_writer **ret_writer,
                      int64_t *ret_offset, struct error *e) MUST_CHECK;
/* After a failure only abort or suspend is allowed. */
enum err blob_write(struct blob_writer *w, const void *bytes, size_t len,
                    struct error *e) MUST_CHECK;
/* Replaces bytes within what has been written so far (len <= 64 KiB); commit hashes anew. For the
 * tags of an MP3, which are known last. */
enum err blob_rewrite(struct blob_writer *w, int64_t offset, const void *bytes, size_t len,
                      struct error *e) MUST_CHECK;
/* Bytes written so far, with those that were there when resumed. */
int64_t blob_writer_size(const struct blob_writer *w);
/* Makes the blob whole and durable. On OK the writer is freed, and *ret_sha256 (may be NULL) is
 * filled. On failure the writer lives on: try again, or abort. */
enum err blob_commit(struct blob_writer *w, char ret_sha256[BLOB_SHA256_SIZE],
                     struct error *e) MUST_CHECK;
/* Removes everything, best effort, and frees the writer. NULL is fine. */
void blob_abort(struct blob_writer *w);
/* Makes what was written readable and durable, keeps it uncommitted for blobs_resume, and frees the
 * writer. */
enum err blob_suspend(struct blob_writer *w, struct error *e) MUST_CHECK;

enum err blobs_stat(struct blobs *b, const char *id, struct blob_stat *ret_stat,
                    struct error *e) MUST_CHECK;
/* Reads up to len bytes at offset: *ret_len < len only at the end of what is there; 0 at or past
 * it. ERR_NOT_FOUND; ERR_CORRUPT for a missing or short chunk. */
enum err blobs_pread(struct blobs *b, const char *id, int64_t offset, void *dst, size_t len,
                     size_t *ret_len, struct error *e) MUST_CHECK;
/* Committed or not. ERR_NOT_FOUND when there was nothing. */
enum err blobs_remove(struct blobs *b, const char *id, struct error *e) MUST_CHECK;
/* A descriptor of the committed blob for sendfile, when the engine has one (the folder);
 * ERR_NOT_FOUND when it has none. The caller closes it. */
enum err blobs_descriptor(struct blobs *b, const char *id, int *ret_fd, struct error *e) MUST_CHECK;
/* Ids of uncommitted blobs that nobody has written to since before_ms (wall clock), up to max of
 * them. */
enum err blobs_list_orphans(struct blobs *b, int64_t before_ms, char (*ret_ids)[ID_SIZE],
                            size_t max, size_t *ret_count, struct error *e) MUST_CHECK;
/* Committed blobs in the order of their ids: up to max (at least 1) of those behind cursor, which
 * is "" at first, moves on with each call, and is "" again when the last of them was listed. A call
 * may list fewer than max before that. */
enum err blobs_list(struct blobs *b, char cursor[ID_SIZE], struct blob_entry *ret_entries,
                    size_t max, size_t *ret_count, struct error *e) MUST_CHECK;

#endif
