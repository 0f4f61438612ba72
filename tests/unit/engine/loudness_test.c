/* Loudness, range and true peak by the signals of EBU Tech 3341 and 3342, made here; and what comes
 * of silence, blips and wild samples. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/mem.h"
#include "engine_child/gain.h"
#include "engine_child/loudness.h"

#define TAU 6.283185307179586
#define PARTS_MAX 5

/* A sine, part after part. */
struct part {
    double seconds, dbfs;
};

struct tone {
    int rate, channels;
    struct part parts[PARTS_MAX];
};

static float amplitude_of(double dbfs)
{
    return (float)pow(10, dbfs / 20);
}

/* 1 kHz, on which the filter is flat. */
static void feed_part(struct loudness *l, const struct tone *t, const struct part *part)
{
    float second[48000];
    struct failure f;
    float amplitude = amplitude_of(part->dbfs);
    for (int i = 0; i < t->rate; i++) {
        second[i] = amplitude * (float)sin(TAU * 1000 * i / t->rate);
    }
    const float *const planes[2] = { second, second };
    int64_t left = llround(part->seconds * t->rate);
    while (left > 0) {
        int64_t take = left < t->rate ? left : t->rate;
        assert_int_equal(loudness_feed(l, planes, (size_t)take, &f), OK);
        left -= take;
    }
}

static struct loudness_result measure_tone(const struct tone *t)
{
    struct failure f;
    struct loudness_result r;
    AUTO(loudness_free) struct loudness *l = loudness_new(t->rate, t->channels);
    assert_non_null(l);
    for (size_t i = 0; i < PARTS_MAX && t->parts[i].seconds > 0; i++) {
        feed_part(l, t, &t->parts[i]);
    }
    assert_int_equal(loudness_finish(l, &r, &f), OK);
    assert_true(isfinite(r.integrated_lufs) && isfinite(r.range_lu));
    assert_true(isfinite(r.true_peak_dbtp) && isfinite(r.sample_peak_dbfs));
    return r;
}

static struct loudness_result measure(const float *left, const float *right, size_t samples,
                                      int rate)
{
    struct failure f;
    struct loudness_result r;
    const float *const planes[2] = { left, right };
    AUTO(loudness_free) struct loudness *l = loudness_new(rate, right == NULL ? 1 : 2);
    assert_non_null(l);
    assert_int_equal(loudness_feed(l, planes, samples, &f), OK);
    assert_int_equal(loudness_finish(l, &r, &f), OK);
    return r;
}

static void assert_near(double value, double wanted, double below, double above)
{
    if (!(value >= wanted - below && value <= wanted + above)) {
        fail_msg("%f is not %f -%f +%f", value, wanted, below, above);
    }
}

/* Tech 3341, cases 1 to 5; then the same in one channel, and at other rates. */
static void test_integrated(void **state)
{
    (void)state;

    static const struct {
        struct tone tone;
        double lufs;
    } rows[] = {
        { { 48000, 2, { { 20, -23 } } }, -23 },
        { { 48000, 2, { { 20, -33 } } }, -33 },
        { { 48000, 2, { { 10, -36 }, { 60, -23 }, { 10, -36 } } }, -23 },
        { { 48000, 2, { { 10, -72 }, { 10, -36 }, { 60, -23 }, { 10, -36 }, { 10, -72 } } }, -23 },
        { { 48000, 2, { { 20, -26 }, { 20.1, -20 }, { 20, -26 } } }, -23 },
        { { 48000, 1, { { 20, -23 } } }, -26 },
        { { 44100, 2, { { 20, -23 } } }, -23 },
        { { 32000, 2, { { 20, -23 } } }, -23 },
        { { 22050, 2, { { 20, -23 } } }, -23 },
        { { 11025, 1, { { 20, -20 } } }, -23 },
        { { 8000, 2, { { 20, -23 } } }, -23 },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct loudness_result r = measure_tone(&rows[i].tone);
        assert_true(r.is_measured);
        assert_near(r.integrated_lufs, rows[i].lufs, 0.1, 0.1);
    }
}

