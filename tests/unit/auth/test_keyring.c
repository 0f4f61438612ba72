/* Which key signs, which are published, and that processes agree. The clock is the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "auth/keyring.h"
#include "core/clock.h"
#include "core/text.h"
#include "store.h"

#define START 1800000000000LL
#define MINUTE (60 * 1000LL)
#define DAY (86400 * 1000LL)

static _Atomic int64_t now_ms;

static int64_t test_clock(void)
{
    return atomic_load(&now_ms);
}

static void advance(int64_t ms)
{
    atomic_fetch_add(&now_ms, ms);
}

static struct keyring *new_ring(struct accounts *a)
{
    const struct keyring_options options = {
        .accounts = a, .rotation_ms = 30 * DAY, .wall_ms = test_clock, .mono_ms = test_clock
    };
    struct keyring *k = NULL;
    assert_int_equal(keyring_new(&options, &k, NULL), OK);
    return k;
}

static struct token_jwks *published(struct keyring *k)
{
    AUTO(mem_free) char *json = NULL;
    struct token_jwks *jwks = NULL;
    assert_int_equal(keyring_jwks(k, &json, NULL), OK);
    assert_null(strstr(json, "\"d\""));
    assert_int_equal(token_jwks_parse(json, &jwks, NULL), OK);
    return jwks;
}

static size_t published_count(struct keyring *k)
{
    AUTO(mem_free) char *json = NULL;
    assert_int_equal(keyring_jwks(k, &json, NULL), OK);
    size_t count = 0;
    for (const char *p = strstr(json, "\"kid\""); p != NULL; p = strstr(p + 1, "\"kid\"")) {
        count++;
    }
    return count;
}

/* The kid of the token that k signs now: the header's text up to the first dot tells them apart. */
static char *sign(struct keyring *k)
{
    struct token_claims c = { .issued_at_s = clock_wall_ms() / 1000 };
    c.expires_at_s = c.issued_at_s + 900;
    (void)text_copy(c.subject, sizeof(c.subject), "s");
    (void)text_copy(c.username, sizeof(c.username), "ann@example.org");
    char *token = NULL;
    assert_int_equal(keyring_sign(k, "unreel", "unreel", &c, &token, NULL), OK);
    return token;
}

static bool is_same_key(const char *a, const char *b)
{
    const size_t len = strcspn(a, ".");
    return strcspn(b, ".") == len && strncmp(a, b, len) == 0;
}

static bool verifies(struct keyring *k, const char *token)
{
    AUTO(token_jwks_free) struct token_jwks *jwks = published(k);
    struct token_claims claims;
    return token_verify(token, jwks, "unreel", "unreel", &claims, NULL) == OK;
}

static void test_first_key(void **state)
{
    struct store *s = *state;
    atomic_store(&now_ms, START);
    struct keyring *one = new_ring(s->accounts);
    struct keyring *two = new_ring(s->accounts);
    AUTO(mem_free) char *a = sign(one);
    AUTO(mem_free) char *b = sign(two);
    assert_true(is_same_key(a, b));
    assert_int_equal(published_count(one), 1);
    assert_true(verifies(two, a));
    keyring_free(one);
    keyring_free(two);
}

static void test_rotation_overlaps(void **state)
{
    struct store *s = *state;
    atomic_store(&now_ms, START);
    struct keyring *k = new_ring(s->accounts);
    struct keyring *other = new_ring(s->accounts); /* another process */
    AUTO(mem_free) char *old = sign(k);
    advance(30 * DAY - 1);
    assert_int_equal(published_count(k), 1);
    advance(MINUTE);
    /* Due: published at once, and signs not before 10 min later. */
    assert_int_equal(published_count(k), 2);
    AUTO(mem_free) char *still = sign(k);
    assert_true(is_same_key(old, still));
    advance(10 * MINUTE);
    AUTO(mem_free) char *still_10 = sign(k);
    assert_true(is_same_key(old, still_10));
    AUTO(mem_free) char *other_10 = sign(other);
    assert_true(is_same_key(old, other_10));
    assert_int_equal(published_count(other), 2);
    advance(MINUTE);
    AUTO(mem_free) char *new = sign(k);
    AUTO(mem_free) char *other_new = sign(other);
    assert_false(is_same_key(old, new));
    assert_true(is_same_key(new, other_new));
    assert_true(verifies(k, old) && verifies(other, old) && verifies(k, new));
    /* The longest token that the old one signed has expired after a day. */
    advance(DAY);
    assert_int_equal(published_count(k), 2);
    assert_true(verifies(k, old));
    advance(11 * MINUTE);
    assert_int_equal(published_count(k), 1);
    assert_false(verifies(k, old));
    assert_true(verifies(k, new));
    keyring_free(k);
    keyring_free(other);
}

