#include "token/verifier.h"

#include <pthread.h>
#include <string.h>

#include "core/clock.h"
#include "token/seen.h"
#include "token/token_impl.h"
#include "token/verifier_impl.h"

#include "core/banned.h"

#define NEVER INT64_MIN

/* A set in use by several threads; the last one frees it. */
struct shared_set {
    struct token_jwks *jwks;
    unsigned references; /* under the verifier's lock */
};

struct token_verifier {
    char *issuer;
    char *audience;
    token_fetch_fn *fetch;
    void *fetch_ctx;
    struct verifier_clock clock;

    pthread_mutex_t lock;
    pthread_cond_t fetched; /* is_fetching became false */
    bool is_fetching;
    struct shared_set *set; /* NULL until the first good fetch */
    int64_t set_at_ms;      /* of the set in hand; the times are monotonic */
    int64_t failed_at_ms;   /* of the last failed fetch, NEVER after a good one */
    int64_t unknown_kid_at_ms;
    struct error failure;
    struct seen seen; /* of the set in hand */
};

enum err verifier_new_with_clock(const char *issuer, const char *audience, token_fetch_fn *fetch,
                                 void *ctx, struct verifier_clock clock,
                                 struct token_verifier **ret_verifier, struct error *e)
{
    if (issuer[0] == '\0' || audience[0] == '\0') {
        return err_set(e, ERR_INVALID, "a verifier needs an issuer and an audience");
    }
    struct token_verifier *v = xcalloc(1, sizeof(*v));
    v->issuer = xstrdup(issuer);
    v->audience = xstrdup(audience);
    v->fetch = fetch;
    v->fetch_ctx = ctx;
    v->clock = clock;
    v->failed_at_ms = NEVER;
    v->unknown_kid_at_ms = NEVER;
    pthread_mutex_init(&v->lock, NULL);
    pthread_cond_init(&v->fetched, NULL);
    *ret_verifier = v;
    return OK;
}

enum err token_verifier_new(const char *issuer, const char *audience, token_fetch_fn *fetch,
                            void *ctx, struct token_verifier **ret_verifier, struct error *e)
{
    const struct verifier_clock clock = { clock_mono_ms, clock_wall_ms };
    return verifier_new_with_clock(issuer, audience, fetch, ctx, clock, ret_verifier, e);
}

/* Under the lock. */
static void drop_set(struct shared_set *set)
{
    if (set == NULL) {
        return;
    }
    set->references--;
    if (set->references == 0) {
        token_jwks_free(set->jwks);
        free(set);
    }
}

void token_verifier_free(struct token_verifier *v)
{
    if (v == NULL) {
        return;
    }
    drop_set(v->set);
    pthread_cond_destroy(&v->fetched);
    pthread_mutex_destroy(&v->lock);
    free(v->issuer);
    free(v->audience);
    free(v);
}

static bool is_older_than(int64_t at_ms, int64_t now_ms, int64_t age_ms)
{
    return at_ms == NEVER || now_ms - at_ms >= age_ms;
}

/* Called with the lock held and nobody fetching; gives it back for the time of the fetch. */
static void fetch_set(struct token_verifier *v)
{
    v->is_fetching = true;
    pthread_mutex_unlock(&v->lock);

    AUTO(mem_free) char *json = NULL;
    struct token_jwks *jwks = NULL;
    struct error failure = { 0 };
    enum err code = v->fetch(v->fetch_ctx, &json, &failure);
    if (code == OK) {
        code = token_jwks_parse(json, &jwks, &failure);
    }

    pthread_mutex_lock(&v->lock);
    const int64_t now_ms = v->clock.mono_ms();
    if (code == OK) {
        drop_set(v->set);
        v->set = xcalloc(1, sizeof(*v->set));
        v->set->jwks = jwks;
        v->set->references = 1;
        seen_forget(&v->seen);
        v->set_at_ms = now_ms;
        v->failed_at_ms = NEVER;
    } else {
        v->failed_at_ms = now_ms;
        v->failure = failure;
    }
    v->is_fetching = false;
    pthread_cond_broadcast(&v->fetched);
}

