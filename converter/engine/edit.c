#include "edit.h"

#include <string.h>

#include "core/banned.h"

#define SLICE 4096

struct edit {
    int sample_rate_hz, channels;
    int64_t start, end; /* in samples of the source's sound; end INT64_MAX: none */
    int64_t fade_in, fade_out;
    int64_t seen;   /* samples fed */
    int64_t passed; /* of those within start and end */
    int64_t given;  /* let go */
    void *ctx;
    enum err (*on_pcm)(void *ctx, const float *const planes[2], size_t samples, struct failure *f);
    float *held[2]; /* a ring of fade_out samples: the last that passed */
    float slice[2][SLICE];
};

int64_t edit_samples(int64_t ms, int sample_rate_hz)
{
    return (ms * sample_rate_hz + 500) / 1000;
}

struct edit *edit_new(const struct edit_params *params)
{
    struct edit *edit = xcalloc(1, sizeof(*edit));
    edit->sample_rate_hz = params->sample_rate_hz;
    edit->channels = params->channels;
    edit->start = params->start;
    edit->end = params->end;
    edit->fade_in = params->fade_in;
    edit->fade_out = params->fade_out;
    edit->ctx = params->ctx;
    edit->on_pcm = params->on_pcm;
    for (int c = 0; c < edit->channels && edit->fade_out > 0; c++) {
        edit->held[c] = xcalloc((size_t)edit->fade_out, sizeof(float));
    }
    return edit;
}

void edit_free(struct edit *edit)
{
    if (edit != NULL) {
        free(edit->held[0]);
        free(edit->held[1]);
        free(edit);
    }
}

bool edit_is_over(const struct edit *edit)
{
    return edit->seen >= edit->end;
}

bool edit_is_empty(const struct edit *edit)
{
    return edit->passed == 0;
}

static float gain_in(const struct edit *edit, int64_t at)
{
    return at < edit->fade_in ? (float)(at + 1) / (float)(edit->fade_in + 1) : 1;
}

/* One channel's plane stands for both. */
static void skip(const struct edit *edit, const float *const planes[2], size_t samples,
                 const float *ret_planes[2])
{
    ret_planes[0] = planes[0] + samples;
    ret_planes[1] = edit->channels == 2 ? planes[1] + samples : ret_planes[0];
}

/* Lets samples go that stand at edit->given of the result. */
static enum err let_go(struct edit *edit, const float *const planes[2], size_t samples,
                       struct failure *f)
{
    int64_t at = edit->given;
    edit->given += (int64_t)samples;
    if (at >= edit->fade_in) {
        return edit->on_pcm(edit->ctx, planes, samples, f);
    }
    for (int c = 0; c < edit->channels; c++) {
        for (size_t i = 0; i < samples; i++) {
            edit->slice[c][i] = planes[c][i] * gain_in(edit, at + (int64_t)i);
        }
    }
    const float *const faded[2] = { edit->slice[0], edit->slice[1] };
    return edit->on_pcm(edit->ctx, faded, samples, f);
}

/* The oldest samples of the ring, up to its end: those at edit->given. */
static enum err let_held_go(struct edit *edit, size_t samples, struct failure *f)
{
    while (samples > 0) {
        size_t place = (size_t)(edit->given % edit->fade_out);
        size_t take = (size_t)edit->fade_out - place;
        take = take < samples ? take : samples;
        take = take < SLICE ? take : SLICE;
        const float *const held[2] = { edit->held[0], edit->held[1] };
        const float *planes[2];
        skip(edit, held, place, planes);
        enum err err = let_go(edit, planes, take, f);
        if (err != OK) {
            return err;
        }
        samples -= take;
    }
    return OK;
}

/* Behind what passed last, in one channel's ring. */
static void put_in_ring(const struct edit *edit, float *ring, const float *plane, size_t samples)
{
    size_t place = (size_t)(edit->passed % edit->fade_out);
    size_t first = (size_t)edit->fade_out - place;
    first = first < samples ? first : samples;
    memcpy(ring + place, plane, first * sizeof(float));
    memcpy(ring, plane + first, (samples - first) * sizeof(float));
}

/* At most as many samples as the ring holds. */
static enum err hold(struct edit *edit, const float *const planes[2], size_t samples,
                     struct failure *f)
{
    int64_t kept = edit->passed - edit->given;
    int64_t too_many = kept + (int64_t)samples - edit->fade_out;
    enum err err = too_many > 0 ? let_held_go(edit, (size_t)too_many, f) : OK;
    if (err != OK) {
        return err;
    }
    put_in_ring(edit, edit->held[0], planes[0], samples);
    if (edit->channels == 2) {
        put_in_ring(edit, edit->held[1], planes[1], samples);
    }
    edit->passed += (int64_t)samples;
    return OK;
}

static enum err pass(struct edit *edit, const float *const planes[2], size_t samples,
                     struct failure *f)
{
    size_t most = SLICE;
    if (edit->fade_out > 0 && edit->fade_out < SLICE) {
        most = (size_t)edit->fade_out;
    }
    for (size_t done = 0; done < samples;) {
        size_t take = samples - done < most ? samples - done : most;
        const float *part[2];
        skip(edit, planes, done, part);
        enum err err = OK;
        if (edit->fade_out > 0) {
            err = hold(edit, part, take, f);
        } else {
            edit->passed += (int64_t)take;
            err = let_go(edit, part, take, f);
        }
        if (err != OK) {
            return err;
        }
        done += take;
    }
    return OK;
}

enum err edit_feed(struct edit *edit, const float *const planes[2], size_t samples,
                   struct failure *f)
{
    int64_t from = edit->start > edit->seen ? edit->start - edit->seen : 0;
    int64_t to = edit->end - edit->seen < (int64_t)samples ? edit->end - edit->seen
                                                           : (int64_t)samples;
    edit->seen += (int64_t)samples;
    if (from >= to) {
        return OK;
    }
    const float *part[2];
    skip(edit, planes, (size_t)from, part);
    return pass(edit, part, (size_t)(to - from), f);
}

void edit_skip(struct edit *edit, int64_t samples)
{
    edit->seen += samples;
}

static void fade_held(struct edit *edit)
{
    int64_t kept = edit->passed - edit->given;
    for (int64_t i = 0; i < kept; i++) {
        size_t place = (size_t)((edit->given + i) % edit->fade_out);
        float gain = (float)(kept - i) / (float)(kept + 1);
        for (int c = 0; c < edit->channels; c++) {
            edit->held[c][place] *= gain;
        }
    }
}

enum err edit_finish(struct edit *edit, struct failure *f)
{
    if (edit->passed == 0 && edit->start > 0) {
        return failure_set(
            f, PROBLEM_TRIM_RANGE, "start is at %.3f s, but the sound lasts only %.3f s.",
            (double)edit->start / edit->sample_rate_hz, (double)edit->seen / edit->sample_rate_hz);
    }
    if (edit->fade_out == 0) {
        return OK;
    }
    fade_held(edit);
    return let_held_go(edit, (size_t)(edit->passed - edit->given), f);
}
