#include "branch.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/text.h"
#include "edit.h"
#include "encoder.h"
#include "gain.h"
#include "resample.h"
#include "silence.h"
#include "sink.h"

#include "core/banned.h"

/* No sound is raised so far that its true peak comes above this (EBU R128 s2). */
#define PEAK_LIMIT_DBTP (-1.0)
#define REPLAYGAIN_REFERENCE_LUFS (-18.0)

struct branch {
    struct branch_params params;
    int sample_rate_hz, channels; /* 0: not started */
    int64_t start, end;           /* of the sound, in samples */
    int64_t samples;              /* that came through the edit */
    bool is_over;
    double gain_db;
    struct edit *edit;
    struct gain *gain;
    struct loudness *loudness; /* NULL: not asked for */
    struct silence *silence;   /* while measuring, if it is to be trimmed */
    struct encoder *encoder;   /* NULL: no sound yet */
    struct id3 *head;          /* NULL: there is none */
    size_t head_len;
    struct sink sink;
};

static const struct job_options *options_of(const struct branch *b)
{
    return b->params.output->options;
}

struct branch *branch_new(const struct branch_params *params)
{
    struct branch *b = xmalloc(sizeof(*b));
    memset(b, 0, offsetof(struct branch, sink));
    b->params = *params;
    sink_init(&b->sink, params->channel, params->output->number);
    return b;
}

void branch_free(struct branch *b)
{
    if (b != NULL) {
        edit_free(b->edit);
        gain_free(b->gain);
        loudness_free(b->loudness);
        silence_free(b->silence);
        encoder_free(b->encoder);
        id3_free(b->head);
        free(b);
    }
}

int branch_sample_rate_hz(const struct branch *b)
{
    return b->sample_rate_hz;
}

int branch_channels(const struct branch *b)
{
    return b->channels;
}

bool branch_is_over(const struct branch *b)
{
    return b->is_over;
}

bool branch_has_output(const struct branch *b)
{
    return b->sink.size_bytes > 0;
}

static int64_t to_ms(const struct branch *b, int64_t samples)
{
    return samples * 1000 / b->sample_rate_hz;
}

/* ---- what comes out of the encoder ---- */

static enum err on_bytes(void *ctx, const uint8_t *bytes, size_t len)
{
    return sink_append(&((struct branch *)ctx)->sink, bytes, len);
}

static enum err begin_output(struct branch *b, struct failure *f)
{
    struct encoder_params params = {
        .options = options_of(b),
        .sample_rate_hz = b->sample_rate_hz,
        .channels = b->channels,
        .crew = b->params.crew,
        .max_buffers = b->params.encoder_buffers,
        .is_stream = b->params.is_stream,
        .ctx = b,
        .on_bytes = on_bytes,
    };
    b->head = heads_make(b->params.heads, b->params.output, to_ms(b, b->start),
                         b->end == INT64_MAX ? 0 : to_ms(b, b->end));
    if (b->head != NULL) {
        const uint8_t *bytes = id3_bytes(b->head, &b->head_len);
        enum err err = sink_append(&b->sink, bytes, b->head_len);
        if (err != OK) {
            return err;
        }
    }
    return encoder_open(&params, &b->encoder, f);
}

/* ---- the stages, from the last to the first ---- */

/* The limit is on what was decoded, not on what a header says. */
static enum err count(struct branch *b, size_t samples, struct failure *f)
{
    b->samples += (int64_t)samples;
    if (b->samples > b->params.max_duration_s * b->sample_rate_hz) {
        return failure_set(f, PROBLEM_DURATION_EXCEEDED,
                           "The sound is longer than the limit of %lld seconds.",
                           (long long)b->params.max_duration_s);
    }
    return OK;
}

static enum err on_final(void *ctx, const float *const planes[2], size_t samples, struct failure *f)
{
    struct branch *b = ctx;
    enum err err = b->encoder == NULL ? begin_output(b, f) : OK;
    if (err == OK && b->loudness != NULL) {
        err = loudness_feed(b->loudness, planes, samples, f);
    }
    return err != OK ? err : encoder_feed(b->encoder, planes, samples, f);
}

