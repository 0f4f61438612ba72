/* Logins: who gets in, who has to wait, and that nobody can tell an unknown user from a wrong
 * password by the time it takes (reliability A5). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "auth/login.h"
#include "auth/passwords.h"
#include "core/clock.h"
#include "core/text.h"
#include "store.h"

#define EMAIL "ann@example.org"
#define PASSWORD "correct horse battery"
#define ADDRESS "203.0.113.9"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SAMPLES 40
#else
#define SAMPLES 200
#endif

struct fixture {
    struct store store;
    struct login login;
    struct account account;
};

static int set_up(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));
    store_open(&f->store);
    f->login.accounts = f->store.accounts;
    f->login.gate = gate_new(2, 32);
    f->login.limits = (struct throttle_limits){ 5, 900 * 1000LL, 20 };
    assert_int_equal(login_init(&f->login, NULL), OK);
    char hash[ACCOUNT_HASH_SIZE];
    assert_int_equal(passwords_hash(PASSWORD, hash, NULL), OK);
    assert_int_equal(accounts_add(f->store.accounts, EMAIL, hash, true, &f->account, NULL), OK);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    gate_free(f->login.gate);
    store_close(&f->store);
    free(f);
    return 0;
}

static enum login_result login_from(struct fixture *f, const char *email, const char *password,
                                    const char *address)
{
    struct login_outcome outcome;
    login_try(&f->login, email, password, address, &outcome);
    if (outcome.result == LOGIN_OK) {
        assert_string_equal(outcome.account.email, EMAIL);
        assert_true(outcome.account.is_admin);
    }
    if (outcome.result == LOGIN_THROTTLED) {
        assert_true(outcome.retry_after_s > 0);
    }
    return outcome.result;
}

static enum login_result log_in(struct fixture *f, const char *email, const char *password)
{
    return login_from(f, email, password, ADDRESS);
}

static void test_who_gets_in(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(log_in(f, EMAIL, PASSWORD), LOGIN_OK);
    assert_int_equal(log_in(f, "ANN@Example.org", PASSWORD), LOGIN_OK);
    assert_int_equal(log_in(f, EMAIL, "wrong horse battery"), LOGIN_DENIED);
    assert_int_equal(log_in(f, EMAIL, ""), LOGIN_DENIED);
    assert_int_equal(log_in(f, EMAIL, PASSWORD " "), LOGIN_DENIED);
    assert_int_equal(log_in(f, "bob@example.org", PASSWORD), LOGIN_DENIED);
    assert_int_equal(log_in(f, "no address", PASSWORD), LOGIN_DENIED);
    assert_int_equal(log_in(f, "", ""), LOGIN_DENIED);
    f->account.is_disabled = true;
    assert_int_equal(accounts_update(f->store.accounts, &f->account, NULL), OK);
    assert_int_equal(log_in(f, EMAIL, PASSWORD), LOGIN_DENIED);
}

static void test_account_is_locked(void **state)
{
    struct fixture *f = *state;
    char address[32];
    for (int i = 0; i < 5; i++) {
        (void)snprintf(address, sizeof(address), "203.0.113.%d", i);
        assert_int_equal(login_from(f, EMAIL, "wrong", address), LOGIN_DENIED);
    }
    /* Locked for a second: even with the right password, from wherever, also when asked often. */
    assert_int_equal(login_from(f, EMAIL, PASSWORD, "198.51.100.1"), LOGIN_THROTTLED);
    assert_int_equal(login_from(f, EMAIL, PASSWORD, "198.51.100.1"), LOGIN_THROTTLED);
    clock_sleep_ms(1100);
    assert_int_equal(log_in(f, EMAIL, PASSWORD), LOGIN_OK);
    /* That forgot the failures. */
    for (int i = 0; i < 4; i++) {
        assert_int_equal(log_in(f, EMAIL, "wrong"), LOGIN_DENIED);
    }
    assert_int_equal(log_in(f, EMAIL, PASSWORD), LOGIN_OK);
}

/* An unknown account is locked like a known one, or the lock would tell. */
static void test_unknown_account_is_locked_too(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(log_in(f, "bob@example.org", "wrong"), LOGIN_DENIED);
    }
    assert_int_equal(log_in(f, "Bob@example.org", "wrong"), LOGIN_THROTTLED);
}

static void test_address_is_locked(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 20; i++) {
        char email[64];
        (void)snprintf(email, sizeof(email), "user%d@example.org", i);
        assert_int_equal(login_from(f, email, "wrong", "2001:db8::1"), LOGIN_DENIED);
    }
    assert_int_equal(login_from(f, EMAIL, PASSWORD, "2001:db8::2"), LOGIN_THROTTLED);
    assert_int_equal(login_from(f, EMAIL, PASSWORD, "2001:db8:0:1::1"), LOGIN_OK);
}

