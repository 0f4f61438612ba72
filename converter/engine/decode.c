#include "decode.h"

#include <libavcodec/avcodec.h>
#include <libavutil/frame.h>
#include <libavutil/samplefmt.h>

#include "codecs.h"
#include "tally.h"

#include "core/banned.h"

#define MIN_RATE_HZ 8000
#define MAX_RATE_HZ 192000
#define MAX_CHANNELS 8

struct decode {
    struct decode_params params;
    const AVStream *stream;
    AVCodecContext *context;
    AVFrame *frame;
    struct tally tally;
    bool is_uneven;      /* the timestamps do not count samples */
    int64_t next_pts;    /* behind the last frame */
    int64_t wanted_pts;  /* after a jump: of the first sample that is wanted */
    int64_t left_out_us; /* by that jump */
};

static int open_context(struct decode *d)
{
    const AVCodec *decoder = demux_decoder(d->params.demux, d->params.stream);
    d->context = avcodec_alloc_context3(decoder);
    d->frame = av_frame_alloc();
    if (d->context == NULL || d->frame == NULL) {
        return AVERROR(ENOMEM);
    }
    int error = avcodec_parameters_to_context(d->context, d->stream->codecpar);
    if (error < 0) {
        return error;
    }
    d->context->pkt_timebase = d->stream->time_base;
    d->context->thread_count = 1;
    AVDictionary *options = NULL;
    error = av_dict_set(&options, "codec_whitelist", codecs_decoders(), 0);
    if (error >= 0) {
        error = avcodec_open2(d->context, decoder, &options);
    }
    av_dict_free(&options);
    return error;
}

enum err decode_open(const struct decode_params *params, struct decode **ret_decode,
                     struct failure *f)
{
    AUTO(decode_close) struct decode *d = xcalloc(1, sizeof(*d));
    d->params = *params;
    d->stream = demux_stream(params->demux, params->stream);
    d->tally.promised_us = demux_promised_us(params->demux, params->stream);
    d->next_pts = AV_NOPTS_VALUE;
    d->wanted_pts = AV_NOPTS_VALUE;
    int error = open_context(d);
    if (error == AVERROR(ENOMEM)) {
        return failure_set(f, PROBLEM_RESOURCE_LIMIT, "The sound needs too much memory.");
    }
    if (error < 0) {
        return failure_set(f, PROBLEM_UNSUPPORTED_CODEC,
                           "Its sound (%s) is of a kind that cannot be decoded here.",
                           avcodec_get_name(d->stream->codecpar->codec_id));
    }
    *ret_decode = TAKE(d);
    return OK;
}

void decode_close(struct decode *d)
{
    if (d != NULL) {
        av_frame_free(&d->frame);
        avcodec_free_context(&d->context);
        free(d);
    }
}

enum err decode_check(const struct decode *d, struct failure *f)
{
    return tally_check(&d->tally, f);
}

static enum err on_error(struct decode *d, int error, struct failure *f)
{
    if (error == AVERROR(ENOMEM)) {
        return failure_set(f, PROBLEM_RESOURCE_LIMIT, "The sound needs too much memory.");
    }
    return tally_bad(&d->tally, f);
}

static enum err accept_frame(struct decode *d, const AVFrame *frame, struct failure *f)
{
    int channels = frame->ch_layout.nb_channels;
    if (frame->sample_rate < MIN_RATE_HZ || frame->sample_rate > MAX_RATE_HZ) {
        return failure_set(f, PROBLEM_UNSUPPORTED_CODEC,
                           "The sound is sampled at %d Hz; 8000 to 192000 Hz can be converted.",
                           frame->sample_rate);
    }
    if (channels < 1 || channels > MAX_CHANNELS) {
        return failure_set(f, PROBLEM_UNSUPPORTED_CODEC,
                           "The sound has %d channels; 1 to 8 can be converted.", channels);
    }
    tally_good(&d->tally, frame->nb_samples, frame->sample_rate, frame->best_effort_timestamp,
               d->stream->time_base);
    return OK;
}

