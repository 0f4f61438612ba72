/* The highest value of the sound, between its samples too: four times the rate, as BS.1770-4 asks
 * for rates below 96 kHz.
 *
 * libebur128 can tell it as well, at twice the price of all else it measures. Here a stretch whose
 * samples are too low for a new peak, whatever is between them, is not interpolated. */
#ifndef UNREEL_CONVERTER_ENGINE_TRUE_PEAK_H
#define UNREEL_CONVERTER_ENGINE_TRUE_PEAK_H

#include <stddef.h>

#define TRUE_PEAK_TAPS 12
#define TRUE_PEAK_PHASES 3 /* the fourth is the samples themselves */

struct true_peak {
    float highest_sample, highest; /* of all channels; full scale is 1.0 */
    float gain_max;                /* what the interpolation may raise a sample by */
    float taps[TRUE_PEAK_PHASES][TRUE_PEAK_TAPS];
    float history[2][TRUE_PEAK_TAPS - 1]; /* of each channel */
};

/* Nothing is to be released. */
void true_peak_init(struct true_peak *t);
/* The next samples of a channel, 0 or 1; all of them numbers. */
void true_peak_feed(struct true_peak *t, int channel, const float *plane, size_t samples);
/* Once, after the last feed: the sound may end at its peak. */
void true_peak_finish(struct true_peak *t);

#endif
