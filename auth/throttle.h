/* Slows down guessing (reliability A6): per account a lock that doubles, per address a number of
 * failures a minute. The state lives in the accounts database, so a restart or a second process
 * forgets nothing. Unknown accounts are throttled like known ones. Thread-safe. */
#ifndef UNREEL_AUTH_THROTTLE_H
#define UNREEL_AUTH_THROTTLE_H

#include <stdint.h>

#include "accounts/accounts.h"
#include "core/error.h"

enum throttle_kind { THROTTLE_ACCOUNT, THROTTLE_ADDRESS };

struct throttle_limits {
    int64_t account_failures; /* that many are free; the next ones lock for 1 s, 2 s, 4 s, ... */
    int64_t account_lock_max_ms;
    int64_t address_failures; /* a minute */
};

/* A lock, or a count of failures, is forgotten after that time without one. */
#define THROTTLE_MEMORY_MS (24LL * 3600 * 1000)

/* *ret_wait_ms: 0, or how long `name` (an address, or an account's address in any case) must wait.
 */
enum err throttle_check(struct accounts *a, const struct throttle_limits *limits,
                        enum throttle_kind kind, const char *name, int64_t now_ms,
                        int64_t *ret_wait_ms, struct error *e) MUST_CHECK;
/* Counts a failure. */
enum err throttle_fail(struct accounts *a, const struct throttle_limits *limits,
                       enum throttle_kind kind, const char *name, int64_t now_ms,
                       struct error *e) MUST_CHECK;
/* Forgets the failures. */
enum err throttle_clear(struct accounts *a, enum throttle_kind kind, const char *name,
                        struct error *e) MUST_CHECK;

/* The rules alone, without the database. */
int64_t throttle_wait_ms(const struct throttle_limits *limits, enum throttle_kind kind,
                         const struct throttle_state *state, int64_t now_ms);
void throttle_count(const struct throttle_limits *limits, enum throttle_kind kind,
                    struct throttle_state *state, int64_t now_ms);

#endif
