#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/mem.h"
#include "escape.h"

static void test_query(void **state)
{
    static const char *const cases[][2] = {
        { "", "" },
        { "aZ09-._~", "aZ09-._~" },
        { "a b/c&d=e?f#g+h%", "a%20b%2Fc%26d%3De%3Ff%23g%2Bh%25" },
        { "\xc3\xa9\n\x7f", "%C3%A9%0A%7F" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(mem_free) char *escaped = escape_query(cases[i][0]);
        assert_string_equal(escaped, cases[i][1]);
    }
}

static void test_controls(void **state)
{
    static const char *const cases[][2] = {
        { "", "" },
        { "plain \xc3\xa9 \xe2\x82\xac", "plain \xc3\xa9 \xe2\x82\xac" },
        { "\x1b[31mred\r\n\t\x7f", "?[31mred????" },
        { "c1 \xc2\x9b"
          "2J",
          "c1 ?2J" },
        { "\xff\xfe cut \xe2\x82", "?? cut ??" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(mem_free) char *clean = escape_controls(cases[i][0]);
        assert_string_equal(clean, cases[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_query),
        cmocka_unit_test(test_controls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
