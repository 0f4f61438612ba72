/* One gain for the whole sound. PCM goes through; at 0 dB it is handed on untouched. Nothing is
 * clipped here: who asks for a gain has looked at the peak (loudness.h). */
#ifndef UNREEL_CONVERTER_ENGINE_GAIN_H
#define UNREEL_CONVERTER_ENGINE_GAIN_H

#include <stddef.h>

#include "core/mem.h"
#include "failure.h"

struct gain;

struct gain_params {
    double gain_db;
    int channels;
    void *ctx;
    enum err (*on_pcm)(void *ctx, const float *const planes[2], size_t samples, struct failure *f);
};

struct gain *gain_new(const struct gain_params *params) MUST_CHECK;
void gain_free(struct gain *g);
DEFINE_AUTO(struct gain *, gain_free)

/* Holds nothing back. */
enum err gain_feed(struct gain *g, const float *const planes[2], size_t samples,
                   struct failure *f) MUST_CHECK;

#endif
