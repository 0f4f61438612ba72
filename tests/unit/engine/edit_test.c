/* What is kept of a sound whose samples are their own numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/mem.h"
#include "engine_child/edit.h"

#define RATE 8000
#define SAMPLES 16000

struct kept {
    int64_t first, count;
    float last;
};

static enum err keep(void *ctx, const float *const planes[2], size_t samples, struct failure *f)
{
    struct kept *k = ctx;
    (void)f;
    for (size_t i = 0; i < samples; i++) {
        assert_true(k->count == 0 || planes[0][i] == k->last + 1);
        k->first = k->count == 0 ? (int64_t)planes[0][i] : k->first;
        k->last = planes[0][i];
        k->count++;
    }
    return OK;
}

static void feed_all(struct edit *edit)
{
    static float plane[SAMPLES];
    struct failure f;
    for (int i = 0; i < SAMPLES; i++) {
        plane[i] = (float)i;
    }
    for (size_t done = 0; done < SAMPLES; done += 1000) {
        const float *const planes[2] = { plane + done, NULL };
        assert_int_equal(edit_feed(edit, planes, 1000, &f), OK);
    }
}

static void test_what_is_kept(void **state)
{
    (void)state;

    static const struct {
        int64_t start, end; /* asked for */
        int64_t kept_first, kept_end;
        bool is_over;
    } rows[] = {
        { 0, INT64_MAX, 0, 16000, false },
        { 100, INT64_MAX, 100, 16000, false },
        { 0, 15000, 0, 15000, true },
        { 1, 2, 1, 2, true },
        { 4000, 12000, 4000, 12000, true },
        { 999, 1001, 999, 1001, true },
        { 0, 16000, 0, 16000, true },
        { 7, 90000, 7, 16000, false },
        { 15999, INT64_MAX, 15999, 16000, false },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct kept kept = { 0 };
        struct failure f;
        struct edit_params params = { .sample_rate_hz = RATE,
                                      .channels = 1,
                                      .start = rows[i].start,
                                      .end = rows[i].end,
                                      .ctx = &kept,
                                      .on_pcm = keep };
        AUTO(edit_free) struct edit *edit = edit_new(&params);
        feed_all(edit);
        assert_int_equal(edit_is_over(edit), rows[i].is_over);
        assert_false(edit_is_empty(edit));
        assert_int_equal(edit_finish(edit, &f), OK);
        assert_int_equal(kept.first, rows[i].kept_first);
        assert_int_equal(kept.first + kept.count, rows[i].kept_end);
    }
}

static void test_a_start_behind_the_sound(void **state)
{
    (void)state;
    struct kept kept = { 0 };
    struct failure f = { 0 };
    struct edit_params params = { .sample_rate_hz = RATE,
                                  .channels = 1,
                                  .start = SAMPLES,
                                  .end = INT64_MAX,
                                  .ctx = &kept,
                                  .on_pcm = keep };
    AUTO(edit_free) struct edit *edit = edit_new(&params);
    feed_all(edit);
    assert_true(edit_is_empty(edit));
    assert_int_equal(edit_finish(edit, &f), ERR_INVALID);
    assert_int_equal(f.problem, PROBLEM_TRIM_RANGE);
    assert_int_equal(kept.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_kept),
        cmocka_unit_test(test_a_start_behind_the_sound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