static void test_old_hash_is_renewed(void **state)
{
    struct fixture *f = *state;
    (void)text_copy(f->account.password_hash, sizeof(f->account.password_hash),
                    "$argon2id$v=19$m=8192,t=1,p=1$c29tZXNhbHQxNmJ5dGVzIQ$b0eg/"
                    "PthysL9I2NlkQfTWvx3UsqP6u0wu47YeXIsRLE");
    assert_int_equal(accounts_update(f->store.accounts, &f->account, NULL), OK);
    struct account now;
    assert_int_equal(log_in(f, EMAIL, "wrong password"), LOGIN_DENIED);
    assert_int_equal(accounts_find(f->store.accounts, EMAIL, &now, NULL), OK);
    assert_true(passwords_needs_rehash(now.password_hash));
    assert_int_equal(log_in(f, EMAIL, "an old password"), LOGIN_OK);
    assert_int_equal(accounts_find(f->store.accounts, EMAIL, &now, NULL), OK);
    assert_false(passwords_needs_rehash(now.password_hash));
    assert_int_equal(log_in(f, EMAIL, "an old password"), LOGIN_OK);
}

static void test_database_away(void **state)
{
    struct fixture *f = *state;
    struct accounts *away = NULL;
    assert_int_equal(accounts_open("mysql://u@127.0.0.1:1/none", 1, &away, NULL), OK);
    f->login.accounts = away;
    assert_int_equal(log_in(f, EMAIL, PASSWORD), LOGIN_UNAVAILABLE);
    f->login.accounts = f->store.accounts;
    accounts_close(away);
}

/* Threads that guess at once get no more tries than the limit and the slots allow. */
struct guesser {
    struct fixture *f;
    atomic_int tried;
    atomic_int busy;
};

static void *guess(void *arg)
{
    struct guesser *g = arg;
    for (int i = 0; i < 4; i++) {
        struct login_outcome outcome;
        login_try(&g->f->login, EMAIL, "wrong", ADDRESS, &outcome);
        if (outcome.result == LOGIN_DENIED) {
            atomic_fetch_add(&g->tried, 1);
        } else if (outcome.result != LOGIN_THROTTLED) {
            atomic_fetch_add(&g->busy, 1);
        }
    }
    return NULL;
}

static void test_guessing_in_parallel(void **state)
{
    struct fixture *f = *state;
    struct guesser g = { .f = f };
    pthread_t threads[16];
    const int64_t start_ms = clock_mono_ms();
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, guess, &g), 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        pthread_join(threads[i], NULL);
    }
    /* 5, one more in the second slot, and as many as there are slots for each lock that ran out. */
    const int expired = 1 + (int)((clock_mono_ms() - start_ms) / 1000);
    assert_int_equal(atomic_load(&g.busy), 0);
    assert_true(atomic_load(&g.tried) >= 5);
    assert_true(atomic_load(&g.tried) <= 5 + 1 + 2 * expired);
}

static int compare_times(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a;
    const int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int64_t time_of(struct fixture *f, const char *email, int i)
{
    /* A name of its own each time for the address and a fresh throttle for the account: what is
     * measured is a failure that is not locked. */
    char address[32];
    (void)snprintf(address, sizeof(address), "10.0.%d.%d", i / 200, i % 200);
    const int64_t start_us = clock_mono_us();
    const enum login_result result = login_from(f, email, "wrong horse battery", address);
    const int64_t took_us = clock_mono_us() - start_us;
    assert_int_equal(result, LOGIN_DENIED);
    assert_int_equal(throttle_clear(f->store.accounts, THROTTLE_ACCOUNT, email, NULL), OK);
    return took_us;
}

/* One measurement: the median of the differences of neighbours, against 5 % or 3 ms. Neighbours
 * meet the same spell of a busy machine, and which kind comes first alternates. */
static bool is_alike(struct fixture *f)
{
    static int64_t known[SAMPLES];
    static int64_t difference[SAMPLES];
    for (int i = 0; i < SAMPLES; i++) {
        const bool is_known_first = i % 2 == 0;
        const int64_t first = time_of(f, is_known_first ? EMAIL : "bob@example.org", i);
        const int64_t second = time_of(f, is_known_first ? "bob@example.org" : EMAIL, i);
        known[i] = is_known_first ? first : second;
        difference[i] = is_known_first ? first - second : second - first;
    }
    qsort(known, SAMPLES, sizeof(known[0]), compare_times);
    qsort(difference, SAMPLES, sizeof(difference[0]), compare_times);
    const int64_t median_us = known[SAMPLES / 2];
    const int64_t off_us = llabs(difference[SAMPLES / 2]);
    printf("%d pairs: median %.2f ms, of the differences %.3f ms\n", SAMPLES,
           (double)median_us / 1000, (double)off_us / 1000);
    return off_us * 20 < median_us || off_us < 3000;
}

static void test_unknown_user_takes_as_long(void **state)
{
    struct fixture *f = *state;
    f->login.limits.address_failures = 1000;
    /* Noise can make two equal things differ, but hardly three times in a row. */
    bool ok = false;
    for (int i = 0; i < 3 && !ok; i++) {
        ok = is_alike(f);
    }
    assert_true(ok);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_who_gets_in),
        CASE(test_account_is_locked),
        CASE(test_unknown_account_is_locked_too),
        CASE(test_address_is_locked),
        CASE(test_old_hash_is_renewed),
        CASE(test_database_away),
        CASE(test_guessing_in_parallel),
        CASE(test_unknown_user_takes_as_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