static void follow_timestamps(struct decode *d, const AVFrame *frame)
{
    int64_t pts = frame->best_effort_timestamp;
    int64_t next = 0;
    bool is_even = pts != AV_NOPTS_VALUE && d->stream->time_base.num == 1 &&
                   d->stream->time_base.den == frame->sample_rate &&
                   (d->next_pts == AV_NOPTS_VALUE || d->next_pts == pts) &&
                   !__builtin_add_overflow(pts, frame->nb_samples, &next);
    d->is_uneven |= !is_even;
    d->next_pts = is_even ? next : AV_NOPTS_VALUE;
}

/* After a jump: cuts off what comes before the first sample that is wanted. Where packets cannot be
 * decoded there, the sound goes on behind them, as it does anywhere. */
static enum err cut_off(struct decode *d, AVFrame *frame, struct failure *f)
{
    int64_t early = 0;
    if (frame->best_effort_timestamp == AV_NOPTS_VALUE ||
        __builtin_sub_overflow(d->wanted_pts, frame->best_effort_timestamp, &early)) {
        return failure_set(f, PROBLEM_CORRUPT_INPUT,
                           "The file is damaged: its sound is not where its header says.");
    }
    early = early > 0 ? early : 0;
    if (early >= frame->nb_samples) {
        frame->nb_samples = 0;
        return OK;
    }
    enum AVSampleFormat format = (enum AVSampleFormat)frame->format;
    bool is_planar = av_sample_fmt_is_planar(format) != 0;
    int channels = frame->ch_layout.nb_channels;
    size_t step = (size_t)av_get_bytes_per_sample(format) * (is_planar ? 1 : (size_t)channels);
    for (int c = 0; c < (is_planar ? channels : 1); c++) {
        frame->extended_data[c] += (size_t)early * step;
    }
    frame->nb_samples -= (int)early;
    frame->best_effort_timestamp += early;
    d->wanted_pts = AV_NOPTS_VALUE;
    d->tally.sound_us += d->left_out_us;
    return OK;
}

static enum err give_frame(struct decode *d, struct failure *f)
{
    if (d->wanted_pts != AV_NOPTS_VALUE) {
        enum err err = cut_off(d, d->frame, f);
        if (err != OK || d->frame->nb_samples == 0) {
            return err;
        }
    }
    enum err err = accept_frame(d, d->frame, f);
    follow_timestamps(d, d->frame);
    return err != OK ? err : d->params.on_frame(d->params.ctx, d->frame, f);
}

/* What the decoder has ready. It wants another packet then, or is at its end. */
static enum err receive_frames(struct decode *d, struct failure *f)
{
    while (true) {
        int error = avcodec_receive_frame(d->context, d->frame);
        if (error == AVERROR(EAGAIN) || error == AVERROR_EOF) {
            return OK;
        }
        enum err err = OK;
        if (error < 0) {
            err = on_error(d, error, f);
        } else if (d->frame->nb_samples > 0) {
            err = give_frame(d, f);
        }
        av_frame_unref(d->frame);
        if (err != OK) {
            return err;
        }
    }
}

enum err decode_packet(struct decode *d, const AVPacket *packet, struct failure *f)
{
    enum err err = packet != NULL ? tally_packet(&d->tally, packet, f) : OK;
    if (err != OK || (packet != NULL && packet->size == 0)) {
        return err;
    }
    int error = avcodec_send_packet(d->context, packet);
    err = error < 0 && error != AVERROR_EOF ? on_error(d, error, f) : OK;
    return err != OK ? err : receive_frames(d, f);
}

bool decode_position(const struct decode *d, int64_t *ret_pts)
{
    bool is_other_aac = d->context->codec_id == AV_CODEC_ID_AAC &&
                        d->context->profile != FF_PROFILE_AAC_LOW;
    *ret_pts = d->next_pts;
    return !d->is_uneven && d->next_pts != AV_NOPTS_VALUE && !is_other_aac;
}

void decode_jump(struct decode *d, int64_t pts, int64_t left_out_us)
{
    avcodec_flush_buffers(d->context);
    d->next_pts = pts;
    d->wanted_pts = pts;
    d->left_out_us = left_out_us;
}

int64_t decode_us(const struct decode *d)
{
    return d->tally.sound_us;
}
