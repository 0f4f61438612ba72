/* Cuts and fades: the part of the sound that was asked for, exact to the sample.
 *
 * PCM goes through at the final rate. The end of the sound is known only when it is reached, so a
 * fade-out holds its own length of PCM back. */
#ifndef UNREEL_CONVERTER_ENGINE_EDIT_H
#define UNREEL_CONVERTER_ENGINE_EDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/mem.h"
#include "failure.h"

struct edit;

struct edit_params {
    int sample_rate_hz;
    int channels;
    int64_t start, end;        /* in samples of the source's sound; end INT64_MAX: to its end */
    int64_t fade_in, fade_out; /* lengths in samples */
    void *ctx;
    enum err (*on_pcm)(void *ctx, const float *const planes[2], size_t samples, struct failure *f);
};

/* The nearest sample. */
int64_t edit_samples(int64_t ms, int sample_rate_hz);

struct edit *edit_new(const struct edit_params *params) MUST_CHECK;
void edit_free(struct edit *edit);
DEFINE_AUTO(struct edit *, edit_free)

enum err edit_feed(struct edit *edit, const float *const planes[2], size_t samples,
                   struct failure *f) MUST_CHECK;
/* So many samples are left out that would have been fed next; all lie before the start. */
void edit_skip(struct edit *edit, int64_t samples);
/* Whether the end that was asked for is reached: more PCM would be dropped. */
bool edit_is_over(const struct edit *edit);
/* Whether nothing has been within start and end so far. */
bool edit_is_empty(const struct edit *edit);
/* Once, after the last feed: lets go what was held back. PROBLEM_TRIM_RANGE when the sound ended
 * before the start that was asked for. */
enum err edit_finish(struct edit *edit, struct failure *f) MUST_CHECK;

#endif
