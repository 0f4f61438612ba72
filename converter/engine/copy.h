/* MP3 from MP3: the source's frames as they are, behind a tag that says what of their sound is to
 * be heard. Decoded it is, sample for sample, what decode and edit would have given of the source.
 *
 * Cuts need no other frames than those that are heard and one or two before them (lead.h): delay
 * and padding in the tag take samples off, as in the source for its encoder's. */
#ifndef UNREEL_CONVERTER_ENGINE_COPY_H
#define UNREEL_CONVERTER_ENGINE_COPY_H

#include <libavcodec/packet.h>

#include "failure.h"
#include "jobs/options.h"
#include "lookahead.h"
#include "mp3_frame.h"

struct copy;

struct copy_params {
    const struct job_options *options; /* start and end; used during copy_new only */
    int64_t promised_us;               /* demux_promised_us */
    AVRational time_base;              /* of the packets */
    const char *encoder;               /* copy_encoder; used during copy_new only */
    void *ctx;
    /* Nothing is patched: no place for a tag, and no tag. What it would hide is heard: the
     * encoder's delay as in the source, and up to three frames before a cut. */
    bool is_stream;
    /* Whole frames, in order; the first one is the place for the tag, unless it is a stream. */
    enum err (*on_bytes)(void *ctx, const uint8_t *bytes, size_t len);
};

struct copy_summary {
    int bitrate_kbps; /* the average */
    int sample_rate_hz;
    int channels;
    bool is_vbr;
    int64_t samples; /* that are heard */
    size_t tag_len;  /* 0: a stream */
    uint8_t tag[MP3_FRAME_LEN_MAX];
};

/* Why a stream that is selected, or the part of it that is asked for, cannot be copied, in a few
 * words for a log; NULL: it can. Looks at its first packets; lookahead_read gives them all the
 * same. */
const char *copy_refusal(struct lookahead *l, int stream, const struct job_options *options);
/* The encoder that the source's tag names, "" when it has none. Valid as long as the stream. */
const char *copy_encoder(const AVStream *stream);

struct copy *copy_new(const struct copy_params *params) MUST_CHECK;
void copy_free(struct copy *c);
DEFINE_AUTO(struct copy *, copy_free)

/* The track's next packet. What is no frame is left out as a decoder would leave it out:
 * PROBLEM_CORRUPT_INPUT when there is too much of it, as in decode.h. A few frames of another
 * sampling rate are such damage; more of them are a source that cannot be copied, which had not
 * shown at its start: PROBLEM_UNSUPPORTED_CODEC. A hole that the container cuts into the sound
 * after its start stays filled. */
enum err copy_packet(struct copy *c, const AVPacket *packet, struct failure *f) MUST_CHECK;
/* After a failure: whether decoding and encoding would have worked, since only the sampling rate
 * changed. */
bool copy_has_changed(const struct copy *c);
/* Whether the end that was asked for is reached: more packets would be dropped. */
bool copy_is_over(const struct copy *c);
/* The length of what is heard, so far. */
int64_t copy_duration_us(const struct copy *c);
/* Once, after the last packet. PROBLEM_TRIM_RANGE when the sound ended before the start that was
 * asked for. */
enum err copy_finish(struct copy *c, struct copy_summary *ret_summary,
                     struct failure *f) MUST_CHECK;

#endif
