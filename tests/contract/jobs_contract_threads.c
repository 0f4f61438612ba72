/* Eight threads at once. Assertions are made by the main thread: cmocka's jump out of a test. */
#include "jobs_contract.h"

#include <pthread.h>
#include <stdatomic.h>

#define THREADS 8
#define JOBS 100

static struct job made[JOBS];
static atomic_int claims[JOBS];
static atomic_int others;

void in_eight_threads(void *(*body)(void *))
{
    pthread_t threads[THREADS];
    int numbers[THREADS];
    for (int i = 0; i < THREADS; i++) {
        numbers[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, body, &numbers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
}

static void *claim_all(void *arg)
{
    (void)arg;
    for (int i = 0; i < JOBS; i++) {
        struct job j;
        enum err err = jobs_claim(store, made[i].id, LEASE_MS, "", false, &j, NULL);
        if (err == OK) {
            atomic_fetch_add(&claims[i], 1);
        } else if (err != ERR_CONFLICT) {
            atomic_fetch_add(&others, 1);
        }
    }
    return NULL;
}

static void test_each_job_is_claimed_once(void **state)
{
    (void)state;
    atomic_store(&others, 0);
    for (int i = 0; i < JOBS; i++) {
        made[i] = new_job(OWNER);
        atomic_store(&claims[i], 0);
    }
    in_eight_threads(claim_all);
    assert_int_equal(atomic_load(&others), 0);
    for (int i = 0; i < JOBS; i++) {
        assert_int_equal(atomic_load(&claims[i]), 1);
        struct job now = reload(&made[i]);
        assert_int_equal(now.attempt, 1);
        assert_int_equal(now.rev, 2);
    }
}

static atomic_int wins;

static void *create_with_the_key(void *arg)
{
    (void)arg;
    struct job j;
    job_init(&j, OWNER);
    (void)text_copy(j.idempotency_key, sizeof(j.idempotency_key), "the key");
    enum err err = jobs_create(store, &j, NULL);
    if (err == OK) {
        atomic_fetch_add(&wins, 1);
    } else if (err != ERR_EXISTS) {
        atomic_fetch_add(&others, 1);
    }
    return NULL;
}

static void test_one_key_makes_one_job(void **state)
{
    (void)state;
    for (int round = 1; round <= 5; round++) {
        atomic_store(&others, 0);
        atomic_store(&wins, 0);
        in_eight_threads(create_with_the_key);
        assert_int_equal(atomic_load(&wins), 1);
        assert_int_equal(atomic_load(&others), 0);
        struct job j;
        assert_ok(jobs_get_by_key(store, OWNER, "the key", &j, NULL));
        assert_ok(jobs_remove(store, j.id, OWNER, NULL));
    }
}

/* Half of the threads finish the job, half cancel it: one side wins, all others are told so. */
static void *finish_or_cancel(void *arg)
{
    struct job j = made[0];
    enum err err = OK;
    if (*(int *)arg % 2 == 0) {
        j.state = JOB_SUCCEEDED;
        id_new(j.mp3_fid);
        err = jobs_finish(store, &j, NULL);
    } else {
        err = jobs_cancel(store, j.id, OWNER, &j, NULL);
    }
    if (err == OK) {
        atomic_fetch_add(&wins, 1);
    } else if (err != ERR_CONFLICT && err != ERR_CANCELLED && err != ERR_EXISTS) {
        atomic_fetch_add(&others, 1);
    }
    return NULL;
}

static void test_a_job_ends_once(void **state)
{
    (void)state;
    for (int round = 0; round < 10; round++) {
        atomic_store(&others, 0);
        atomic_store(&wins, 0);
        made[0] = new_running(LEASE_MS);
        in_eight_threads(finish_or_cancel);
        assert_int_equal(atomic_load(&wins), 1);
        assert_int_equal(atomic_load(&others), 0);
        assert_int_equal(reload(&made[0]).rev, made[0].rev + 1);
    }
}

const struct CMUnitTest thread_cases[] = {
    CASE(test_each_job_is_claimed_once),
    CASE(test_one_key_makes_one_job),
    CASE(test_a_job_ends_once),
};
const size_t thread_case_count = ARRAY_LEN(thread_cases);
