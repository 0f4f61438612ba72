#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "core/attr.h"
#include "core/clock.h"
#include "core/span.h"
#include "core/text.h"

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define PARENT "00f067aa0ba902b7"
#define SAMPLED "00-" TRACE "-" PARENT "-01"
#define UNSAMPLED "00-" TRACE "-" PARENT "-00"

static struct span ended[8];
static size_t ended_count;

static void keep(void *ctx, const struct span *s)
{
    assert_ptr_equal(ctx, ended);
    assert_true(ended_count < ARRAY_LEN(ended));
    ended[ended_count++] = *s;
}

static int set_up(void **state)
{
    (void)state;
    ended_count = 0;
    span_record_to(keep, ended, 100);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    span_record_to(NULL, NULL, 0);
    return 0;
}

static const char *text_of(const struct span *s, const char *key)
{
    for (size_t i = 0; i < s->attribute_count; i++) {
        if (strcmp(s->attributes[i].key, key) == 0 && s->attributes[i].is_text) {
            return s->texts + s->attributes[i].number;
        }
    }
    return NULL;
}

static void assert_child(const struct span *child, const char *parent)
{
    char id[TRACE_SPAN_ID_SIZE];

    assert_memory_equal(child->traceparent + 3, parent + 3, TRACE_ID_SIZE - 1);
    trace_read_span_id(parent, id);
    assert_string_equal(child->parent_id, id);
    trace_read_span_id(child->traceparent, id);
    assert_string_not_equal(child->parent_id, id);
    assert_true(trace_is_valid(child->traceparent));
}

static void a_span_is_the_child_of_what_came_in(void **state)
{
    struct span s;

    (void)state;
    int64_t before_us = clock_wall_us();
    span_begin(&s, SPAN_SERVER, SAMPLED, "POST /upload");
    assert_child(&s, SAMPLED);
    clock_sleep_ms(2);
    span_end(&s);
    assert_int_equal(ended_count, 1);
    assert_string_equal(ended[0].name, "POST /upload");
    assert_int_equal(ended[0].kind, SPAN_SERVER);
    assert_in_range(ended[0].began_us, before_us, clock_wall_us());
    assert_in_range(ended[0].duration_us, 2000, 2000000);
    assert_false(ended[0].is_failed);
    span_end(&s);
    assert_int_equal(ended_count, 1);
}

static void a_trace_begins_where_none_came_in(void **state)
{
    static const char *const nothing[] = { NULL, "", "nonsense" };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(nothing); i++) {
        struct span s;
        span_begin(&s, SPAN_SERVER, nothing[i], "x");
        assert_true(trace_is_valid(span_traceparent(&s)));
        span_end(&s);
        assert_int_equal(ended_count, i + 1);
        assert_string_equal(ended[i].parent_id, "");
    }
    assert_string_not_equal(ended[0].traceparent, ended[1].traceparent);
}

static void spans_nest_on_their_thread(void **state)
{
    struct span outer;
    struct span part;
    struct span inner;

    (void)state;
    span_begin(&outer, SPAN_CONSUMER, SAMPLED, "process video");
    span_begin_part(&part, "convert");
    span_begin(&inner, SPAN_PRODUCER, "00-11111111111111111111111111111111-2222222222222222-01",
               "publish mp3");
    assert_child(&part, outer.traceparent);
    assert_child(&inner, part.traceparent);
    span_end(&inner);
    span_end(&part);
    span_begin_part(&part, "store");
    assert_child(&part, outer.traceparent);
    span_end(&part);
    span_end(&outer);
    assert_int_equal(ended_count, 4);
    assert_int_equal(ended[1].kind, SPAN_INTERNAL);
    assert_string_equal(ended[3].name, "process video");
}

static void a_part_of_nothing_is_nothing(void **state)
{
    struct span s;

    (void)state;
    span_begin_part(&s, "convert");
    span_text(&s, "a", "b");
    span_fail(&s, "x", "y");
    assert_string_equal(span_traceparent(&s), "");
    span_end(&s);
    assert_int_equal(ended_count, 0);
}

