#include "convert.h"

#include <libavutil/frame.h>
#include <libavutil/mem.h>
#include <string.h>

#include "core/clock.h"
#include "decode.h"
#include "demux.h"
#include "edit.h"
#include "encoder.h"
#include "failure.h"
#include "input.h"
#include "resample.h"

#include "core/banned.h"

/* One allocation of libav's at most. */
#define MAX_ALLOC ((size_t)256 << 20)
#define PROGRESS_EVERY_US 100000
#define OUTPUT_BUFFER_SIZE 65536

struct convert {
    const struct channel *channel;
    const struct protocol_start *start;
    struct crew *crew;
    struct demux *demux;
    struct decode *decode;
    struct resample *resample; /* NULL until the first frame tells rate and channels */
    struct edit *edit;
    struct encoder *encoder;
    int sample_rate_hz, channels;
    int64_t samples;    /* given to the encoder */
    int64_t told_at_us; /* when progress was told last */
    int64_t output_bytes;
    size_t pending_len;
    uint8_t pending[OUTPUT_BUFFER_SIZE];
};

static enum err flush_output(struct convert *c)
{
    size_t len = c->pending_len;
    c->pending_len = 0;
    return channel_output(c->channel, c->pending, len);
}

static enum err on_bytes(void *ctx, const uint8_t *bytes, size_t len)
{
    struct convert *c = ctx;
    c->output_bytes += (int64_t)len;
    while (len > 0) {
        size_t room = OUTPUT_BUFFER_SIZE - c->pending_len;
        size_t take = len < room ? len : room;
        memcpy(c->pending + c->pending_len, bytes, take);
        c->pending_len += take;
        bytes += take;
        len -= take;
        if (c->pending_len == OUTPUT_BUFFER_SIZE && flush_output(c) != OK) {
            return ERR_CANCELLED;
        }
    }
    return OK;
}

static int64_t media_us(const struct convert *c)
{
    return c->sample_rate_hz == 0 ? 0 : c->samples * 1000000 / c->sample_rate_hz;
}

/* How long the MP3 will be, as far as that is known; 0: it is not. */
static int64_t expected_us(const struct convert *c)
{
    const struct job_options *o = &c->start->options;
    int64_t end_us = demux_duration_us(c->demux);
    if (o->end_ms != 0 && (end_us == 0 || o->end_ms * 1000 < end_us)) {
        end_us = o->end_ms * 1000;
    }
    return end_us > o->start_ms * 1000 ? end_us - o->start_ms * 1000 : 0;
}

static enum err tell_progress(struct convert *c)
{
    int64_t now_us = clock_mono_us();
    if (now_us - c->told_at_us < PROGRESS_EVERY_US) {
        return OK;
    }
    c->told_at_us = now_us;
    struct protocol_progress m = { media_us(c), expected_us(c) };
    uint8_t frame[PROTOCOL_HEADER_SIZE + PROTOCOL_SMALL_MAX];
    size_t len = protocol_pack_progress(frame, &m);
    return channel_send(c->channel, frame, len);
}

static enum err on_resampled(void *ctx, const float *const planes[2], size_t samples,
                             struct failure *f)
{
    return edit_feed(((struct convert *)ctx)->edit, planes, samples, f);
}

/* The limit is on what was decoded, not on what a header says. */
static enum err on_pcm(void *ctx, const float *const planes[2], size_t samples, struct failure *f)
{
    struct convert *c = ctx;
    c->samples += (int64_t)samples;
    if (c->samples > c->start->max_duration_s * c->sample_rate_hz) {
        return failure_set(f, PROBLEM_DURATION_EXCEEDED,
                           "The sound is longer than the limit of %lld seconds.",
                           (long long)c->start->max_duration_s);
    }
    return encoder_feed(c->encoder, planes, samples, f);
}

/* The first frame settles what "as the source" means: a header may be wrong about it (HE-AAC). */
static enum err start_encoder(struct convert *c, const AVFrame *frame, struct failure *f)
{
    const struct job_options *options = &c->start->options;
    int channels = frame->ch_layout.nb_channels;
    c->sample_rate_hz = options->sample_rate_hz != 0 ? options->sample_rate_hz
                                                     : resample_nearest_rate(frame->sample_rate);
    c->channels = options->channels != 0 ? options->channels : (channels == 1 ? 1 : 2);
    struct encoder_params params = {
        .options = options,
        .sample_rate_hz = c->sample_rate_hz,
        .channels = c->channels,
        .crew = c->crew,
        .ctx = c,
        .on_bytes = on_bytes,
    };
    struct edit_params edit = { c->sample_rate_hz, c->channels, options, c, on_pcm };
    c->edit = edit_new(&edit);
    struct resample_sink sink = { c, on_resampled };
    c->resample = resample_new(c->sample_rate_hz, c->channels, &sink);
    return encoder_open(&params, &c->encoder, f);
}

