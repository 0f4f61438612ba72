/* Verifies tokens with a JWKS that it fetches and caches (reliability A2).
 *
 * The set is fetched on the first need and again after 5 min, in the caller's thread but never by
 * two at once, and meanwhile the others go on with the set in hand; token_verifier_ready, called
 * now and then, fetches earlier and so spares the callers of token_verifier_check the waiting; an
 * unknown kid fetches again, once per 30 s at most; while auth is down the last good set serves for
 * 24 h. Thread-safe. */
#ifndef UNREEL_TOKEN_VERIFIER_H
#define UNREEL_TOKEN_VERIFIER_H

#include "core/error.h"
#include "token/token.h"

struct token_verifier;

/* Fetches `{"keys":...}` text; the caller of fetch frees it. Given, so that this module needs no
 * HTTP. */
typedef enum err token_fetch_fn(void *ctx, char **ret_json, struct error *e);

enum err token_verifier_new(const char *issuer, const char *audience, token_fetch_fn *fetch,
                            void *ctx, struct token_verifier **ret_verifier,
                            struct error *e) MUST_CHECK;
void token_verifier_free(struct token_verifier *v);
/* As token_verify, but for a kid that is not in the set after that: ERR_DENIED. ERR_BUSY when no
 * set could be had. */
enum err token_verifier_check(struct token_verifier *v, const char *token,
                              struct token_claims *ret_claims, struct error *e) MUST_CHECK;
/* OK when a usable set is in hand or can be fetched: for readiness, and to keep the set fresh. */
enum err token_verifier_ready(struct token_verifier *v, struct error *e) MUST_CHECK;

#endif
