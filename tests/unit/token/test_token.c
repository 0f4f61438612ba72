/* Signing and verifying: the genuine token, and every forgery we know of. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/text.h"
#include "forge.h"
#include "token/token.h"
#include "token/token_impl.h"

#define NOW 1800000000
#define ISSUER "unreel"
#define AUDIENCE "unreel"
#define SUB "0123456789abcdef01234567"

struct fixture {
    struct token_key *key;
    struct token_key *other;
    struct token_jwks *jwks; /* of key only */
    char *public_pem;
};

static struct token_jwks *set_of(const struct token_key *key)
{
    json_auto_t *root = json_pack("{s:[o]}", "keys", token_key_to_jwk(key));
    AUTO(mem_free) char *text = json_dumps(root, 0);
    struct token_jwks *jwks = NULL;
    struct error e = { 0 };
    assert_int_equal(token_jwks_parse(text, &jwks, &e), OK);
    return jwks;
}

static int set_up(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));
    assert_int_equal(token_key_generate(&f->key, NULL), OK);
    assert_int_equal(token_key_generate(&f->other, NULL), OK);
    f->jwks = set_of(f->key);
    f->public_pem = forge_public_pem(f->key);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    token_jwks_free(f->jwks);
    token_key_free(f->key);
    token_key_free(f->other);
    free(f->public_pem);
    free(f);
    return 0;
}

static struct token_claims claims_now(void)
{
    struct token_claims c = { .is_admin = true, .issued_at_s = NOW, .expires_at_s = NOW + 900 };
    (void)text_copy(c.subject, sizeof(c.subject), SUB);
    (void)text_copy(c.username, sizeof(c.username), "ann@example.org");
    return c;
}

static char *sign(const struct token_key *key, const struct token_claims *c)
{
    char *token = NULL;
    struct error e = { 0 };
    assert_int_equal(token_sign(key, ISSUER, AUDIENCE, c, &token, &e), OK);
    return token;
}

static enum err verify(const struct fixture *f, const char *token)
{
    struct token_claims got;
    return token_verify_at(token, f->jwks, ISSUER, AUDIENCE, NOW, &got, NULL);
}

static void test_round_trip(void **state)
{
    const struct fixture *f = *state;
    const struct token_claims c = claims_now();
    AUTO(mem_free) char *token = sign(f->key, &c);
    struct token_claims got;
    struct error e = { 0 };
    assert_int_equal(token_verify_at(token, f->jwks, ISSUER, AUDIENCE, NOW, &got, &e), OK);
    assert_string_equal(got.subject, c.subject);
    assert_string_equal(got.username, c.username);
    assert_true(got.is_admin);
    assert_int_equal(got.issued_at_s, c.issued_at_s);
    assert_int_equal(got.expires_at_s, c.expires_at_s);
}

static void test_wall_clock_is_used(void **state)
{
    const struct fixture *f = *state;
    struct token_claims c = claims_now();
    c.issued_at_s = clock_wall_ms() / 1000;
    c.expires_at_s = c.issued_at_s + 60;
    AUTO(mem_free) char *token = sign(f->key, &c);
    struct token_claims got;
    assert_int_equal(token_verify(token, f->jwks, ISSUER, AUDIENCE, &got, NULL), OK);
}

static void test_life(void **state)
{
    const struct fixture *f = *state;

    const struct {
        int64_t now_s;
        enum err expected;
    } rows[] = {
        { NOW - 61, ERR_DENIED },
        { NOW - 60, OK },
        { NOW, OK },
        { NOW + 900 + 59, OK },
        { NOW + 900 + 60, ERR_TIMEOUT },
        { NOW + 86400, ERR_TIMEOUT },
    };
    const struct token_claims c = claims_now();
    AUTO(mem_free) char *token = sign(f->key, &c);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct token_claims got;
        const enum err code = token_verify_at(token, f->jwks, ISSUER, AUDIENCE, rows[i].now_s, &got,
                                              NULL);
        if (code != rows[i].expected) {
            fail_msg("at %lld: %s", (long long)rows[i].now_s, err_name(code));
        }
    }
}

