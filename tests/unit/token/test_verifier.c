/* The cache of key sets: when it fetches, and when it does not. The clock is the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "core/clock.h"
#include "core/text.h"
#include "token/verifier.h"
#include "token/verifier_impl.h"

#define WALL_S 1800000000
#define MINUTE_MS (60 * 1000LL)
#define HOUR_MS (60 * MINUTE_MS)

static _Atomic int64_t now_ms;

static int64_t mono(void)
{
    return atomic_load(&now_ms);
}

static _Atomic int64_t wall_offset_s;

static int64_t wall(void)
{
    return ((int64_t)WALL_S + atomic_load(&wall_offset_s)) * 1000;
}

/* What stands in for auth. */
struct server {
    struct token_key *keys[2];
    pthread_mutex_t lock;
    int published; /* how many of the keys are in the set */
    bool is_down;
    bool is_broken; /* answers something else */
    int fetches;
    _Atomic int inside;
    _Atomic bool was_shared; /* two fetches at once */
    int delay_ms;
};

static enum err fetch(void *ctx, char **ret_json, struct error *e)
{
    struct server *s = ctx;
    if (atomic_fetch_add(&s->inside, 1) != 0) {
        atomic_store(&s->was_shared, true);
    }
    if (s->delay_ms > 0) {
        clock_sleep_ms(s->delay_ms);
    }
    pthread_mutex_lock(&s->lock);
    s->fetches++;
    enum err code = OK;
    if (s->is_down) {
        code = err_set(e, ERR_BUSY, "connection refused");
    } else if (s->is_broken) {
        *ret_json = xstrdup("<html>");
    } else {
        json_auto_t *root = json_pack("{s:[]}", "keys");
        for (int i = 0; i < s->published; i++) {
            json_array_append_new(json_object_get(root, "keys"), token_key_to_jwk(s->keys[i]));
        }
        *ret_json = json_dumps(root, 0);
    }
    pthread_mutex_unlock(&s->lock);
    atomic_fetch_sub(&s->inside, 1);
    return code;
}

struct fixture {
    struct server server;
    struct token_verifier *verifier;
    char *tokens[2];
};

static int set_up(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));
    atomic_store(&now_ms, 1000000);
    atomic_store(&wall_offset_s, 0);
    pthread_mutex_init(&f->server.lock, NULL);
    f->server.published = 1;
    struct token_claims c = { .issued_at_s = WALL_S, .expires_at_s = WALL_S + 900 };
    (void)text_copy(c.subject, sizeof(c.subject), "s");
    (void)text_copy(c.username, sizeof(c.username), "ann@example.org");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(token_key_generate(&f->server.keys[i], NULL), OK);
        assert_int_equal(token_sign(f->server.keys[i], "unreel", "unreel", &c, &f->tokens[i], NULL),
                         OK);
    }
    const struct verifier_clock clock = { mono, wall };
    assert_int_equal(
        verifier_new_with_clock("unreel", "unreel", fetch, &f->server, clock, &f->verifier, NULL),
        OK);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    token_verifier_free(f->verifier);
    for (int i = 0; i < 2; i++) {
        token_key_free(f->server.keys[i]);
        free(f->tokens[i]);
    }
    pthread_mutex_destroy(&f->server.lock);
    free(f);
    return 0;
}

static enum err check(struct fixture *f, int token)
{
    struct token_claims claims;
    return token_verifier_check(f->verifier, f->tokens[token], &claims, NULL);
}

static void advance(int64_t ms)
{
    atomic_fetch_add(&now_ms, ms);
}

static void test_fetches_once_in_five_minutes(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(f->server.fetches, 0);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(check(f, 0), OK);
    }
    assert_int_equal(f->server.fetches, 1);
    advance(5 * MINUTE_MS - 1);
    assert_int_equal(check(f, 0), OK);
    assert_int_equal(f->server.fetches, 1);
    advance(1);
    assert_int_equal(check(f, 0), OK);
    assert_int_equal(check(f, 0), OK);
    assert_int_equal(f->server.fetches, 2);
}

static void test_new_key_is_found_at_once(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(check(f, 0), OK);
    f->server.published = 2;
    assert_int_equal(check(f, 1), OK);
    assert_int_equal(f->server.fetches, 2);
    assert_int_equal(check(f, 0), OK);
    assert_int_equal(f->server.fetches, 2);
}

