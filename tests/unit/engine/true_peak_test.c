/* The peak between samples: what is skipped never held it, slices do not matter, and libebur128,
 * which skips nothing, sees the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <ebur128.h>
#include <math.h>

#include "engine_child/true_peak.h"

#define SAMPLES 30000
#define LEN(array) (sizeof(array) / sizeof((array)[0]))

enum kind { NOISE, SWELL, BURSTS, SQUARE, IMPULSE, LAST, KINDS };

static float planes[2][SAMPLES];

static float noise(uint32_t *state)
{
    *state = *state * 1664525U + 1013904223U;
    return (float)(int32_t)*state / 2147483648.0F;
}

static void make(enum kind kind)
{
    uint32_t state = 5;
    for (int c = 0; c < 2; c++) {
        for (int i = 0; i < SAMPLES; i++) {
            float now = noise(&state);
            float swell = (float)i / SAMPLES;
            const float values[KINDS] = {
                [NOISE] = 0.7F * now,
                [SWELL] = swell * now,
                [BURSTS] = (i / 700 % 9 == 4 ? 0.9F : 0.5F) * now,
                [SQUARE] = (i / 37 & 1) != 0 ? 0.8F : -0.8F,
                [IMPULSE] = i == 20011 + c ? 1.0F : 0.01F * now,
                [LAST] = i >= SAMPLES - 2 ? 0.9F : 0.1F * now,
            };
            planes[c][i] = values[kind];
        }
    }
}

static struct true_peak measure(size_t slice)
{
    struct true_peak t;
    true_peak_init(&t);
    for (size_t done = 0; done < SAMPLES; done += slice) {
        size_t take = SAMPLES - done < slice ? SAMPLES - done : slice;
        true_peak_feed(&t, 0, planes[0] + done, take);
        true_peak_feed(&t, 1, planes[1] + done, take);
    }
    true_peak_finish(&t);
    return t;
}

/* Every place of every phase. */
static double by_brute_force(const struct true_peak *t)
{
    double highest = 0;
    for (int c = 0; c < 2; c++) {
        for (int i = 0; i < SAMPLES + TRUE_PEAK_TAPS; i++) {
            for (int phase = 0; phase < TRUE_PEAK_PHASES; phase++) {
                double sum = 0;
                for (int k = 0; k < TRUE_PEAK_TAPS; k++) {
                    int at = i - TRUE_PEAK_TAPS + 1 + k;
                    sum += at >= 0 && at < SAMPLES
                               ? (double)t->taps[phase][k] * (double)planes[c][at]
                               : 0;
                }
                highest = fmax(highest, fabs(sum));
            }
        }
    }
    return fmax(highest, (double)t->highest_sample);
}

static double by_libebur128(void)
{
    static const float none[2 * 100];
    static float frames[2 * SAMPLES];
    double peaks[2] = { 0 };
    ebur128_state *state = ebur128_init(2, 48000, EBUR128_MODE_TRUE_PEAK);
    assert_non_null(state);
    for (int i = 0; i < 2 * SAMPLES; i++) {
        frames[i] = planes[i % 2][i / 2];
    }
    assert_int_equal(ebur128_add_frames_float(state, frames, SAMPLES), EBUR128_SUCCESS);
    assert_int_equal(ebur128_add_frames_float(state, none, 100), EBUR128_SUCCESS);
    for (unsigned c = 0; c < 2; c++) {
        assert_int_equal(ebur128_true_peak(state, c, &peaks[c]), EBUR128_SUCCESS);
    }
    ebur128_destroy(&state);
    return fmax(peaks[0], peaks[1]);
}

static void test_peaks(void **state)
{
    (void)state;
    for (int kind = 0; kind < KINDS; kind++) {
        make((enum kind)kind);
        struct true_peak t = measure(4096);
        assert_true(fabs(t.highest - by_brute_force(&t)) < 1e-5);
        assert_true(t.highest >= t.highest_sample);
        /* A twentieth of a decibel. */
        assert_true(fabs(t.highest / by_libebur128() - 1) < 0.006);
    }
}

static void test_slices(void **state)
{
    (void)state;
    static const size_t slices[] = { 1, 11, 63, 64, 65, 1152, SAMPLES };
    for (int kind = 0; kind < KINDS; kind++) {
        make((enum kind)kind);
        struct true_peak whole = measure(4096);
        for (size_t i = 0; i < LEN(slices); i++) {
            struct true_peak t = measure(slices[i]);
            assert_true(fabsf(t.highest - whole.highest) < 1e-6F);
            assert_true(t.highest_sample == whole.highest_sample);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_peaks),
        cmocka_unit_test(test_slices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
