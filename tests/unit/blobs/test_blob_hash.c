#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <pthread.h>
#include <string.h>

#include "blobs/blob_hash.h"

#define SIZE ((size_t)5 * 1024 * 1024 + 77)

/* A store in memory, as a follower sees it. */
struct store {
    pthread_mutex_t mutex;
    char *bytes;
    int64_t fails_from; /* -1: never */
};

static enum err read_store(void *ctx, int64_t offset, void *dst, size_t len, struct error *e)
{
    struct store *s = ctx;
    if (s->fails_from >= 0 && offset >= s->fails_from) {
        return err_set(e, ERR_CORRUPT, "broken at %lld", (long long)offset);
    }
    (void)pthread_mutex_lock(&s->mutex);
    memcpy(dst, s->bytes + offset, len);
    (void)pthread_mutex_unlock(&s->mutex);
    return OK;
}

static struct store new_store(void)
{
    struct store s = { .fails_from = -1, .bytes = xcalloc(1, SIZE) };
    (void)pthread_mutex_init(&s.mutex, NULL);
    return s;
}

static void store_bytes(struct store *s, size_t offset, const char *bytes, size_t len)
{
    (void)pthread_mutex_lock(&s->mutex);
    memcpy(s->bytes + offset, bytes, len);
    (void)pthread_mutex_unlock(&s->mutex);
}

/* Without a thread: the figure to compare with. */
static void plain_hash(const char *bytes, size_t len, char ret_sha256[BLOB_SHA256_SIZE])
{
    struct blob_hash *h = blob_hash_new(NULL, NULL);
    blob_hash_update(h, bytes, len);
    assert_int_equal(blob_hash_finish(h, ret_sha256, NULL), OK);
    blob_hash_free(h);
}

static void check_known_digest(void **state)
{
    char sha256[BLOB_SHA256_SIZE];
    (void)state;
    plain_hash("abc", 3, sha256);
    assert_string_equal(sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    plain_hash("", 0, sha256);
    assert_string_equal(sha256, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void check_follower(void **state)
{
    static const size_t slices[] = { 1000, 131072, 262144, 1048576, 1048577, SIZE };
    char *bytes = xmalloc(SIZE);
    char expected[BLOB_SHA256_SIZE];
    (void)state;
    for (size_t i = 0; i < SIZE; i++) {
        bytes[i] = (char)(i * 31 + (i >> 9));
    }
    plain_hash(bytes, SIZE, expected);
    for (size_t i = 0; i < ARRAY_LEN(slices); i++) {
        char sha256[BLOB_SHA256_SIZE];
        struct store s = new_store();
        struct blob_hash *h = blob_hash_new(read_store, &s);
        for (size_t at = 0; at < SIZE; at += slices[i]) {
            size_t len = slices[i] < SIZE - at ? slices[i] : SIZE - at;
            store_bytes(&s, at, bytes + at, len);
            blob_hash_update(h, bytes + at, len);
        }
        assert_int_equal(blob_hash_finish(h, sha256, NULL), OK);
        assert_string_equal(sha256, expected);
        blob_hash_free(h);
        free(s.bytes);
    }
    free(bytes);
}

/* Goes on behind bytes that were there: on the thread, or in the caller. */
static void check_stored(void **state)
{
    static const size_t stored[] = { 1, 1000000, 3000000, SIZE };
    char expected[BLOB_SHA256_SIZE];
    struct store s = new_store();
    (void)state;
    plain_hash(s.bytes, SIZE, expected);
    for (size_t i = 0; i < 2 * ARRAY_LEN(stored); i++) {
        char sha256[BLOB_SHA256_SIZE];
        size_t len = stored[i / 2];
        struct blob_hash *h = blob_hash_new(i % 2 == 0 ? read_store : NULL, &s);
        assert_int_equal(blob_hash_stored(h, (int64_t)len, read_store, &s, NULL), OK);
        for (size_t at = len; at < SIZE; at += 100000) {
            blob_hash_update(h, s.bytes + at, SIZE - at < 100000 ? SIZE - at : 100000);
        }
        assert_int_equal(blob_hash_finish(h, sha256, NULL), OK);
        assert_string_equal(sha256, expected);
        blob_hash_free(h);
    }
    free(s.bytes);
}

static void check_broken_store(void **state)
{
    char sha256[BLOB_SHA256_SIZE] = "untouched";
    struct error e;
    struct store s = new_store();
    (void)state;
    s.fails_from = 2000000;
    struct blob_hash *h = blob_hash_new(read_store, &s);
    blob_hash_update(h, s.bytes, 1000);
    blob_hash_update(h, s.bytes + 1000, SIZE - 1000);
    assert_int_equal(blob_hash_finish(h, sha256, &e), ERR_CORRUPT);
    assert_non_null(strstr(e.text, "broken at"));
    assert_string_equal(sha256, "untouched");
    blob_hash_free(h);
    s.fails_from = 0;
    h = blob_hash_new(NULL, NULL);
    assert_int_equal(blob_hash_stored(h, 10, read_store, &s, NULL), ERR_CORRUPT);
    blob_hash_free(h);
    free(s.bytes);
}

static void check_free_while_it_runs(void **state)
{
    struct store s = new_store();
    (void)state;
    for (int i = 0; i < 20; i++) {
        struct blob_hash *h = blob_hash_new(read_store, &s);
        blob_hash_update(h, s.bytes, SIZE);
        blob_hash_free(h);
    }
    blob_hash_free(NULL);
    free(s.bytes);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(check_known_digest),
        cmocka_unit_test(check_follower),
        cmocka_unit_test(check_stored),
        cmocka_unit_test(check_broken_store),
        cmocka_unit_test(check_free_while_it_runs),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
