/* What a password must be, and how it is stored: Argon2id in its encoded form, with the parameters
 * in the text. Thread-safe; a hash takes about 25 ms of a core and 19 MiB (gate.h bounds them). */
#ifndef UNREEL_AUTH_PASSWORDS_H
#define UNREEL_AUTH_PASSWORDS_H

#include <stdbool.h>

#include "accounts/accounts.h"
#include "core/error.h"

#define PASSWORD_MIN_LEN 8
#define PASSWORD_MAX_LEN 128
#define PASSWORD_GENERATED_SIZE 25

/* ERR_INVALID says what is wrong, in the user's terms. email may be NULL. */
enum err passwords_check(const char *password, const char *email, struct error *e) MUST_CHECK;
/* A new one of 24 letters and digits: 139 bits. */
void passwords_generate(char ret_password[PASSWORD_GENERATED_SIZE]);

enum err passwords_hash(const char *password, char ret_hash[ACCOUNT_HASH_SIZE],
                        struct error *e) MUST_CHECK;
/* OK; ERR_DENIED for another password; ERR_CORRUPT when hash is none. */
enum err passwords_verify(const char *hash, const char *password, struct error *e) MUST_CHECK;
/* Whether hash was made with other parameters than today's. */
bool passwords_needs_rehash(const char *hash);

/* common_passwords.c: among the passwords that are tried first; case does not matter. */
bool passwords_is_common(const char *password);

#endif