static enum err on_cut(void *ctx, const float *const planes[2], size_t samples, struct failure *f)
{
    struct branch *b = ctx;
    enum err err = count(b, samples, f);
    return err != OK ? err : gain_feed(b->gain, planes, samples, f);
}

static enum err on_measured(void *ctx, const float *const planes[2], size_t samples,
                            struct failure *f)
{
    struct branch *b = ctx;
    enum err err = count(b, samples, f);
    if (err == OK && b->silence != NULL) {
        silence_feed(b->silence, planes, samples);
    }
    if (err == OK && b->loudness != NULL) {
        err = loudness_feed(b->loudness, planes, samples, f);
    }
    return err;
}

/* ---- from its start to its end ---- */

static void start_measuring(struct branch *b)
{
    if (options_of(b)->trim_silence != 0) {
        b->silence = silence_new(b->sample_rate_hz, b->channels);
    }
}

static void start_encoding(struct branch *b)
{
    const struct job_options *o = options_of(b);
    const struct branch_measured *m = b->params.measured;
    if (m->is_done) {
        b->start = m->start;
        b->end = m->end;
        if (o->loudness == JOB_LOUDNESS_NORMALIZE) {
            b->gain_db = loudness_gain_db(&m->loudness, o->loudness_target_centi_lufs / 100.0,
                                          PEAK_LIMIT_DBTP);
        }
    }
    struct gain_params gain = { b->gain_db, b->channels, b, on_final };
    b->gain = gain_new(&gain);
}

static bool wants_loudness(const struct branch *b)
{
    enum job_loudness wanted = options_of(b)->loudness;
    return b->params.is_measuring ? wanted == JOB_LOUDNESS_NORMALIZE : wanted != JOB_LOUDNESS_OFF;
}

enum err branch_start(struct branch *b, int source_rate_hz, int source_channels, struct failure *f)
{
    const struct job_options *o = options_of(b);
    const struct plan_output *output = b->params.output;
    b->sample_rate_hz = o->sample_rate_hz != 0 ? o->sample_rate_hz
                                               : resample_nearest_rate(source_rate_hz);
    b->channels = o->channels != 0 ? o->channels : (source_channels == 1 ? 1 : 2);
    b->start = edit_samples(output->start_ms, b->sample_rate_hz);
    b->end = output->end_ms == 0 ? INT64_MAX : edit_samples(output->end_ms, b->sample_rate_hz);
    if (b->params.is_measuring) {
        start_measuring(b);
    } else {
        start_encoding(b);
    }
    struct edit_params edit = { .sample_rate_hz = b->sample_rate_hz,
                                .channels = b->channels,
                                .start = b->start,
                                .end = b->end,
                                .ctx = b,
                                .on_pcm = on_measured };
    if (!b->params.is_measuring) {
        edit.fade_in = edit_samples(o->fade_in_ms, b->sample_rate_hz);
        edit.fade_out = edit_samples(o->fade_out_ms, b->sample_rate_hz);
        edit.on_pcm = on_cut;
    }
    b->edit = edit_new(&edit);
    if (wants_loudness(b)) {
        b->loudness = loudness_new(b->sample_rate_hz, b->channels);
        if (b->loudness == NULL) {
            return failure_set(f, PROBLEM_RESOURCE_LIMIT, "The conversion needs too much memory.");
        }
    }
    return OK;
}

static enum err finish_measuring(struct branch *b, struct failure *f)
{
    struct branch_measured *m = b->params.measured;
    m->start = b->start;
    m->end = b->end;
    if (b->silence != NULL) {
        struct silence_result r = silence_result(b->silence);
        m->start = b->start + r.first;
        m->end = b->start + r.end;
    }
    m->is_done = true;
    return b->loudness == NULL ? OK : loudness_finish(b->loudness, &m->loudness, f);
}