static void test_unknown_kid_fetches_once_in_thirty_seconds(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 50; i++) {
        assert_int_equal(check(f, 1), ERR_DENIED);
    }
    assert_int_equal(f->server.fetches, 2); /* the first need, and one for the kid */
    advance(30 * 1000LL - 1);
    assert_int_equal(check(f, 1), ERR_DENIED);
    assert_int_equal(f->server.fetches, 2);
    advance(1);
    assert_int_equal(check(f, 1), ERR_DENIED);
    assert_int_equal(f->server.fetches, 3);
    assert_int_equal(check(f, 0), OK);
}

static void test_auth_down_keeps_the_last_set(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(check(f, 0), OK);
    f->server.is_down = true;
    for (int hour = 1; hour < 24; hour++) {
        advance(HOUR_MS);
        assert_int_equal(check(f, 0), OK);
        assert_int_equal(check(f, 0), OK);
        assert_int_equal(token_verifier_ready(f->verifier, NULL), OK);
    }
    assert_int_equal(f->server.fetches, 24); /* one try an hour here: it does not hammer */
    assert_int_equal(check(f, 1), ERR_DENIED);
    advance(HOUR_MS);
    assert_int_equal(check(f, 0), ERR_BUSY);
    assert_int_equal(token_verifier_ready(f->verifier, NULL), ERR_BUSY);
    f->server.is_down = false;
    advance(VERIFIER_RETRY_EMPTY_MS);
    assert_int_equal(check(f, 0), OK);
}

static void test_down_from_the_start(void **state)
{
    struct fixture *f = *state;
    f->server.is_down = true;
    struct error e = { 0 };
    struct token_claims claims;
    assert_int_equal(token_verifier_check(f->verifier, f->tokens[0], &claims, &e), ERR_BUSY);
    assert_non_null(strstr(e.text, "connection refused"));
    assert_int_equal(check(f, 0), ERR_BUSY);
    assert_int_equal(f->server.fetches, 1);
    f->server.is_down = false;
    f->server.is_broken = true;
    advance(VERIFIER_RETRY_EMPTY_MS);
    assert_int_equal(check(f, 0), ERR_BUSY);
    f->server.is_broken = false;
    advance(VERIFIER_RETRY_EMPTY_MS);
    assert_int_equal(token_verifier_ready(f->verifier, NULL), OK);
    assert_int_equal(check(f, 0), OK);
    assert_int_equal(f->server.fetches, 3);
}

/* Readiness is asked every few seconds: it fetches before a request has to. */
static void test_readiness_keeps_the_set_fresh(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(check(f, 0), OK);
    advance(VERIFIER_REFRESH_MS - VERIFIER_LEAD_MS);
    assert_int_equal(check(f, 0), OK);
    assert_int_equal(f->server.fetches, 1);
    assert_int_equal(token_verifier_ready(f->verifier, NULL), OK);
    assert_int_equal(f->server.fetches, 2);
    f->server.is_down = true;
    for (int64_t at_ms = 5000; at_ms < 2 * HOUR_MS; at_ms += 5000) {
        advance(5000);
        assert_int_equal(token_verifier_ready(f->verifier, NULL), OK);
        const int fetches = f->server.fetches;
        assert_int_equal(check(f, 0), OK);
        assert_int_equal(f->server.fetches, fetches);
    }
    assert_in_range(f->server.fetches, 100, 500); /* every 15 s */
    f->server.is_down = false;
    advance(VERIFIER_RETRY_STALE_MS);
    assert_int_equal(token_verifier_ready(f->verifier, NULL), OK);
    assert_int_equal(check(f, 0), OK);
}

static void *be_ready(void *arg)
{
    struct fixture *f = arg;
    return token_verifier_ready(f->verifier, NULL) == OK ? NULL : f;
}

static void test_nobody_waits_for_an_auth_that_hangs(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(check(f, 0), OK);
    f->server.delay_ms = 500;
    f->server.is_down = true;
    advance(VERIFIER_REFRESH_MS);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, be_ready, f), 0);
    while (atomic_load(&f->server.inside) == 0) {
        clock_sleep_ms(1);
    }
    for (int i = 0; i < 100; i++) {
        assert_int_equal(check(f, 0), OK);
    }
    assert_int_equal(atomic_load(&f->server.inside), 1); /* it hangs still */
    void *failed = NULL;
    pthread_join(thread, &failed);
    assert_null(failed);
    assert_int_equal(check(f, 0), OK);
}

