/* One LAME on one stretch of the PCM. */
#ifndef UNREEL_CONVERTER_ENGINE_SEGMENT_H
#define UNREEL_CONVERTER_ENGINE_SEGMENT_H

#include <lame/lame.h>
#include <stdatomic.h>

#include "core/mem.h"
#include "crew.h"
#include "frames.h"
#include "jobs/options.h"

/* LAME's own delay at the head of a stream, which the tag tells. */
#define SEGMENT_DELAY 576

struct segment_params {
    struct job_options options;
    int sample_rate_hz, channels;
    int frame_samples;       /* 1152 or 576 */
    float scale;             /* what LAME's own scale is to be multiplied with; 0: nothing */
    atomic_bool is_stopping; /* set: what still runs ends early, its frames are of no use */
};

/* The first LAME of a stream: sets p->scale for all of them. LAME makes the sound softer at low
 * bitrates (by 0.4 dB at 128 kbit/s), so that less of it clips; here it stays as loud as it was,
 * since who wants another level says so, and is told what was reached. NULL: LAME refuses. */
lame_t segment_make_first_lame(struct segment_params *p) MUST_CHECK;
/* Another one. */
lame_t segment_make_lame(const struct segment_params *p) MUST_CHECK;

struct segment {
    struct crew_task task; /* runs segment_encode */
    struct segment_params *params;
    lame_t lame;     /* NULL: not made yet */
    int64_t start;   /* the first frame's number */
    float *pcm[2];   /* from that frame on, scaled for LAME; somebody else's */
    size_t have;     /* samples there */
    size_t samples;  /* of them, to encode in the first run */
    int64_t fed_end; /* the sample of the stream up to which LAME has got it */
    bool is_last;    /* to be flushed at the end */
    bool has_tag;    /* the first of `frames` is the place for it */
    struct frames frames;
    int lame_result; /* negative: it failed */
    bool is_out_of_memory;
};

void segment_init(struct segment *s, struct segment_params *p, int64_t start);
void segment_release(struct segment *s);

/* For a crew: encodes `samples` of pcm, and flushes when it is the last. */
void segment_encode(struct crew_task *task);
/* Goes on with up to `samples` of the PCM that `next` has. False: there are none left. */
bool segment_go_on(struct segment *s, const struct segment *next, size_t samples);
void segment_flush(struct segment *s);
bool segment_has_failed(const struct segment *s);

#endif
