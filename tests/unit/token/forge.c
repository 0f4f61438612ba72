#include "forge.h"

#include <assert.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <string.h>

#include "core/mem.h"
#include "core/text.h"

static EVP_PKEY *private_key(const struct token_key *key)
{
    AUTO(mem_free) char *pem = token_key_to_pem(key);
    BIO *bio = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *pkey = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    BIO_free(bio);
    assert(pkey != NULL);
    return pkey;
}

static void sign_es256(const struct token_key *key, const char *text, unsigned char raw[64])
{
    EVP_PKEY *pkey = private_key(key);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    unsigned char der[128];
    size_t der_len = sizeof(der);
    int rc = EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, pkey);
    assert(rc == 1);
    rc = EVP_DigestSign(ctx, der, &der_len, (const unsigned char *)text, strlen(text));
    assert(rc == 1);
    const unsigned char *p = der;
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &p, (long)der_len);
    assert(sig != NULL);
    BN_bn2binpad(ECDSA_SIG_get0_r(sig), raw, 32);
    BN_bn2binpad(ECDSA_SIG_get0_s(sig), raw + 32, 32);
    ECDSA_SIG_free(sig);
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(pkey);
}

static char *to_base64url(const void *bytes, size_t len)
{
    char *text = xmalloc(TEXT_BASE64_SIZE(len));
    text_to_base64url(text, bytes, len);
    return text;
}

char *forge_token(const char *header, const char *payload, enum forge_with with,
                  const struct token_key *key, const char *secret)
{
    AUTO(mem_free) char *head = to_base64url(header, strlen(header));
    AUTO(mem_free) char *body = to_base64url(payload, strlen(payload));
    AUTO(mem_free) char *text = xasprintf("%s.%s", head, body);
    unsigned char raw[64] = { 0 };
    size_t raw_len = 0;
    if (with == FORGE_ES256) {
        sign_es256(key, text, raw);
        raw_len = 64;
    } else if (with == FORGE_HS256) {
        unsigned len = 0;
        HMAC(EVP_sha256(), secret, (int)strlen(secret), (const unsigned char *)text, strlen(text),
             raw, &len);
        raw_len = len;
    }
    AUTO(mem_free) char *signature = to_base64url(raw, raw_len);
    return xasprintf("%s.%s", text, raw_len == 0 ? "" : signature);
}

char *forge_public_pem(const struct token_key *key)
{
    EVP_PKEY *pkey = private_key(key);
    BIO *bio = BIO_new(BIO_s_mem());
    const int rc = PEM_write_bio_PUBKEY(bio, pkey);
    assert(rc == 1);
    char *data = NULL;
    const long len = BIO_get_mem_data(bio, &data);
    char *pem = xstrndup(data, (size_t)len);
    BIO_free(bio);
    EVP_PKEY_free(pkey);
    return pem;
}
