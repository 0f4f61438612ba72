#include "auth/passwords.h"

#include <argon2.h>
#include <string.h>

#include "core/id.h"
#include "core/text.h"

#include "core/banned.h"

/* OWASP's minimum for Argon2id. */
#define MEMORY_KIB 19456
#define PASSES 2
#define LANES 1
#define SALT_LEN 16
#define TAG_LEN 32
#define PARAMETERS "$argon2id$v=19$m=19456,t=2,p=1$"

enum err passwords_check(const char *password, const char *email, struct error *e)
{
    const size_t len = strnlen(password, PASSWORD_MAX_LEN + 1);
    if (len < PASSWORD_MIN_LEN || len > PASSWORD_MAX_LEN) {
        return err_set(e, ERR_INVALID, "a password has %d to %d bytes", PASSWORD_MIN_LEN,
                       PASSWORD_MAX_LEN);
    }
    if (passwords_is_common(password)) {
        return err_set(e, ERR_INVALID, "this password is one of the most common ones");
    }
    if (email != NULL && text_equals_nocase(password, email)) {
        return err_set(e, ERR_INVALID, "the password is the e-mail address");
    }
    return OK;
}

void passwords_generate(char ret_password[PASSWORD_GENERATED_SIZE])
{
    /* Without the letters and digits that look alike. */
    static const char digits[] = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    for (size_t i = 0; i + 1 < PASSWORD_GENERATED_SIZE; i++) {
        ret_password[i] = digits[random_below((unsigned)sizeof(digits) - 1)];
    }
    ret_password[PASSWORD_GENERATED_SIZE - 1] = '\0';
}

enum err passwords_hash(const char *password, char ret_hash[ACCOUNT_HASH_SIZE], struct error *e)
{
    unsigned char salt[SALT_LEN];
    random_bytes(salt, sizeof(salt));
    char hash[ACCOUNT_HASH_SIZE];
    const int rc = argon2id_hash_encoded(PASSES, MEMORY_KIB, LANES, password, strlen(password),
                                         salt, sizeof(salt), TAG_LEN, hash, sizeof(hash));
    if (rc != ARGON2_OK) {
        return err_set(e, ERR_FAULT, "argon2: %s", argon2_error_message(rc));
    }
    memcpy(ret_hash, hash, sizeof(hash));
    return OK;
}

enum err passwords_verify(const char *hash, const char *password, struct error *e)
{
    const int rc = argon2id_verify(hash, password, strlen(password));
    if (rc == ARGON2_OK) {
        return OK;
    }
    if (rc == ARGON2_VERIFY_MISMATCH) {
        return err_set(e, ERR_DENIED, "another password");
    }
    return err_set(e, rc == ARGON2_MEMORY_ALLOCATION_ERROR ? ERR_BUSY : ERR_CORRUPT, "argon2: %s",
                   argon2_error_message(rc));
}

bool passwords_needs_rehash(const char *hash)
{
    return !text_starts_with(hash, PARAMETERS);
}