/* Each of the token's bits turned over once, and each byte dropped: never accepted. */
static void test_bit_flips(void **state)
{
    const struct fixture *f = *state;
    const struct token_claims c = claims_now();
    AUTO(mem_free) char *token = sign(f->key, &c);
    AUTO(mem_free) char *copy = xstrdup(token);
    const size_t len = strlen(token);
    for (size_t i = 0; i < len; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            copy[i] = (char)(token[i] ^ (1 << bit));
            if (verify(f, copy) == OK) {
                fail_msg("byte %zu bit %u was flipped and it was accepted", i, bit);
            }
        }
        memmove(copy + i, token + i + 1, len - i);
        assert_int_not_equal(verify(f, copy), OK);
        memcpy(copy, token, len + 1);
    }
}

/* The last digit of a signature has four bits that decode to nothing. */
static void test_signature_has_one_spelling(void **state)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const struct fixture *f = *state;
    const struct token_claims c = claims_now();
    AUTO(mem_free) char *token = sign(f->key, &c);
    char *last = token + strlen(token) - 1;
    int accepted = 0;
    for (const char *digit = digits; *digit != '\0'; digit++) {
        *last = *digit;
        accepted += verify(f, token) == OK ? 1 : 0;
    }
    assert_int_equal(accepted, 1);
}

static void test_oversize(void **state)
{
    const struct fixture *f = *state;
    char token[TOKEN_MAX_LEN + 2];
    memset(token, 'a', sizeof(token));
    token[sizeof(token) - 1] = '\0';
    token[100] = '.';
    token[200] = '.';
    assert_int_equal(verify(f, token), ERR_DENIED);
}

struct forgery {
    const char *name;
    const char *header; /* %s: the kid */
    const char *payload;
    enum forge_with with;
    enum err expected;
};

#define HEAD "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"%s\"}"
#define WITH(extra) "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"%s\"," extra "}"
#define BODY                                                                                       \
    "{\"iss\":\"unreel\",\"aud\":[\"unreel\"],\"sub\":\"" SUB "\",\"username\":\"a@b.c\","         \
    "\"admin\":false,\"iat\":1800000000,\"nbf\":1800000000,\"exp\":1800000900,"                    \
    "\"token_use\":\"access\"}"
#define BODY_OF(iss, aud, sub, admin, iat, nbf, exp, use)                                          \
    "{\"iss\":" iss ",\"aud\":" aud ",\"sub\":" sub ",\"username\":\"a@b.c\",\"admin\":" admin     \
    ",\"iat\":" iat ",\"nbf\":" nbf ",\"exp\":" exp ",\"token_use\":" use "}"
#define ISS "\"unreel\""
#define USE "\"access\""
#define SUBJECT "\"" SUB "\""
#define IAT "1800000000"
#define EXP "1800000900"

