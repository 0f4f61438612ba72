#include "token/seen.h"

#include <openssl/evp.h>
#include <string.h>

#include "core/banned.h"

static size_t slot_of(const struct seen_digest *digest)
{
    return digest->bytes[0] & (SEEN_SLOTS - 1);
}

bool seen_digest(const char *token, struct seen_digest *ret_digest)
{
    unsigned len = 0;
    return EVP_Digest(token, strlen(token), ret_digest->bytes, &len, EVP_sha256(), NULL) == 1 &&
           len == SEEN_DIGEST_LEN;
}

bool seen_find(const struct seen *s, const struct seen_digest *digest, int64_t now_s,
               struct token_claims *ret_claims)
{
    size_t i = slot_of(digest);
    if (!s->slots[i].is_used || now_s >= s->slots[i].claims.expires_at_s ||
        memcmp(&s->slots[i].digest, digest, sizeof(*digest)) != 0) {
        return false;
    }
    *ret_claims = s->slots[i].claims;
    return true;
}

void seen_add(struct seen *s, const struct seen_digest *digest, const struct token_claims *claims)
{
    size_t i = slot_of(digest);
    s->slots[i].digest = *digest;
    s->slots[i].claims = *claims;
    s->slots[i].is_used = true;
}

void seen_forget(struct seen *s)
{
    memset(s, 0, sizeof(*s));
}
