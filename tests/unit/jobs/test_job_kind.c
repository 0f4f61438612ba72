/* Conversions and probes, in the record and in what users see. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <string.h>

#include "core/attr.h"
#include "core/text.h"
#include "jobs/job.h"

static void test_names(void **state)
{
    (void)state;
    for (int i = 0; i < JOB_KIND_MAX; i++) {
        assert_int_equal(job_kind_from_name(job_kind_name((enum job_kind)i)), i);
    }
    assert_string_equal(job_kind_name(JOB_CONVERT), "convert");
    assert_string_equal(job_kind_name(JOB_PROBE), "probe");
    assert_int_equal(job_kind_from_name("Probe"), JOB_KIND_MAX);
    assert_int_equal(job_kind_from_name(""), JOB_KIND_MAX);
}

/* The record of a probe with another "kind"; NULL: with none, as from before there were kinds. */
static enum err read_kind(json_t *kind, enum job_kind *ret_kind)
{
    struct job j;
    struct job back = { .kind = JOB_KIND_MAX };
    job_init(&j, "ann@example.org");
    j.kind = JOB_PROBE;
    j.rev = 1;
    json_t *record = job_to_record(&j);
    assert_string_equal(json_string_value(json_object_get(record, "kind")), "probe");
    assert_int_equal(kind != NULL ? json_object_set_new(record, "kind", kind)
                                  : json_object_del(record, "kind"),
                     0);
    enum err err = job_from_record(record, &back, NULL);
    json_decref(record);
    *ret_kind = back.kind;
    return err;
}

static void test_record(void **state)
{
    (void)state;
    enum job_kind kind = JOB_KIND_MAX;
    assert_int_equal(read_kind(json_string("probe"), &kind), OK);
    assert_int_equal(kind, JOB_PROBE);
    assert_int_equal(read_kind(json_string("convert"), &kind), OK);
    assert_int_equal(kind, JOB_CONVERT);
    assert_int_equal(read_kind(NULL, &kind), OK);
    assert_int_equal(kind, JOB_CONVERT);
    /* Of a newer version: run as a conversion it would make what nobody asked for. */
    assert_int_equal(read_kind(json_string("fingerprint"), &kind), ERR_CORRUPT);
}

static void test_view(void **state)
{
    (void)state;
    struct job j;
    job_init(&j, "ann@example.org");
    json_t *view = job_to_json(&j);
    assert_string_equal(json_string_value(json_object_get(view, "kind")), "convert");
    json_decref(view);
    j.kind = JOB_PROBE;
    j.state = JOB_SUCCEEDED;
    (void)text_copy(j.input.container, sizeof(j.input.container), "wav");
    view = job_to_json(&j);
    assert_string_equal(json_string_value(json_object_get(view, "kind")), "probe");
    assert_true(json_is_null(json_object_get(json_object_get(view, "links"), "download")));
    assert_true(json_is_null(json_object_get(view, "output")));
    json_t *input = job_input_to_json(&j.input);
    assert_true(json_equal(input, json_object_get(view, "input")));
    assert_string_equal(json_string_value(json_object_get(input, "container")), "wav");
    json_decref(input);
    json_decref(view);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_record),
        cmocka_unit_test(test_view),
    };
    return cmocka_run_group_tests_name("job_kind", tests, NULL, NULL);
}
