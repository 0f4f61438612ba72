/* The plan: PCM in segments, each encoded by a LAME of its own, by whichever thread is free.
 *
 * The plan depends on nothing but the number of samples so far, so that the bytes are the same with
 * any number of threads. (A container's word for the length would be no help: it may be missing,
 * wrong, or another one while the file still grows.) */
#include "encoder.h"

#include <string.h>

#include "joiner.h"
#include "sample.h"
#include "segment.h"

#include "core/banned.h"

/* LAME's full scale for floats; its ieee_float call would scale by 32767. */
#define FULL_SCALE 32768.0F
/* Lengths in frames. Frames of CBR are padded in a pattern of 49 at 44.1 kHz and its relatives: a
 * segment that starts at a multiple of it pads as one long stream does. The first ones are short,
 * so that two threads help with a clip of ten seconds; each joint costs JOINER_OVERLAP frames, so
 * they grow. */
#define PATTERN INT64_C(49)
#define FIRST_LENGTH (4 * PATTERN)
#define GROWTH 2
#define MAX_LENGTH (36 * PATTERN)
/* The last one is halved so often, while the halves are worth a joint: threads that end one after
 * another leave processors idle. */
#define LAST_CUTS 2
#define LAST_LENGTH_MIN (8 * PATTERN)
/* A segment begins only where this many frames are there for it. */
#define MIN_LENGTH (2 * PATTERN)
/* PCM of segments that run, and of one that waits or is being filled: decoding is so much faster
 * than encoding that with one more nothing is done sooner. */
#define SPARE_BUFFERS 1
#define BUFFERS_MAX (CREW_THREADS_MAX + SPARE_BUFFERS)

_Static_assert(MIN_LENGTH >= JOINER_OVERLAP, "the overlap is there before the next one begins");

struct encoder {
    struct segment_params params;
    struct crew *crew;
    struct joiner joiner;
    int64_t samples;
    int64_t length; /* of the segment being filled, in frames, if the input does not end in it */
    struct segment *filling;
    /* Submitted and not joined, in their order. */
    struct segment *running[BUFFERS_MAX];
    int running_count;
    float *spare[BUFFERS_MAX]; /* buffers of no segment */
    int spare_count, buffer_count, buffers_allowed;
};

static size_t buffer_samples(const struct encoder *enc)
{
    return (size_t)(MAX_LENGTH + MIN_LENGTH) * (size_t)enc->params.frame_samples;
}

static void give_back(struct encoder *enc, float *pcm)
{
    enc->spare[enc->spare_count++] = pcm;
}

static enum err join_oldest(struct encoder *enc, struct failure *f)
{
    struct segment *s = enc->running[0];
    crew_wait(enc->crew, &s->task);
    enc->running_count--;
    memmove(enc->running, enc->running + 1, (size_t)enc->running_count * sizeof(enc->running[0]));
    give_back(enc, s->pcm[0]);
    return joiner_add(&enc->joiner, s, f);
}

/* A buffer, if need be that of the oldest segment, which then is waited for. */
static enum err take_buffer(struct encoder *enc, float **ret_pcm, struct failure *f)
{
    while (enc->spare_count == 0 && enc->buffer_count == enc->buffers_allowed) {
        enum err err = join_oldest(enc, f);
        if (err != OK) {
            return err;
        }
    }
    if (enc->spare_count == 0) {
        float *pcm = malloc(buffer_samples(enc) * (size_t)enc->params.channels * sizeof(*pcm));
        if (pcm == NULL) {
            (void)failure_set(f, PROBLEM_RESOURCE_LIMIT, "The conversion needs too much memory.");
            return ERR_INVALID;
        }
        enc->buffer_count++;
        give_back(enc, pcm);
    }
    *ret_pcm = enc->spare[--enc->spare_count];
    return OK;
}

static enum err begin_segment(struct encoder *enc, int64_t start, struct failure *f)
{
    float *pcm = NULL;
    enum err err = take_buffer(enc, &pcm, f);
    if (err != OK) {
        return err;
    }
    enc->filling = xmalloc(sizeof(*enc->filling));
    segment_init(enc->filling, &enc->params, start);
    enc->filling->pcm[0] = pcm;
    enc->filling->pcm[1] = pcm + (enc->params.channels == 2 ? buffer_samples(enc) : 0);
    return OK;
}

enum err encoder_open(const struct encoder_params *params, struct encoder **ret_encoder,
                      struct failure *f)
{
    struct error e = { 0 };
    if (job_options_check_rate(params->options, params->sample_rate_hz, &e) != OK) {
        return failure_set(f, PROBLEM_INVALID_OPTION, "%s", e.text);
    }
    AUTO(encoder_free) struct encoder *enc = xcalloc(1, sizeof(*enc));
    enc->params.options = *params->options;
    enc->params.sample_rate_hz = params->sample_rate_hz;
    enc->params.channels = params->channels;
    enc->params.frame_samples = params->sample_rate_hz >= 32000 ? 1152 : 576;
    enc->crew = params->crew;
    int wanted = crew_threads(enc->crew) + SPARE_BUFFERS;
    enc->buffers_allowed = params->max_buffers == 0 || wanted < params->max_buffers
                               ? wanted
                               : params->max_buffers;
    enc->length = FIRST_LENGTH;
    joiner_init(&enc->joiner, params->ctx, params->on_bytes);
    enc->joiner.has_tag = !params->is_stream;
    enum err err = begin_segment(enc, 0, f);
    if (err != OK) {
        return err;
    }
    /* Here, so that a refusal is told at once, and the tables that LAME's instances share are made
     * before there are two at a time. */
    enc->filling->lame = segment_make_first_lame(&enc->params);
    if (enc->filling->lame == NULL) {
        return failure_set(f, PROBLEM_INTERNAL, "LAME refused %d Hz, %d channels, %d kbit/s",
                           params->sample_rate_hz, params->channels, params->options->bitrate_kbps);
    }
    *ret_encoder = TAKE(enc);
    return OK;
}