static void test_broken_answer_keeps_the_last_set(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(check(f, 0), OK);
    f->server.is_broken = true;
    advance(5 * MINUTE_MS);
    assert_int_equal(check(f, 0), OK);
    assert_int_equal(f->server.fetches, 2);
}

static void test_a_withdrawn_key_is_refused(void **state)
{
    struct fixture *f = *state;
    f->server.published = 2;
    assert_int_equal(check(f, 1), OK);
    f->server.published = 1;
    advance(5 * MINUTE_MS);
    assert_int_equal(check(f, 1), ERR_DENIED);
}

static void test_rubbish_never_fetches_again(void **state)
{
    struct fixture *f = *state;
    struct token_claims claims;
    for (int i = 0; i < 10; i++) {
        assert_int_equal(token_verifier_check(f->verifier, "a.b.c", &claims, NULL), ERR_DENIED);
    }
    assert_int_equal(f->server.fetches, 1);
}

/* A token that verified once is remembered, with what it says, but never beyond its end. */
static void test_a_remembered_token_still_expires(void **state)
{
    struct fixture *f = *state;
    struct token_claims claims;
    for (int i = 0; i < 3; i++) {
        memset(&claims, 0, sizeof(claims));
        assert_int_equal(token_verifier_check(f->verifier, f->tokens[0], &claims, NULL), OK);
        assert_string_equal(claims.username, "ann@example.org");
    }
    atomic_store(&wall_offset_s, 900 + 61);
    assert_int_equal(check(f, 0), ERR_TIMEOUT);
    atomic_store(&wall_offset_s, 0);
    char *forged = xstrdup(f->tokens[0]);
    forged[strlen(forged) - 10] ^= 1;
    assert_int_equal(token_verifier_check(f->verifier, forged, &claims, NULL), ERR_DENIED);
    free(forged);
}

static void test_needs_names(void **state)
{
    struct fixture *f = *state;
    struct token_verifier *v = NULL;
    assert_int_equal(token_verifier_new("", "unreel", fetch, &f->server, &v, NULL), ERR_INVALID);
    assert_int_equal(token_verifier_new("unreel", "", fetch, &f->server, &v, NULL), ERR_INVALID);
    assert_int_equal(token_verifier_new("unreel", "unreel", fetch, &f->server, &v, NULL), OK);
    token_verifier_free(v);
}

struct worker {
    struct fixture *f;
    int wrong;
};

static void *work(void *arg)
{
    struct worker *w = arg;
    for (int i = 0; i < 60; i++) {
        if (check(w->f, 0) != OK) {
            w->wrong++;
        }
        const enum err code = check(w->f, 1);
        if (code != OK && code != ERR_DENIED) {
            w->wrong++;
        }
        advance(3000);
    }
    return NULL;
}

static void test_eight_threads(void **state)
{
    struct fixture *f = *state;
    f->server.delay_ms = 2;
    pthread_t threads[8];
    struct worker workers[8];
    for (int i = 0; i < 8; i++) {
        workers[i] = (struct worker){ .f = f };
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    clock_sleep_ms(20);
    pthread_mutex_lock(&f->server.lock);
    f->server.published = 2;
    pthread_mutex_unlock(&f->server.lock);
    for (int i = 0; i < 8; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(workers[i].wrong, 0);
    }
    assert_false(atomic_load(&f->server.was_shared));
    advance(5 * MINUTE_MS);
    assert_int_equal(check(f, 1), OK);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_fetches_once_in_five_minutes),
        CASE(test_new_key_is_found_at_once),
        CASE(test_unknown_kid_fetches_once_in_thirty_seconds),
        CASE(test_auth_down_keeps_the_last_set),
        CASE(test_down_from_the_start),
        CASE(test_readiness_keeps_the_set_fresh),
        CASE(test_nobody_waits_for_an_auth_that_hangs),
        CASE(test_broken_answer_keeps_the_last_set),
        CASE(test_a_withdrawn_key_is_refused),
        CASE(test_rubbish_never_fetches_again),
        CASE(test_a_remembered_token_still_expires),
        CASE(test_needs_names),
        CASE(test_eight_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
