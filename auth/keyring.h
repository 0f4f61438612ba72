/* The keys that sign tokens, and the set of public keys for those who verify them.
 *
 * Either one fixed key, or the keys in the accounts database, which all auth processes share: the
 * first process makes the first key, and a key that has signed for the rotation time gets a
 * successor. It is published a while before it signs, and stays published until every token it
 * signed has expired. Which key signs follows from the stored times alone, so all processes agree.
 * Thread-safe. */
#ifndef UNREEL_AUTH_KEYRING_H
#define UNREEL_AUTH_KEYRING_H

#include <stdint.h>

#include "accounts/accounts.h"
#include "core/error.h"
#include "token/token.h"

#define TOKEN_LIFE_MAX_S 86400

/* Verifiers refresh within 5 min and our own processes within 1 min: 10 min, and that one. */
#define KEYRING_PUBLISH_MS (11LL * 60 * 1000)
/* The life of the longest token that could be configured, and 10 min. */
#define KEYRING_OVERLAP_MS (TOKEN_LIFE_MAX_S * 1000LL + 10LL * 60 * 1000)
#define KEYRING_REFRESH_MS (60LL * 1000)

struct keyring;

struct keyring_options {
    struct accounts *accounts;
    const char *fixed_pem; /* NULL or "": the database's keys */
    int64_t rotation_ms;
    int64_t (*wall_ms)(void); /* the clocks; NULL: the real ones */
    int64_t (*mono_ms)(void);
};

/* Reads a fixed key; does not touch the database. */
enum err keyring_new(const struct keyring_options *options, struct keyring **ret_keyring,
                     struct error *e) MUST_CHECK;
void keyring_free(struct keyring *k);
/* Loads the keys when they are older than KEYRING_REFRESH_MS, and makes the first one or a
 * successor when it is time. OK when there is a key to sign with, even if the database is away. */
enum err keyring_refresh(struct keyring *k, struct error *e) MUST_CHECK;

/* Both refresh first. ERR_BUSY without keys. The caller frees *ret_token. */
enum err keyring_sign(struct keyring *k, const char *issuer, const char *audience,
                      const struct token_claims *claims, char **ret_token,
                      struct error *e) MUST_CHECK;
/* {"keys":[...]}; a token_fetch_fn with the keyring as its context. The caller frees *ret_json. */
enum err keyring_jwks(void *keyring, char **ret_json, struct error *e) MUST_CHECK;

/* Makes a successor now. ERR_EXISTS when one is waiting for its time already, or when too many keys
 * are published; *ret_key (wiped of its PEM) tells its kid and when it starts to sign. */
enum err keyring_rotate(struct accounts *a, int64_t now_ms, struct signing_key *ret_key,
                        struct error *e) MUST_CHECK;

#endif
