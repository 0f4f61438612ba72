/* How loud the sound is: EBU R128 (ITU-R BS.1770-4, EBU Tech 3342), by libebur128; its true peak by
 * true_peak.h.
 *
 * It measures and passes nothing on. One channel is measured as one loudspeaker, as BS.1770 says
 * and as ffmpeg's ebur128 filter does by default: the same sound as two equal channels is 3 LU
 * louder. Samples that are no numbers count as silence, wild ones are clamped, as the encoder does.
 *
 * A sound shorter than one block (400 ms), for which the standard has no answer, is measured as a
 * whole and without gates. Of a sound longer than 24 hours the last 24 count for loudness and
 * range, so memory is bounded: 1.3 MB for each hour, 31 MB at most. */
#ifndef UNREEL_CONVERTER_ENGINE_LOUDNESS_H
#define UNREEL_CONVERTER_ENGINE_LOUDNESS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/mem.h"
#include "failure.h"

/* Where the absolute gate is: what a sound has that nothing of it passes. */
#define LOUDNESS_SILENCE_LUFS (-70.0)
/* What a peak below it is given as, 0 included. */
#define LOUDNESS_PEAK_FLOOR_DB (-120.0)
/* No sound is raised by more: it would be the noise of the recording that is raised. */
#define LOUDNESS_GAIN_MAX_DB 40.0

struct loudness;

/* All finite. */
struct loudness_result {
    bool is_measured; /* false: silence, and integrated_lufs is LOUDNESS_SILENCE_LUFS */
    double integrated_lufs;
    double range_lu;
    double true_peak_dbtp; /* between the samples too, at four times the rate */
    double sample_peak_dbfs;
};

/* 8 to 48 kHz, 1 or 2 channels. NULL: no memory. */
struct loudness *loudness_new(int sample_rate_hz, int channels) MUST_CHECK;
void loudness_free(struct loudness *l);
DEFINE_AUTO(struct loudness *, loudness_free)

/* planes[1] is not looked at for one channel. PROBLEM_RESOURCE_LIMIT: no memory. */
enum err loudness_feed(struct loudness *l, const float *const planes[2], size_t samples,
                       struct failure *f) MUST_CHECK;
/* Once, after the last feed. */
enum err loudness_finish(struct loudness *l, struct loudness_result *ret_result,
                         struct failure *f) MUST_CHECK;

/* The one gain that brings the sound to target_lufs, or as near as it goes while its true peak
 * stays at peak_limit_dbtp or below; LOUDNESS_GAIN_MAX_DB at most. 0 when it is not measured. */
double loudness_gain_db(const struct loudness_result *r, double target_lufs,
                        double peak_limit_dbtp);
/* What would be measured after that gain. */
struct loudness_result loudness_after_gain(const struct loudness_result *r, double gain_db);

#endif
