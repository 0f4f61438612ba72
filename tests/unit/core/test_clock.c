#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "core/clock.h"

static void test_texts(void **state)
{
    static const struct {
        int64_t wall_ms;
        const char *rfc3339;
        const char *http;
    } cases[] = {
        { 0, "1970-01-01T00:00:00.000Z", "Thu, 01 Jan 1970 00:00:00 GMT" },
        { INT64_C(1795257780123), "2026-11-21T10:43:00.123Z", "Sat, 21 Nov 2026 10:43:00 GMT" },
        { INT64_C(951782400000), "2000-02-29T00:00:00.000Z", "Tue, 29 Feb 2000 00:00:00 GMT" },
        { -1, "1969-12-31T23:59:59.999Z", "Wed, 31 Dec 1969 23:59:59 GMT" },
        { INT64_C(-62167219200000), "0000-01-01T00:00:00.000Z", "Sat, 01 Jan 0000 00:00:00 GMT" },
        { INT64_C(253402300799999), "9999-12-31T23:59:59.999Z", "Fri, 31 Dec 9999 23:59:59 GMT" },
    };

    char text[CLOCK_TEXT_SIZE];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t back = 42;
        clock_format(text, cases[i].wall_ms);
        assert_string_equal(text, cases[i].rfc3339);
        assert_int_equal(clock_parse(text, &back), OK);
        assert_true(back == cases[i].wall_ms);
        clock_format_http(text, cases[i].wall_ms);
        assert_string_equal(text, cases[i].http);
    }
    clock_format(text, INT64_MAX);
    assert_string_equal(text, "9999-12-31T23:59:59.999Z");
    clock_format(text, INT64_MIN);
    assert_string_equal(text, "0000-01-01T00:00:00.000Z");
}

static void test_parse(void **state)
{
    static const struct {
        const char *text;
        bool is_valid;
        int64_t wall_ms;
    } cases[] = {
        { "1970-01-01T00:00:01Z", true, 1000 },
        { "1970-01-01T00:00:00.5Z", true, 500 },
        { "1970-01-01T00:00:00.123456789Z", true, 123 },
        { "1970-01-01T02:00:00+02:00", true, 0 },
        { "1969-12-31T19:30:00-04:30", true, 0 },
        { "2016-12-31T23:59:60Z", true, INT64_C(1483228800000) },
        { "1970-01-01", false, 0 },
        { "1970-01-01 00:00:00Z", false, 0 },
        { "1970-01-01T00:00:00", false, 0 },
        { "1970-01-01T00:00:00.Z", false, 0 },
        { "1970-01-01T00:00:00ZZ", false, 0 },
        { "1970-01-01T24:00:00Z", false, 0 },
        { "1970-01-01T00:60:00Z", false, 0 },
        { "1970-13-01T00:00:00Z", false, 0 },
        { "1970-00-01T00:00:00Z", false, 0 },
        { "2023-02-29T00:00:00Z", false, 0 },
        { "1900-02-29T00:00:00Z", false, 0 },
        { "1970-01-01T00:00:00+2:00", false, 0 },
        { "", false, 0 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t wall_ms = 42;
        assert_int_equal(clock_parse(cases[i].text, &wall_ms),
                         cases[i].is_valid ? OK : ERR_INVALID);
        assert_true(wall_ms == (cases[i].is_valid ? cases[i].wall_ms : 42));
    }
}

static void test_clocks_run(void **state)
{
    int64_t before_us = clock_mono_us();
    int64_t before_ms = clock_mono_ms();

    (void)state;
    clock_sleep_ms(20);
    assert_true(clock_mono_ms() - before_ms >= 19);
    assert_true(clock_mono_us() - before_us >= 19000);
    clock_sleep_ms(-5);
    assert_true(clock_wall_ms() > INT64_C(1700000000000));
}

static void test_backoff(void **state)
{
    static const struct {
        int attempt;
        int64_t base, max, limit;
    } cases[] = {
        { 1, 100, 10000, 100 },   { 2, 100, 10000, 200 },          { 5, 100, 10000, 1600 },
        { 9, 100, 10000, 10000 }, { 1000000, 100, 10000, 10000 },  { 1, 500, 50, 50 },
        { 0, 100, 1000, 100 },    { 70, 1, INT64_MAX, INT64_MAX },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (int n = 0; n < 50; n++) {
            int64_t ms = clock_backoff_ms(cases[i].attempt, cases[i].base, cases[i].max);
            assert_true(ms >= 1);
            assert_true(ms <= cases[i].limit);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_clocks_run),
        cmocka_unit_test(test_backoff),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
