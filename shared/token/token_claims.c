#include "token/token_impl.h"

#include <string.h>

#include "core/text.h"

#include "core/banned.h"

/* The claim's text, when it is a string of 1 to max bytes without control characters. */
static const char *text_claim(const json_t *payload, const char *name, size_t max)
{
    const json_t *value = json_object_get(payload, name);
    const char *text = json_string_value(value);
    const size_t len = text == NULL ? 0 : json_string_length(value);
    if (len == 0 || len > max) {
        return NULL;
    }
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f) {
            return NULL;
        }
    }
    return text;
}

static bool is_text_claim(const json_t *payload, const char *name, const char *expected)
{
    const char *text = text_claim(payload, name, TOKEN_MAX_LEN);
    return text != NULL && strcmp(text, expected) == 0;
}

/* RFC 7519 4.1.3: one string, or an array of strings of which one is us. */
static bool is_for_audience(const json_t *payload, const char *audience)
{
    const json_t *aud = json_object_get(payload, "aud");
    if (!json_is_array(aud)) {
        return is_text_claim(payload, "aud", audience);
    }
    bool is_found = false;
    for (size_t i = 0; i < json_array_size(aud); i++) {
        const char *entry = json_string_value(json_array_get(aud, i));
        if (entry == NULL) {
            return false;
        }
        is_found = is_found || strcmp(entry, audience) == 0;
    }
    return is_found;
}

/* A whole number of seconds; not a real, not a string, not before 1970. */
static bool time_claim(const json_t *payload, const char *name, int64_t *ret_s)
{
    const json_t *value = json_object_get(payload, name);
    if (!json_is_integer(value) || json_integer_value(value) < 0 ||
        json_integer_value(value) > INT64_MAX / 2000) {
        return false;
    }
    *ret_s = (int64_t)json_integer_value(value);
    return true;
}

static enum err check_times(const json_t *payload, int64_t now_s, struct token_claims *claims,
                            struct error *e)
{
    if (!time_claim(payload, "exp", &claims->expires_at_s) ||
        !time_claim(payload, "iat", &claims->issued_at_s)) {
        return err_set(e, ERR_DENIED, "the token has no whole exp and iat");
    }
    int64_t not_before_s = claims->issued_at_s;
    if (json_object_get(payload, "nbf") != NULL && !time_claim(payload, "nbf", &not_before_s)) {
        return err_set(e, ERR_DENIED, "the token's nbf is no whole number");
    }
    if (claims->issued_at_s > now_s + TOKEN_SKEW_S || not_before_s > now_s + TOKEN_SKEW_S) {
        return err_set(e, ERR_DENIED, "the token is not valid yet");
    }
    if (claims->expires_at_s + TOKEN_SKEW_S <= now_s) {
        return err_set(e, ERR_TIMEOUT, "the token has expired");
    }
    return OK;
}

enum err token_claims_check(const char *text, size_t len, const char *issuer, const char *audience,
                            int64_t now_s, struct token_claims *ret_claims, struct error *e)
{
    json_auto_t *payload = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(payload)) {
        return err_set(e, ERR_DENIED, "the token's payload is no JSON object");
    }
    if (!is_text_claim(payload, "iss", issuer) || !is_for_audience(payload, audience)) {
        return err_set(e, ERR_DENIED, "the token has another issuer or audience");
    }
    if (!is_text_claim(payload, "token_use", "access")) {
        return err_set(e, ERR_DENIED, "the token is no access token");
    }
    struct token_claims claims = { 0 };
    const char *subject = text_claim(payload, "sub", sizeof(claims.subject) - 1);
    const char *username = text_claim(payload, "username", sizeof(claims.username) - 1);
    const json_t *admin = json_object_get(payload, "admin");
    if (subject == NULL || username == NULL || !json_is_boolean(admin)) {
        return err_set(e, ERR_DENIED, "the token's sub, username or admin is missing or wrong");
    }
    const enum err code = check_times(payload, now_s, &claims, e);
    if (code != OK) {
        return code;
    }
    (void)text_copy(claims.subject, sizeof(claims.subject), subject);
    (void)text_copy(claims.username, sizeof(claims.username), username);
    claims.is_admin = json_is_true(admin);
    *ret_claims = claims;
    return OK;
}
