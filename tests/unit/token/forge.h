/* Makes tokens that token_sign would never make, for the tests. */
#ifndef UNREEL_TESTS_FORGE_H
#define UNREEL_TESTS_FORGE_H

#include "token/token.h"

enum forge_with { FORGE_ES256, FORGE_HS256, FORGE_NOTHING };

/* header and payload are JSON texts. FORGE_HS256 signs with `secret`; FORGE_NOTHING leaves the
 * signature empty. The caller frees the token. */
char *forge_token(const char *header, const char *payload, enum forge_with with,
                  const struct token_key *key, const char *secret);

/* The PEM of the key's public half. The caller frees it. */
char *forge_public_pem(const struct token_key *key);

#endif
