/* What the two halves of the GridFS engine share: blobs_gridfs.c reads, gridfs_writer.c writes.
 *
 * A database per bucket with the collections fs.files and fs.chunks as the specification has them,
 * and fs.uploads, ours: one document for each blob that is not committed. Nothing here needs more
 * than single-document writes. */
#ifndef UNREEL_BLOBS_GRIDFS_STORE_H
#define UNREEL_BLOBS_GRIDFS_STORE_H

#include <pthread.h>

#include <mongoc/mongoc.h>

#include "blobs/blobs_impl.h"
#include "blobs/gridfs_codec.h"
#include "db/mongo_pool.h"

#define GRIDFS_CACHE_SIZE 64

struct gridfs_cached {
    char id[ID_SIZE]; /* "" when empty */
    int64_t length;
    int64_t chunk_size;
};

struct gridfs_blobs {
    struct blobs base;
    struct mongo_pool *pool;
    char database[MONGO_DATABASE_SIZE];
    pthread_mutex_t mutex; /* guards what follows */
    bool has_indexes;
    size_t next_cached;
    struct gridfs_cached cache[GRIDFS_CACHE_SIZE]; /* committed blobs, which never change */
};

/* A connection with the three collections, for the length of one call. */
struct gridfs_session {
    struct gridfs_blobs *blobs;
    mongoc_client_t *client;
    mongoc_collection_t *files;
    mongoc_collection_t *chunks;
    mongoc_collection_t *uploads;
};

struct gridfs_blobs *gridfs_of(struct blobs *b);

/* On failure *s needs no end. */
enum err gridfs_begin(struct gridfs_blobs *g, struct gridfs_session *s, struct error *e) MUST_CHECK;
void gridfs_end(struct gridfs_session *s);

/* Makes the indexes that the specification names, once per process. */
enum err gridfs_ensure_indexes(struct gridfs_session *s, struct error *e) MUST_CHECK;

/* ERR_NOT_FOUND when there is no such document. */
enum err gridfs_find_file(struct gridfs_session *s, const char *id, struct gridfs_file *ret,
                          struct error *e) MUST_CHECK;
/* ERR_NOT_FOUND also for one that is being removed. */
enum err gridfs_find_upload(struct gridfs_session *s, const char *id, struct gridfs_upload *ret,
                            struct error *e) MUST_CHECK;

/* What is there of an uncommitted blob: its last chunk's number (-1 when none) and length; the
 * chunk's data is copied to `data` (GRIDFS_CHUNK_SIZE bytes) unless that is NULL. */
enum err gridfs_find_last_chunk(struct gridfs_session *s, const char *id, int64_t *ret_n,
                                uint32_t *ret_len, uint8_t *data, struct error *e) MUST_CHECK;

/* Reads [offset, offset + len). A committed blob has `length` bytes, and the range must lie inside;
 * for one that is being written length is -1, and reading stops where it ends now. ERR_CORRUPT for
 * a chunk that is missing or has a wrong length. */
enum err gridfs_read_range(struct gridfs_session *s, const char *id, int64_t chunk_size,
                           int64_t length, int64_t offset, void *dst, size_t len, size_t *ret_len,
                           struct error *e) MUST_CHECK;

/* Removes the blob in an order that leaves something to find when it is broken off. ERR_NOT_FOUND
 * when there was nothing. */
enum err gridfs_remove_all(struct gridfs_session *s, const char *id, struct error *e);
/* Removes the mark of an upload; a failure leaves it to gridfs_list_orphans. */
void gridfs_unmark(struct gridfs_session *s, const char *id);

/* { "_id": id } */
void gridfs_id_filter(bson_t *filter, const char *id);

/* gridfs_writer.c: the slots of struct blobs_ops of the same names. */
enum err gridfs_writer_create(struct blobs *b, const char *id, const struct blob_meta *meta,
                              struct blob_writer **ret_writer, struct error *e);
enum err gridfs_writer_resume(struct blobs *b, const char *id, struct blob_writer **ret_writer,
                              struct error *e);
enum err gridfs_writer_write(struct blob_writer *w, const void *bytes, size_t len, struct error *e);
enum err gridfs_writer_rewrite(struct blob_writer *w, int64_t offset, const void *bytes, size_t len,
                               struct error *e);
enum err gridfs_writer_read_back(struct blob_writer *w, int64_t offset, void *dst, size_t len,
                                 struct error *e);
enum err gridfs_writer_settle(struct blob_writer *w, struct error *e);
enum err gridfs_writer_publish(struct blob_writer *w, const char *sha256, struct error *e);
enum err gridfs_writer_keep(struct blob_writer *w, struct error *e);
void gridfs_writer_discard(struct blob_writer *w);
void gridfs_writer_release(struct blob_writer *w);

#endif
