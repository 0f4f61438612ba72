/* The rules of the throttle, and that they hold in the database. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>

#include "auth/throttle.h"
#include "store.h"

#define NOW 1800000000000LL
#define SECOND 1000LL
#define MINUTE (60 * SECOND)

static const struct throttle_limits limits = { .account_failures = 5,
                                               .account_lock_max_ms = 15 * MINUTE,
                                               .address_failures = 20 };

static void test_account_locks_double(void **state)
{
    (void)state;
    static const int64_t locks_s[] = {
        0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900
    };
    struct throttle_state s = { 0 };
    int64_t now_ms = NOW;
    for (size_t i = 0; i < ARRAY_LEN(locks_s); i++) {
        assert_int_equal(throttle_wait_ms(&limits, THROTTLE_ACCOUNT, &s, now_ms), 0);
        throttle_count(&limits, THROTTLE_ACCOUNT, &s, now_ms);
        assert_int_equal(throttle_wait_ms(&limits, THROTTLE_ACCOUNT, &s, now_ms),
                         locks_s[i] * SECOND);
        if (locks_s[i] > 0) {
            assert_int_equal(
                throttle_wait_ms(&limits, THROTTLE_ACCOUNT, &s, now_ms + locks_s[i] * SECOND - 1),
                1);
        }
        now_ms += locks_s[i] * SECOND;
    }
    for (int i = 0; i < 200; i++) { /* no overflow */
        throttle_count(&limits, THROTTLE_ACCOUNT, &s, now_ms);
        assert_int_equal(throttle_wait_ms(&limits, THROTTLE_ACCOUNT, &s, now_ms), 15 * MINUTE);
    }
    /* A day without a failure forgets all of them. */
    now_ms += THROTTLE_MEMORY_MS;
    throttle_count(&limits, THROTTLE_ACCOUNT, &s, now_ms);
    assert_int_equal(s.failures, 1);
}

static void test_address_window(void **state)
{
    (void)state;
    struct throttle_state s = { 0 };
    for (int i = 0; i < 20; i++) {
        assert_int_equal(throttle_wait_ms(&limits, THROTTLE_ADDRESS, &s, NOW + i * SECOND), 0);
        throttle_count(&limits, THROTTLE_ADDRESS, &s, NOW + i * SECOND);
    }
    assert_int_equal(throttle_wait_ms(&limits, THROTTLE_ADDRESS, &s, NOW + 20 * SECOND),
                     40 * SECOND);
    assert_int_equal(throttle_wait_ms(&limits, THROTTLE_ADDRESS, &s, NOW + MINUTE), 0);
    throttle_count(&limits, THROTTLE_ADDRESS, &s, NOW + MINUTE);
    assert_int_equal(s.failures, 1);
}

static void test_clock_set_back(void **state)
{
    (void)state;
    struct throttle_state s = { 0 };
    for (int i = 0; i < 30; i++) {
        throttle_count(&limits, THROTTLE_ACCOUNT, &s, NOW);
    }
    assert_int_equal(throttle_wait_ms(&limits, THROTTLE_ACCOUNT, &s, NOW - 31536000 * SECOND),
                     15 * MINUTE);
    struct throttle_state a = { 0 };
    for (int i = 0; i < 30; i++) {
        throttle_count(&limits, THROTTLE_ADDRESS, &a, NOW);
    }
    assert_int_equal(throttle_wait_ms(&limits, THROTTLE_ADDRESS, &a, NOW - 86400 * SECOND), MINUTE);
    throttle_count(&limits, THROTTLE_ADDRESS, &a, NOW - 86400 * SECOND);
    assert_int_equal(a.failures, 1);
}

static int64_t wait_of(struct store *s, enum throttle_kind kind, const char *name)
{
    int64_t wait_ms = -1;
    assert_int_equal(throttle_check(s->accounts, &limits, kind, name, NOW, &wait_ms, NULL), OK);
    return wait_ms;
}

static void test_in_the_database(void **state)
{
    struct store *s = *state;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(wait_of(s, THROTTLE_ACCOUNT, "ann@example.org"), 0);
        assert_int_equal(throttle_fail(s->accounts, &limits, THROTTLE_ACCOUNT,
                                       i % 2 == 0 ? "ann@example.org" : "ANN@example.ORG", NOW,
                                       NULL),
                         OK);
    }
    assert_int_equal(wait_of(s, THROTTLE_ACCOUNT, "Ann@Example.org"), SECOND);
    assert_int_equal(wait_of(s, THROTTLE_ACCOUNT, "bob@example.org"), 0);
    assert_int_equal(wait_of(s, THROTTLE_ADDRESS, "ann@example.org"), 0);
    assert_int_equal(throttle_clear(s->accounts, THROTTLE_ACCOUNT, "ann@EXAMPLE.org", NULL), OK);
    assert_int_equal(wait_of(s, THROTTLE_ACCOUNT, "ann@example.org"), 0);
}

static void *fail_often(void *arg)
{
    struct store *s = arg;
    for (int i = 0; i < 5; i++) {
        if (throttle_fail(s->accounts, &limits, THROTTLE_ADDRESS, "203.0.113.9", NOW, NULL) != OK) {
            return s;
        }
    }
    return NULL;
}

static void test_no_failure_is_lost_among_threads(void **state)
{
    struct store *s = *state;
    pthread_t threads[4];
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, fail_often, s), 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        void *failed = NULL;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    assert_int_equal(wait_of(s, THROTTLE_ADDRESS, "203.0.113.9"), MINUTE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_account_locks_double),
        cmocka_unit_test(test_address_window),
        cmocka_unit_test(test_clock_set_back),
        STORE_CASE(test_in_the_database),
        STORE_CASE(test_no_failure_is_lost_among_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