/* Tech 3342, cases 1 to 4. */
static void test_range(void **state)
{
    (void)state;

    static const struct {
        struct tone tone;
        double range;
    } rows[] = {
        { { 48000, 2, { { 20, -20 }, { 20, -30 } } }, 10 },
        { { 48000, 2, { { 20, -20 }, { 20, -15 } } }, 5 },
        { { 48000, 2, { { 20, -40 }, { 20, -20 } } }, 20 },
        { { 48000, 2, { { 20, -50 }, { 20, -35 }, { 20, -20 }, { 20, -35 }, { 20, -50 } } }, 15 },
        { { 48000, 2, { { 20, -23 } } }, 0 },
        { { 48000, 2, { { 2, -23 } } }, 0 },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_near(measure_tone(&rows[i].tone).range_lu, rows[i].range, 1, 1);
    }
}

/* Tech 3341, cases 15 to 19: a sine whose samples miss its peaks. */
static void test_true_peak_of_sines(void **state)
{
    (void)state;

    static const struct {
        int periods_of; /* samples */
        double degrees, amplitude, dbtp;
    } rows[] = {
        { 4, 0, 0.50, -6.0 },    { 4, 45, 0.50, -6.0 }, { 6, 60, 0.50, -6.0 },
        { 8, 67.5, 0.50, -6.0 }, { 4, 45, 1.41, 3.0 },
    };

    static float plane[48000];
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        size_t ramp = 4800;
        for (size_t n = 0; n < ARRAY_LEN(plane); n++) {
            size_t from_edge = n < ARRAY_LEN(plane) - n ? n : ARRAY_LEN(plane) - n;
            double fade = from_edge < ramp ? (double)from_edge / (double)ramp : 1;
            plane[n] = (float)(fade * rows[i].amplitude *
                               sin(TAU * ((double)n / rows[i].periods_of + rows[i].degrees / 360)));
        }
        struct loudness_result r = measure(plane, plane, ARRAY_LEN(plane), 48000);
        assert_near(r.true_peak_dbtp, rows[i].dbtp, 0.4, 0.2);
        assert_true(r.sample_peak_dbfs <= r.true_peak_dbtp);
    }
}

/* Cases 20 to 23: one peak of 0 dBTP on a grid four times as fine as the samples, met by them or
 * missed by one, two or three steps. */
static void test_true_peak_between_samples(void **state)
{
    (void)state;
    static const double bands[] = { 4, 6 };
    float plane[4800];
    for (size_t b = 0; b < ARRAY_LEN(bands); b++) {
        for (int quarter = 0; quarter < 4; quarter++) {
            for (int n = 0; n < (int)ARRAY_LEN(plane); n++) {
                double t = n - 2400 + quarter / 4.0;
                plane[n] = (float)(exp(-t * t / 900) * cos(TAU * t / bands[b]));
            }
            struct loudness_result r = measure(plane, NULL, ARRAY_LEN(plane), 48000);
            assert_near(r.true_peak_dbtp, 0, 0.4, 0.2);
        }
    }
}

/* The last sample is the highest: what the filter makes of it comes after it. */
static void test_true_peak_at_the_end(void **state)
{
    (void)state;
    float plane[4800];
    for (int n = 0; n < (int)ARRAY_LEN(plane); n++) {
        plane[n] = (float)(0.5 * sin(TAU * (n + 0.5) / 4));
    }
    /* Two equal neighbours: the peak is between them. */
    plane[4799] = plane[4798] = 1;
    struct loudness_result r = measure(plane, NULL, ARRAY_LEN(plane), 48000);
    assert_near(r.sample_peak_dbfs, 0, 0.01, 0.01);
    assert_true(r.true_peak_dbtp > 1);
}

