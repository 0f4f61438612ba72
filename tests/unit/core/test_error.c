#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "core/error.h"
#include "core/text.h"

static void test_every_code_has_a_name_and_a_text(void **state)
{
    (void)state;
    for (int code = OK; code < ERR_MAX; code++) {
        assert_non_null(err_name((enum err)code));
        assert_non_null(err_text((enum err)code));
        for (int other = OK; other < code; other++) {
            assert_string_not_equal(err_name((enum err)code), err_name((enum err)other));
        }
    }
    assert_string_equal(err_name(ERR_NOT_FOUND), "not_found");
    assert_string_equal(err_name(ERR_MAX), "unknown");
    assert_string_equal(err_name((enum err) - 1), "unknown");
}

static void test_set_returns_the_code_and_truncates(void **state)
{
    struct error e = { 0 };
    char many[600];

    (void)state;
    memset(many, 'x', sizeof(many) - 1);
    many[sizeof(many) - 1] = '\0';
    assert_int_equal(err_set(&e, ERR_BUSY, "%s is %d", "it", 3), ERR_BUSY);
    assert_int_equal(e.code, ERR_BUSY);
    assert_string_equal(e.text, "it is 3");
    assert_int_equal(err_set(&e, ERR_FAULT, "%s", many), ERR_FAULT);
    assert_int_equal(strlen(e.text), sizeof(e.text) - 1);
    assert_int_equal(err_set(NULL, ERR_DENIED, "ignored"), ERR_DENIED);
}

static void test_no_character_is_cut_in_half(void **state)
{
    struct error e = { 0 };
    char many[600];

    (void)state;
    for (size_t i = 0; i + 3 < sizeof(many); i += 3) {
        memcpy(many + i, "\xe2\x82\xac", 3);
    }
    many[sizeof(many) - 3] = '\0';
    for (size_t shift = 0; shift < 3; shift++) {
        err_set(&e, ERR_FAULT, "%.*s%s", (int)shift, "ab", many);
        assert_in_range(strlen(e.text), sizeof(e.text) - 3, sizeof(e.text) - 1);
        assert_true(text_is_utf8(e.text, strlen(e.text)));
    }
    err_set(&e, ERR_FAULT, "%s", "");
    assert_string_equal(e.text, "");
    err_set(&e, ERR_FAULT, "%s", "ends with \xe2\x82\xac");
    assert_string_equal(e.text, "ends with \xe2\x82\xac");
}

static void test_set_errno_appends_the_reason(void **state)
{
    struct error e = { 0 };

    (void)state;
    assert_int_equal(err_set_errno(&e, ERR_FAULT, ENOENT, "open %s", "x"), ERR_FAULT);
    assert_string_equal(e.text, "open x: No such file or directory");
    assert_int_equal(err_set_errno(NULL, ERR_FAULT, ENOENT, "open"), ERR_FAULT);
}

static void test_transient(void **state)
{
    (void)state;
    assert_true(err_is_transient(ERR_BUSY));
    assert_true(err_is_transient(ERR_TIMEOUT));
    assert_true(err_is_transient(ERR_CONFLICT));
    assert_true(err_is_transient(ERR_FAULT));
    assert_false(err_is_transient(OK));
    assert_false(err_is_transient(ERR_INVALID));
    assert_false(err_is_transient(ERR_CORRUPT));
    assert_false(err_is_transient(ERR_CANCELLED));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_code_has_a_name_and_a_text),
        cmocka_unit_test(test_set_returns_the_code_and_truncates),
        cmocka_unit_test(test_no_character_is_cut_in_half),
        cmocka_unit_test(test_set_errno_appends_the_reason),
        cmocka_unit_test(test_transient),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
