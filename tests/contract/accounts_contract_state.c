/* Signing keys and the state of the throttle. */
#include "accounts_contract.h"

#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/id.h"
#include "core/text.h"

/* ---- signing keys ---- */

struct signing_key key_of(int64_t generation, const char *kid)
{
    struct signing_key key = { .generation = generation,
                               .created_at_ms = 1000,
                               .activates_at_ms = 1000 + generation };
    (void)text_copy(key.kid, sizeof(key.kid), kid);
    (void)snprintf(key.pem, sizeof(key.pem), "pem of %s\nsecond line\n", kid);
    return key;
}

void test_keys(void **state)
{
    const struct fixture *f = *state;
    struct signing_key keys[ACCOUNTS_KEYS_MAX];
    size_t count = 99;
    assert_int_equal(accounts_list_keys(f->a, keys, &count, NULL), OK);
    assert_int_equal(count, 0);

    const struct signing_key second = key_of(2, "two");
    assert_int_equal(accounts_add_key(f->a, &second, 5000, NULL), ERR_CONFLICT);
    const struct signing_key first = key_of(1, "one");
    assert_int_equal(accounts_add_key(f->a, &first, 0, NULL), OK);
    assert_int_equal(accounts_add_key(f->a, &first, 0, NULL), ERR_CONFLICT);
    assert_int_equal(accounts_add_key(f->a, &second, 5000, NULL), OK);
    /* A loser's whole change is undone, the predecessor's end too. */
    const struct signing_key late = key_of(2, "late");
    assert_int_equal(accounts_add_key(f->a, &late, 9000, NULL), ERR_CONFLICT);

    assert_int_equal(accounts_list_keys(f->a, keys, &count, NULL), OK);
    assert_int_equal(count, 2);
    assert_string_equal(keys[0].kid, "one");
    assert_string_equal(keys[0].pem, first.pem);
    assert_int_equal(keys[0].retires_at_ms, 5000);
    assert_int_equal(keys[1].generation, 2);
    assert_string_equal(keys[1].kid, "two");
    assert_int_equal(keys[1].created_at_ms, 1000);
    assert_int_equal(keys[1].activates_at_ms, 1002);
    assert_int_equal(keys[1].retires_at_ms, 0);

    assert_int_equal(accounts_prune_keys(f->a, 5000, NULL), OK);
    assert_int_equal(accounts_list_keys(f->a, keys, &count, NULL), OK);
    assert_int_equal(count, 2);
    assert_int_equal(accounts_prune_keys(f->a, 5001, NULL), OK);
    assert_int_equal(accounts_list_keys(f->a, keys, &count, NULL), OK);
    assert_int_equal(count, 1);
    assert_string_equal(keys[0].kid, "two");
}

static void *add_generations(void *arg)
{
    struct race *race = arg;
    for (int64_t generation = 1; generation <= 10; generation++) {
        char kid[ACCOUNT_KID_SIZE];
        id_new(kid);
        const struct signing_key key = key_of(generation, kid);
        const enum err code = accounts_add_key(race->a, &key, 5000 + generation, NULL);
        if (code == OK) {
            atomic_fetch_add(&race->won, 1);
        } else if (code != ERR_CONFLICT) {
            atomic_fetch_add(&race->wrong, 1);
        }
    }
    return NULL;
}

void test_keys_under_threads(void **state)
{
    const struct fixture *f = *state;
    struct race race = { .a = f->a };
    run_threads(add_generations, &race);
    assert_int_equal(atomic_load(&race.wrong), 0);
    assert_int_equal(atomic_load(&race.won), 10);
    struct signing_key keys[ACCOUNTS_KEYS_MAX];
    size_t count = 0;
    assert_int_equal(accounts_list_keys(f->a, keys, &count, NULL), OK);
    assert_int_equal(count, 10);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(keys[i].generation, i + 1);
        assert_int_equal(keys[i].retires_at_ms, i + 1 == count ? 0 : 5000 + (int64_t)i + 2);
    }
}

/* ---- the throttle ---- */

#define SUBJECT "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

void test_throttle(void **state)
{
    const struct fixture *f = *state;
    struct throttle_state s = { .version = 7 };
    assert_int_equal(accounts_get_throttle(f->a, SUBJECT, &s, NULL), OK);
    assert_int_equal(s.version, 0);
    assert_int_equal(s.failures, 0);
    s.failures = 3;
    s.window_started_at_ms = 1700000000123;
    s.locked_until_ms = 1700000005000;
    assert_int_equal(accounts_put_throttle(f->a, SUBJECT, &s, NULL), OK);
    assert_int_equal(accounts_put_throttle(f->a, SUBJECT, &s, NULL), ERR_CONFLICT);

    struct throttle_state got;
    assert_int_equal(accounts_get_throttle(f->a, SUBJECT, &got, NULL), OK);
    assert_int_equal(got.failures, 3);
    assert_int_equal(got.window_started_at_ms, 1700000000123);
    assert_int_equal(got.locked_until_ms, 1700000005000);
    assert_int_not_equal(got.version, 0);
    struct throttle_state stale = got;
    got.failures = 4;
    assert_int_equal(accounts_put_throttle(f->a, SUBJECT, &got, NULL), OK);
    assert_int_equal(accounts_put_throttle(f->a, SUBJECT, &stale, NULL), ERR_CONFLICT);

    /* It outlives the process. */
    struct accounts *again = NULL;
    assert_int_equal(accounts_open(f->url, 1, &again, NULL), OK);
    assert_int_equal(accounts_get_throttle(again, SUBJECT, &got, NULL), OK);
    assert_int_equal(got.failures, 4);
    accounts_close(again);

    assert_int_equal(accounts_prune_throttle(f->a, clock_wall_ms() - 60000, NULL), OK);
    assert_int_equal(accounts_get_throttle(f->a, SUBJECT, &got, NULL), OK);
    assert_int_equal(got.failures, 4);
    assert_int_equal(accounts_prune_throttle(f->a, clock_wall_ms() + 60000, NULL), OK);
    assert_int_equal(accounts_get_throttle(f->a, SUBJECT, &got, NULL), OK);
    assert_int_equal(got.version, 0);

    assert_int_equal(accounts_clear_throttle(f->a, SUBJECT, NULL), OK);
    assert_int_equal(accounts_put_throttle(f->a, SUBJECT, &got, NULL), OK);
    assert_int_equal(accounts_clear_throttle(f->a, SUBJECT, NULL), OK);
    assert_int_equal(accounts_get_throttle(f->a, SUBJECT, &got, NULL), OK);
    assert_int_equal(got.version, 0);
}

static void *count_up(void *arg)
{
    struct race *race = arg;
    for (int i = 0; i < 10; i++) {
        enum err code = ERR_CONFLICT;
        while (code == ERR_CONFLICT) {
            struct throttle_state s;
            code = accounts_get_throttle(race->a, SUBJECT, &s, NULL);
            s.failures++;
            code = code == OK ? accounts_put_throttle(race->a, SUBJECT, &s, NULL) : code;
        }
        if (code != OK) {
            atomic_fetch_add(&race->wrong, 1);
        }
    }
    return NULL;
}

void test_throttle_under_threads(void **state)
{
    const struct fixture *f = *state;
    struct race race = { .a = f->a };
    run_threads(count_up, &race);
    assert_int_equal(atomic_load(&race.wrong), 0);
    struct throttle_state s;
    assert_int_equal(accounts_get_throttle(f->a, SUBJECT, &s, NULL), OK);
    assert_int_equal(s.failures, THREADS * 10);
}
