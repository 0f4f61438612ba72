#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "core/text.h"

static void test_int64(void **state)
{
    static const struct {
        const char *text;
        int64_t min, max;
        enum err err;
        int64_t value;
    } cases[] = {
        { "0", 0, 9, OK, 0 },
        { "-0", 0, 9, OK, 0 },
        { "007", 0, 9, OK, 7 },
        { "9223372036854775807", INT64_MIN, INT64_MAX, OK, INT64_MAX },
        { "-9223372036854775808", INT64_MIN, INT64_MAX, OK, INT64_MIN },
        { "9223372036854775808", INT64_MIN, INT64_MAX, ERR_INVALID, 0 },
        { "-9223372036854775809", INT64_MIN, INT64_MAX, ERR_INVALID, 0 },
        { "99999999999999999999999", INT64_MIN, INT64_MAX, ERR_INVALID, 0 },
        { "10", 0, 9, ERR_INVALID, 0 },
        { "-1", 0, 9, ERR_INVALID, 0 },
        { "", 0, 9, ERR_INVALID, 0 },
        { "-", -9, 9, ERR_INVALID, 0 },
        { "+1", 0, 9, ERR_INVALID, 0 },
        { " 1", 0, 9, ERR_INVALID, 0 },
        { "1 ", 0, 9, ERR_INVALID, 0 },
        { "0x1", 0, 9, ERR_INVALID, 0 },
        { "1.0", 0, 9, ERR_INVALID, 0 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t value = 42;
        assert_int_equal(text_to_int64(cases[i].text, cases[i].min, cases[i].max, &value),
                         cases[i].err);
        assert_true(value == (cases[i].err == OK ? cases[i].value : 42));
    }
}

static void test_size(void **state)
{
    static const struct {
        const char *text;
        enum err err;
        int64_t bytes;
    } cases[] = {
        { "12", OK, 12 },
        { "64KiB", OK, 65536 },
        { "1MiB", OK, 1048576 },
        { "2GiB", OK, INT64_C(2) << 30 },
        { "1TiB", OK, INT64_C(1) << 40 },
        { "8388608TiB", ERR_INVALID, 0 },
        { "1kib", ERR_INVALID, 0 },
        { "1 KiB", ERR_INVALID, 0 },
        { "1KB", ERR_INVALID, 0 },
        { "KiB", ERR_INVALID, 0 },
        { "-1", ERR_INVALID, 0 },
        { "", ERR_INVALID, 0 },
        { "111111111111111111111111111111KiB", ERR_INVALID, 0 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t bytes = 42;
        assert_int_equal(text_to_size(cases[i].text, 0, INT64_MAX, &bytes), cases[i].err);
        assert_true(bytes == (cases[i].err == OK ? cases[i].bytes : 42));
    }
    int64_t bytes = 0;
    assert_int_equal(text_to_size("1KiB", 0, 1023, &bytes), ERR_INVALID);
    assert_int_equal(text_to_size("1KiB", 1025, 4096, &bytes), ERR_INVALID);
}

static void test_utf8(void **state)
{
    static const struct {
        const char *text;
        bool is_utf8;
    } cases[] = {
        { "", true },
        { "abc", true },
        { "\xc3\xa4\xe2\x82\xac\xf0\x9f\x8e\xb5\xf4\x8f\xbf\xbf", true },
        { "\x80", false },
        { "\xc0\x80", false },
        { "\xc1\xbf", false },
        { "\xe0\x80\x80", false },
        { "\xed\xa0\x80", false },
        { "\xf0\x80\x80\x80", false },
        { "\xf4\x90\x80\x80", false },
        { "\xf8\x88\x80\x80\x80", false },
        { "\xe2\x82", false },
        { "\xc3z", false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(text_is_utf8(cases[i].text, strlen(cases[i].text)), cases[i].is_utf8);
    }
    uint32_t code = 0;
    assert_int_equal(text_utf8_next("\xf0\x9f\x8e\xb5x", 5, &code), 4);
    assert_int_equal(code, 0x1f3b5);
    assert_int_equal(text_utf8_next("\xf0\x9f\x8e\xb5", 3, &code), 0);
    assert_int_equal(text_utf8_next("", 0, &code), 0);
}

static void test_copy(void **state)
{
    char dst[6];

    (void)state;
    assert_true(text_copy(dst, sizeof(dst), "12345"));
    assert_string_equal(dst, "12345");
    assert_false(text_copy(dst, sizeof(dst), "123456"));
    assert_string_equal(dst, "12345");
    assert_false(text_copy(dst, sizeof(dst), "1234\xc3\xa4"));
    assert_string_equal(dst, "1234");
    assert_false(text_copy(dst, 0, "x"));
    assert_false(text_copy(dst, 1, "x"));
    assert_string_equal(dst, "");
}

static void test_comparisons(void **state)
{
    (void)state;
    assert_true(text_equals_nocase("Content-TYPE", "content-type"));
    assert_false(text_equals_nocase("abc", "abcd"));
    assert_false(text_equals_nocase("abcd", "abc"));
    assert_false(text_equals_nocase("[", "{"));
    assert_true(text_starts_with("abc", "ab"));
    assert_true(text_starts_with("abc", ""));
    assert_false(text_starts_with("ab", "abc"));
    assert_true(text_equals_secret("abc", "abc", 3));
    assert_false(text_equals_secret("abc", "abd", 3));
    assert_true(text_equals_secret("abc", "abd", 2));
}

static void test_percent(void **state)
{
    static const struct {
        const char *in;
        bool plus;
        const char *out; /* NULL: broken */
    } cases[] = {
        { "a%20b", false, "a b" },       { "a+b", false, "a+b" },  { "a+b%2B", true, "a b+" },
        { "%c3%A4", false, "\xc3\xa4" }, { "%", false, NULL },     { "%2", false, NULL },
        { "%zz", false, NULL },          { "a%00b", false, NULL }, { "", false, "" },
        { "%25%32%35", false, "%25" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[32];
        assert_true(text_copy(text, sizeof(text), cases[i].in));
        enum err err = text_percent_decode(text, cases[i].plus);
        assert_int_equal(err, cases[i].out == NULL ? ERR_INVALID : OK);
        if (cases[i].out != NULL) {
            assert_string_equal(text, cases[i].out);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_int64),       cmocka_unit_test(test_size),
        cmocka_unit_test(test_utf8),        cmocka_unit_test(test_copy),
        cmocka_unit_test(test_comparisons), cmocka_unit_test(test_percent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