static void test_command(void **state)
{
    struct store *s = *state;
    atomic_store(&now_ms, START);
    struct signing_key key;
    struct error e;
    assert_int_equal(keyring_rotate(s->accounts, START, &key, &e), OK);
    assert_int_equal(key.activates_at_ms, START); /* the first one has nobody to wait for */
    assert_string_equal(key.pem, "");
    assert_int_equal(keyring_rotate(s->accounts, START + 1, &key, &e), OK);
    assert_int_equal(key.activates_at_ms, START + 1 + KEYRING_PUBLISH_MS);
    assert_int_equal(keyring_rotate(s->accounts, START + 2, &key, &e), ERR_EXISTS);
    /* However often it is called, the set stays small enough for every verifier. */
    int made = 0;
    for (int i = 1; i < 100; i++) {
        made += keyring_rotate(s->accounts, START + 12 * MINUTE * i, &key, &e) == OK ? 1 : 0;
    }
    assert_int_equal(made, 6);
    atomic_store(&now_ms, START + 1200 * MINUTE);
    struct keyring *k = new_ring(s->accounts);
    assert_int_equal(published_count(k), 8);
    keyring_free(k);
    assert_int_equal(keyring_rotate(s->accounts, START + 10 * DAY, &key, &e), OK);
}

struct race {
    struct keyring *k;
    char *token;
};

static void *sign_first(void *arg)
{
    struct race *race = arg;
    struct token_claims c = { .issued_at_s = 1, .expires_at_s = 2 };
    (void)text_copy(c.subject, sizeof(c.subject), "s");
    (void)text_copy(c.username, sizeof(c.username), "u");
    if (keyring_sign(race->k, "unreel", "unreel", &c, &race->token, NULL) != OK) {
        race->token = NULL;
    }
    return NULL;
}

static void test_eight_start_at_once(void **state)
{
    struct store *s = *state;
    atomic_store(&now_ms, START);
    struct race races[8];
    pthread_t threads[8];
    for (int i = 0; i < 8; i++) {
        races[i].k = i % 2 == 0 ? new_ring(s->accounts) : races[i - 1].k;
        assert_int_equal(pthread_create(&threads[i], NULL, sign_first, &races[i]), 0);
    }
    for (int i = 0; i < 8; i++) {
        pthread_join(threads[i], NULL);
        assert_non_null(races[i].token);
        assert_true(is_same_key(races[0].token, races[i].token));
    }
    for (int i = 0; i < 8; i++) {
        free(races[i].token);
        if (i % 2 == 0) {
            keyring_free(races[i].k);
        }
    }
}

static void test_database_away(void **state)
{
    (void)state;
    atomic_store(&now_ms, START);
    struct accounts *away = NULL;
    assert_int_equal(accounts_open("mysql://u@127.0.0.1:1/none", 1, &away, NULL), OK);
    struct keyring *k = new_ring(away);
    struct error e = { 0 };
    char *json = NULL;
    assert_int_equal(keyring_refresh(k, &e), ERR_BUSY);
    assert_int_equal(keyring_jwks(k, &json, &e), ERR_BUSY);
    keyring_free(k);

    /* A fixed key needs none. */
    AUTO(token_key_free) struct token_key *key = NULL;
    assert_int_equal(token_key_generate(&key, NULL), OK);
    AUTO(mem_free) char *pem = token_key_to_pem(key);
    const struct keyring_options fixed = { .accounts = away, .fixed_pem = pem };
    assert_int_equal(keyring_new(&fixed, &k, NULL), OK);
    assert_int_equal(keyring_refresh(k, &e), OK);
    AUTO(mem_free) char *token = sign(k);
    AUTO(token_jwks_free) struct token_jwks *jwks = published(k);
    assert_true(token_jwks_has(jwks, token_key_kid(key)));
    assert_true(verifies(k, token));
    keyring_free(k);

    const struct keyring_options broken = { .accounts = away, .fixed_pem = "no key" };
    assert_int_equal(keyring_new(&broken, &k, &e), ERR_INVALID);
    accounts_close(away);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_CASE(test_first_key),
        STORE_CASE(test_rotation_overlaps),
        STORE_CASE(test_command),
        STORE_CASE(test_eight_start_at_once),
        cmocka_unit_test(test_database_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
