/* The seam to the MP3 encoder: PCM in, frames out in order, and at the end the tag frame.
 *
 * Nothing else knows LAME, or whether one thread encodes or several. */
#ifndef UNREEL_CONVERTER_ENGINE_ENCODER_H
#define UNREEL_CONVERTER_ENGINE_ENCODER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/mem.h"
#include "failure.h"
#include "jobs/options.h"

#define ENCODER_TAG_MAX 4096

struct crew;
struct encoder;

struct encoder_params {
    const struct job_options *options; /* mode, bitrate, quality */
    int sample_rate_hz;                /* one of MPEG's nine */
    int channels;                      /* 1 or 2 */
    struct crew *crew;                 /* outlives the encoder */
    int max_buffers; /* stretches of PCM at a time, 2 at least; 0: as many as keep the crew busy */
    bool is_stream;  /* what is out stays as it is: no place for a tag, and no tag */
    void *ctx;
    /* Whole frames or parts of them, in order; the first frame is a place for the tag, unless
     * it is a stream. */
    enum err (*on_bytes)(void *ctx, const uint8_t *bytes, size_t len);
};

struct encoder_summary {
    int bitrate_kbps; /* the average */
    size_t tag_len;   /* 0: the output has no tag frame */
    uint8_t tag[ENCODER_TAG_MAX];
};

/* What params point to is used during this call only, but for ctx. */
enum err encoder_open(const struct encoder_params *params, struct encoder **ret_encoder,
                      struct failure *f) MUST_CHECK;
void encoder_free(struct encoder *enc);
DEFINE_AUTO(struct encoder *, encoder_free)

/* Blocks while as much PCM as the crew's threads have room for waits to be encoded; on_bytes is
 * called by this and the next one, on the caller's thread.
 *
 * `samples` of each channel, full scale at 1.0; planes[1] is not looked at for one channel. Any
 * float is taken: wild ones are clamped. */
enum err encoder_feed(struct encoder *enc, const float *const planes[2], size_t samples,
                      struct failure *f) MUST_CHECK;
/* Once, after the last feed. */
enum err encoder_finish(struct encoder *enc, struct encoder_summary *ret_summary,
                        struct failure *f) MUST_CHECK;

#endif