/* Fetches, or waits for the thread that does. */
static void fetch_or_wait(struct token_verifier *v)
{
    if (!v->is_fetching) {
        fetch_set(v);
        return;
    }
    while (v->is_fetching) {
        pthread_cond_wait(&v->fetched, &v->lock);
    }
}

static bool is_usable(const struct token_verifier *v)
{
    return v->set != NULL && !is_older_than(v->set_at_ms, v->clock.mono_ms(), VERIFIER_KEEP_MS);
}

/* Under the lock: sees to it that there is a set, fresh if possible. Who has time fetches lead_ms
 * before those who do not would have to. */
static enum err need_set(struct token_verifier *v, int64_t lead_ms, struct error *e)
{
    const int64_t now_ms = v->clock.mono_ms();
    if (!is_usable(v)) {
        if (v->is_fetching || is_older_than(v->failed_at_ms, now_ms, VERIFIER_RETRY_EMPTY_MS)) {
            fetch_or_wait(v);
        }
    } else if (is_older_than(v->set_at_ms, now_ms, VERIFIER_REFRESH_MS - lead_ms) &&
               !v->is_fetching &&
               is_older_than(v->failed_at_ms, now_ms, VERIFIER_RETRY_STALE_MS - lead_ms)) {
        /* One thread pays for the refresh; the others go on with the set in hand. */
        fetch_set(v);
    }
    if (!is_usable(v)) {
        return err_set(e, ERR_BUSY, "no key set: %.200s", v->failure.text);
    }
    return OK;
}

/* Under the lock: fetches for a kid that the set lacks, unless that was done lately. Returns
 * whether another try may find it. */
static bool fetch_for_unknown_kid(struct token_verifier *v, const struct shared_set *tried)
{
    if (v->is_fetching) {
        fetch_or_wait(v);
    } else if (v->set == tried) {
        const int64_t now_ms = v->clock.mono_ms();
        if (!is_older_than(v->unknown_kid_at_ms, now_ms, VERIFIER_UNKNOWN_KID_MS)) {
            return false;
        }
        v->unknown_kid_at_ms = now_ms;
        fetch_set(v);
    }
    return v->set != tried;
}

/* Under the lock, which is given back for the time of the check. */
static enum err verify_slowly(struct token_verifier *v, const char *token,
                              const struct seen_digest *digest, struct token_claims *ret_claims,
                              struct error *e)
{
    enum err code = ERR_NOT_FOUND;
    bool is_again = true;
    for (int try = 0; is_again && try < 2; try++) {
        struct shared_set *set = v->set;
        set->references++;
        pthread_mutex_unlock(&v->lock);
        code = token_verify_at(token, set->jwks, v->issuer, v->audience, v->clock.wall_ms() / 1000,
                               ret_claims, e);
        pthread_mutex_lock(&v->lock);
        if (code == OK && digest != NULL && v->set == set) {
            seen_add(&v->seen, digest, ret_claims);
        }
        is_again = code == ERR_NOT_FOUND && try == 0 && fetch_for_unknown_kid(v, set);
        drop_set(set);
    }
    return code;
}

enum err token_verifier_check(struct token_verifier *v, const char *token,
                              struct token_claims *ret_claims, struct error *e)
{
    struct seen_digest digest;
    const bool has_digest = strnlen(token, TOKEN_MAX_LEN + 1) <= TOKEN_MAX_LEN &&
                            seen_digest(token, &digest);
    const int64_t now_s = v->clock.wall_ms() / 1000;
    pthread_mutex_lock(&v->lock);
    enum err code = need_set(v, 0, e);
    if (code == OK && !(has_digest && seen_find(&v->seen, &digest, now_s, ret_claims))) {
        code = verify_slowly(v, token, has_digest ? &digest : NULL, ret_claims, e);
    }
    pthread_mutex_unlock(&v->lock);
    if (code == ERR_NOT_FOUND) {
        return err_set(e, ERR_DENIED, "the token's key is unknown");
    }
    return code;
}

enum err token_verifier_ready(struct token_verifier *v, struct error *e)
{
    pthread_mutex_lock(&v->lock);
    const enum err code = need_set(v, VERIFIER_LEAD_MS, e);
    pthread_mutex_unlock(&v->lock);
    return code;
}
