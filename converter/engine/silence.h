/* Where the sound begins and ends: what trim_silence cuts off is before and behind.
 *
 * It measures and passes nothing on. The sound is looked at in steps of 5 ms. A step is loud when
 * one channel's RMS is above -60 dBFS, the level of "0.1%" in sox and a cautious one among those
 * that are given to ffmpeg's silenceremove: a room's noise at -50 is kept. The sound begins with
 * the first four loud steps in a row and ends with the last four, and one step more on either side;
 * so a click of up to 10 ms alone in the silence does not count, and whatever is loud for 25 ms
 * does. A constant offset of more than 0.1 % of full scale is no silence. Samples that are no
 * numbers are. */
#ifndef UNREEL_CONVERTER_ENGINE_SILENCE_H
#define UNREEL_CONVERTER_ENGINE_SILENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/mem.h"

struct silence;

/* In samples of what was fed: the sound is [first, end). Of silence alone (has_sound false) that is
 * all of it: an MP3 cannot be empty, and a silent recording is kept as it is. */
struct silence_result {
    bool has_sound;
    int64_t first, end;
};

struct silence *silence_new(int sample_rate_hz, int channels) MUST_CHECK;
void silence_free(struct silence *s);
DEFINE_AUTO(struct silence *, silence_free)

/* planes[1] is not looked at for one channel. */
void silence_feed(struct silence *s, const float *const planes[2], size_t samples);
/* Of what was fed so far and, when it is called after the last feed, all there is. */
struct silence_result silence_result(const struct silence *s);

#endif