/* clang-format off */
static const struct forgery forgeries[] = {
    { "genuine", HEAD, BODY, FORGE_ES256, OK },
    { "no typ", "{\"alg\":\"ES256\",\"kid\":\"%s\"}", BODY, FORGE_ES256, OK },
    { "aud as a string", HEAD, BODY_OF(ISS, ISS, SUBJECT, "true", IAT, IAT, EXP, USE), FORGE_ES256,
      OK },
    { "aud as one of three", HEAD,
      BODY_OF(ISS, "[\"x\",\"unreel\",\"y\"]", SUBJECT, "true", IAT, IAT, EXP, USE), FORGE_ES256,
      OK },
    { "no nbf", HEAD,
      "{\"iss\":\"unreel\",\"aud\":\"unreel\",\"sub\":\"s\",\"username\":\"a@b.c\",\"admin\":true,"
      "\"iat\":1800000000,\"exp\":1800000900,\"token_use\":\"access\"}",
      FORGE_ES256, OK },

    { "alg none", "{\"alg\":\"none\",\"kid\":\"%s\"}", BODY, FORGE_NOTHING, ERR_DENIED },
    { "alg none, signed", "{\"alg\":\"none\",\"kid\":\"%s\"}", BODY, FORGE_ES256, ERR_DENIED },
    { "alg None", "{\"alg\":\"None\",\"kid\":\"%s\"}", BODY, FORGE_ES256, ERR_DENIED },
    { "no alg", "{\"kid\":\"%s\"}", BODY, FORGE_ES256, ERR_DENIED },
    { "alg no string", "{\"alg\":1,\"kid\":\"%s\"}", BODY, FORGE_ES256, ERR_DENIED },
    { "HS256 with the public PEM", "{\"alg\":\"HS256\",\"kid\":\"%s\"}", BODY, FORGE_HS256,
      ERR_DENIED },
    { "hs256 with the public PEM", "{\"alg\":\"hs256\",\"kid\":\"%s\"}", BODY, FORGE_HS256,
      ERR_DENIED },
    { "es256", "{\"alg\":\"es256\",\"kid\":\"%s\"}", BODY, FORGE_ES256, ERR_DENIED },
    { "ES384", "{\"alg\":\"ES384\",\"kid\":\"%s\"}", BODY, FORGE_ES256, ERR_DENIED },
    { "32 byte signature", HEAD, BODY, FORGE_HS256, ERR_DENIED },
    { "no signature", HEAD, BODY, FORGE_NOTHING, ERR_DENIED },
    { "two algs", "{\"alg\":\"ES256\",\"alg\":\"ES256\",\"kid\":\"%s\"}", BODY, FORGE_ES256,
      ERR_DENIED },
    { "two kids", "{\"alg\":\"ES256\",\"kid\":\"x\",\"kid\":\"%s\"}", BODY, FORGE_ES256,
      ERR_DENIED },
    { "crit", WITH("\"crit\":[\"exp\"]"), BODY, FORGE_ES256, ERR_DENIED },
    { "jku", WITH("\"jku\":\"https://evil.example/keys\""), BODY, FORGE_ES256, ERR_DENIED },
    { "x5u", WITH("\"x5u\":\"https://evil.example/x\""), BODY, FORGE_ES256, ERR_DENIED },
    { "jwk", WITH("\"jwk\":{}"), BODY, FORGE_ES256, ERR_DENIED },
    { "jwk null", WITH("\"jwk\":null"), BODY, FORGE_ES256, ERR_DENIED },
    { "at+jwt", "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"%s\"}", BODY, FORGE_ES256,
      ERR_DENIED },
    { "unknown kid", "{\"alg\":\"ES256\",\"kid\":\"someone-else\"}", BODY, FORGE_ES256,
      ERR_NOT_FOUND },
    { "empty kid", "{\"alg\":\"ES256\",\"kid\":\"\"}", BODY, FORGE_ES256, ERR_DENIED },
    { "no kid", "{\"alg\":\"ES256\"}", BODY, FORGE_ES256, ERR_DENIED },
    { "kid no string", "{\"alg\":\"ES256\",\"kid\":[\"%s\"]}", BODY, FORGE_ES256, ERR_DENIED },
    { "header no object", "[\"%s\"]", BODY, FORGE_ES256, ERR_DENIED },
    { "header no JSON", "%s", BODY, FORGE_ES256, ERR_DENIED },

    { "wrong iss", HEAD, BODY_OF("\"evil\"", ISS, SUBJECT, "true", IAT, IAT, EXP, USE), FORGE_ES256,
      ERR_DENIED },
    { "iss an array", HEAD, BODY_OF("[\"unreel\"]", ISS, SUBJECT, "true", IAT, IAT, EXP, USE),
      FORGE_ES256, ERR_DENIED },
    { "wrong aud", HEAD, BODY_OF(ISS, "\"other\"", SUBJECT, "true", IAT, IAT, EXP, USE),
      FORGE_ES256, ERR_DENIED },
    { "wrong auds", HEAD, BODY_OF(ISS, "[\"a\",\"b\"]", SUBJECT, "true", IAT, IAT, EXP, USE),
      FORGE_ES256, ERR_DENIED },
    { "aud empty", HEAD, BODY_OF(ISS, "[]", SUBJECT, "true", IAT, IAT, EXP, USE), FORGE_ES256,
      ERR_DENIED },
    { "aud mixed", HEAD, BODY_OF(ISS, "[\"unreel\",1]", SUBJECT, "true", IAT, IAT, EXP, USE),
      FORGE_ES256, ERR_DENIED },
    { "aud an object", HEAD, BODY_OF(ISS, "{\"unreel\":1}", SUBJECT, "true", IAT, IAT, EXP, USE),
      FORGE_ES256, ERR_DENIED },
    { "exp missing", HEAD,
      "{\"iss\":\"unreel\",\"aud\":\"unreel\",\"sub\":\"s\",\"username\":\"a@b.c\",\"admin\":true,"
      "\"iat\":1800000000,\"token_use\":\"access\"}",
      FORGE_ES256, ERR_DENIED },
    { "exp a string", HEAD, BODY_OF(ISS, ISS, SUBJECT, "true", IAT, IAT, "\"1800000900\"", USE),
      FORGE_ES256, ERR_DENIED },
    { "exp a real", HEAD, BODY_OF(ISS, ISS, SUBJECT, "true", IAT, IAT, "1800000900.0", USE),
      FORGE_ES256, ERR_DENIED },
    { "exp null", HEAD, BODY_OF(ISS, ISS, SUBJECT, "true", IAT, IAT, "null", USE), FORGE_ES256,
      ERR_DENIED },
    { "exp huge", HEAD, BODY_OF(ISS, ISS, SUBJECT, "true", IAT, IAT, "9223372036854775807", USE),
      FORGE_ES256, ERR_DENIED },
    { "exp beyond 64 bits", HEAD,
      BODY_OF(ISS, ISS, SUBJECT, "true", IAT, IAT, "18446744073709551616", USE), FORGE_ES256,
      ERR_DENIED },
    { "exp negative", HEAD, BODY_OF(ISS, ISS, SUBJECT, "true", IAT, IAT, "-1", USE), FORGE_ES256,
      ERR_DENIED },
    { "exp past", HEAD, BODY_OF(ISS, ISS, SUBJECT, "true", "1", "1", "1799999940", USE),
      FORGE_ES256, ERR_TIMEOUT },
    { "exp 1", HEAD, BODY_OF(ISS, ISS, SUBJECT, "true", "1", "1", "1", USE), FORGE_ES256,
      ERR_TIMEOUT },
    { "nbf future", HEAD, BODY_OF(ISS, ISS, SUBJECT, "true", IAT, "1800000061", EXP, USE),
      FORGE_ES256, ERR_DENIED },
    { "nbf a string", HEAD, BODY_OF(ISS, ISS, SUBJECT, "true", IAT, "\"1\"", EXP, USE), FORGE_ES256,
      ERR_DENIED },
    { "iat future", HEAD, BODY_OF(ISS, ISS, SUBJECT, "true", "1800000061", IAT, EXP, USE),
      FORGE_ES256, ERR_DENIED },
    { "iat null", HEAD, BODY_OF(ISS, ISS, SUBJECT, "true", "null", IAT, EXP, USE), FORGE_ES256,
      ERR_DENIED },
    { "admin a string", HEAD, BODY_OF(ISS, ISS, SUBJECT, "\"true\"", IAT, IAT, EXP, USE),
      FORGE_ES256, ERR_DENIED },
    { "admin a number", HEAD, BODY_OF(ISS, ISS, SUBJECT, "1", IAT, IAT, EXP, USE), FORGE_ES256,
      ERR_DENIED },
    { "admin twice", HEAD, BODY_OF(ISS, ISS, SUBJECT, "false,\"admin\":true", IAT, IAT, EXP, USE),
      FORGE_ES256, ERR_DENIED },
    { "sub empty", HEAD, BODY_OF(ISS, ISS, "\"\"", "true", IAT, IAT, EXP, USE), FORGE_ES256,
      ERR_DENIED },
    { "sub a number", HEAD, BODY_OF(ISS, ISS, "7", "true", IAT, IAT, EXP, USE), FORGE_ES256,
      ERR_DENIED },
    { "sub with a newline", HEAD, BODY_OF(ISS, ISS, "\"a\\nb\"", "true", IAT, IAT, EXP, USE),
      FORGE_ES256, ERR_DENIED },
    { "sub of 64 characters", HEAD,
      BODY_OF(ISS, ISS, "\"" SUB SUB "0123456789abcdef\"", "true", IAT, IAT, EXP, USE), FORGE_ES256,
      ERR_DENIED },
    { "a refresh token", HEAD, BODY_OF(ISS, ISS, SUBJECT, "true", IAT, IAT, EXP, "\"refresh\""),
      FORGE_ES256, ERR_DENIED },
    { "payload no object", HEAD, "[]", FORGE_ES256, ERR_DENIED },
    { "payload no JSON", HEAD, "hello", FORGE_ES256, ERR_DENIED },
};

