#include "auth/login.h"

#include "auth/passwords.h"
#include "core/clock.h"
#include "core/id.h"
#include "http/address.h"

#include "core/banned.h"

enum err login_init(struct login *l, struct error *e)
{
    char password[PASSWORD_GENERATED_SIZE];
    passwords_generate(password);
    return passwords_hash(password, l->dummy_hash, e);
}

struct attempt {
    const char *email;
    const char *password;
    char network[ADDRESS_SIZE];
};

static enum login_result unavailable(struct login_outcome *outcome)
{
    outcome->result = LOGIN_UNAVAILABLE;
    return LOGIN_UNAVAILABLE;
}

/* LOGIN_OK when neither the address nor the account has to wait. */
static enum login_result check_throttle(const struct login *l, const struct attempt *t,
                                        struct login_outcome *outcome)
{
    const int64_t now_ms = clock_wall_ms();
    int64_t address_ms = 0;
    int64_t account_ms = 0;
    if (throttle_check(l->accounts, &l->limits, THROTTLE_ADDRESS, t->network, now_ms, &address_ms,
                       &outcome->why) != OK ||
        throttle_check(l->accounts, &l->limits, THROTTLE_ACCOUNT, t->email, now_ms, &account_ms,
                       &outcome->why) != OK) {
        return unavailable(outcome);
    }
    const int64_t wait_ms = address_ms > account_ms ? address_ms : account_ms;
    if (wait_ms > 0) {
        outcome->retry_after_s = (wait_ms + 999) / 1000;
        outcome->result = LOGIN_THROTTLED;
        (void)err_set(&outcome->why, ERR_BUSY, "the %s is locked for %lld ms",
                      address_ms > account_ms ? "address" : "account", (long long)wait_ms);
        return LOGIN_THROTTLED;
    }
    return LOGIN_OK;
}

/* A hash with yesterday's parameters is replaced now that the password is known. Losing to another
 * change is fine: the next login tries again. */
static void renew_hash(const struct login *l, struct account *account, const char *password)
{
    if (!passwords_needs_rehash(account->password_hash)) {
        return;
    }
    struct account renewed = *account;
    if (passwords_hash(password, renewed.password_hash, NULL) == OK &&
        accounts_update(l->accounts, &renewed, NULL) == OK) {
        *account = renewed;
    }
}

static enum login_result count_failure(const struct login *l, const struct attempt *t,
                                       struct login_outcome *outcome)
{
    const int64_t now_ms = clock_wall_ms();
    if (throttle_fail(l->accounts, &l->limits, THROTTLE_ACCOUNT, t->email, now_ms, &outcome->why) !=
            OK ||
        throttle_fail(l->accounts, &l->limits, THROTTLE_ADDRESS, t->network, now_ms,
                      &outcome->why) != OK) {
        return unavailable(outcome);
    }
    outcome->result = LOGIN_DENIED;
    return LOGIN_DENIED;
}

/* The same work for every kind of failure (A5): one look-up, one hash, two counts. */
static enum login_result compare(const struct login *l, const struct attempt *t,
                                 struct login_outcome *outcome)
{
    struct account account = { 0 };
    const enum err found = accounts_find(l->accounts, t->email, &account, &outcome->why);
    if (found != OK && found != ERR_NOT_FOUND) {
        return unavailable(outcome);
    }
    const bool is_known = found == OK && !account.is_disabled;
    const enum err verified = passwords_verify(found == OK ? account.password_hash : l->dummy_hash,
                                               t->password, &outcome->why);
    if (verified != OK && verified != ERR_DENIED) {
        return unavailable(outcome);
    }
    if (!is_known || verified != OK) {
        struct error why;
        (void)err_set(&why, ERR_DENIED, "%s",
                      found != OK           ? "no such account"
                      : account.is_disabled ? "the account is disabled"
                                            : "another password");
        const enum login_result result = count_failure(l, t, outcome);
        if (result == LOGIN_DENIED) {
            outcome->why = why;
        }
        return result;
    }
    if (throttle_clear(l->accounts, THROTTLE_ACCOUNT, t->email, &outcome->why) != OK) {
        return unavailable(outcome);
    }
    renew_hash(l, &account, t->password);
    outcome->account = account;
    outcome->result = LOGIN_OK;
    return LOGIN_OK;
}

void login_try(struct login *l, const char *email, const char *password, const char *address,
               struct login_outcome *ret_outcome)
{
    *ret_outcome = (struct login_outcome){ 0 };
    struct attempt t = { .email = email, .password = password };
    address_network(address, t.network);
    if (check_throttle(l, &t, ret_outcome) != LOGIN_OK) {
        return;
    }
    if (gate_enter(l->gate, &ret_outcome->why) != OK) {
        ret_outcome->result = LOGIN_BUSY;
        return;
    }
    /* Again, inside: of many tries at once only as many as there are slots are past the check
     * before the first failure counts. */
    if (check_throttle(l, &t, ret_outcome) == LOGIN_OK) {
        (void)compare(l, &t, ret_outcome);
    }
    gate_leave(l->gate);
}
