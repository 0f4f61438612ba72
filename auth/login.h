/* A login: e-mail address and password against the accounts, slowed down for guessers. */
#ifndef UNREEL_AUTH_LOGIN_H
#define UNREEL_AUTH_LOGIN_H

#include <stdint.h>

#include "accounts/accounts.h"
#include "auth/gate.h"
#include "auth/throttle.h"
#include "core/error.h"

enum login_result {
    LOGIN_OK,
    LOGIN_DENIED,      /* unknown address, wrong password, or a disabled account: nobody outside can
                          tell which */
    LOGIN_THROTTLED,   /* wait for retry_after_s */
    LOGIN_BUSY,        /* too many at once */
    LOGIN_UNAVAILABLE, /* the accounts cannot be reached */
    LOGIN_RESULT_MAX
};

struct login {
    struct accounts *accounts;
    struct gate *gate;
    struct throttle_limits limits;
    char dummy_hash[ACCOUNT_HASH_SIZE]; /* what an unknown user's password is compared with */
};

struct login_outcome {
    enum login_result result;
    struct account account; /* LOGIN_OK only */
    int64_t retry_after_s;  /* LOGIN_THROTTLED only */
    struct error why;       /* for the log */
};

/* Makes the dummy hash. */
enum err login_init(struct login *l, struct error *e) MUST_CHECK;
/* Blocks for the time of a password hash. address: the client's (http/address.h). Thread-safe. */
void login_try(struct login *l, const char *email, const char *password, const char *address,
               struct login_outcome *ret_outcome);

#endif
