#include "true_peak.h"

#include <math.h>
#include <string.h>

#include "core/mem.h"

#include "core/banned.h"

/* Short, so that much of a sound is skipped; of one size, so that the compiler uses vectors. */
#define STRETCH 64
#define HISTORY (TRUE_PEAK_TAPS - 1)

/* A sinc that a Hann window ends after half the taps. */
static double tap(double distance)
{
    double x = M_PI * distance;
    return sin(x) / x * 0.5 * (1 + cos(x / (TRUE_PEAK_TAPS / 2.0)));
}

void true_peak_init(struct true_peak *t)
{
    *t = (struct true_peak){ .gain_max = 1 };
    for (int phase = 0; phase < TRUE_PEAK_PHASES; phase++) {
        double sum = 0;
        double most = 0;
        double taps[TRUE_PEAK_TAPS];
        for (int i = 0; i < TRUE_PEAK_TAPS; i++) {
            taps[i] = tap(TRUE_PEAK_TAPS / 2.0 - 1 + (phase + 1) / 4.0 - i);
            sum += taps[i];
            most += fabs(taps[i]);
        }
        for (int i = 0; i < TRUE_PEAK_TAPS; i++) {
            t->taps[phase][i] = (float)(taps[i] / sum);
        }
        t->gain_max = fmaxf(t->gain_max, (float)(most / sum));
    }
}

static float highest_of(const float *values, size_t count)
{
    float highest = 0;
    for (size_t i = 0; i < count; i++) {
        float x = fabsf(values[i]);
        highest = x > highest ? x : highest;
    }
    return highest;
}

/* `window` is the history, and STRETCH samples of which `count` count. */
static void interpolate(struct true_peak *t, const float *window, size_t count)
{
    for (size_t phase = 0; phase < TRUE_PEAK_PHASES; phase++) {
        float sums[STRETCH] = { 0 };
        for (size_t k = 0; k < TRUE_PEAK_TAPS; k++) {
            float factor = t->taps[phase][k];
            for (size_t i = 0; i < STRETCH; i++) {
                sums[i] += factor * window[i + k];
            }
        }
        t->highest = fmaxf(t->highest, highest_of(sums, count));
    }
}

static void feed_stretch(struct true_peak *t, float *history, const float *plane, size_t count)
{
    float window[HISTORY + STRETCH] = { 0 };
    memcpy(window, history, HISTORY * sizeof(float));
    memcpy(window + HISTORY, plane, count * sizeof(float));
    t->highest_sample = fmaxf(t->highest_sample, highest_of(plane, count));
    t->highest = fmaxf(t->highest, t->highest_sample);
    if (highest_of(window, HISTORY + count) * t->gain_max > t->highest) {
        interpolate(t, window, count);
    }
    memcpy(history, window + count, HISTORY * sizeof(float));
}

void true_peak_feed(struct true_peak *t, int channel, const float *plane, size_t samples)
{
    for (size_t done = 0; done < samples; done += STRETCH) {
        size_t left = samples - done;
        feed_stretch(t, t->history[channel], plane + done, left < STRETCH ? left : STRETCH);
    }
}

void true_peak_finish(struct true_peak *t)
{
    static const float silence[TRUE_PEAK_TAPS];
    for (int c = 0; c < (int)ARRAY_LEN(t->history); c++) {
        true_peak_feed(t, c, silence, TRUE_PEAK_TAPS);
    }
}
