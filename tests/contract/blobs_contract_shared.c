/* Several threads and several processes. */
#include "blobs_support.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"

#define THREADS 8

static char id[ID_SIZE];

static int new_id(void **state)
{
    (void)state;
    id_new(id);
    return 0;
}

/* ---- threads; they must not assert ---- */

struct upload {
    unsigned seed;
    bool is_right;
};

static void *upload_some(void *arg)
{
    struct upload *u = arg;
    u->is_right = true;
    for (int i = 0; i < 3; i++) {
        char own[ID_SIZE];
        int64_t size = CHUNK + (int64_t)u->seed * 300007;
        id_new(own);
        u->is_right = u->is_right && put_blob(engine.blobs, own, u->seed, size, 131072) == OK &&
                      has_bytes(engine.blobs, own, u->seed, size) &&
                      blobs_remove(engine.blobs, own, NULL) == OK;
    }
    return NULL;
}

static void check_parallel_uploads(void **state)
{
    pthread_t threads[THREADS];
    struct upload uploads[THREADS];
    (void)state;
    for (unsigned i = 0; i < THREADS; i++) {
        uploads[i] = (struct upload){ .seed = i };
        assert_int_equal(pthread_create(&threads[i], NULL, upload_some, &uploads[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_true(uploads[i].is_right);
    }
}

static atomic_int created;
static atomic_int refused;

static void *create_same(void *arg)
{
    struct blob_writer *w = NULL;
    struct blobs *b = arg;
    enum err err = blobs_create(b, id, &meta, &w, NULL);
    atomic_fetch_add(&created, err == OK);
    atomic_fetch_add(&refused, err == ERR_EXISTS);
    if (err == OK) {
        atomic_fetch_add(&created, blob_commit(w, NULL, NULL) != OK);
    }
    return NULL;
}

static void check_one_creator(void **state)
{
    pthread_t threads[THREADS];
    (void)state;
    for (int round = 0; round < 10; round++) {
        id_new(id);
        atomic_store(&created, 0);
        atomic_store(&refused, 0);
        for (unsigned i = 0; i < THREADS; i++) {
            struct blobs *b = i % 2 == 0 ? engine.blobs : engine.other;
            assert_int_equal(pthread_create(&threads[i], NULL, create_same, b), 0);
        }
        for (unsigned i = 0; i < THREADS; i++) {
            assert_int_equal(pthread_join(threads[i], NULL), 0);
        }
        assert_int_equal(atomic_load(&created), 1);
        assert_int_equal(atomic_load(&refused), THREADS - 1);
        assert_true(has_bytes(engine.blobs, id, 0, 0));
    }
}

#define GROWING_SIZE (12 * (int64_t)CHUNK + 4321)

static atomic_bool is_over;

struct follower {
    int64_t seen;
    int reads;
    bool is_right;
};

/* Reads what stat says is there, again and again. */
static void *follow_growth(void *arg)
{
    struct follower *f = arg;
    uint8_t *bytes = xmalloc(GROWING_SIZE);
    bool was_over = false;
    while (!was_over && f->is_right) {
        struct blob_stat st;
        size_t got = 0;
        was_over = atomic_load(&is_over);
        int64_t from = f->seen > 100 ? f->seen - 100 : 0;
        if (blobs_stat(engine.other, id, &st, NULL) != OK || st.size_bytes < f->seen) {
            f->is_right = false;
            break;
        }
        size_t len = (size_t)(st.size_bytes - from);
        if (len > 0) {
            f->is_right = blobs_pread(engine.other, id, from, bytes, len, &got, NULL) == OK &&
                          got == len && is_filled(20, from, bytes, got);
        }
        f->reads += st.size_bytes > f->seen && !st.is_committed;
        f->seen = st.size_bytes;
    }
    free(bytes);
    return NULL;
}

static void check_read_while_written(void **state)
{
    pthread_t threads[3];
    struct follower followers[3];
    struct blob_writer *w = NULL;
    (void)state;
    atomic_store(&is_over, false);
    assert_int_equal(blobs_create(engine.blobs, id, &meta, &w, NULL), OK);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        followers[i] = (struct follower){ .is_right = true };
        assert_int_equal(pthread_create(&threads[i], NULL, follow_growth, &followers[i]), 0);
    }
    enum err err = OK;
    for (int64_t at = 0; at < GROWING_SIZE && err == OK; at += 131072) {
        int64_t end = at + 131072 < GROWING_SIZE ? at + 131072 : GROWING_SIZE;
        err = write_span(w, 20, at, end, 131072);
        clock_sleep_ms(2);
    }
    enum err committed = blob_commit(w, NULL, NULL);
    atomic_store(&is_over, true);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_true(followers[i].is_right);
        assert_int_equal(followers[i].seen, GROWING_SIZE);
    }
    assert_int_equal(err, OK);
    assert_int_equal(committed, OK);
    assert_true(followers[0].reads + followers[1].reads + followers[2].reads > 0);
}

/* ---- processes ---- */

static void check_three_processes(void **state)
{
    const int64_t half = 4 * CHUNK + 1000;
    const int64_t size = 7 * CHUNK + 13;
    char expected[BLOB_SHA256_SIZE];
    struct blob_stat st;
    (void)state;
    assert_int_equal(run_role("write", id, 30, 0, half), 0);
    assert_int_equal(run_role("read", id, 30, 0, half), 0);
    assert_int_equal(run_role("write", id, 30, half, half + 5), 0);
    assert_int_equal(run_role("finish", id, 30, half + 5, size), 0);
    assert_int_equal(blobs_stat(engine.blobs, id, &st, NULL), OK);
    expected_sha256(30, size, expected);
    assert_true(st.is_committed);
    assert_string_equal(st.sha256, expected);
    assert_true(has_bytes(engine.blobs, id, 30, size));
}

/* A writer that is killed leaves a beginning, which another one goes on with. */
static void check_killed_writer(void **state)
{
    const int64_t size = 6 * CHUNK + 500;
    struct blob_stat st;
    struct blob_writer *w = NULL;
    int64_t offset = 0;
    (void)state;
    assert_int_equal(run_role("killed", id, 31, 0, size), 128 + 9);
    assert_int_equal(blobs_stat(engine.blobs, id, &st, NULL), OK);
    assert_false(st.is_committed);
    assert_true(st.size_bytes >= 4 * CHUNK && st.size_bytes <= size);
    assert_true(has_bytes(engine.blobs, id, 31, st.size_bytes));
    assert_int_equal(blobs_resume(engine.blobs, id, &w, &offset, NULL), OK);
    assert_int_equal(offset, st.size_bytes);
    assert_int_equal(write_span(w, 31, offset, size, 100000), OK);
    assert_int_equal(blob_commit(w, NULL, NULL), OK);
    assert_true(has_bytes(engine.other, id, 31, size));
}

#define CASE(function) cmocka_unit_test_setup(function, new_id)

int run_shared_cases(void)
{
    const struct CMUnitTest cases[] = {
        CASE(check_parallel_uploads), CASE(check_one_creator),   CASE(check_read_while_written),
        CASE(check_three_processes),  CASE(check_killed_writer),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