static void describe(const struct branch *b, const struct encoder_summary *summary,
                     struct job_output *ret_output)
{
    static const char *const modes[] = { "cbr", "vbr", "abr" };
    *ret_output = (struct job_output){
        .size_bytes = b->sink.size_bytes,
        .duration_s = (double)b->samples / b->sample_rate_hz,
        .bitrate_kbps = summary->bitrate_kbps,
        .sample_rate_hz = b->sample_rate_hz,
        .channels = b->channels,
        .track = b->params.output->track,
        .chapter = b->params.output->chapter,
    };
    (void)text_copy(ret_output->mode, sizeof(ret_output->mode), modes[options_of(b)->mode]);
}

static enum err report_loudness(struct branch *b, struct job_output *output, struct failure *f)
{
    struct loudness_result r;
    if (b->loudness == NULL) {
        return OK;
    }
    enum err err = loudness_finish(b->loudness, &r, f);
    if (err == OK && r.is_measured) {
        output->loudness = (struct job_loudness_report){ true, r.integrated_lufs, r.true_peak_dbtp,
                                                         r.range_lu, b->gain_db };
        if (b->head != NULL) {
            id3_set_replaygain(b->head, REPLAYGAIN_REFERENCE_LUFS - r.integrated_lufs,
                               pow(10, r.true_peak_dbtp / 20));
        }
    }
    return err;
}

static enum err patch_head(struct branch *b, const struct encoder_summary *summary)
{
    enum err err = sink_patch(&b->sink, (int64_t)b->head_len, summary->tag, summary->tag_len);
    if (err != OK || b->head == NULL) {
        return err;
    }
    size_t offset = 0;
    size_t len = 0;
    id3_set_duration(b->head, to_ms(b, b->samples));
    const uint8_t *bytes = id3_patch(b->head, &offset, &len);
    return sink_patch(&b->sink, (int64_t)offset, bytes, len);
}

static enum err tell_output(struct branch *b, const struct protocol_output *m)
{
    uint8_t frame[PROTOCOL_HEADER_SIZE + PROTOCOL_SMALL_MAX];
    size_t len = protocol_pack_output(frame, m);
    return channel_send(b->params.channel, frame, len);
}

static enum err finish_encoding(struct branch *b, struct failure *f)
{
    struct encoder_summary summary = { 0 };
    struct protocol_output m = { .number = b->params.output->number };
    if (b->encoder == NULL) {
        return failure_set(f, PROBLEM_NO_AUDIO, "The sound is too short to be converted.");
    }
    enum err err = encoder_finish(b->encoder, &summary, f);
    if (err != OK) {
        return err;
    }
    describe(b, &summary, &m.output);
    err = report_loudness(b, &m.output, f);
    err = err != OK || b->params.is_stream ? err : patch_head(b, &summary);
    err = err != OK ? err : sink_end(&b->sink);
    err = err != OK ? err : tell_output(b, &m);
    encoder_free(b->encoder);
    b->encoder = NULL;
    return err;
}

enum err branch_finish(struct branch *b, struct failure *f)
{
    if (b->is_over) {
        return OK;
    }
    b->is_over = true;
    if (b->params.output->chapter > 0 && edit_is_empty(b->edit)) {
        return OK;
    }
    enum err err = edit_finish(b->edit, f);
    if (err != OK) {
        return err;
    }
    return b->params.is_measuring ? finish_measuring(b, f) : finish_encoding(b, f);
}

void branch_skip(struct branch *b, int64_t seconds)
{
    edit_skip(b->edit, seconds * b->sample_rate_hz);
}

enum err branch_feed(struct branch *b, const float *const planes[2], size_t samples,
                     struct failure *f)
{
    enum err err = edit_feed(b->edit, planes, samples, f);
    return err == OK && edit_is_over(b->edit) ? branch_finish(b, f) : err;
}
