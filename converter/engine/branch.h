/* One output: from the PCM of its track to bytes on their way to the parent. Made anew for each
 * pass over the sound: one that measures, if that was asked for, and one that encodes. */
#ifndef UNREEL_CONVERTER_ENGINE_BRANCH_H
#define UNREEL_CONVERTER_ENGINE_BRANCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "channel.h"
#include "core/mem.h"
#include "crew.h"
#include "failure.h"
#include "head.h"
#include "loudness.h"
#include "plan.h"

/* What the first pass found out for the second. */
struct branch_measured {
    bool is_done;
    struct loudness_result loudness; /* when that is to be normalized */
    int64_t start, end; /* in samples at the output's rate, without silence; end INT64_MAX */
};

struct branch_params {
    const struct plan_output *output;
    const struct channel *channel;
    struct crew *crew;
    const struct heads *heads;
    int64_t max_duration_s;
    int encoder_buffers; /* as encoder_params.max_buffers */
    bool is_stream;      /* as encoder_params.is_stream: nothing is patched */
    bool is_measuring;   /* the first pass: fills *measured, gives no byte */
    struct branch_measured *measured;
};

struct branch;

/* What params point to must outlive it. */
struct branch *branch_new(const struct branch_params *params) MUST_CHECK;
void branch_free(struct branch *b);
DEFINE_AUTO(struct branch *, branch_free)

/* Once, when the first frame has told what "as the source" means. */
enum err branch_start(struct branch *b, int source_rate_hz, int source_channels,
                      struct failure *f) MUST_CHECK;
int branch_number(const struct branch *b);
int branch_sample_rate_hz(const struct branch *b);
int branch_channels(const struct branch *b);

/* PCM of the track from its first sample on, at the branch's rate. Ends the output as soon as its
 * end is reached. */
enum err branch_feed(struct branch *b, const float *const planes[2], size_t samples,
                     struct failure *f) MUST_CHECK;
/* So many seconds are left out that would have been fed next; all lie before its start. */
void branch_skip(struct branch *b, int64_t seconds);
/* Whether it wants no more. */
bool branch_is_over(const struct branch *b);
bool branch_has_output(const struct branch *b);
/* Takes back what was written of an output that is not over; another pass begins it anew. */
enum err branch_restart(struct branch *b) MUST_CHECK;
/* After the last sample: ends the output unless that was done. Of a chapter behind the sound's end
 * nothing is made. */
enum err branch_finish(struct branch *b, struct failure *f) MUST_CHECK;

#endif