static void an_unsampled_trace_is_passed_on_unrecorded(void **state)
{
    struct span s;
    struct span part;

    (void)state;
    span_begin(&s, SPAN_SERVER, UNSAMPLED, "x");
    span_begin_part(&part, "y");
    span_end(&part);
    assert_string_equal(span_traceparent(&s), UNSAMPLED);
    span_end(&s);
    assert_int_equal(ended_count, 0);
}

static void traces_that_begin_here_are_chosen_by_percent(void **state)
{
    (void)state;
    span_record_to(keep, ended, 0);
    for (int i = 0; i < 100; i++) {
        struct span s;
        span_begin(&s, SPAN_SERVER, NULL, "x");
        assert_true(trace_is_valid(span_traceparent(&s)));
        assert_false(trace_is_sampled(span_traceparent(&s)));
        span_end(&s);
    }
    assert_int_equal(ended_count, 0);
    struct span s;
    span_begin(&s, SPAN_SERVER, SAMPLED, "x");
    span_end(&s);
    assert_int_equal(ended_count, 1);
}

static void without_a_recorder_the_context_is_passed_on(void **state)
{
    struct span s;

    (void)state;
    span_record_to(NULL, NULL, 0);
    span_begin(&s, SPAN_SERVER, SAMPLED, "x");
    assert_false(s.is_recorded);
    assert_string_equal(span_traceparent(&s), SAMPLED);
    span_text(&s, "a", "b");
    span_int(&s, "a", 1);
    span_rename(&s, "z");
    span_end(&s);
    span_begin(&s, SPAN_SERVER, NULL, "x");
    assert_true(trace_is_valid(span_traceparent(&s)));
    assert_true(trace_is_sampled(span_traceparent(&s)));
    span_end(&s);
    assert_int_equal(ended_count, 0);
}

static void attributes_are_kept_within_their_limits(void **state)
{
    char longer[2 * SPAN_TEXTS_SIZE];
    struct span s;

    (void)state;
    memset(longer, 'a', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    span_begin(&s, SPAN_CLIENT, NULL, longer);
    assert_int_equal(strlen(s.name), SPAN_NAME_SIZE - 1);
    span_rename(&s, "POST");
    span_text(&s, "first", "h\xc3\xa9 \xff.");
    span_int(&s, "number", INT64_MIN);
    span_text(&s, "long", longer);
    span_text(&s, "no room", "x");
    for (int i = 0; i < 2 * SPAN_ATTRIBUTES_MAX; i++) {
        span_int(&s, "more", i);
    }
    span_end(&s);
    assert_string_equal(ended[0].name, "POST");
    assert_int_equal(ended[0].attribute_count, SPAN_ATTRIBUTES_MAX);
    assert_string_equal(text_of(&ended[0], "first"), "h\xc3\xa9 ?.");
    assert_int_equal(ended[0].attributes[1].number, INT64_MIN);
    assert_int_equal(strlen(text_of(&ended[0], "long")), SPAN_TEXTS_SIZE - 7 - 1);
    assert_null(text_of(&ended[0], "no room"));
}

static void a_cut_leaves_no_half_a_character(void **state)
{
    char text[SPAN_DETAIL_SIZE + 8];
    struct span s;

    (void)state;
    memset(text, 'a', SPAN_DETAIL_SIZE - 2);
    (void)text_copy(text + SPAN_DETAIL_SIZE - 2, 8, "\xc3\xa9");
    span_begin(&s, SPAN_CLIENT, NULL, "x");
    span_fail(&s, "timeout", text);
    span_fail(&s, "other", "later");
    span_end(&s);
    assert_true(ended[0].is_failed);
    assert_int_equal(strlen(ended[0].detail), SPAN_DETAIL_SIZE - 2);
    assert_string_equal(text_of(&ended[0], "error.type"), "timeout");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_span_is_the_child_of_what_came_in),
        CASE(a_trace_begins_where_none_came_in),
        CASE(spans_nest_on_their_thread),
        CASE(a_part_of_nothing_is_nothing),
        CASE(an_unsampled_trace_is_passed_on_unrecorded),
        CASE(traces_that_begin_here_are_chosen_by_percent),
        CASE(without_a_recorder_the_context_is_passed_on),
        CASE(attributes_are_kept_within_their_limits),
        CASE(a_cut_leaves_no_half_a_character),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
