/* Sounds, both ways to encode them (ours, and one LAME from end to end), a decoder, and a walk
 * along the frames that shares no code with the encoder. */
#ifndef UNREEL_TESTS_ENCODER_SUPPORT_H
#define UNREEL_TESTS_ENCODER_SUPPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine_child/crew.h"
#include "engine_child/encoder.h"

enum sound_kind {
    SOUND_SPEECH,
    SOUND_MUSIC,
    SOUND_NOISE,
    SOUND_SWEEP,
    SOUND_SILENCE,
    SOUND_CLICKS,
    SOUND_LEVELS, /* loud and soft by turns of 49 frames: some turns fall on joints */
    SOUND_KINDS
};

struct sound {
    int rate, channels;
    size_t samples;
    float *planes[2];
};

void sound_make(struct sound *s, enum sound_kind kind, int rate, int channels, size_t samples);
void sound_release(struct sound *s);

struct mp3 {
    uint8_t *bytes; /* with the tag in its place */
    size_t len;
    struct encoder_summary summary;
};

void mp3_release(struct mp3 *m);
/* Through encoder.h, fed in odd slices. */
void mp3_encode(struct mp3 *m, const struct sound *s, const struct job_options *options,
                struct crew *crew);
/* The same into a pipe. */
void mp3_encode_stream(struct mp3 *m, const struct sound *s, const struct job_options *options,
                       struct crew *crew);
/* By one LAME that writes its own tag. */
void mp3_encode_serial(struct mp3 *m, const struct sound *s, const struct job_options *options);

struct mp3_walk {
    int frames; /* without the tag */
    int kbps_sum;
    bool has_tag;
    const char *fault; /* NULL: none */
    int fault_frame;
};

/* Headers alike, every frame's main data behind its predecessor's and before the next header, the
 * tag's counts and both checksums. */
void mp3_walk(const struct mp3 *m, const struct sound *s, struct mp3_walk *ret_walk);

/* libavcodec's view, without LAME's and the decoder's delay: as many samples as went in, per
 * channel. */
void mp3_decode(const struct mp3 *m, const struct sound *s, float *planes[2]);

int frame_samples_of(int rate);

#endif
