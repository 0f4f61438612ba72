/* Accounts: users, signing keys and the state of the login throttle. Engines: MySQL or MariaDB
 * (mysql://) and SQLite (sqlite:).
 *
 * Rules (what a password must be, when a key is used, when a login is refused) are not here: the
 * engines store. Thread-safe. All calls block; ERR_BUSY means that the database is down, slow, or
 * that its schema is behind. Times are Unix milliseconds. */
#ifndef UNREEL_ACCOUNTS_ACCOUNTS_H
#define UNREEL_ACCOUNTS_ACCOUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/id.h"
#include "core/mem.h"

#define ACCOUNT_EMAIL_SIZE 255
#define ACCOUNT_HASH_SIZE 256

struct accounts;

/* url: "mysql://user:password@host:port/database", with ?tls=require | verify and tls_ca=FILE, or
 * "sqlite:PATH". max_parallel: threads that will call at once. MySQL need not be up, and its schema
 * is left alone; SQLite's is brought up to date. On OK the caller owns *ret_accounts. */
enum err accounts_open(const char *url, unsigned max_parallel, struct accounts **ret_accounts,
                       struct error *e) MUST_CHECK;
/* No call may be going on. NULL is fine. */
void accounts_close(struct accounts *a);
DEFINE_AUTO(struct accounts *, accounts_close)
/* For readiness: OK when the database answers and its schema is the one this program knows. */
enum err accounts_check(struct accounts *a, struct error *e) MUST_CHECK;
/* Brings the schema up to date and makes the database when it is missing. May be repeated, and run
 * by several processes at once. *ret_applied (may be NULL): migrations that were needed. */
enum err accounts_migrate(const char *url, int *ret_applied, struct error *e) MUST_CHECK;

/* ---- users ---- */

struct account {
    char id[ID_SIZE];
    char email[ACCOUNT_EMAIL_SIZE]; /* as given, its domain in lower case */
    char password_hash[ACCOUNT_HASH_SIZE];
    bool is_admin;
    bool is_disabled;
    int64_t created_at_ms;
    int64_t updated_at_ms;
};

/* Checks the shape of an address and lowers its domain. ERR_INVALID says what is wrong in the
 * user's terms. ASCII only. */
enum err account_normalize_email(const char *email, char ret_email[ACCOUNT_EMAIL_SIZE],
                                 struct error *e) MUST_CHECK;

/* Addresses are compared without regard to case: ERR_EXISTS for one that differs only in that.
 * *ret_account may be NULL. */
enum err accounts_add(struct accounts *a, const char *email, const char *password_hash,
                      bool is_admin, struct account *ret_account, struct error *e) MUST_CHECK;
enum err accounts_find(struct accounts *a, const char *email, struct account *ret_account,
                       struct error *e) MUST_CHECK;
enum err accounts_find_id(struct accounts *a, const char *id, struct account *ret_account,
                          struct error *e) MUST_CHECK;
/* Writes password_hash, is_admin and is_disabled of the account with account->id. ERR_NOT_FOUND;
 * ERR_CONFLICT when somebody else changed it since it was read (updated_at_ms differs). */
enum err accounts_update(struct accounts *a, const struct account *account,
                         struct error *e) MUST_CHECK;
/* Up to max accounts whose address comes after `after` ("": from the start), ordered by the address
 * in lower case. */
enum err accounts_list(struct accounts *a, const char *after, struct account *ret_accounts,
                       size_t max, size_t *ret_count, struct error *e) MUST_CHECK;
enum err accounts_remove(struct accounts *a, const char *id, struct error *e) MUST_CHECK;

/* ---- signing keys ---- */

#define ACCOUNTS_KEYS_MAX 16
#define ACCOUNT_KID_SIZE 44
#define ACCOUNT_PEM_SIZE 1001

struct signing_key {
    int64_t generation; /* 1, 2, ...; the newest has the highest */
    char kid[ACCOUNT_KID_SIZE];
    char pem[ACCOUNT_PEM_SIZE];
    int64_t created_at_ms;
    int64_t activates_at_ms; /* from then on it signs, until its successor is active */
    int64_t retires_at_ms;   /* from then on it is not published any more; 0: not replaced yet */
};

/* Ordered by generation. Holds private keys: wipe it after use. */
enum err accounts_list_keys(struct accounts *a, struct signing_key ret_keys[ACCOUNTS_KEYS_MAX],
                            size_t *ret_count, struct error *e) MUST_CHECK;
/* Adds `key` as the successor of generation key->generation - 1, which gets previous_retires_at_ms.
 * ERR_CONFLICT when another process did so first, or when there is no such predecessor. */
enum err accounts_add_key(struct accounts *a, const struct signing_key *key,
                          int64_t previous_retires_at_ms, struct error *e) MUST_CHECK;
/* Removes keys that retired before now_ms. */
enum err accounts_prune_keys(struct accounts *a, int64_t now_ms, struct error *e) MUST_CHECK;

/* ---- the login throttle ---- */

#define ACCOUNT_SUBJECT_SIZE 65

struct throttle_state {
    int64_t version; /* 0: nothing is stored */
    int64_t failures;
    int64_t window_started_at_ms;
    int64_t locked_until_ms;
};

/* subject: up to 64 characters of ASCII. OK with a zeroed state when nothing is stored. */
enum err accounts_get_throttle(struct accounts *a, const char *subject,
                               struct throttle_state *ret_state, struct error *e) MUST_CHECK;
/* Stores *state over the version it was read with. ERR_CONFLICT: somebody was faster; read again.
 */
enum err accounts_put_throttle(struct accounts *a, const char *subject,
                               const struct throttle_state *state, struct error *e) MUST_CHECK;
/* OK also when nothing was stored. */
enum err accounts_clear_throttle(struct accounts *a, const char *subject,
                                 struct error *e) MUST_CHECK;
/* Forgets what has not changed since before_ms. */
enum err accounts_prune_throttle(struct accounts *a, int64_t before_ms, struct error *e) MUST_CHECK;

#endif
