/* What the files of this module share, and what its tests need: the clock given from outside. */
#ifndef UNREEL_TOKEN_TOKEN_IMPL_H
#define UNREEL_TOKEN_TOKEN_IMPL_H

#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "token/token.h"

#define TOKEN_SKEW_S 60
#define TOKEN_KEYS_MAX 16
#define TOKEN_COORDINATE_LEN 32 /* bytes of x and of y on P-256 */
#define TOKEN_COORDINATE_TEXT_SIZE 44

/* The RFC 7638 thumbprint of the point (x, y), both base64url. */
enum err token_thumbprint(const char *x, const char *y, char ret_kid[TOKEN_KID_SIZE],
                          struct error *e) MUST_CHECK;
/* The public key's PEM; NULL when kid is not in the set. Valid as long as jwks. */
const char *token_jwks_pem(const struct token_jwks *jwks, const char *kid);
/* The payload of a token whose signature holds: ERR_DENIED, or ERR_TIMEOUT when all but exp is
 * right. */
enum err token_claims_check(const char *payload, size_t len, const char *issuer,
                            const char *audience, int64_t now_s, struct token_claims *ret_claims,
                            struct error *e) MUST_CHECK;
/* token_verify at the Unix time now_s. */
enum err token_verify_at(const char *token, const struct token_jwks *jwks, const char *issuer,
                         const char *audience, int64_t now_s, struct token_claims *ret_claims,
                         struct error *e) MUST_CHECK;

#endif
