#include "token/token.h"

#include <jwt.h>
#include <openssl/err.h>
#include <string.h>

#include "core/clock.h"
#include "core/id.h"
#include "core/text.h"
#include "token/token_impl.h"

#include "core/banned.h"

#define HEADER_MAX 1024
#define SIGNATURE_LEN 64 /* r || s (RFC 7518 3.4) */
#define SIGNATURE_TEXT_LEN 86

static const char ALGORITHM[] = "ES256";

DEFINE_AUTO(jwt_t *, jwt_free)

/* ---- signing ---- */

static char *payload_text(const char *issuer, const char *audience,
                          const struct token_claims *claims)
{
    char jti[ID_SIZE];
    id_new(jti);
    json_auto_t *payload = json_pack(
        "{s:s, s:[s], s:s, s:s, s:b, s:I, s:I, s:I, s:s, s:s}", "iss", issuer, "aud", audience,
        "sub", claims->subject, "username", claims->username, "admin", claims->is_admin ? 1 : 0,
        "iat", (json_int_t)claims->issued_at_s, "nbf", (json_int_t)claims->issued_at_s, "exp",
        (json_int_t)claims->expires_at_s, "jti", jti, "token_use", "access");
    return payload == NULL ? NULL : json_dumps(payload, JSON_COMPACT);
}

enum err token_sign(const struct token_key *key, const char *issuer, const char *audience,
                    const struct token_claims *claims, char **ret_token, struct error *e)
{
    AUTO(mem_free) char *payload = payload_text(issuer, audience, claims);
    if (payload == NULL) {
        return err_set(e, ERR_INVALID, "the claims are not valid UTF-8");
    }
    AUTO(jwt_free) jwt_t *jwt = NULL;
    int rc = jwt_new(&jwt);
    if (rc == 0) {
        char *pem = token_key_to_pem(key);
        const size_t pem_len = strlen(pem);
        rc = jwt_set_alg(jwt, JWT_ALG_ES256, (const unsigned char *)pem, (int)pem_len);
        mem_wipe(pem, pem_len);
        free(pem);
    }
    if (rc == 0) {
        rc = jwt_add_header(jwt, "kid", token_key_kid(key));
    }
    if (rc == 0) {
        rc = jwt_add_grants_json(jwt, payload);
    }
    if (rc != 0) {
        return err_set_errno(e, ERR_FAULT, rc, "build a token");
    }
    AUTO(mem_free) char *token = jwt_encode_str(jwt);
    ERR_clear_error();
    if (token == NULL || token[0] == '\0') {
        return err_set(e, ERR_FAULT, "the token could not be signed");
    }
    if (strlen(token) > TOKEN_MAX_LEN) {
        return err_set(e, ERR_TOO_BIG, "the token is longer than %d bytes", TOKEN_MAX_LEN);
    }
    *ret_token = TAKE(token);
    return OK;
}

/* ---- verifying ---- */

enum { HEADER, PAYLOAD, SIGNATURE, SEGMENTS };

struct segments {
    const char *text[SEGMENTS];
    size_t len[SEGMENTS];
};

