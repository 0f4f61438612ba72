#include "segment.h"

#include "core/banned.h"

/* Samples for one call of LAME, and the space that its header asks for them: 1.25 n + 7200. */
#define SLICE 4608
#define BYTES_SIZE (SLICE + SLICE / 4 + 7200)
#define TAG_FRAME_MAX 4096
/* Frames with which a LAME that does not begin the stream begins: during the silence it puts bits
 * by in its reservoir, which one that has come so far has done long since, and the fade spares it
 * an attack that would take them. Without these clean tones at 64 kbit/s lose 0.1 dB, not 0.03. */
#define SILENT_FRAMES 2
#define FADE_FRAMES 2

static int set_rate_control(lame_t lame, const struct job_options *o)
{
    switch (o->mode) {
    case JOB_MODE_VBR:
        return lame_set_VBR(lame, vbr_default) | lame_set_VBR_quality(lame, (float)o->quality);
    case JOB_MODE_ABR:
        return lame_set_VBR(lame, vbr_abr) | lame_set_VBR_mean_bitrate_kbps(lame, o->bitrate_kbps);
    case JOB_MODE_CBR:
    default:
        return lame_set_VBR(lame, vbr_off) | lame_set_brate(lame, o->bitrate_kbps);
    }
}

static void say_nothing(const char *format, va_list args)
{
    (void)format;
    (void)args;
}

/* All of LAME's setters return 0 or a negative number. */
static int set_up(lame_t lame, const struct segment_params *p)
{
    int failed = lame_set_errorf(lame, say_nothing) | lame_set_debugf(lame, say_nothing) |
                 lame_set_msgf(lame, say_nothing);
    failed |= lame_set_num_channels(lame, p->channels);
    failed |= lame_set_mode(lame, p->channels == 1 ? MONO : JOINT_STEREO);
    /* Equal rates: LAME's own resampler stays out, so that the sample count is exact. */
    failed |= lame_set_in_samplerate(lame, p->sample_rate_hz);
    failed |= lame_set_out_samplerate(lame, p->sample_rate_hz);
    failed |= set_rate_control(lame, &p->options);
    failed |= p->scale > 0 ? lame_set_scale(lame, p->scale) : 0;
    failed |= lame_set_bWriteVbrTag(lame, 1);
    lame_set_write_id3tag_automatic(lame, 0);
    return failed;
}

lame_t segment_make_lame(const struct segment_params *p)
{
    lame_t lame = lame_init();
    if (lame != NULL && (set_up(lame, p) != 0 || lame_init_params(lame) < 0)) {
        (void)lame_close(lame);
        return NULL;
    }
    return lame;
}

lame_t segment_make_first_lame(struct segment_params *p)
{
    lame_t lame = segment_make_lame(p);
    float scale = lame == NULL ? 1 : lame_get_scale(lame);
    if (scale <= 0 || scale == 1) {
        return lame;
    }
    (void)lame_close(lame);
    p->scale = 1 / scale;
    return segment_make_lame(p);
}

void segment_init(struct segment *s, struct segment_params *p, int64_t start)
{
    *s = (struct segment){ .task = { .run = segment_encode },
                           .params = p,
                           .start = start,
                           .fed_end = start * p->frame_samples,
                           .frames = { .first = start } };
}

void segment_release(struct segment *s)
{
    if (s->lame != NULL) {
        (void)lame_close(s->lame);
    }
    frames_release(&s->frames);
}

bool segment_has_failed(const struct segment *s)
{
    return s->lame_result < 0 || s->is_out_of_memory || s->frames.is_broken;
}

static void keep(struct segment *s, int result)
{
    if (result < 0) {
        s->lame_result = result;
    } else if (!frames_added(&s->frames, (size_t)result) && !s->frames.is_broken) {
        s->is_out_of_memory = true;
    }
}

static void feed(struct segment *s, const float *left, const float *right, size_t samples)
{
    for (size_t done = 0; done < samples && !segment_has_failed(s);) {
        size_t count = samples - done < SLICE ? samples - done : SLICE;
        uint8_t *room = frames_room(&s->frames, BYTES_SIZE);
        if (room == NULL) {
            s->is_out_of_memory = true;
        } else if (atomic_load_explicit(&s->params->is_stopping, memory_order_relaxed)) {
            return;
        } else {
            keep(s, lame_encode_buffer_float(s->lame, left + done, right + done, (int)count, room,
                                             BYTES_SIZE));
            done += count;
            s->fed_end += (int64_t)count;
        }
    }
}

/* The head of a segment in the middle; returns its samples. The PCM itself stays as it is, since
 * the LAME before goes on in it. */
static size_t feed_faded(struct segment *s)
{
    size_t silent = SILENT_FRAMES * (size_t)s->params->frame_samples;
    size_t fade = FADE_FRAMES * (size_t)s->params->frame_samples;
    AUTO(mem_free) float *faded = xcalloc(2 * (silent + fade), sizeof(*faded));
    float *planes[2] = { faded, faded + silent + fade };
    for (int c = 0; c < s->params->channels; c++) {
        for (size_t i = 0; i < fade; i++) {
            planes[c][silent + i] = s->pcm[c][silent + i] * ((float)i / (float)fade);
        }
    }
    feed(s, planes[0], planes[1], silent + fade);
    return silent + fade;
}

void segment_flush(struct segment *s)
{
    if (segment_has_failed(s)) {
        return;
    }
    uint8_t *room = frames_room(&s->frames, BYTES_SIZE);
    if (room == NULL) {
        s->is_out_of_memory = true;
    } else {
        keep(s, lame_encode_flush(s->lame, room, BYTES_SIZE));
    }
}

void segment_encode(struct crew_task *task)
{
    struct segment *s = (struct segment *)(void *)task;
    if (s->lame == NULL) {
        s->lame = segment_make_lame(s->params);
    }
    if (s->lame == NULL) {
        s->is_out_of_memory = true;
        return;
    }
    size_t fed = s->start > 0 ? feed_faded(s) : 0;
    feed(s, s->pcm[0] + fed, s->pcm[1] + fed, s->samples - fed);
    if (s->is_last) {
        segment_flush(s);
    }
    uint8_t tag[TAG_FRAME_MAX];
    s->has_tag = lame_get_lametag_frame(s->lame, tag, sizeof(tag)) > 0;
    s->frames.first = s->start - (s->has_tag ? 1 : 0);
}

bool segment_go_on(struct segment *s, const struct segment *next, size_t samples)
{
    int64_t at = s->fed_end - next->start * next->params->frame_samples;
    int64_t left = (int64_t)next->samples - at;
    if (left <= 0) {
        return false;
    }
    size_t count = left < (int64_t)samples ? (size_t)left : samples;
    feed(s, next->pcm[0] + at, next->pcm[1] + at, count);
    return true;
}
