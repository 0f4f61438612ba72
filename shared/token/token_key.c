#include "token/token.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>

#include "core/text.h"
#include "token/token_impl.h"

#include "core/banned.h"

#define CURVE "prime256v1"
#define PEM_MAX 4096

struct token_key {
    EVP_PKEY *pkey;
    char x[TOKEN_COORDINATE_TEXT_SIZE];
    char y[TOKEN_COORDINATE_TEXT_SIZE];
    char kid[TOKEN_KID_SIZE];
};

static enum err crypto_error(struct error *e, enum err code, const char *what)
{
    char reason[128] = "no reason given";
    const unsigned long number = ERR_get_error();
    if (number != 0) {
        ERR_error_string_n(number, reason, sizeof(reason));
    }
    ERR_clear_error();
    return err_set(e, code, "%s: %s", what, reason);
}

enum err token_thumbprint(const char *x, const char *y, char ret_kid[TOKEN_KID_SIZE],
                          struct error *e)
{
    /* RFC 7638: the required members only, in this order, with no white space. */
    char json[160];
    const int len = snprintf(json, sizeof(json),
                             "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"%s\",\"y\":\"%s\"}", x, y);
    if (len < 0 || (size_t)len >= sizeof(json)) {
        return err_set(e, ERR_INVALID, "the coordinates are too long");
    }
    unsigned char digest[32];
    unsigned digest_len = 0;
    if (EVP_Digest(json, (size_t)len, digest, &digest_len, EVP_sha256(), NULL) != 1) {
        return crypto_error(e, ERR_FAULT, "sha-256");
    }
    text_to_base64url(ret_kid, digest, sizeof(digest));
    return OK;
}

static enum err read_coordinate(EVP_PKEY *pkey, const char *name,
                                char ret_text[TOKEN_COORDINATE_TEXT_SIZE], struct error *e)
{
    BIGNUM *number = NULL;
    if (EVP_PKEY_get_bn_param(pkey, name, &number) != 1) {
        return crypto_error(e, ERR_INVALID, "the key has no public point");
    }
    unsigned char bytes[TOKEN_COORDINATE_LEN];
    const int len = BN_bn2binpad(number, bytes, (int)sizeof(bytes));
    BN_free(number);
    if (len != (int)sizeof(bytes)) {
        return crypto_error(e, ERR_INVALID, "the key's public point is too large");
    }
    text_to_base64url(ret_text, bytes, sizeof(bytes));
    return OK;
}

/* Takes ownership of pkey. */
static enum err key_from_pkey(EVP_PKEY *pkey, struct token_key **ret_key, struct error *e)
{
    AUTO(token_key_free) struct token_key *key = xcalloc(1, sizeof(*key));
    key->pkey = pkey;
    enum err code = read_coordinate(pkey, OSSL_PKEY_PARAM_EC_PUB_X, key->x, e);
    if (code == OK) {
        code = read_coordinate(pkey, OSSL_PKEY_PARAM_EC_PUB_Y, key->y, e);
    }
    if (code == OK) {
        code = token_thumbprint(key->x, key->y, key->kid, e);
    }
    if (code == OK) {
        *ret_key = TAKE(key);
    }
    return code;
}

enum err token_key_generate(struct token_key **ret_key, struct error *e)
{
    EVP_PKEY *pkey = EVP_EC_gen(CURVE);
    if (pkey == NULL) {
        return crypto_error(e, ERR_FAULT, "make a key");
    }
    return key_from_pkey(pkey, ret_key, e);
}

/* Without it OpenSSL would ask on the terminal for the password of an encrypted key. */
static int no_password(char *buf, int size, int is_write, void *ctx)
{
    (void)buf;
    (void)size;
    (void)is_write;
    (void)ctx;
    return -1;
}

enum err token_key_from_pem(const char *pem, struct token_key **ret_key, struct error *e)
{
    const size_t len = strnlen(pem, PEM_MAX + 1);
    if (len > PEM_MAX) {
        return err_set(e, ERR_TOO_BIG, "the key's PEM is longer than %d bytes", PEM_MAX);
    }
    BIO *bio = BIO_new_mem_buf(pem, (int)len);
    if (bio == NULL) {
        return crypto_error(e, ERR_FAULT, "read a key");
    }
    EVP_PKEY *pkey = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
    BIO_free(bio);
    if (pkey == NULL) {
        return crypto_error(e, ERR_INVALID, "not an unencrypted PEM private key");
    }
    char curve[64] = "";
    if (EVP_PKEY_get_base_id(pkey) != EVP_PKEY_EC ||
        EVP_PKEY_get_group_name(pkey, curve, sizeof(curve), NULL) != 1 ||
        strcmp(curve, CURVE) != 0) {
        EVP_PKEY_free(pkey);
        ERR_clear_error();
        return err_set(e, ERR_INVALID, "the key is not on the curve P-256");
    }
    return key_from_pkey(pkey, ret_key, e);
}

char *token_key_to_pem(const struct token_key *key)
{
    BIO *bio = BIO_new(BIO_s_secmem());
    if (bio == NULL ||
        PEM_write_bio_PKCS8PrivateKey(bio, key->pkey, NULL, NULL, 0, NULL, NULL) != 1) {
        /* Only memory can fail here. */
        abort();
    }
    char *data = NULL;
    const long len = BIO_get_mem_data(bio, &data);
    char *pem = xstrndup(data, (size_t)len);
    BIO_free(bio); /* wipes: it is a secure memory BIO */
    return pem;
}

const char *token_key_kid(const struct token_key *key)
{
    return key->kid;
}

json_t *token_key_to_jwk(const struct token_key *key)
{
    json_t *jwk = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "kty", "EC", "crv", "P-256", "x",
                            key->x, "y", key->y, "kid", key->kid, "use", "sig", "alg", "ES256");
    if (jwk == NULL) {
        abort();
    }
    return jwk;
}

void token_key_free(struct token_key *key)
{
    if (key == NULL) {
        return;
    }
    EVP_PKEY_free(key->pkey);
    free(key);
}
