#include "blobs/blob_hash.h"

#include <pthread.h>
#include <stdbool.h>

#include <openssl/evp.h>

#include "core/text.h"
#include "core/banned.h"

#define SLICE_SIZE ((size_t)256 * 1024)
/* A thread is not worth its start below this. */
#define THREAD_FROM_BYTES ((int64_t)1024 * 1024)
#define STACK_SIZE ((size_t)512 * 1024)
#define SHA256_BYTES 32

struct blob_hash {
    EVP_MD_CTX *md;       /* the thread's while it runs */
    int64_t hashed_bytes; /* the thread's while it runs */
    blob_hash_reader *reader;
    void *ctx;

    bool has_thread;
    pthread_t thread;
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t changed;
    int64_t written_bytes;
    int64_t wake_at;  /* the thread waits for so many, or for what follows */
    bool is_complete; /* nothing comes any more */
    bool is_cancelled;
    struct error error; /* the thread's, code OK when none */
};

struct blob_hash *blob_hash_new(blob_hash_reader *reader, void *ctx)
{
    struct blob_hash *h = xcalloc(1, sizeof(*h));
    h->reader = reader;
    h->ctx = ctx;
    (void)pthread_mutex_init(&h->mutex, NULL);
    (void)pthread_cond_init(&h->changed, NULL);
    h->md = EVP_MD_CTX_new();
    /* Can only fail for want of memory, or in a build of OpenSSL without SHA-256. */
    if (h->md == NULL || EVP_DigestInit_ex(h->md, EVP_sha256(), NULL) != 1) {
        abort();
    }
    return h;
}

static void join(struct blob_hash *h)
{
    if (h->has_thread) {
        (void)pthread_join(h->thread, NULL);
        h->has_thread = false;
    }
}

void blob_hash_free(struct blob_hash *h)
{
    if (h == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&h->mutex);
    h->is_cancelled = true;
    (void)pthread_cond_signal(&h->changed);
    (void)pthread_mutex_unlock(&h->mutex);
    join(h);
    EVP_MD_CTX_free(h->md);
    (void)pthread_cond_destroy(&h->changed);
    (void)pthread_mutex_destroy(&h->mutex);
    free(h);
}

static void digest(struct blob_hash *h, const void *bytes, size_t len)
{
    (void)EVP_DigestUpdate(h->md, bytes, len);
    h->hashed_bytes += (int64_t)len;
}

/* Waits unless a whole slice, or the end, can be read. Returns the bytes to read next, 0 at the
 * end.
 */
static size_t wait_for_slice(struct blob_hash *h)
{
    (void)pthread_mutex_lock(&h->mutex);
    if (h->written_bytes - h->hashed_bytes < (int64_t)SLICE_SIZE) {
        h->wake_at = h->hashed_bytes + (int64_t)SLICE_SIZE;
        while (h->written_bytes < h->wake_at && !h->is_complete && !h->is_cancelled) {
            (void)pthread_cond_wait(&h->changed, &h->mutex);
        }
    }
    int64_t left = h->is_cancelled ? 0 : h->written_bytes - h->hashed_bytes;
    (void)pthread_mutex_unlock(&h->mutex);
    return left < (int64_t)SLICE_SIZE ? (size_t)left : SLICE_SIZE;
}

static void *follow(void *arg)
{
    struct blob_hash *h = arg;
    AUTO(mem_free) char *slice = xmalloc(SLICE_SIZE);
    struct error error = { .code = OK };
    for (;;) {
        size_t len = wait_for_slice(h);
        if (len == 0 || h->reader(h->ctx, h->hashed_bytes, slice, len, &error) != OK) {
            break;
        }
        digest(h, slice, len);
    }
    (void)pthread_mutex_lock(&h->mutex);
    h->error = error;
    (void)pthread_mutex_unlock(&h->mutex);
    return NULL;
}

static void start_thread(struct blob_hash *h)
{
    pthread_attr_t attr;
    (void)pthread_attr_init(&attr);
    (void)pthread_attr_setstacksize(&attr, STACK_SIZE);
    h->has_thread = pthread_create(&h->thread, &attr, follow, h) == 0;
    (void)pthread_attr_destroy(&attr);
    if (!h->has_thread) {
        h->reader = NULL; /* no thread to be had: the caller hashes */
    }
}

/* Tells the thread about len more bytes. */
static void announce(struct blob_hash *h, int64_t len)
{
    (void)pthread_mutex_lock(&h->mutex);
    bool is_due = h->written_bytes < h->wake_at && h->written_bytes + len >= h->wake_at;
    h->written_bytes += len;
    (void)pthread_mutex_unlock(&h->mutex);
    if (is_due) {
        (void)pthread_cond_signal(&h->changed);
    }
}

void blob_hash_update(struct blob_hash *h, const void *bytes, size_t len)
{
    if (!h->has_thread && h->reader != NULL && h->hashed_bytes + (int64_t)len > THREAD_FROM_BYTES) {
        h->written_bytes = h->hashed_bytes;
        start_thread(h);
    }
    if (h->has_thread) {
        announce(h, (int64_t)len);
    } else {
        digest(h, bytes, len);
    }
}

enum err blob_hash_stored(struct blob_hash *h, int64_t len, blob_hash_reader *reader, void *ctx,
                          struct error *e)
{
    if (h->reader != NULL && len > THREAD_FROM_BYTES) {
        start_thread(h);
    }
    if (h->has_thread) {
        announce(h, len);
        return OK;
    }
    AUTO(mem_free) char *slice = xmalloc(SLICE_SIZE);
    for (int64_t end = h->hashed_bytes + len; h->hashed_bytes < end;) {
        int64_t left = end - h->hashed_bytes;
        size_t part = left < (int64_t)SLICE_SIZE ? (size_t)left : SLICE_SIZE;
        enum err err = reader(ctx, h->hashed_bytes, slice, part, e);
        if (err != OK) {
            return err;
        }
        digest(h, slice, part);
    }
    return OK;
}

enum err blob_hash_finish(struct blob_hash *h, char ret_sha256[BLOB_SHA256_SIZE], struct error *e)
{
    (void)pthread_mutex_lock(&h->mutex);
    h->is_complete = true;
    (void)pthread_cond_signal(&h->changed);
    (void)pthread_mutex_unlock(&h->mutex);
    join(h);
    if (h->error.code != OK) {
        return err_set(e, h->error.code, "%s", h->error.text);
    }
    unsigned char bytes[SHA256_BYTES];
    if (EVP_DigestFinal_ex(h->md, bytes, NULL) != 1) {
        return err_set(e, ERR_FAULT, "SHA-256 failed");
    }
    text_to_hex(ret_sha256, bytes, sizeof(bytes));
    return OK;
}