static void assert_silence(const struct loudness_result *r)
{
    assert_false(r->is_measured);
    assert_true(r->integrated_lufs == LOUDNESS_SILENCE_LUFS);
    assert_true(r->range_lu == 0);
    assert_true(loudness_gain_db(r, -16, -1) == 0);
    struct loudness_result after = loudness_after_gain(r, 0);
    assert_true(after.integrated_lufs == LOUDNESS_SILENCE_LUFS && !after.is_measured);
}

static void test_silence(void **state)
{
    (void)state;
    static const float none[48000];
    for (size_t samples = 0; samples <= 48000; samples += 16000) {
        struct loudness_result r = measure(none, none, samples, 48000);
        assert_silence(&r);
        assert_true(r.true_peak_dbtp == LOUDNESS_PEAK_FLOOR_DB);
        assert_true(r.sample_peak_dbfs == LOUDNESS_PEAK_FLOOR_DB);
    }
    static const struct tone under_the_gate = { 48000, 2, { { 5, -75 } } };
    struct loudness_result r = measure_tone(&under_the_gate);
    assert_silence(&r);
    assert_near(r.true_peak_dbtp, -75, 0.1, 0.1);
}

/* Below 400 ms the standard says nothing; the whole of it is what counts. The filter's own start
 * is a part of it. */
static void test_short_sounds(void **state)
{
    (void)state;
    static const double seconds[] = { 0.02, 0.1, 0.399, 0.4, 0.45 };
    for (size_t i = 0; i < ARRAY_LEN(seconds); i++) {
        struct tone tone = { 44100, 2, { { seconds[i], -23 } } };
        struct loudness_result r = measure_tone(&tone);
        assert_true(r.is_measured);
        assert_near(r.integrated_lufs, -23, 0.5, 0.5);
        assert_true(r.range_lu == 0);
    }
    float one = 1;
    struct loudness_result r = measure(&one, NULL, 1, 8000);
    assert_silence(&r);
    assert_near(r.sample_peak_dbfs, 0, 0.01, 0.01);
}

/* One NaN would stay in the filter for good. */
static void test_wild_samples(void **state)
{
    (void)state;
    static float plane[96000];
    for (int i = 0; i < 96000; i++) {
        plane[i] = amplitude_of(-23) * (float)sin(TAU * 1000 * i / 48000);
    }
    plane[10] = NAN;
    plane[4711] = -NAN;
    struct loudness_result r = measure(plane, plane, 96000, 48000);
    assert_near(r.integrated_lufs, -23, 0.1, 0.1);
    assert_near(r.sample_peak_dbfs, -23, 0.1, 0.1);
    plane[5000] = INFINITY;
    plane[5001] = -1e30F;
    r = measure(plane, plane, 96000, 48000);
    assert_true(r.is_measured && isfinite(r.integrated_lufs) && r.integrated_lufs < 10);
    assert_near(r.sample_peak_dbfs, 12.04, 0.01, 0.01);
}

static void test_gain_of_a_result(void **state)
{
    (void)state;

    static const struct {
        double lufs, peak, target, gain;
    } rows[] = {
        { -23, -12, -16, 7 }, { -23, -5, -16, 4 },   { -10, 0.5, -16, -6 }, { -16, 0.5, -16, -1.5 },
        { -16, -1, -16, 0 },  { -60, -50, -16, 40 }, { -60, -30, -16, 29 }, { -16, -10, -70, -54 },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct loudness_result r = { true, rows[i].lufs, 3, rows[i].peak, rows[i].peak - 1 };
        double gain = loudness_gain_db(&r, rows[i].target, -1);
        assert_near(gain, rows[i].gain, 1e-9, 1e-9);
        struct loudness_result after = loudness_after_gain(&r, gain);
        assert_near(after.integrated_lufs, rows[i].lufs + rows[i].gain, 1e-9, 1e-9);
        assert_true(after.true_peak_dbtp <= -1 + 1e-9 && after.range_lu == r.range_lu);
    }
}

