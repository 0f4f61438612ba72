/* What an engine of blobs.h implements. Only for this folder.
 *
 * The dispatcher (blobs.c) checks arguments, keeps the size and the hash of a writer, and forbids
 * calls out of order; an engine only stores bytes. An engine's struct begins with struct blobs, its
 * writer with struct blob_writer. */
#ifndef UNREEL_BLOBS_BLOBS_IMPL_H
#define UNREEL_BLOBS_BLOBS_IMPL_H

#include "blobs/blobs.h"
#include "core/metrics.h"

struct blob_hash;

struct blobs {
    const struct blobs_ops *ops;
};

struct blob_writer {
    struct blobs *blobs;
    struct blob_hash *hash; /* NULL once the head was rewritten: commit hashes anew */
    int64_t size_bytes;     /* accepted by blob_write, with what was there when resumed */
    bool has_failed;
    bool has_sha256;
    char sha256[BLOB_SHA256_SIZE];
};

/* All slots are mandatory. Ids are valid, meta has no NULL, len is never 0. Calls with a struct
 * blobs may come from several threads at once. */
struct blobs_ops {
    /* Whether read_back costs no more than a copy, and may run beside write on another thread. */
    bool has_fast_read_back;

    enum err (*open)(const char *url, const char *bucket, unsigned max_parallel,
                     struct blobs **ret_blobs, struct error *e);
    void (*close)(struct blobs *b);
    enum err (*check)(struct blobs *b, struct error *e);

    enum err (*create)(struct blobs *b, const char *id, const struct blob_meta *meta,
                       struct blob_writer **ret_writer, struct error *e);
    /* *ret_writer's size_bytes is set. */
    enum err (*resume)(struct blobs *b, const char *id, struct blob_writer **ret_writer,
                       struct error *e);
    /* Appends at w->size_bytes, which the dispatcher moves on afterwards. */
    enum err (*write)(struct blob_writer *w, const void *bytes, size_t len, struct error *e);
    enum err (*rewrite)(struct blob_writer *w, int64_t offset, const void *bytes, size_t len,
                        struct error *e);
    /* Exactly len bytes of what was written. Without has_fast_read_back only after settle, or for
     * what was there when resumed. */
    enum err (*read_back)(struct blob_writer *w, int64_t offset, void *dst, size_t len,
                          struct error *e);
    /* Makes all that was written readable and durable. May be called again. */
    enum err (*settle)(struct blob_writer *w, struct error *e);
    /* The commit; after settle. May be called again after a failure. */
    enum err (*publish)(struct blob_writer *w, const char *sha256, struct error *e);
    /* After settle: makes a later resume possible, whatever happens to this process. */
    enum err (*keep)(struct blob_writer *w, struct error *e);
    /* Removes everything, best effort. */
    void (*discard)(struct blob_writer *w);
    /* Frees the writer and touches nothing that is stored. */
    void (*release)(struct blob_writer *w);

    enum err (*stat)(struct blobs *b, const char *id, struct blob_stat *ret_stat, struct error *e);
    enum err (*pread)(struct blobs *b, const char *id, int64_t offset, void *dst, size_t len,
                      size_t *ret_len, struct error *e);
    enum err (*remove)(struct blobs *b, const char *id, struct error *e);
    enum err (*descriptor)(struct blobs *b, const char *id, int *ret_fd, struct error *e);
    enum err (*list_orphans)(struct blobs *b, int64_t before_ms, char (*ret_ids)[ID_SIZE],
                             size_t max, size_t *ret_count, struct error *e);
    /* cursor is "" or an id, max is not 0. */
    enum err (*list)(struct blobs *b, char cursor[ID_SIZE], struct blob_entry *ret_entries,
                     size_t max, size_t *ret_count, struct error *e);
};

extern const struct blobs_ops blobs_file_ops;
extern const struct blobs_ops blobs_gridfs_ops;

/* Counted by the dispatcher; registered by GridFS alone. */
extern struct metric blobs_gridfs_errors;

#endif
