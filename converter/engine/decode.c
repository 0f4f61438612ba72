#include "decode.h"

#include <libavcodec/avcodec.h>

#include "codecs.h"

#include "core/banned.h"

/* reliability.md, M8 and M9. */
#define MAX_ERRORS_IN_A_ROW 500
#define MIN_RATE_HZ 8000
#define MAX_RATE_HZ 192000
#define MAX_CHANNELS 8
#define MIN_PERCENT 95
/* Durations are rounded, and priming is counted in by some: a short clip is not 5 % off for that.
 */
#define SLACK_US 100000
#define MAX_TIME_US ((int64_t)1000 * 3600 * 1000000)

struct decode {
    struct demux *demux;
    AVCodecContext *context;
    AVPacket *packet;
    int64_t packets, bad_packets;
    int errors_in_a_row;
    int64_t decoded_us; /* sum of the frames' lengths */
    double rest_us;     /* of the division */
    int64_t end_us;     /* on the container's clock */
};

static int open_context(struct decode *d)
{
    const AVStream *stream = demux_stream(d->demux);
    d->context = avcodec_alloc_context3(demux_decoder(d->demux));
    d->packet = av_packet_alloc();
    if (d->context == NULL || d->packet == NULL) {
        return AVERROR(ENOMEM);
    }
    int error = avcodec_parameters_to_context(d->context, stream->codecpar);
    if (error < 0) {
        return error;
    }
    d->context->pkt_timebase = stream->time_base;
    d->context->thread_count = 1;
    AVDictionary *options = NULL;
    error = av_dict_set(&options, "codec_whitelist", codecs_decoders(), 0);
    if (error >= 0) {
        error = avcodec_open2(d->context, demux_decoder(d->demux), &options);
    }
    av_dict_free(&options);
    return error;
}

enum err decode_open(struct demux *demux, struct decode **ret_decode, struct failure *f)
{
    AUTO(decode_close) struct decode *d = xcalloc(1, sizeof(*d));
    d->demux = demux;
    int error = open_context(d);
    if (error == AVERROR(ENOMEM)) {
        return failure_set(f, PROBLEM_RESOURCE_LIMIT, "The sound needs too much memory.");
    }
    if (error < 0) {
        return failure_set(f, PROBLEM_UNSUPPORTED_CODEC,
                           "Its sound (%s) is of a kind that cannot be decoded here.",
                           avcodec_get_name(demux_stream(demux)->codecpar->codec_id));
    }
    *ret_decode = TAKE(d);
    return OK;
}

void decode_close(struct decode *d)
{
    if (d != NULL) {
        av_packet_free(&d->packet);
        avcodec_free_context(&d->context);
        free(d);
    }
}

static enum err check_complete(const struct decode *d, struct failure *f)
{
    int64_t promised_us = demux_promised_us(d->demux);
    int64_t reached_us = d->decoded_us > d->end_us ? d->decoded_us : d->end_us;
    if (d->packets == 0 && promised_us == 0) {
        return failure_set(f, PROBLEM_NO_AUDIO, "The video's sound track is empty.");
    }
    if (d->decoded_us == 0) {
        return failure_set(f, PROBLEM_CORRUPT_INPUT, "None of the sound could be decoded.");
    }
    if (reached_us + SLACK_US < promised_us / 100 * MIN_PERCENT) {
        return failure_set(f, PROBLEM_CORRUPT_INPUT,
                           "The file is cut off: it has %.1f s of the %.1f s of sound that it "
                           "says it has.",
                           (double)reached_us / 1e6, (double)promised_us / 1e6);
    }
    if (d->bad_packets > d->packets / 100 * (100 - MIN_PERCENT) + 2) {
        return failure_set(f, PROBLEM_CORRUPT_INPUT,
                           "The sound is damaged: %lld of %lld packets cannot be decoded.",
                           (long long)d->bad_packets, (long long)d->packets);
    }
    return OK;
}

static enum err on_error(struct decode *d, int error, struct failure *f)
{
    if (error == AVERROR(ENOMEM)) {
        return failure_set(f, PROBLEM_RESOURCE_LIMIT, "The sound needs too much memory.");
    }
    d->bad_packets++;
    d->errors_in_a_row++;
    if (d->errors_in_a_row > MAX_ERRORS_IN_A_ROW) {
        return failure_set(f, PROBLEM_CORRUPT_INPUT,
                           "The sound is damaged: more than %d packets in a row cannot be decoded.",
                           MAX_ERRORS_IN_A_ROW);
    }
    return OK;
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
    d->errors_in_a_row = 0;
    double length_us = (double)frame->nb_samples * 1e6 / frame->sample_rate + d->rest_us;
    d->decoded_us += (int64_t)length_us;
    d->rest_us = length_us - (double)(int64_t)length_us;
    if (frame->best_effort_timestamp != AV_NOPTS_VALUE) {
        int64_t start_us = av_rescale_q(frame->best_effort_timestamp,
                                        demux_stream(d->demux)->time_base, AV_TIME_BASE_Q);
        /* Timestamps are the file's word: they may be anything. */
        start_us = start_us < MAX_TIME_US ? start_us : MAX_TIME_US;
        int64_t end_us = start_us + (int64_t)length_us;
        d->end_us = end_us > d->end_us ? end_us : d->end_us;
    }
    return OK;
}

/* Gives the decoder its next packet, or its end. */
static enum err send_next(struct decode *d, struct failure *f)
{
    bool is_end = false;
    enum err err = demux_read(d->demux, d->packet, &is_end, f);
    if (err != OK) {
        return err;
    }
    if (is_end) {
        int error = avcodec_send_packet(d->context, NULL);
        return error < 0 && error != AVERROR_EOF ? on_error(d, error, f) : OK;
    }
    d->packets++;
    if (av_packet_get_side_data(d->packet, AV_PKT_DATA_ENCRYPTION_INFO, NULL) != NULL) {
        av_packet_unref(d->packet);
        return failure_set(f, PROBLEM_ENCRYPTED_INPUT, "The sound is encrypted (DRM).");
    }
    int error = avcodec_send_packet(d->context, d->packet);
    av_packet_unref(d->packet);
    return error < 0 ? on_error(d, error, f) : OK;
}

enum err decode_next(struct decode *d, AVFrame *frame, bool *ret_end, struct failure *f)
{
    while (true) {
        int error = avcodec_receive_frame(d->context, frame);
        enum err err = OK;
        if (error == 0 && frame->nb_samples > 0) {
            *ret_end = false;
            return accept_frame(d, frame, f);
        }
        if (error == AVERROR_EOF) {
            *ret_end = true;
            return check_complete(d, f);
        }
        if (error == AVERROR(EAGAIN)) {
            err = send_next(d, f);
        } else if (error < 0) {
            err = on_error(d, error, f);
        }
        if (err != OK) {
            return err;
        }
    }
}
