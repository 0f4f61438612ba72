#include "auth/throttle.h"

#include <openssl/evp.h>
#include <string.h>

#include "core/text.h"

#include "core/banned.h"

#define WINDOW_MS (60 * 1000LL)
#define LOCK_FIRST_MS 1000LL
#define TRIES_MAX 50 /* of a compare-and-set among threads that count the same name */

/* A name of any length becomes a fixed one; an address list of users is not kept in clear. */
static enum err subject_of(enum throttle_kind kind, const char *name,
                           char ret_subject[ACCOUNT_SUBJECT_SIZE], struct error *e)
{
    AUTO(mem_free)
    char *text = xasprintf("%s:%.300s", kind == THROTTLE_ACCOUNT ? "account" : "address", name);
    for (char *p = text; *p != '\0'; p++) {
        if (*p >= 'A' && *p <= 'Z') {
            *p = (char)(*p - 'A' + 'a');
        }
    }
    unsigned char digest[32];
    unsigned len = 0;
    if (EVP_Digest(text, strlen(text), digest, &len, EVP_sha256(), NULL) != 1) {
        return err_set(e, ERR_FAULT, "sha-256 failed");
    }
    text_to_hex(ret_subject, digest, sizeof(digest));
    return OK;
}

int64_t throttle_wait_ms(const struct throttle_limits *limits, enum throttle_kind kind,
                         const struct throttle_state *state, int64_t now_ms)
{
    int64_t wait_ms = 0;
    int64_t max_ms = WINDOW_MS;
    if (kind == THROTTLE_ACCOUNT) {
        wait_ms = state->locked_until_ms - now_ms;
        max_ms = limits->account_lock_max_ms;
    } else if (state->failures >= limits->address_failures) {
        wait_ms = state->window_started_at_ms + WINDOW_MS - now_ms;
    }
    if (wait_ms < 0) {
        return 0;
    }
    /* A clock that was set back must not lock anybody out for longer. */
    return wait_ms > max_ms ? max_ms : wait_ms;
}

void throttle_count(const struct throttle_limits *limits, enum throttle_kind kind,
                    struct throttle_state *state, int64_t now_ms)
{
    const int64_t age_ms = now_ms - state->window_started_at_ms;
    const int64_t memory_ms = kind == THROTTLE_ACCOUNT ? THROTTLE_MEMORY_MS : WINDOW_MS;
    if (age_ms >= memory_ms || age_ms < -memory_ms) {
        state->failures = 0;
    }
    /* For an account the window is "since the last failure". */
    if (state->failures == 0 || kind == THROTTLE_ACCOUNT) {
        state->window_started_at_ms = now_ms;
    }
    state->failures++;
    if (kind == THROTTLE_ACCOUNT && state->failures >= limits->account_failures) {
        const int64_t doublings = state->failures - limits->account_failures;
        int64_t lock_ms = limits->account_lock_max_ms;
        if (doublings < 30 && (LOCK_FIRST_MS << doublings) < lock_ms) {
            lock_ms = LOCK_FIRST_MS << doublings;
        }
        state->locked_until_ms = now_ms + lock_ms;
    }
}

enum err throttle_check(struct accounts *a, const struct throttle_limits *limits,
                        enum throttle_kind kind, const char *name, int64_t now_ms,
                        int64_t *ret_wait_ms, struct error *e)
{
    char subject[ACCOUNT_SUBJECT_SIZE];
    struct throttle_state state = { 0 };
    enum err code = subject_of(kind, name, subject, e);
    if (code == OK) {
        code = accounts_get_throttle(a, subject, &state, e);
    }
    if (code == OK) {
        *ret_wait_ms = throttle_wait_ms(limits, kind, &state, now_ms);
    }
    return code;
}

enum err throttle_fail(struct accounts *a, const struct throttle_limits *limits,
                       enum throttle_kind kind, const char *name, int64_t now_ms, struct error *e)
{
    char subject[ACCOUNT_SUBJECT_SIZE];
    enum err code = subject_of(kind, name, subject, e);
    if (code != OK) {
        return code;
    }
    code = ERR_CONFLICT;
    for (int i = 0; code == ERR_CONFLICT && i < TRIES_MAX; i++) {
        struct throttle_state state = { 0 };
        code = accounts_get_throttle(a, subject, &state, e);
        if (code == OK) {
            throttle_count(limits, kind, &state, now_ms);
            code = accounts_put_throttle(a, subject, &state, e);
        }
    }
    return code == ERR_CONFLICT ? err_set(e, ERR_BUSY, "too many failures at once") : code;
}

enum err throttle_clear(struct accounts *a, enum throttle_kind kind, const char *name,
                        struct error *e)
{
    char subject[ACCOUNT_SUBJECT_SIZE];
    const enum err code = subject_of(kind, name, subject, e);
    return code == OK ? accounts_clear_throttle(a, subject, e) : code;
}
