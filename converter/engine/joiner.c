#include "joiner.h"

#include <stdio.h>

#include "splice.h"

#include "core/banned.h"

/* Farther back than this no later frame reaches: 255 bytes by the smallest frames there are. */
#define KEPT_FRAMES 32

void joiner_init(struct joiner *j, void *ctx,
                 enum err (*on_bytes)(void *ctx, const uint8_t *bytes, size_t len))
{
    *j = (struct joiner){ .ctx = ctx, .on_bytes = on_bytes, .has_tag = true };
    tag_init(&j->tag);
}

static void free_segment(struct segment *s)
{
    if (s != NULL) {
        segment_release(s);
        free(s);
    }
}

void joiner_release(struct joiner *j)
{
    free_segment(j->current);
    j->current = NULL;
}

static enum err check(const struct segment *s, struct failure *f)
{
    if (s->is_out_of_memory) {
        return failure_set(f, PROBLEM_RESOURCE_LIMIT, "The conversion needs too much memory.");
    }
    if (segment_has_failed(s)) {
        return failure_set(f, PROBLEM_INTERNAL, "LAME failed with %d", s->lame_result);
    }
    return OK;
}

/* The current segment's frames before `end`. */
static enum err emit(struct joiner *j, int64_t end)
{
    struct mp3_frame frame;
    if (j->written >= end) {
        return OK;
    }
    const uint8_t *bytes = frames_at(&j->current->frames, j->written, &frame);
    size_t len = 0;
    for (; j->written < end; j->written++) {
        const uint8_t *one = frames_at(&j->current->frames, j->written, &frame);
        tag_add(&j->tag, one, &frame);
        len += frame.len;
    }
    return j->on_bytes(j->ctx, bytes, len);
}

/* LAME writes no tag into a stream of constant bitrate whose frames are too short for it. */
static void make_tag(struct joiner *j, const struct segment *first)
{
    struct mp3_frame frame;
    char encoder[32];
    const uint8_t *bytes = frames_at(&first->frames, first->frames.first, &frame);
    j->tag_len = tag_make(bytes, &frame, j->tag_bytes);
    (void)snprintf(encoder, sizeof(encoder), "LAME%s", get_lame_very_short_version());
    struct tag_about about = {
        .encoder = encoder,
        .lowpass_hz = lame_get_lowpassfreq(first->lame),
        .delay = SEGMENT_DELAY,
    };
    tag_describe(&about, j->tag_bytes, j->tag_len);
}

/* The place for the tag, and the fields in it that are known. */
static enum err begin(struct joiner *j, struct segment *first)
{
    j->current = first;
    if (!j->has_tag) {
        return OK;
    }
    if (first->has_tag) {
        j->tag_len = lame_get_lametag_frame(first->lame, j->tag_bytes, sizeof(j->tag_bytes));
    } else if (first->frames.count > 0) {
        make_tag(j, first);
    }
    return j->on_bytes(j->ctx, j->tag_bytes, j->tag_len);
}

/* No frame of the next segment's fitted: the current one went through all of its PCM and takes its
 * place. What nothing can change any more is written. */
static enum err take_over(struct joiner *j, struct segment *next)
{
    struct segment *s = j->current;
    int64_t settled = frames_end(&s->frames) - KEPT_FRAMES;
    enum err err = OK;
    if (settled > j->written) {
        err = emit(j, settled);
        frames_forget(&s->frames, settled);
    }
    s->is_last = next->is_last;
    if (s->is_last) {
        segment_flush(s);
    }
    free_segment(next);
    return err;
}

enum err joiner_add(struct joiner *j, struct segment *next, struct failure *f)
{
    enum err err = check(next, f);
    if (err != OK || j->current == NULL) {
        if (err != OK) {
            free_segment(next);
        }
        return err != OK ? err : begin(j, next);
    }
    struct splice splice = {
        .old = &j->current->frames,
        .new = &next->frames,
        .old_lowest = j->written,
        .new_lowest = next->start,
    };
    int64_t from = next->start + JOINER_WARM_UP;
    size_t step = (size_t)JOINER_STEP * (size_t)next->params->frame_samples;
    int64_t at = splice_find(&splice, from);
    while (at < 0 && err == OK) {
        from = frames_end(&j->current->frames) > from ? frames_end(&j->current->frames) : from;
        if (!segment_go_on(j->current, next, step)) {
            err = take_over(j, next);
            return err != OK ? err : check(j->current, f);
        }
        err = check(j->current, f);
        at = splice_find(&splice, from);
    }
    if (err == OK) {
        splice_apply(&splice, at);
        err = emit(j, at);
    }
    free_segment(j->current);
    j->current = next;
    return err;
}

enum err joiner_finish(struct joiner *j, int64_t samples, struct failure *f)
{
    struct mp3_frame frame = { 0 };
    const struct frames *frames = &j->current->frames;
    int64_t count = frames_end(frames);
    if (frames->count > 0) {
        (void)frames_at(frames, count - 1, &frame);
    }
    int64_t padding = count * frame.samples - samples - SEGMENT_DELAY;
    if (frames->end != frames->len || padding < 0 || padding > 0xFFF) {
        return failure_set(f, PROBLEM_INTERNAL, "LAME made %lld frames of %lld samples",
                           (long long)count, (long long)samples);
    }
    enum err err = emit(j, count);
    if (err == OK && j->tag_len > 0 && !tag_fill(&j->tag, (int)padding, j->tag_bytes, j->tag_len)) {
        return failure_set(f, PROBLEM_INTERNAL, "LAME's tag has %zu bytes", j->tag_len);
    }
    return err;
}
