/* Frames of any rate, channels and format into float planes of one rate and one or two channels.
 *
 * More channels are mixed down by the standard matrix, normalised so that nothing clips. */
#ifndef UNREEL_CONVERTER_ENGINE_RESAMPLE_H
#define UNREEL_CONVERTER_ENGINE_RESAMPLE_H

#include <libavutil/frame.h>
#include <stddef.h>

#include "core/mem.h"
#include "failure.h"

struct resample;

struct resample_sink {
    void *ctx;
    enum err (*on_pcm)(void *ctx, const float *const planes[2], size_t samples, struct failure *f);
};

struct resample *resample_new(int sample_rate_hz, int channels,
                              const struct resample_sink *sink) MUST_CHECK;
void resample_free(struct resample *r);
DEFINE_AUTO(struct resample *, resample_free)

/* The frame may differ from the one before in every respect. */
enum err resample_feed(struct resample *r, const AVFrame *frame, struct failure *f) MUST_CHECK;
/* What the filter still holds. */
enum err resample_finish(struct resample *r, struct failure *f) MUST_CHECK;

/* The one of MPEG's nine rates that is nearest to the given one. */
int resample_nearest_rate(int sample_rate_hz);

#endif