void encoder_free(struct encoder *enc)
{
    if (enc == NULL) {
        return;
    }
    atomic_store(&enc->params.is_stopping, true);
    for (int i = 0; i < enc->running_count; i++) {
        crew_wait(enc->crew, &enc->running[i]->task);
        give_back(enc, enc->running[i]->pcm[0]);
        segment_release(enc->running[i]);
        free(enc->running[i]);
    }
    if (enc->filling != NULL) {
        give_back(enc, enc->filling->pcm[0]);
        segment_release(enc->filling);
        free(enc->filling);
    }
    for (int i = 0; i < enc->spare_count; i++) {
        free(enc->spare[i]);
    }
    joiner_release(&enc->joiner);
    free(enc);
}

static void submit(struct encoder *enc, struct segment *s)
{
    enc->filling = NULL;
    enc->running[enc->running_count++] = s;
    crew_submit(enc->crew, &s->task);
}

/* The segment being filled has all of its PCM and what the next one needs to begin. */
static enum err next_segment(struct encoder *enc, struct failure *f)
{
    struct segment *s = enc->filling;
    int64_t frame_samples = enc->params.frame_samples;
    int64_t length = enc->length;
    s->samples = (size_t)((length + JOINER_OVERLAP) * frame_samples);
    enc->length = length * GROWTH < MAX_LENGTH ? length * GROWTH : MAX_LENGTH;
    submit(enc, s);
    /* At least one buffer more than `s` has: it is not joined here. */
    enum err err = begin_segment(enc, s->start + length, f);
    if (err != OK) {
        return err;
    }
    enc->filling->have = s->have - (size_t)(length * frame_samples);
    for (int c = 0; c < enc->params.channels; c++) {
        memcpy(enc->filling->pcm[c], s->pcm[c] + length * frame_samples,
               enc->filling->have * sizeof(*s->pcm[c]));
    }
    while (err == OK && enc->running_count > 0 && crew_is_done(enc->crew, &enc->running[0]->task)) {
        err = join_oldest(enc, f);
    }
    return err;
}

/* LAME computes with what it gets: nothing wild. */
static void copy_scaled(float *dst, const float *src, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        dst[i] = sample_tame(src[i]) * FULL_SCALE;
    }
}

enum err encoder_feed(struct encoder *enc, const float *const planes[2], size_t samples,
                      struct failure *f)
{
    for (size_t done = 0; done < samples;) {
        struct segment *s = enc->filling;
        size_t full = (size_t)((enc->length + MIN_LENGTH) * enc->params.frame_samples);
        size_t room = full - s->have;
        size_t count = samples - done < room ? samples - done : room;
        for (int c = 0; c < enc->params.channels; c++) {
            copy_scaled(s->pcm[c] + s->have, planes[c] + done, count);
        }
        s->have += count;
        done += count;
        enc->samples += (int64_t)count;
        if (s->have == full) {
            enum err err = next_segment(enc, f);
            if (err != OK) {
                return err;
            }
        }
    }
    return OK;
}

/* What is left when the input has ended. */
static enum err submit_last(struct encoder *enc, struct failure *f)
{
    enum err err = OK;
    for (int cut = 0; cut < LAST_CUTS && err == OK; cut++) {
        int64_t left = (int64_t)enc->filling->have / enc->params.frame_samples;
        enc->length = left / 2 / PATTERN * PATTERN;
        if (enc->length < LAST_LENGTH_MIN) {
            break;
        }
        err = next_segment(enc, f);
    }
    if (err == OK) {
        enc->filling->samples = enc->filling->have;
        enc->filling->is_last = true;
        submit(enc, enc->filling);
    }
    return err;
}

enum err encoder_finish(struct encoder *enc, struct encoder_summary *ret_summary, struct failure *f)
{
    enum err err = submit_last(enc, f);
    while (err == OK && enc->running_count > 0) {
        err = join_oldest(enc, f);
    }
    const struct joiner *j = &enc->joiner;
    err = err != OK ? err : joiner_finish(&enc->joiner, enc->samples, f);
    if (err != OK) {
        return err;
    }
    struct encoder_summary *summary = ret_summary;
    summary->tag_len = j->tag_len;
    memcpy(summary->tag, j->tag_bytes, j->tag_len);
    summary->bitrate_kbps = lame_get_brate(j->current->lame);
    if (enc->params.options.mode != JOB_MODE_CBR && enc->samples > 0) {
        double seconds = (double)enc->samples / enc->params.sample_rate_hz;
        double kbps = (double)j->tag.bytes / 125 / seconds;
        summary->bitrate_kbps = kbps > 320 ? 320 : (int)(kbps + 0.5);
    }
    return OK;
}
