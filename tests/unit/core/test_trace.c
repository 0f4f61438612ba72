#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "core/attr.h"
#include "core/trace.h"

#define VALID "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

static void test_validity(void **state)
{
    static const struct {
        const char *text;
        bool is_valid;
    } cases[] = {
        { VALID, true },
        { "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00", true },
        { "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", true },
        { "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false },
        { "00-00000000000000000000000000000000-00f067aa0ba902b7-01", false },
        { "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", false },
        { "00-4BF92F3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false },
        { "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1", false },
        { "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-011", false },
        { "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false },
        { "00-4bf92f3577b34da6a3ce929d0e0e473-600f067aa0ba902b7-01", false },
        { "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0g", false },
        { "", false },
        { NULL, false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(trace_is_valid(cases[i].text), cases[i].is_valid);
    }
}

static void test_accept(void **state)
{
    char parent[TRACEPARENT_SIZE];
    char other[TRACEPARENT_SIZE];
    char id[TRACE_ID_SIZE];

    (void)state;
    trace_accept(VALID, parent, id);
    assert_string_equal(parent, VALID);
    assert_string_equal(id, "4bf92f3577b34da6a3ce929d0e0e4736");
    trace_accept("nonsense", parent, id);
    assert_true(trace_is_valid(parent));
    assert_int_equal(strlen(id), 32);
    assert_memory_equal(parent + 3, id, 32);
    trace_accept(NULL, other, id);
    assert_true(trace_is_valid(other));
    assert_string_not_equal(parent, other);
}

static void test_parts(void **state)
{
    static const struct {
        const char *flags;
        bool is_sampled;
    } cases[] = {
        { "00", false }, { "01", true }, { "02", false }, { "03", true }, { "ff", true }
    };

    char text[TRACEPARENT_SIZE] = VALID;
    char id[TRACE_ID_SIZE];
    char span_id[TRACE_SPAN_ID_SIZE];

    (void)state;
    trace_read_id(VALID, id);
    trace_read_span_id(VALID, span_id);
    assert_string_equal(id, "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_string_equal(span_id, "00f067aa0ba902b7");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        memcpy(text + 53, cases[i].flags, 2);
        assert_int_equal(trace_is_sampled(text), cases[i].is_sampled);
    }
}

static void test_new(void **state)
{
    char text[TRACEPARENT_SIZE];

    (void)state;
    for (int sampled = 0; sampled < 2; sampled++) {
        trace_new(sampled == 1, text);
        assert_true(trace_is_valid(text));
        assert_int_equal(trace_is_sampled(text), sampled);
    }
}

static void test_new_span(void **state)
{
    static const char later[] = "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ff";
    char text[TRACEPARENT_SIZE];

    (void)state;
    trace_new_span(later, text);
    assert_true(trace_is_valid(text));
    assert_memory_equal(text, "00-4bf92f3577b34da6a3ce929d0e0e4736-", 36);
    assert_memory_not_equal(text + 36, later + 36, 16);
    assert_string_equal(text + 52, "-01");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_validity), cmocka_unit_test(test_accept),
        cmocka_unit_test(test_parts),    cmocka_unit_test(test_new),
        cmocka_unit_test(test_new_span),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
