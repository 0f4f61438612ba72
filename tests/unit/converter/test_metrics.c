/* What the converter's metrics say of a job. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attempt.h"
#include "core/clock.h"
#include "core/mem.h"
#include "engine/protocol.h"

/* The value of that series, which must be there. */
static double value_of(const char *series)
{
    AUTO(buf_release) struct buf text;
    buf_init(&text, 65536);
    assert_int_equal(metrics_render(&text), OK);
    AUTO(mem_free) char *line = xasprintf("\n%s ", series);
    const char *found = strstr(text.data, line);
    assert_non_null(found);
    return strtod(found + strlen(line), NULL);
}

static void test_wait(void **state)
{
    static const struct {
        int64_t queued_ms, run_ms; /* ago; 0: at no time */
        double waited_s;
    } rows[] = {
        { 5000, 0, 5 },     { 5000, 60000, 5 },
        { 70000, 2000, 2 }, /* it was to wait for its next try */
        { -8000, 0, 0 },    /* by a clock that is ahead */
        { 5000, -4000, 0 }, /* claimed early */
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        double before = value_of("unreel_job_queue_wait_seconds_sum");
        int64_t now_ms = clock_wall_ms();
        struct job job = { .queued_at_ms = now_ms - rows[i].queued_ms };
        job.run_at_ms = rows[i].run_ms == 0 ? 0 : now_ms - rows[i].run_ms;
        converter_metrics_claimed(&job);
        double waited_s = value_of("unreel_job_queue_wait_seconds_sum") - before;
        assert_true(waited_s >= rows[i].waited_s - 0.001 && waited_s < rows[i].waited_s + 1);
    }
    assert_true(value_of("unreel_job_queue_wait_seconds_count") == ARRAY_LEN(rows));
}

static bool is_told_by_engine(enum problem p)
{
    uint8_t frame[PROTOCOL_HEADER_SIZE + 64];
    const struct protocol_failed failed = { .problem = p, .detail = "why" };
    struct protocol_failed back;
    size_t len = protocol_pack_failed(frame, &failed);
    return protocol_unpack_failed(frame + PROTOCOL_HEADER_SIZE, len - PROTOCOL_HEADER_SIZE, &back,
                                  NULL) == OK;
}

/* What an engine says of its input is not called ours, which `other` is. */
static void test_reasons(void **state)
{
    int told = 0;

    (void)state;
    for (int p = PROBLEM_NONE + 1; p < PROBLEM_MAX; p++) {
        if (!is_told_by_engine((enum problem)p)) {
            continue;
        }
        const char *reason = p == PROBLEM_INTERNAL ? "other" : problem_info((enum problem)p)->slug;
        AUTO(mem_free)
        char *series = xasprintf("unreel_jobs_total{result=\"failed\",reason=\"%s\"}", reason);
        const struct job job = { .state = JOB_FAILED, .error.problem = (enum problem)p };
        converter_metrics_count(ATTEMPT_ENDED, &job);
        assert_true(value_of(series) == 1);
        told++;
    }
    assert_true(told > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wait),
        cmocka_unit_test(test_reasons),
    };

    converter_metrics_register();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