/* clang-format on */

static void test_forgeries(void **state)
{
    const struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_LEN(forgeries); i++) {
        const struct forgery *row = &forgeries[i];
        /* The kid goes in by hand: the header is no format string to the compiler. */
        char header[512];
        const char *slot = strstr(row->header, "%s");
        const size_t before = slot == NULL ? strlen(row->header) : (size_t)(slot - row->header);
        (void)snprintf(header, sizeof(header), "%.*s%s%s", (int)before, row->header,
                       slot == NULL ? "" : token_key_kid(f->key), slot == NULL ? "" : slot + 2);
        AUTO(mem_free)
        char *token = forge_token(header, row->payload, row->with, f->key, f->public_pem);
        const enum err code = verify(f, token);
        if (code != row->expected) {
            fail_msg("%s: %s instead of %s", row->name, err_name(code), err_name(row->expected));
        }
    }
}

static void test_another_key_under_our_kid(void **state)
{
    const struct fixture *f = *state;
    char header[256];
    (void)snprintf(header, sizeof(header), "{\"alg\":\"ES256\",\"kid\":\"%s\"}",
                   token_key_kid(f->key));
    AUTO(mem_free) char *token = forge_token(header, BODY, FORGE_ES256, f->other, NULL);
    assert_int_equal(verify(f, token), ERR_DENIED);
}

