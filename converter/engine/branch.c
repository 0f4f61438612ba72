#include "branch.h"

#include <stdio.h>
#include <string.h>

#include "core/text.h"
#include "edit.h"
#include "encoder.h"
#include "gain.h"
#include "output.h"
#include "resample.h"
#include "silence.h"

#include "core/banned.h"

/* No sound is raised so far that its true peak comes above this (EBU R128 s2). */
#define PEAK_LIMIT_DBTP (-1.0)

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
    struct output output;
};

static const struct job_options *options_of(const struct branch *b)
{
    return b->params.output->options;
}

struct branch *branch_new(const struct branch_params *params)
{
    struct branch *b = xmalloc(sizeof(*b));
    memset(b, 0, offsetof(struct branch, output));
    b->params = *params;
    output_init(&b->output, params->channel, params->output, params->is_stream);
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
        output_release(&b->output);
        free(b);
    }
}

int branch_number(const struct branch *b)
{
    return b->params.output->number;
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
    return output_has_begun(&b->output);
}

enum err branch_restart(struct branch *b)
{
    return output_restart(&b->output);
}

static int64_t to_ms(const struct branch *b, int64_t samples)
{
    return samples * 1000 / b->sample_rate_hz;
}

/* ---- what comes out of the encoder ---- */

static enum err on_bytes(void *ctx, const uint8_t *bytes, size_t len)
{
    return output_append(&((struct branch *)ctx)->output, bytes, len);
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
    enum err err = output_begin(&b->output, b->params.heads, to_ms(b, b->start),
                                b->end == INT64_MAX ? 0 : to_ms(b, b->end));
    return err != OK ? err : encoder_open(&params, &b->encoder, f);
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
    if (!b->params.is_measuring) {
        return wanted != JOB_LOUDNESS_OFF;
    }
    return wanted == JOB_LOUDNESS_NORMALIZE ||
           (wanted == JOB_LOUDNESS_TAG && b->params.output->may_copy);
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

static enum err report_loudness(struct branch *b, struct job_output *report, struct failure *f)
{
    struct loudness_result r;
    if (b->loudness == NULL) {
        return OK;
    }
    enum err err = loudness_finish(b->loudness, &r, f);
    if (err == OK) {
        output_report_loudness(&b->output, &r, b->gain_db, report);
    }
    return err;
}

static enum err finish_encoding(struct branch *b, struct failure *f)
{
    static const char *const modes[] = { "cbr", "vbr", "abr" };
    struct encoder_summary summary = { 0 };
    if (b->encoder == NULL) {
        return failure_set(f, PROBLEM_NO_AUDIO, "The sound is too short to be converted.");
    }
    enum err err = encoder_finish(b->encoder, &summary, f);
    if (err != OK) {
        return err;
    }
    struct job_output report = {
        .duration_s = (double)b->samples / b->sample_rate_hz,
        .bitrate_kbps = summary.bitrate_kbps,
        .sample_rate_hz = b->sample_rate_hz,
        .channels = b->channels,
    };
    (void)text_copy(report.mode, sizeof(report.mode), modes[options_of(b)->mode]);
    err = report_loudness(b, &report, f);
    err = err != OK ? err : output_finish(&b->output, summary.tag, summary.tag_len, &report);
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
