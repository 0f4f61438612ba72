/* Tokens that verified lately: a signature costs a hundred times more than a hash. Fixed size; not
 * thread-safe, the verifier's lock covers it. */
#ifndef UNREEL_TOKEN_SEEN_H
#define UNREEL_TOKEN_SEEN_H

#include <stdbool.h>
#include <stdint.h>

#include "token/token.h"

#define SEEN_SLOTS 64 /* a power of two */
#define SEEN_DIGEST_LEN 32

struct seen_digest {
    unsigned char bytes[SEEN_DIGEST_LEN]; /* SHA-256 of the token's text */
};

struct seen {
    struct {
        struct seen_digest digest;
        struct token_claims claims;
        bool is_used;
    } slots[SEEN_SLOTS];
};

/* False when the digest could not be made: then nothing is remembered. */
bool seen_digest(const char *token, struct seen_digest *ret_digest);
/* Whether the token was remembered and has not reached its exp. */
bool seen_find(const struct seen *s, const struct seen_digest *digest, int64_t now_s,
               struct token_claims *ret_claims);
void seen_add(struct seen *s, const struct seen_digest *digest, const struct token_claims *claims);
/* When the keys change: a key that was withdrawn must not live on here. */
void seen_forget(struct seen *s);

#endif
