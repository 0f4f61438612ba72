/* Makes one stream of the encoded segments, which come in their order: joins neighbours, writes
 * what is settled, counts it for the tag. */
#ifndef UNREEL_CONVERTER_ENGINE_JOINER_H
#define UNREEL_CONVERTER_ENGINE_JOINER_H

#include "encoder.h"
#include "segment.h"
#include "tag.h"

/* Frames at the head of a segment that are thrown away, until the new encoder's psychoacoustic
 * model has heard enough. Measured on speech, music, noise, clicks and steps of the level, at the
 * level of the source: the mean segmental signal-to-noise ratio stays within 0.05 dB of one LAME's
 * with 20 (0.034 at most, clean tones at 64 kbit/s); with 16 it loses 0.08. */
#define JOINER_WARM_UP 20
/* How many frames past the next one's start a segment goes on at first: the least that lets the
 * first frame behind the warm-up be looked at, since LAME holds two back. */
#define JOINER_OVERLAP (JOINER_WARM_UP + 3)
/* How many more, when that one does not fit: each is encoded twice. */
#define JOINER_STEP 1

struct joiner {
    void *ctx;
    enum err (*on_bytes)(void *ctx, const uint8_t *bytes, size_t len);
    bool has_tag;            /* set by joiner_init; may be cleared before the first segment */
    struct segment *current; /* written up to `written`; its LAME can still go on */
    int64_t written;         /* the number of the first frame that is not written yet */
    struct tag tag;
    size_t tag_len;
    uint8_t tag_bytes[ENCODER_TAG_MAX];
};

void joiner_init(struct joiner *j, void *ctx,
                 enum err (*on_bytes)(void *ctx, const uint8_t *bytes, size_t len));
void joiner_release(struct joiner *j);

/* Takes the next segment, which has been encoded; it came from malloc. When this returns OK, its
 * PCM is needed no more. */
enum err joiner_add(struct joiner *j, struct segment *next, struct failure *f) MUST_CHECK;
/* After the last one: the rest of the stream and the tag, for the number of samples that went in.
 */
enum err joiner_finish(struct joiner *j, int64_t samples, struct failure *f) MUST_CHECK;

#endif
