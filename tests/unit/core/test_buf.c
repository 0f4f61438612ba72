#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/mem.h"

static void test_grows_to_its_limit_and_no_further(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 100);
    assert_string_equal(buf_text(&b), "");
    for (int i = 0; i < 100; i++) {
        assert_int_equal(buf_append(&b, "x", 1), OK);
    }
    assert_int_equal(b.len, 100);
    assert_true(b.capacity <= 101);
    assert_int_equal(buf_append(&b, "y", 1), ERR_TOO_BIG);
    assert_int_equal(buf_appendf(&b, "%d", 1), ERR_TOO_BIG);
    assert_int_equal(buf_append_text(&b, ""), OK);
    assert_int_equal(strlen(buf_text(&b)), 100);
    buf_release(&b);
    assert_int_equal(b.len, 0);
    assert_int_equal(b.max, 100);
    buf_release(NULL);
}

static void test_no_limit(void **state)
{
    AUTO(buf_release) struct buf b;

    (void)state;
    buf_init(&b, SIZE_MAX);
    assert_int_equal(buf_append_text(&b, "some text"), OK);
    assert_string_equal(buf_text(&b), "some text");
}

static void test_format_and_consume(void **state)
{
    AUTO(buf_release) struct buf b;

    (void)state;
    buf_init(&b, 1000);
    assert_int_equal(buf_appendf(&b, "%s=%d;", "a", 1), OK);
    assert_int_equal(buf_appendf(&b, "%0200d", 7), OK);
    assert_int_equal(b.len, 204);
    buf_consume(&b, 4);
    assert_int_equal(b.len, 200);
    assert_int_equal(b.data[199], '7');
    assert_int_equal(b.data[200], '\0');
    buf_consume(&b, 5000);
    assert_int_equal(b.len, 0);
    assert_string_equal(buf_text(&b), "");
    buf_clear(&b);
}

static void test_detach(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 10);
    char *empty = buf_detach(&b);
    assert_string_equal(empty, "");
    free(empty);
    assert_int_equal(buf_append_text(&b, "abc"), OK);
    char *text = buf_detach(&b);
    assert_string_equal(text, "abc");
    free(text);
    assert_null(b.data);
    assert_int_equal(buf_append_text(&b, "again"), OK);
    buf_release(&b);
}

static void test_json(void **state)
{
    static const struct {
        const char *text;
        const char *json;
    } cases[] = {
        { "", "\"\"" },
        { "plain", "\"plain\"" },
        { "q\"b\\", "\"q\\\"b\\\\\"" },
        { "a\nb\tc\rd", "\"a\\nb\\tc\\rd\"" },
        { "\x01\x1f\x7f", "\"\\u0001\\u001f\\u007f\"" },
        { "gr\xc3\xbc\xc3\x9f \xf0\x9f\x8e\xb5", "\"gr\xc3\xbc\xc3\x9f \xf0\x9f\x8e\xb5\"" },
        { "a\xff"
          "b",
          "\"a\xef\xbf\xbd"
          "b\"" },
        { "\xc3", "\"\xef\xbf\xbd\"" },
        { "\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(buf_release) struct buf b;
        buf_init(&b, 100);
        assert_int_equal(buf_append_json(&b, cases[i].text), OK);
        assert_string_equal(buf_text(&b), cases[i].json);
    }
}

static void test_failed_json_changes_nothing(void **state)
{
    AUTO(buf_release) struct buf b;

    (void)state;
    buf_init(&b, 8);
    assert_int_equal(buf_append_text(&b, "abc"), OK);
    assert_int_equal(buf_append_json(&b, "\x01"), ERR_TOO_BIG);
    assert_string_equal(buf_text(&b), "abc");
    assert_int_equal(b.len, 3);
    assert_int_equal(buf_append_json(&b, "123"), OK);
    assert_string_equal(buf_text(&b), "abc\"123\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grows_to_its_limit_and_no_further),
        cmocka_unit_test(test_no_limit),
        cmocka_unit_test(test_format_and_consume),
        cmocka_unit_test(test_detach),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_failed_json_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