static void test_shapes(void **state)
{
    const struct fixture *f = *state;
    const struct token_claims c = claims_now();
    AUTO(mem_free) char *token = sign(f->key, &c);
    AUTO(mem_free) char *four = xasprintf("%s.%s", token, "AAAA");
    AUTO(mem_free) char *dot = xasprintf("%s.", token);
    AUTO(mem_free) char *leading = xasprintf(".%s", token);
    AUTO(mem_free) char *space = xasprintf("%s ", token);
    AUTO(mem_free) char *padded = xasprintf("%s==", token);
    const char *rows[] = {
        "",    ".",     "..",   "...",     "a",  "a.b", "a..b",  ".b.c", "a.b.",
        "..c", "a.b.c", "====", "a.b.c.d", four, dot,   leading, space,  padded
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (verify(f, rows[i]) != ERR_DENIED) {
            fail_msg("accepted: %s", rows[i]);
        }
    }
}

static void test_big_header(void **state)
{
    const struct fixture *f = *state;
    char filler[1100];
    memset(filler, 'x', sizeof(filler) - 1);
    filler[sizeof(filler) - 1] = '\0';
    AUTO(mem_free)
    char *header = xasprintf("{\"alg\":\"ES256\",\"kid\":\"%s\",\"z\":\"%s\"}",
                             token_key_kid(f->key), filler);
    AUTO(mem_free) char *token = forge_token(header, BODY, FORGE_ES256, f->key, NULL);
    assert_true(strlen(token) < TOKEN_MAX_LEN);
    assert_int_equal(verify(f, token), ERR_DENIED);
}

static void test_key_pem(void **state)
{
    const struct fixture *f = *state;
    AUTO(mem_free) char *pem = token_key_to_pem(f->key);
    assert_non_null(strstr(pem, "BEGIN PRIVATE KEY"));
    AUTO(token_key_free) struct token_key *again = NULL;
    assert_int_equal(token_key_from_pem(pem, &again, NULL), OK);
    assert_string_equal(token_key_kid(again), token_key_kid(f->key));
    assert_int_equal(strlen(token_key_kid(again)), TOKEN_KID_SIZE - 1);

    struct token_key *none = NULL;
    struct error e = { 0 };
    assert_int_equal(token_key_from_pem("", &none, &e), ERR_INVALID);
    assert_int_equal(token_key_from_pem("no key", &none, &e), ERR_INVALID);
    assert_int_equal(token_key_from_pem(f->public_pem, &none, &e), ERR_INVALID);
    assert_null(none);
}

/* Made with: openssl ecparam -name secp384r1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt, and
 * with -passout pass:secret1234 instead of -nocrypt on P-256. */
static void test_unsuitable_pems(void **state)
{
    (void)state;
    static const char *const files[] = { "p384.pem", "encrypted.pem", "rsa.pem" };
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        char path[512];
        (void)snprintf(path, sizeof(path), "%s/tests/unit/token/%s", UNREEL_SOURCE_DIR, files[i]);
        FILE *file = fopen(path, "r");
        assert_non_null(file);
        char pem[4096];
        const size_t len = fread(pem, 1, sizeof(pem) - 1, file);
        (void)fclose(file);
        assert_true(len > 0);
        pem[len] = '\0';
        struct token_key *none = NULL;
        assert_int_equal(token_key_from_pem(pem, &none, NULL), ERR_INVALID);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_wall_clock_is_used),
        cmocka_unit_test(test_life),
        cmocka_unit_test(test_bit_flips),
        cmocka_unit_test(test_signature_has_one_spelling),
        cmocka_unit_test(test_oversize),
        cmocka_unit_test(test_forgeries),
        cmocka_unit_test(test_another_key_under_our_kid),
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_big_header),
        cmocka_unit_test(test_key_pem),
        cmocka_unit_test(test_unsuitable_pems),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