static bool is_base64url(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

/* Exactly three non-empty base64url segments: libjwt writes past a buffer for an empty one. */
static bool split(const char *token, struct segments *ret)
{
    size_t segment = 0;
    const char *start = token;
    for (const char *p = token;; p++) {
        if (is_base64url(*p)) {
            continue;
        }
        if ((*p != '.' && *p != '\0') || p == start || segment == SEGMENTS) {
            return false;
        }
        ret->text[segment] = start;
        ret->len[segment] = (size_t)(p - start);
        segment++;
        if (*p == '\0') {
            return segment == SEGMENTS;
        }
        start = p + 1;
    }
}

/* libjwt accepts other spellings of one signature (its last digit has four spare bits); we do not.
 */
static bool is_signature_canonical(const struct segments *s)
{
    unsigned char raw[SIGNATURE_LEN];
    size_t raw_len = 0;
    if (s->len[SIGNATURE] != SIGNATURE_TEXT_LEN ||
        text_from_base64url(raw, sizeof(raw), s->text[SIGNATURE], s->len[SIGNATURE], &raw_len) !=
            OK ||
        raw_len != SIGNATURE_LEN) {
        return false;
    }
    char again[TEXT_BASE64_SIZE(SIGNATURE_LEN)];
    text_to_base64url(again, raw, raw_len);
    return strncmp(again, s->text[SIGNATURE], SIGNATURE_TEXT_LEN) == 0;
}

/* The header names the algorithm and the key: both are pinned here, before libjwt reads it. */
static enum err check_header(const struct segments *s, char ret_kid[TOKEN_KID_SIZE],
                             struct error *e)
{
    static const char *const forbidden[] = { "jku", "x5u", "jwk", "crit", "x5c", "b64" };
    char text[HEADER_MAX];
    size_t len = 0;
    if (text_from_base64url(text, sizeof(text), s->text[HEADER], s->len[HEADER], &len) != OK) {
        return err_set(e, ERR_DENIED, "the token's header is broken or over %d bytes", HEADER_MAX);
    }
    json_auto_t *header = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(header)) {
        return err_set(e, ERR_DENIED, "the token's header is no JSON object");
    }
    const char *alg = json_string_value(json_object_get(header, "alg"));
    if (alg == NULL || strcmp(alg, ALGORITHM) != 0) {
        return err_set(e, ERR_DENIED, "the token's algorithm is not %s", ALGORITHM);
    }
    const json_t *typ = json_object_get(header, "typ");
    if (typ != NULL && (!json_is_string(typ) || strcmp(json_string_value(typ), "JWT") != 0)) {
        return err_set(e, ERR_DENIED, "the token's type is not JWT");
    }
    for (size_t i = 0; i < ARRAY_LEN(forbidden); i++) {
        if (json_object_get(header, forbidden[i]) != NULL) {
            return err_set(e, ERR_DENIED, "the token's header has %s", forbidden[i]);
        }
    }
    const char *kid = json_string_value(json_object_get(header, "kid"));
    if (kid == NULL || kid[0] == '\0' || !text_copy(ret_kid, TOKEN_KID_SIZE, kid)) {
        return err_set(e, ERR_DENIED, "the token names no key");
    }
    return OK;
}

static enum err check_signature(const char *token, const char *pem, struct error *e)
{
    AUTO(jwt_free) jwt_t *jwt = NULL;
    const int rc = jwt_decode(&jwt, token, (const unsigned char *)pem, (int)strlen(pem));
    ERR_clear_error();
    /* Out of memory may give 0 with an unverified token of algorithm none. */
    if (rc != 0 || jwt == NULL || jwt_get_alg(jwt) != JWT_ALG_ES256) {
        return err_set(e, ERR_DENIED, "the token's signature is wrong");
    }
    return OK;
}

enum err token_verify_at(const char *token, const struct token_jwks *jwks, const char *issuer,
                         const char *audience, int64_t now_s, struct token_claims *ret_claims,
                         struct error *e)
{
    struct segments s;
    if (strnlen(token, TOKEN_MAX_LEN + 1) > TOKEN_MAX_LEN) {
        return err_set(e, ERR_DENIED, "the token is longer than %d bytes", TOKEN_MAX_LEN);
    }
    if (!split(token, &s) || !is_signature_canonical(&s)) {
        return err_set(e, ERR_DENIED, "the token is not of three proper segments");
    }
    char kid[TOKEN_KID_SIZE];
    enum err code = check_header(&s, kid, e);
    if (code != OK) {
        return code;
    }
    const char *pem = token_jwks_pem(jwks, kid);
    if (pem == NULL) {
        return err_set(e, ERR_NOT_FOUND, "the token's key is not in the set");
    }
    code = check_signature(token, pem, e);
    if (code != OK) {
        return code;
    }
    char payload[TOKEN_MAX_LEN];
    size_t payload_len = 0;
    if (text_from_base64url(payload, sizeof(payload), s.text[PAYLOAD], s.len[PAYLOAD],
                            &payload_len) != OK) {
        return err_set(e, ERR_DENIED, "the token's payload is broken");
    }
    return token_claims_check(payload, payload_len, issuer, audience, now_s, ret_claims, e);
}

enum err token_verify(const char *token, const struct token_jwks *jwks, const char *issuer,
                      const char *audience, struct token_claims *ret_claims, struct error *e)
{
    return token_verify_at(token, jwks, issuer, audience, clock_wall_ms() / 1000, ret_claims, e);
}
