/* Which passwords are taken, and how they are stored. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "auth/passwords.h"

static void test_policy(void **state)
{
    (void)state;
    char longest[PASSWORD_MAX_LEN + 2];
    memset(longest, 'x', sizeof(longest));
    longest[PASSWORD_MAX_LEN] = '\0';
    char too_long[PASSWORD_MAX_LEN + 2];
    memset(too_long, 'x', sizeof(too_long));
    too_long[PASSWORD_MAX_LEN + 1] = '\0';

    const struct {
        const char *password;
        enum err expected;
    } rows[] = {
        { "", ERR_INVALID },
        { "7 bytes", ERR_INVALID },
        { "8 bytes!", OK },
        { "correct horse battery staple", OK },
        { "\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f", OK }, /* 4 letters, 8 bytes */
        { longest, OK },
        { too_long, ERR_INVALID },
        { "password", ERR_INVALID },
        { "PassWord1", ERR_INVALID },
        { "1q2w3e4r", ERR_INVALID },
        { "password1x", OK },
        { "Ann@Example.org", ERR_INVALID },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct error e = { 0 };
        const enum err code = passwords_check(rows[i].password, "ann@example.org", &e);
        if (code != rows[i].expected) {
            fail_msg("%s: %s", rows[i].password, err_name(code));
        }
    }
    assert_int_equal(passwords_check("ann@example.org", NULL, NULL), OK);
}

static void test_hash(void **state)
{
    (void)state;
    char hash[ACCOUNT_HASH_SIZE];
    char again[ACCOUNT_HASH_SIZE];
    assert_int_equal(passwords_hash("hunter2 hunter2", hash, NULL), OK);
    assert_int_equal(passwords_hash("hunter2 hunter2", again, NULL), OK);
    assert_string_not_equal(hash, again); /* salted */
    assert_int_equal(strncmp(hash, "$argon2id$v=19$m=19456,t=2,p=1$", 31), 0);
    assert_false(passwords_needs_rehash(hash));
    assert_int_equal(passwords_verify(hash, "hunter2 hunter2", NULL), OK);
    assert_int_equal(passwords_verify(hash, "hunter2 hunter3", NULL), ERR_DENIED);
    assert_int_equal(passwords_verify(hash, "", NULL), ERR_DENIED);
    assert_int_equal(passwords_verify("", "x", NULL), ERR_CORRUPT);
    assert_int_equal(passwords_verify("$2b$12$abcdefghijklmnopqrstuv", "x", NULL), ERR_CORRUPT);
}

/* printf 'an old password' | argon2 somesalt16bytes! -id -t 1 -k 8192 -p 1 -e */
#define OLD_HASH                                                                                   \
    "$argon2id$v=19$m=8192,t=1,p=1$c29tZXNhbHQxNmJ5dGVzIQ$b0eg/"                                   \
    "PthysL9I2NlkQfTWvx3UsqP6u0wu47YeXIsRLE"

static void test_old_parameters(void **state)
{
    (void)state;
    assert_true(passwords_needs_rehash(OLD_HASH));
    assert_int_equal(passwords_verify(OLD_HASH, "an old password", NULL), OK);
    assert_int_equal(passwords_verify(OLD_HASH, "another password", NULL), ERR_DENIED);
}

static void test_generated(void **state)
{
    (void)state;
    char one[PASSWORD_GENERATED_SIZE];
    char two[PASSWORD_GENERATED_SIZE];
    passwords_generate(one);
    passwords_generate(two);
    assert_int_equal(strlen(one), PASSWORD_GENERATED_SIZE - 1);
    assert_string_not_equal(one, two);
    assert_int_equal(passwords_check(one, NULL, NULL), OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_policy),
        cmocka_unit_test(test_hash),
        cmocka_unit_test(test_old_parameters),
        cmocka_unit_test(test_generated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