struct heard {
    struct loudness *loudness;
    size_t samples;
    const float *plane;
};

static enum err hear(void *ctx, const float *const planes[2], size_t samples, struct failure *f)
{
    struct heard *h = ctx;
    h->samples += samples;
    h->plane = planes[0];
    return loudness_feed(h->loudness, planes, samples, f);
}

/* The plan and what then is measured are the same thing, with a peak in the way or without. */
static void test_gain_reaches_what_was_planned(void **state)
{
    (void)state;

    static const struct {
        int channels;
        double dbfs;
        float peak;
        bool is_limited;
    } rows[] = {
        { 2, -30, 0, false }, { 1, -30, 0, false }, { 2, -30, 0.5F, true }, { 2, -3, 0, false }
    };

    static float plane[96000];
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct failure f;
        struct loudness_result after;
        for (int n = 0; n < 96000; n++) {
            plane[n] = amplitude_of(rows[i].dbfs) * (float)sin(TAU * 997 * n / 48000);
        }
        plane[50000] += rows[i].peak;
        float *right = rows[i].channels == 2 ? plane : NULL;
        struct loudness_result before = measure(plane, right, 96000, 48000);
        AUTO(loudness_free) struct loudness *l = loudness_new(48000, rows[i].channels);
        struct heard heard = { l, 0, NULL };
        double gain_db = loudness_gain_db(&before, -16, -1);
        struct gain_params params = { gain_db, rows[i].channels, &heard, hear };
        AUTO(gain_free) struct gain *gain = gain_new(&params);
        const float *const planes[2] = { plane, right };
        assert_int_equal(gain_feed(gain, planes, 96000, &f), OK);
        assert_int_equal(heard.samples, 96000);
        assert_int_equal(loudness_finish(l, &after, &f), OK);
        struct loudness_result planned = loudness_after_gain(&before, gain_db);
        assert_near(after.integrated_lufs, planned.integrated_lufs, 0.01, 0.01);
        assert_near(after.true_peak_dbtp, planned.true_peak_dbtp, 0.01, 0.01);
        double wanted = rows[i].is_limited ? after.true_peak_dbtp + 1 : after.integrated_lufs + 16;
        assert_near(wanted, 0, 0.01, 0.01);
    }
}

static enum err refuse(void *ctx, const float *const planes[2], size_t samples, struct failure *f)
{
    (void)planes;
    (void)samples;
    *(int *)ctx += 1;
    return failure_set(f, PROBLEM_INTERNAL, "no");
}

static void test_gain_passes_on(void **state)
{
    (void)state;
    static float plane[20000];
    struct failure f;
    AUTO(loudness_free) struct loudness *l = loudness_new(48000, 1);
    struct heard heard = { l, 0, NULL };
    AUTO(gain_free) struct gain *none = gain_new(&(struct gain_params){ 0, 1, &heard, hear });
    const float *const planes[2] = { plane, NULL };
    assert_int_equal(gain_feed(none, planes, 20000, &f), OK);
    assert_ptr_equal(heard.plane, plane);
    int calls = 0;
    AUTO(gain_free) struct gain *some = gain_new(&(struct gain_params){ 6, 1, &calls, refuse });
    assert_int_equal(gain_feed(some, planes, 20000, &f), ERR_FAULT);
    assert_int_equal(calls, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_integrated),
        cmocka_unit_test(test_range),
        cmocka_unit_test(test_true_peak_of_sines),
        cmocka_unit_test(test_true_peak_between_samples),
        cmocka_unit_test(test_true_peak_at_the_end),
        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_short_sounds),
        cmocka_unit_test(test_wild_samples),
        cmocka_unit_test(test_gain_of_a_result),
        cmocka_unit_test(test_gain_reaches_what_was_planned),
        cmocka_unit_test(test_gain_passes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
