/* Reading key sets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "token/token.h"
#include "token/token_impl.h"

/* RFC 7515 appendix A.3; its thumbprint by RFC 7638. */
#define X "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"
#define Y "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
#define GOOD "{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"k\",\"x\":\"" X "\",\"y\":\"" Y "\"}"
#define KEY(kty, crv, kid, x, y, more)                                                             \
    "{\"kty\":\"" kty "\",\"crv\":\"" crv "\",\"kid\":" kid ",\"x\":\"" x "\",\"y\":\"" y          \
    "\"" more "}"
#define SET(keys) "{\"keys\":[" keys "]}"

/* Version 14 of clang-format dies of this table. */
/* clang-format off */
static const struct {
    const char *name;
    const char *json;
    enum err expected;
} rows[] = {
    { "one", SET(GOOD), OK },
    { "more members", "{\"keys\":[" GOOD "],\"next\":1}", OK },
    { "use and alg",
      SET(KEY("EC", "P-256", "\"k\"", X, Y, ",\"use\":\"sig\",\"alg\":\"ES256\"")), OK },
    { "an RSA key beside it",
      SET("{\"kty\":\"RSA\",\"kid\":\"r\",\"n\":\"AQAB\",\"e\":\"AQAB\"}," GOOD),
      OK },
    { "rubbish beside it", SET("1,null,[],{},\"x\"," GOOD), OK },
    { "no JSON", "keys", ERR_INVALID },
    { "empty", "", ERR_INVALID },
    { "an array", "[]", ERR_INVALID },
    { "no keys", "{}", ERR_INVALID },
    { "keys no array", "{\"keys\":{}}", ERR_INVALID },
    { "none", SET(""), ERR_INVALID },
    { "keys twice", "{\"keys\":[],\"keys\":[" GOOD "]}", ERR_INVALID },
    { "RSA only",
      SET("{\"kty\":\"RSA\",\"kid\":\"r\",\"n\":\"AQAB\",\"e\":\"AQAB\"}"), ERR_INVALID },
    { "oct", SET("{\"kty\":\"oct\",\"kid\":\"k\",\"k\":\"AAAA\"}"), ERR_INVALID },
    { "P-384", SET(KEY("EC", "P-384", "\"k\"", X, Y, "")), ERR_INVALID },
    { "secp256k1", SET(KEY("EC", "secp256k1", "\"k\"", X, Y, "")), ERR_INVALID },
    { "for encryption", SET(KEY("EC", "P-256", "\"k\"", X, Y, ",\"use\":\"enc\"")), ERR_INVALID },
    { "another alg", SET(KEY("EC", "P-256", "\"k\"", X, Y, ",\"alg\":\"ES384\"")), ERR_INVALID },
    { "no kid", SET("{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X "\",\"y\":\"" Y "\"}"),
      ERR_INVALID },
    { "empty kid", SET(KEY("EC", "P-256", "\"\"", X, Y, "")), ERR_INVALID },
    { "kid a number", SET(KEY("EC", "P-256", "1", X, Y, "")), ERR_INVALID },
    { "kid too long",
      SET(KEY("EC", "P-256", "\"0123456789012345678901234567890123456789-toolong\"", X, Y, "")),
      ERR_INVALID },
    { "not on the curve", SET(KEY("EC", "P-256", "\"k\"", X, X, "")), ERR_INVALID },
    { "zero point",
      SET(KEY("EC", "P-256", "\"k\"", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
              "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "")),
      ERR_INVALID },
    { "short x", SET(KEY("EC", "P-256", "\"k\"", "AAAA", Y, "")), ERR_INVALID },
    { "long x", SET(KEY("EC", "P-256", "\"k\"", X X, Y, "")), ERR_INVALID },
    { "x no base64url", SET(KEY("EC", "P-256", "\"k\"", "!!!", Y, "")), ERR_INVALID },
};

/* clang-format on */

static void test_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(token_jwks_free) struct token_jwks *jwks = NULL;
        struct error e = { 0 };
        const enum err code = token_jwks_parse(rows[i].json, &jwks, &e);
        if (code != rows[i].expected || (jwks != NULL) != (code == OK)) {
            fail_msg("%s: %s (%s)", rows[i].name, err_name(code), e.text);
        }
        if (code == OK) {
            assert_true(token_jwks_has(jwks, "k"));
            assert_false(token_jwks_has(jwks, "r"));
            assert_false(token_jwks_has(jwks, ""));
        }
    }
}

static void test_limits(void **state)
{
    (void)state;
    for (int count = TOKEN_KEYS_MAX; count <= TOKEN_KEYS_MAX + 1; count++) {
        json_auto_t *root = json_pack("{s:[]}", "keys");
        for (int i = 0; i < count; i++) {
            AUTO(token_key_free) struct token_key *key = NULL;
            assert_int_equal(token_key_generate(&key, NULL), OK);
            json_array_append_new(json_object_get(root, "keys"), token_key_to_jwk(key));
        }
        AUTO(mem_free) char *text = json_dumps(root, 0);
        AUTO(token_jwks_free) struct token_jwks *jwks = NULL;
        assert_int_equal(token_jwks_parse(text, &jwks, NULL),
                         count <= TOKEN_KEYS_MAX ? OK : ERR_INVALID);
    }
    AUTO(mem_free) char *big = xmalloc(70001);
    memset(big, ' ', 70000);
    big[70000] = '\0';
    AUTO(token_jwks_free) struct token_jwks *jwks = NULL;
    assert_int_equal(token_jwks_parse(big, &jwks, NULL), ERR_INVALID);
}

static void test_thumbprint(void **state)
{
    (void)state;
    /* printf '{"crv":"P-256","kty":"EC","x":"...","y":"..."}' | openssl dgst -sha256 -binary */
    char kid[TOKEN_KID_SIZE];
    assert_int_equal(token_thumbprint(X, Y, kid, NULL), OK);
    assert_string_equal(kid, "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U");
}

static void test_jwk_names_its_own_key(void **state)
{
    (void)state;
    AUTO(token_key_free) struct token_key *key = NULL;
    assert_int_equal(token_key_generate(&key, NULL), OK);
    json_auto_t *jwk = token_key_to_jwk(key);
    assert_string_equal(json_string_value(json_object_get(jwk, "kid")), token_key_kid(key));
    assert_string_equal(json_string_value(json_object_get(jwk, "alg")), "ES256");
    assert_string_equal(json_string_value(json_object_get(jwk, "use")), "sig");
    assert_null(json_object_get(jwk, "d"));
    char kid[TOKEN_KID_SIZE];
    assert_int_equal(token_thumbprint(json_string_value(json_object_get(jwk, "x")),
                                      json_string_value(json_object_get(jwk, "y")), kid, NULL),
                     OK);
    assert_string_equal(kid, token_key_kid(key));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_thumbprint),
        cmocka_unit_test(test_jwk_names_its_own_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