static enum err convert_frames(struct convert *c, AVFrame *frame, struct failure *f)
{
    while (true) {
        bool is_end = false;
        enum err err = decode_next(c->decode, frame, &is_end, f);
        if (err != OK || is_end) {
            return err;
        }
        if (c->encoder == NULL) {
            err = start_encoder(c, frame, f);
        }
        err = err != OK ? err : resample_feed(c->resample, frame, f);
        err = err != OK ? err : tell_progress(c);
        av_frame_unref(frame);
        if (err != OK || edit_is_over(c->edit)) {
            return err;
        }
    }
}

static enum err tell_input(struct convert *c)
{
    struct job_input input;
    demux_describe(c->demux, &input);
    uint8_t frame[PROTOCOL_HEADER_SIZE + PROTOCOL_SMALL_MAX];
    size_t len = protocol_pack_input(frame, &input);
    return channel_send(c->channel, frame, len);
}

static enum err tell_done(struct convert *c, const struct encoder_summary *summary)
{
    struct protocol_done m = {
        .output_bytes = c->output_bytes,
        .duration_us = media_us(c),
        .bitrate_kbps = summary->bitrate_kbps,
        .sample_rate_hz = c->sample_rate_hz,
        .channels = c->channels,
        .tag_len = (uint32_t)summary->tag_len,
    };
    memcpy(m.tag, summary->tag, summary->tag_len);
    uint8_t frame[PROTOCOL_HEADER_SIZE + PROTOCOL_SMALL_MAX];
    size_t len = protocol_pack_done(frame, &m);
    return channel_send(c->channel, frame, len);
}

static enum err finish(struct convert *c, struct failure *f)
{
    struct encoder_summary summary = { 0 };
    enum err err = resample_finish(c->resample, f);
    err = err != OK ? err : edit_finish(c->edit, f);
    err = err != OK ? err : encoder_finish(c->encoder, &summary, f);
    err = err != OK ? err : flush_output(c);
    return err != OK ? err : tell_done(c, &summary);
}

/* Before any work, where the container says how long the sound is. */
static enum err check_start(const struct convert *c, struct failure *f)
{
    int64_t start_ms = c->start->options.start_ms;
    int64_t promised_us = demux_promised_us(c->demux);
    if (promised_us == 0 || start_ms * 1000 < promised_us) {
        return OK;
    }
    return failure_set(f, PROBLEM_TRIM_RANGE,
                       "start is at %.3f s, but the sound lasts only %.3f s.",
                       (double)start_ms / 1e3, (double)promised_us / 1e6);
}

static enum err run(struct convert *c, struct input *input, struct failure *f)
{
    enum err err = demux_open(input, c->start->options.track, &c->demux, f);
    err = err != OK ? err : tell_input(c);
    err = err != OK ? err : check_start(c, f);
    err = err != OK ? err : decode_open(c->demux, &c->decode, f);
    if (err != OK) {
        return err;
    }
    AVFrame *frame = av_frame_alloc();
    if (frame == NULL) {
        return failure_set(f, PROBLEM_RESOURCE_LIMIT, "The conversion needs too much memory.");
    }
    err = convert_frames(c, frame, f);
    av_frame_free(&frame);
    return err != OK ? err : finish(c, f);
}

static enum err tell_failed(const struct channel *channel, const struct failure *f)
{
    struct protocol_failed m = { .problem = f->problem };
    memcpy(m.detail, f->detail, sizeof(m.detail));
    uint8_t frame[PROTOCOL_HEADER_SIZE + PROTOCOL_SMALL_MAX];
    size_t len = protocol_pack_failed(frame, &m);
    return channel_send(channel, frame, len);
}

enum err convert_run(const struct channel *channel, const struct protocol_start *start,
                     struct crew *crew)
{
    struct failure f = { 0 };
    av_max_alloc(MAX_ALLOC);
    if (start->input_size == 0) {
        (void)failure_set(&f, PROBLEM_UNSUPPORTED_FORMAT, "The file is empty.");
        return tell_failed(channel, &f);
    }
    AUTO(input_free) struct input *input = input_new(channel, start->input_size);
    struct convert *c = xcalloc(1, sizeof(*c));
    c->channel = channel;
    c->start = start;
    c->crew = crew;
    c->told_at_us = clock_mono_us();
    enum err err = input == NULL ? failure_set(&f, PROBLEM_INTERNAL, "no memory for the input")
                                 : run(c, input, &f);
    encoder_free(c->encoder);
    edit_free(c->edit);
    resample_free(c->resample);
    decode_close(c->decode);
    demux_close(c->demux);
    free(c);
    return err == OK || err == ERR_CANCELLED ? err : tell_failed(channel, &f);
}
