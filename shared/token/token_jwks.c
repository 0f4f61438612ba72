#include "token/token.h"

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <string.h>

#include "core/text.h"
#include "token/token_impl.h"

#include "core/banned.h"

#define JWKS_MAX 65536

struct public_key {
    char kid[TOKEN_KID_SIZE];
    char *pem; /* libjwt takes nothing else */
};

struct token_jwks {
    size_t count;
    struct public_key keys[TOKEN_KEYS_MAX];
};

/* Writes the PEM of the point 04 || x || y; NULL when it is not on the curve. */
static char *point_to_pem(const unsigned char *point, size_t point_len)
{
    char group[] = "prime256v1";
    unsigned char copy[1 + 2 * TOKEN_COORDINATE_LEN];
    memcpy(copy, point, point_len);
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, copy, point_len),
        OSSL_PARAM_construct_end(),
    };
    char *pem = NULL;
    EVP_PKEY *pkey = NULL;
    EVP_PKEY_CTX *check = NULL;
    BIO *bio = NULL;
    EVP_PKEY_CTX *make = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    if (make == NULL || EVP_PKEY_fromdata_init(make) != 1 ||
        EVP_PKEY_fromdata(make, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1) {
        goto out;
    }
    check = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
    if (check == NULL || EVP_PKEY_public_check(check) != 1) {
        goto out;
    }
    bio = BIO_new(BIO_s_mem());
    if (bio != NULL && PEM_write_bio_PUBKEY(bio, pkey) == 1) {
        char *data = NULL;
        const long len = BIO_get_mem_data(bio, &data);
        pem = xstrndup(data, (size_t)len);
    }
out:
    BIO_free(bio);
    EVP_PKEY_CTX_free(check);
    EVP_PKEY_CTX_free(make);
    EVP_PKEY_free(pkey);
    ERR_clear_error();
    return pem;
}

static bool read_coordinate(const json_t *jwk, const char *name,
                            unsigned char dst[TOKEN_COORDINATE_LEN])
{
    const json_t *value = json_object_get(jwk, name);
    size_t len = 0;
    return json_is_string(value) &&
           text_from_base64url(dst, TOKEN_COORDINATE_LEN, json_string_value(value),
                               json_string_length(value), &len) == OK &&
           len == TOKEN_COORDINATE_LEN;
}

/* An absent member suits; one that is there must be this string. */
static bool is_absent_or(const json_t *jwk, const char *name, const char *expected)
{
    const json_t *value = json_object_get(jwk, name);
    return value == NULL ||
           (json_is_string(value) && strcmp(json_string_value(value), expected) == 0);
}

static bool is_text(const json_t *jwk, const char *name, const char *expected)
{
    return json_object_get(jwk, name) != NULL && is_absent_or(jwk, name, expected);
}

/* Adds the key when it is one of ours: EC, P-256, for signatures, with a kid. */
static void add_key(struct token_jwks *set, const json_t *jwk)
{
    const char *kid = json_string_value(json_object_get(jwk, "kid"));
    if (kid == NULL || kid[0] == '\0' || strlen(kid) >= TOKEN_KID_SIZE ||
        token_jwks_has(set, kid)) {
        return;
    }
    if (!is_text(jwk, "kty", "EC") || !is_text(jwk, "crv", "P-256") ||
        !is_absent_or(jwk, "use", "sig") || !is_absent_or(jwk, "alg", "ES256")) {
        return;
    }
    unsigned char point[1 + 2 * TOKEN_COORDINATE_LEN] = { 0x04 };
    if (!read_coordinate(jwk, "x", point + 1) ||
        !read_coordinate(jwk, "y", point + 1 + TOKEN_COORDINATE_LEN)) {
        return;
    }
    char *pem = point_to_pem(point, sizeof(point));
    if (pem == NULL) {
        return;
    }
    struct public_key *key = &set->keys[set->count];
    (void)text_copy(key->kid, sizeof(key->kid), kid);
    key->pem = pem;
    set->count++;
}

enum err token_jwks_parse(const char *json, struct token_jwks **ret_jwks, struct error *e)
{
    const size_t len = strnlen(json, JWKS_MAX + 1);
    if (len > JWKS_MAX) {
        return err_set(e, ERR_INVALID, "the key set is longer than %d bytes", JWKS_MAX);
    }
    json_error_t where;
    json_auto_t *root = json_loadb(json, len, JSON_REJECT_DUPLICATES, &where);
    if (root == NULL) {
        return err_set(e, ERR_INVALID, "the key set is not JSON: %s", where.text);
    }
    const json_t *keys = json_object_get(root, "keys");
    if (!json_is_array(keys)) {
        return err_set(e, ERR_INVALID, "the key set has no array \"keys\"");
    }
    if (json_array_size(keys) > TOKEN_KEYS_MAX) {
        return err_set(e, ERR_INVALID, "the key set has more than %d keys", TOKEN_KEYS_MAX);
    }
    AUTO(token_jwks_free) struct token_jwks *set = xcalloc(1, sizeof(*set));
    for (size_t i = 0; i < json_array_size(keys); i++) {
        add_key(set, json_array_get(keys, i));
    }
    if (set->count == 0) {
        return err_set(e, ERR_INVALID, "the key set has no usable key");
    }
    *ret_jwks = TAKE(set);
    return OK;
}

const char *token_jwks_pem(const struct token_jwks *jwks, const char *kid)
{
    for (size_t i = 0; i < jwks->count; i++) {
        if (strcmp(jwks->keys[i].kid, kid) == 0) {
            return jwks->keys[i].pem;
        }
    }
    return NULL;
}

bool token_jwks_has(const struct token_jwks *jwks, const char *kid)
{
    return token_jwks_pem(jwks, kid) != NULL;
}

void token_jwks_free(struct token_jwks *jwks)
{
    if (jwks == NULL) {
        return;
    }
    for (size_t i = 0; i < jwks->count; i++) {
        free(jwks->keys[i].pem);
    }
    free(jwks);
}
