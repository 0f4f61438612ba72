/* Tokens, their claims and key sets come from anybody. Whatever is fed: no token but the genuine
 * one is accepted, and claims that are accepted are whole. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "core/text.h"
#include "token/token.h"
#include "token/token_impl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW 1800000000

/* Made once by token_sign; the private key is gone. */
static const char GENUINE[] =
    "eyJhbGciOiJFUzI1NiIsImtpZCI6IlkxOEVZY0NNV0tQM2Vpem5LamNrWkdOS3hGY05uQzRVWkd6Ykp4YU9hblki"
    "LCJ0eXAiOiJKV1QifQ.eyJhZG1pbiI6dHJ1ZSwiYXVkIjpbInVucmVlbCJdLCJleHAiOjE4MDAwMDA5MDAsImlhd"
    "CI6MTgwMDAwMDAwMCwiaXNzIjoidW5yZWVsIiwianRpIjoiNjQ2YzJjMmVkYTFlMmU0NWE0MDQyY2EwIiwibmJmI"
    "joxODAwMDAwMDAwLCJzdWIiOiIwMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1NjciLCJ0b2tlbl91c2UiOiJhY2Nlc3MiL"
    "CJ1c2VybmFtZSI6ImFubkBleGFtcGxlLm9yZyJ9.2Q2PoQeSaqu30bVtUIZi9t2-hEW0Om3bUULV3We1DmJNxBr1"
    "hGDnjRUgFRKtPIHNHDI3inG5wk34jhVxMhc6jw";
static const char KEY_SET[] =
    "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"alg\":\"ES256\",\"use\":\"sig\","
    "\"kid\":\"Y18EYcCMWKP3eiznKjckZGNKxFcNnC4UZGzbJxaOanY\","
    "\"x\":\"x2DMDHZNVOxYUqAac_uXtlSP1dQz1XSWBHa63xvMTl8\","
    "\"y\":\"sKHjbv_HZ-6NU46ocWbd3itKe8FGdoCKKgpUp4RNbxg\"}]}";

static void require(int condition)
{
    if (!condition) {
        abort();
    }
}

static void check_claims(const struct token_claims *c)
{
    require(c->subject[0] != '\0' && strnlen(c->subject, sizeof(c->subject)) < sizeof(c->subject));
    require(c->username[0] != '\0');
    require(strnlen(c->username, sizeof(c->username)) < sizeof(c->username));
    require(text_is_utf8(c->username, strlen(c->username)));
    require(c->expires_at_s + TOKEN_SKEW_S > NOW && c->issued_at_s <= NOW + TOKEN_SKEW_S);
}

static void try_token(const char *text)
{
    static struct token_jwks *jwks;
    if (jwks == NULL) {
        require(token_jwks_parse(KEY_SET, &jwks, NULL) == OK);
    }
    struct token_claims claims;
    if (token_verify_at(text, jwks, "unreel", "unreel", NOW, &claims, NULL) == OK) {
        require(strcmp(text, GENUINE) == 0);
        check_claims(&claims);
    } else {
        require(strcmp(text, GENUINE) != 0);
    }
}

static void try_key_set(const char *text)
{
    AUTO(token_jwks_free) struct token_jwks *jwks = NULL;
    const enum err code = token_jwks_parse(text, &jwks, NULL);
    require(code == OK || code == ERR_INVALID);
    require((jwks != NULL) == (code == OK));
}

/* The first byte says what the rest is. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    struct token_claims claims;
    AUTO(mem_free) char *text = xmalloc(size);
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    if (data[0] == 'c') {
        if (token_claims_check(text, size - 1, "unreel", "unreel", NOW, &claims, NULL) == OK) {
            check_claims(&claims);
        }
    } else if (data[0] == 'k') {
        try_key_set(text);
    } else {
        try_token(text);
    }
    return 0;
}
