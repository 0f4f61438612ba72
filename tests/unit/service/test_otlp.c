#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <string.h>

#include "core/text.h"
#include "service/otlp.h"

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define PARENT "00f067aa0ba902b7"

static const struct otlp_resource resource = { "unreel-gateway", "1.2.3", "host-7" };

static struct span kept;

static void keep(void *ctx, const struct span *s)
{
    (void)ctx;
    kept = *s;
}

static int set_up(void **state)
{
    (void)state;
    span_record_to(keep, NULL, 100);
    return 0;
}

static json_t *render(const struct span *spans, size_t count)
{
    struct buf out;

    buf_init(&out, (count + 1) * OTLP_SPAN_MAX);
    assert_int_equal(otlp_render(&resource, spans, count, &out), OK);
    json_t *json = json_loads(buf_text(&out), JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(json);
    buf_release(&out);
    return json;
}

/* The only scope's spans; borrowed. */
static json_t *spans_of(json_t *json)
{
    json_t *batch = json_array_get(json_object_get(json, "resourceSpans"), 0);
    return json_object_get(json_array_get(json_object_get(batch, "scopeSpans"), 0), "spans");
}

static const char *text_at(json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

/* The value of an attribute, as the text that OTLP has for it. */
static const char *attribute(json_t *object, const char *key, const char *type)
{
    json_t *item = NULL;
    size_t i = 0;
    json_array_foreach(json_object_get(object, "attributes"), i, item)
    {
        if (strcmp(text_at(item, "key"), key) == 0) {
            return text_at(json_object_get(item, "value"), type);
        }
    }
    return NULL;
}

static void a_span_in_the_mapping_of_the_protocol(void **state)
{
    struct span s;

    (void)state;
    span_begin(&s, SPAN_CONSUMER, "00-" TRACE "-" PARENT "-01", "process \"video\"");
    span_text(&s, "messaging.system", "rabbitmq");
    span_int(&s, "unreel.job.attempt", 9007199254740993);
    span_fail(&s, "corrupt-input", "a\nb \xc3\xa9");
    span_end(&s);
    kept.began_us = 1700000000123456;
    kept.duration_us = 1000001;
    json_t *json = render(&kept, 1);
    json_t *span = json_array_get(spans_of(json), 0);
    assert_string_equal(text_at(span, "traceId"), TRACE);
    assert_int_equal(strlen(text_at(span, "spanId")), 16);
    assert_memory_equal(text_at(span, "spanId"), kept.traceparent + 36, 16);
    assert_string_equal(text_at(span, "parentSpanId"), PARENT);
    assert_string_equal(text_at(span, "name"), "process \"video\"");
    assert_int_equal(json_integer_value(json_object_get(span, "kind")), 5);
    assert_string_equal(text_at(span, "startTimeUnixNano"), "1700000000123456000");
    assert_string_equal(text_at(span, "endTimeUnixNano"), "1700000001123457000");
    assert_string_equal(attribute(span, "messaging.system", "stringValue"), "rabbitmq");
    assert_string_equal(attribute(span, "unreel.job.attempt", "intValue"), "9007199254740993");
    assert_string_equal(attribute(span, "error.type", "stringValue"), "corrupt-input");
    json_t *status = json_object_get(span, "status");
    assert_int_equal(json_integer_value(json_object_get(status, "code")), 2);
    assert_string_equal(text_at(status, "message"), "a\nb \xc3\xa9");
    json_decref(json);
}

static void a_first_span_has_no_parent_and_success_no_status(void **state)
{
    struct span s;

    (void)state;
    span_begin(&s, SPAN_SERVER, NULL, "GET");
    span_end(&s);
    json_t *json = render(&kept, 1);
    json_t *span = json_array_get(spans_of(json), 0);
    assert_null(json_object_get(span, "parentSpanId"));
    assert_null(json_object_get(span, "status"));
    assert_int_equal(json_array_size(json_object_get(span, "attributes")), 0);
    json_decref(json);
}

static void the_resource_says_who_it_was(void **state)
{
    (void)state;
    json_t *json = render(NULL, 0);
    json_t *batch = json_array_get(json_object_get(json, "resourceSpans"), 0);
    json_t *who = json_object_get(batch, "resource");
    assert_string_equal(attribute(who, "service.name", "stringValue"), "unreel-gateway");
    assert_string_equal(attribute(who, "service.version", "stringValue"), "1.2.3");
    assert_string_equal(attribute(who, "service.instance.id", "stringValue"), "host-7");
    assert_int_equal(json_array_size(spans_of(json)), 0);
    json_decref(json);
}

/* Every text full of what takes most room escaped. */
static void the_longest_span_fits_its_limit(void **state)
{
    char text[SPAN_TEXTS_SIZE];
    struct span s;

    (void)state;
    memset(text, 1, sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    span_begin(&s, SPAN_CLIENT, "00-" TRACE "-" PARENT "-01", text);
    span_fail(&s, "t", text);
    for (int i = 0; i < SPAN_ATTRIBUTES_MAX - 2; i++) {
        span_int(&s, "messaging.rabbitmq.destination.routing_key", INT64_MIN);
    }
    span_text(&s, "messaging.rabbitmq.destination.routing_key", text);
    span_end(&s);
    struct span many[8];
    for (size_t i = 0; i < 8; i++) {
        many[i] = kept;
    }
    struct buf out;
    buf_init(&out, 8 * OTLP_SPAN_MAX);
    assert_int_equal(otlp_render(&resource, many, 8, &out), OK);
    assert_true(out.len > 4 * OTLP_SPAN_MAX);
    buf_release(&out);
    buf_init(&out, 1000);
    assert_int_equal(otlp_render(&resource, many, 8, &out), ERR_TOO_BIG);
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_span_in_the_mapping_of_the_protocol),
        cmocka_unit_test(a_first_span_has_no_parent_and_success_no_status),
        cmocka_unit_test(the_resource_says_who_it_was),
        cmocka_unit_test(the_longest_span_fits_its_limit),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
