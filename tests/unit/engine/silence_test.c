/* Where a sound begins and ends: levels, clicks, channels, slices of any size. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/mem.h"
#include "engine_child/silence.h"

#define RATE 48000
#define MS(ms) ((ms)*RATE / 1000)
#define SAMPLES MS(1000)
#define STEP MS(5)

static float planes_of[2][SAMPLES];

static void clear(void)
{
    for (size_t i = 0; i < SAMPLES; i++) {
        planes_of[0][i] = planes_of[1][i] = 0;
    }
}

static void add_tone(int channel, int from_ms, int to_ms, float amplitude)
{
    for (int i = MS(from_ms); i < MS(to_ms); i++) {
        planes_of[channel][i] = amplitude * (float)sin(0.13 * i + 0.5);
    }
}

static struct silence_result look(int channels, size_t samples, size_t slice)
{
    AUTO(silence_free) struct silence *s = silence_new(RATE, channels);
    for (size_t done = 0; done < samples; done += slice) {
        const float *const planes[2] = { planes_of[0] + done,
                                         channels == 2 ? planes_of[1] + done : NULL };
        silence_feed(s, planes, samples - done < slice ? samples - done : slice);
    }
    return silence_result(s);
}

/* A step is left on either side, where there is one. */
static void assert_sound(const struct silence_result *r, int first_ms, int end_ms)
{
    assert_true(r->has_sound);
    assert_int_equal(r->first, first_ms > 5 ? MS(first_ms - 5) : 0);
    assert_int_equal(r->end, end_ms < 995 ? MS(end_ms + 5) : SAMPLES);
}

static void test_levels_and_lengths(void **state)
{
    (void)state;

    static const struct {
        int channel, from_ms, to_ms;
        float amplitude;
        bool is_sound;
    } rows[] = {
        { 0, 300, 700, 0.1F, true },    { 1, 300, 700, 0.1F, true },
        { 0, 300, 700, 0.0016F, true }, { 0, 300, 700, 0.0012F, false }, /* RMS about -59 and -61 */
        { 0, 300, 320, 0.1F, true },    { 0, 300, 315, 1, false },
        { 0, 0, 1000, 0.1F, true },     { 0, 980, 1000, 0.1F, true },
        { 0, 0, 20, 0.1F, true },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        clear();
        add_tone(rows[i].channel, rows[i].from_ms, rows[i].to_ms, rows[i].amplitude);
        struct silence_result r = look(2, SAMPLES, 1000);
        if (rows[i].is_sound) {
            assert_sound(&r, rows[i].from_ms, rows[i].to_ms);
        } else {
            assert_false(r.has_sound);
            assert_int_equal(r.first, 0);
            assert_int_equal(r.end, SAMPLES);
        }
    }
}

/* In the silence before and behind, at full scale, on a step and across two or three of them. */
static void test_clicks_do_not_count(void **state)
{
    (void)state;
    for (int at = 0; at < STEP; at += 17) {
        clear();
        add_tone(0, 400, 600, 0.1F);
        for (int i = 0; i < MS(10); i++) {
            planes_of[0][MS(100) + at + i] = planes_of[1][MS(900) - at - i] = 1;
        }
        struct silence_result r = look(2, SAMPLES, 4096);
        assert_sound(&r, 400, 600);
    }
}

/* Wherever it lies, what is loud for 25 ms counts, and nothing of it is lost. */
static void test_whatever_lasts_counts(void **state)
{
    (void)state;
    for (int at = 0; at < STEP; at += 7) {
        clear();
        for (int i = 0; i < MS(25); i++) {
            planes_of[0][MS(500) + at + i] = (i & 1) != 0 ? 0.01F : -0.01F;
        }
        struct silence_result r = look(1, SAMPLES, 333);
        assert_true(r.has_sound);
        assert_true(r.first <= MS(500) + at && r.first > MS(500) + at - 2 * STEP);
        assert_true(r.end >= MS(525) + at && r.end < MS(525) + at + 2 * STEP);
    }
}

/* Soft passages within the sound are a part of it, and a click in them is nothing special. */
static void test_silence_within(void **state)
{
    (void)state;
    clear();
    add_tone(0, 100, 200, 0.1F);
    add_tone(1, 800, 900, 0.1F);
    struct silence_result r = look(2, SAMPLES, SAMPLES);
    assert_sound(&r, 100, 900);
}

/* The last step may be a short one. */
static void test_slices_and_the_end(void **state)
{
    (void)state;
    static const size_t slices[] = { 1, 239, 240, 241, 4096, SAMPLES };
    static const size_t lengths[] = { 0, 1, 100, MS(20), MS(700) + 13, SAMPLES - 1 };
    clear();
    add_tone(0, 0, 1000, 0.1F);
    for (size_t l = 0; l < ARRAY_LEN(lengths); l++) {
        for (size_t i = 0; i < ARRAY_LEN(slices); i++) {
            struct silence_result r = look(1, lengths[l], slices[i]);
            assert_int_equal(r.has_sound, lengths[l] >= MS(20));
            assert_int_equal(r.first, 0);
            assert_int_equal(r.end, lengths[l]);
        }
    }
}

/* Numbers that are none are silence, and do not make loud what follows. */
static void test_wild_samples(void **state)
{
    (void)state;
    clear();
    for (int i = 0; i < MS(100); i++) {
        planes_of[0][i] = NAN;
        planes_of[0][SAMPLES - 1 - i] = -NAN;
    }
    struct silence_result r = look(1, SAMPLES, 100);
    assert_false(r.has_sound);
    add_tone(0, 500, 600, 0.1F);
    planes_of[0][MS(550)] = INFINITY;
    r = look(1, SAMPLES, 100);
    assert_sound(&r, 500, 600);
}

static void test_rates(void **state)
{
    (void)state;
    static const int rates[] = { 8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000 };
    for (size_t i = 0; i < ARRAY_LEN(rates); i++) {
        int step = rates[i] * 5 / 1000;
        clear();
        for (int n = 10 * step; n < 20 * step; n++) {
            planes_of[0][n] = (n & 1) != 0 ? 0.1F : -0.1F;
        }
        AUTO(silence_free) struct silence *s = silence_new(rates[i], 1);
        const float *const planes[2] = { planes_of[0], NULL };
        silence_feed(s, planes, 100 * (size_t)step);
        struct silence_result r = silence_result(s);
        assert_true(r.has_sound);
        assert_int_equal(r.first, 9 * step);
        assert_int_equal(r.end, 21 * step);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_levels_and_lengths),
        cmocka_unit_test(test_clicks_do_not_count),
        cmocka_unit_test(test_whatever_lasts_counts),
        cmocka_unit_test(test_silence_within),
        cmocka_unit_test(test_slices_and_the_end),
        cmocka_unit_test(test_wild_samples),
        cmocka_unit_test(test_rates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
