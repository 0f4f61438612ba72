#include "duplicate.h"

#include <string.h>

#include "core/text.h"
#include "copy.h"
#include "output.h"

#include "core/banned.h"

struct duplicate {
    struct branch_params params;
    struct job_options options; /* with the part that this output is of */
    struct copy *copy;
    bool is_over;
    struct output output;
};

/* As the copier takes them: an output of one chapter is a part. */
static struct job_options options_of(const struct plan_output *output)
{
    struct job_options options = *output->options;
    options.start_ms = output->start_ms;
    options.end_ms = output->end_ms;
    return options;
}

bool duplicate_is_possible(struct lookahead *l, const struct plan_output *output)
{
    struct job_options options = options_of(output);
    return output->may_copy && copy_refusal(l, output->stream, &options) == NULL;
}

static enum err on_bytes(void *ctx, const uint8_t *bytes, size_t len)
{
    struct duplicate *d = ctx;
    enum err err = OK;
    if (!output_has_begun(&d->output)) {
        err = output_begin(&d->output, d->params.heads, d->options.start_ms, d->options.end_ms);
    }
    return err != OK ? err : output_append(&d->output, bytes, len);
}

struct duplicate *duplicate_new(const struct branch_params *params, const struct demux *demux)
{
    struct duplicate *d = xmalloc(sizeof(*d));
    memset(d, 0, offsetof(struct duplicate, output));
    d->params = *params;
    d->options = options_of(params->output);
    output_init(&d->output, params->channel, params->output, params->is_stream);
    int stream = params->output->stream;
    const AVStream *source = demux_stream(demux, stream);
    struct copy_params copy = { .options = &d->options,
                                .promised_us = demux_promised_us(demux, stream),
                                .time_base = source->time_base,
                                .encoder = copy_encoder(source),
                                .ctx = d,
                                .is_stream = params->is_stream,
                                .on_bytes = on_bytes };
    d->copy = copy_new(&copy);
    return d;
}

void duplicate_free(struct duplicate *d)
{
    if (d != NULL) {
        copy_free(d->copy);
        output_release(&d->output);
        free(d);
    }
}

int duplicate_number(const struct duplicate *d)
{
    return d->params.output->number;
}

bool duplicate_is_over(const struct duplicate *d)
{
    return d->is_over;
}

bool duplicate_has_output(const struct duplicate *d)
{
    return output_has_begun(&d->output);
}

bool duplicate_has_changed(const struct duplicate *d)
{
    return copy_has_changed(d->copy);
}

enum err duplicate_restart(struct duplicate *d)
{
    return output_restart(&d->output);
}

int64_t duplicate_us(const struct duplicate *d)
{
    return copy_duration_us(d->copy);
}

enum err duplicate_packet(struct duplicate *d, const AVPacket *packet, struct failure *f)
{
    enum err err = copy_packet(d->copy, packet, f);
    if (err == OK && copy_duration_us(d->copy) / 1000000 > d->params.max_duration_s) {
        return failure_set(f, PROBLEM_DURATION_EXCEEDED,
                           "The sound is longer than the limit of %lld seconds.",
                           (long long)d->params.max_duration_s);
    }
    return err == OK && copy_is_over(d->copy) ? duplicate_finish(d, f) : err;
}

enum err duplicate_finish(struct duplicate *d, struct failure *f)
{
    if (d->is_over) {
        return OK;
    }
    d->is_over = true;
    struct copy_summary summary;
    enum err err = copy_finish(d->copy, &summary, f);
    bool is_empty = err != OK && f->problem == PROBLEM_TRIM_RANGE && !duplicate_has_output(d);
    if (is_empty && d->params.output->chapter > 0) {
        return OK;
    }
    if (err != OK) {
        return err;
    }
    struct job_output report = {
        .duration_s = (double)summary.samples / summary.sample_rate_hz,
        .bitrate_kbps = summary.bitrate_kbps,
        .sample_rate_hz = summary.sample_rate_hz,
        .channels = summary.channels,
        .mode = "copy",
    };
    if (d->params.measured->is_done) {
        output_report_loudness(&d->output, &d->params.measured->loudness, 0, &report);
    }
    return output_finish(&d->output, summary.tag, summary.tag_len, &report);
}
