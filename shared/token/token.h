/* Access tokens: JWT with ES256 (RFC 7515, 7518, 7519), keys as JWKS (RFC 7517).
 *
 * Size and shape are checked and the algorithm is pinned before libjwt sees a token (reliability
 * T7, A1): 4 KiB at most, three non-empty base64url segments, header JSON of at most 1 KiB without
 * duplicate keys, alg exactly "ES256", kid in the set, none of jku x5u jwk crit. Then signature,
 * iss, aud, exp, nbf, iat (60 s of skew), token_use "access". */
#ifndef UNREEL_TOKEN_TOKEN_H
#define UNREEL_TOKEN_TOKEN_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"
#include "core/mem.h"

#define TOKEN_KID_SIZE 44 /* base64url SHA-256 thumbprint (RFC 7638) */
#define TOKEN_MAX_LEN 4096

struct token_claims {
    char subject[64];   /* the account's id */
    char username[255]; /* e-mail address */
    bool is_admin;
    int64_t issued_at_s;
    int64_t expires_at_s;
};

/* A private P-256 key. */
struct token_key;
enum err token_key_generate(struct token_key **ret_key, struct error *e) MUST_CHECK;
/* PEM (PKCS#8). */
enum err token_key_from_pem(const char *pem, struct token_key **ret_key,
                            struct error *e) MUST_CHECK;
/* The caller frees (and wipes) it. */
char *token_key_to_pem(const struct token_key *key) MUST_CHECK;
const char *token_key_kid(const struct token_key *key);
/* The public half as a JWK object with kid, use, alg. The caller owns it. */
json_t *token_key_to_jwk(const struct token_key *key) MUST_CHECK;
void token_key_free(struct token_key *key);
DEFINE_AUTO(struct token_key *, token_key_free)

/* Signs; adds iss, aud (an array), sub, username, admin, iat, nbf, exp, jti, token_use. The caller
 * frees *ret_token. */
enum err token_sign(const struct token_key *key, const char *issuer, const char *audience,
                    const struct token_claims *claims, char **ret_token,
                    struct error *e) MUST_CHECK;

/* A set of public keys. Immutable once parsed, so it may be shared between threads. */
struct token_jwks;
/* From {"keys":[...]}: other key types and curves are skipped; 16 keys at most; ERR_INVALID when
 * none is left. */
enum err token_jwks_parse(const char *json, struct token_jwks **ret_jwks,
                          struct error *e) MUST_CHECK;
bool token_jwks_has(const struct token_jwks *jwks, const char *kid);
void token_jwks_free(struct token_jwks *jwks);
DEFINE_AUTO(struct token_jwks *, token_jwks_free)

/* OK; ERR_DENIED: not valid; ERR_TIMEOUT: valid but expired; ERR_NOT_FOUND: its kid is not in the
 * set (fetch the set again). *ret_claims on OK only. Thread-safe. */
enum err token_verify(const char *token, const struct token_jwks *jwks, const char *issuer,
                      const char *audience, struct token_claims *ret_claims,
                      struct error *e) MUST_CHECK;

#endif
