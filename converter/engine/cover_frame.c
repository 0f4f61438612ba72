#include "cover_frame.h"

#include <libavcodec/avcodec.h>
#include <libavutil/avstring.h>
#include <libavutil/display.h>
#include <math.h>
#include <stdbool.h>

#include "codecs.h"
#include "cover_jpeg.h"
#include "demux.h"

#include "core/banned.h"

#define MAX_FRAME_PIXELS ((int64_t)8192 * 8192)
/* What may be decoded from the key frame on: a thousand pictures of full HD. */
#define MAX_PIXELS ((int64_t)2000 * 1000 * 1000)
#define MAX_PACKETS 20000
#define MAX_BAD_PACKETS 100
/* When that was not enough, a picture which is this much older will do. */
#define MAX_AGE_US 10000000
/* The last picture is shown a little longer than the file says. */
#define SLACK_US 500000
/* Until shortly before the picture, those that no other depends on need not be decoded. */
#define EXACT_US 1000000
/* No clock of a file's goes farther. */
#define MAX_TIME_US ((int64_t)1000 * 3600 * 1000000)

struct cover {
    struct input *in;
    int64_t at_ms;
    AVFormatContext *container;
    AVStream *stream;
    AVCodecContext *decoder;
    AVPacket *packet;
    AVFrame *frame, *best; /* best: the last one that is not after the time, or the first at all */
    int64_t target_us;     /* on the clock of the stream's timestamps */
    int64_t start_us;      /* where that clock starts */
    int64_t best_us, end_us;
    int64_t pixels;
    int packets, bad_packets;
    bool has_best, is_found, is_over;
};

static bool is_attached(const AVStream *stream)
{
    return (stream->disposition & AV_DISPOSITION_ATTACHED_PIC) != 0;
}

/* The one marked as default, else the first. */
static void pick_stream(struct cover *c)
{
    c->stream = NULL;
    for (unsigned i = 0; i < c->container->nb_streams; i++) {
        AVStream *stream = c->container->streams[i];
        bool is_video = stream->codecpar->codec_type == AVMEDIA_TYPE_VIDEO && !is_attached(stream);
        if (is_video &&
            (c->stream == NULL || ((stream->disposition & AV_DISPOSITION_DEFAULT) != 0 &&
                                   (c->stream->disposition & AV_DISPOSITION_DEFAULT) == 0))) {
            c->stream = stream;
        }
    }
}

static void discard_others(const struct cover *c)
{
    for (unsigned i = 0; i < c->container->nb_streams; i++) {
        AVStream *stream = c->container->streams[i];
        bool is_wanted = c->stream == NULL ? stream->codecpar->codec_type == AVMEDIA_TYPE_VIDEO
                                           : stream == c->stream;
        stream->discard = is_wanted ? AVDISCARD_DEFAULT : AVDISCARD_ALL;
    }
}

static enum err no_memory(struct failure *f)
{
    (void)failure_set(f, PROBLEM_RESOURCE_LIMIT, "The cover's picture needs too much memory.");
    return ERR_INVALID;
}

static enum err choose(struct cover *c, struct failure *f)
{
    pick_stream(c);
    discard_others(c);
    bool is_known = c->stream != NULL && c->stream->codecpar->width > 0 &&
                    (c->container->ctx_flags & AVFMTCTX_NOHEADER) == 0;
    if (!is_known) {
        int error = avformat_find_stream_info(c->container, NULL);
        if (input_is_broken(c->in)) {
            return ERR_CANCELLED;
        }
        if (error == AVERROR(ENOMEM)) {
            return no_memory(f);
        }
        pick_stream(c);
        discard_others(c);
    }
    if (c->stream == NULL) {
        (void)failure_set(f, PROBLEM_COVER_NOT_FOUND,
                          "cover: the file has no video to take a picture from.");
        return ERR_INVALID;
    }
    return OK;
}

static int64_t to_us(const struct cover *c, int64_t time)
{
    if (time == AV_NOPTS_VALUE) {
        return AV_NOPTS_VALUE;
    }
    int64_t us = av_rescale_q(time, c->stream->time_base, AV_TIME_BASE_Q);
    return us < -MAX_TIME_US ? -MAX_TIME_US : us > MAX_TIME_US ? MAX_TIME_US : us;
}

static enum err too_late(const struct cover *c, int64_t end_us, struct failure *f)
{
    return failure_set(f, PROBLEM_COVER_NOT_FOUND,
                       "cover: there is no picture at %.3f s; the video lasts %.3f s.",
                       (double)c->at_ms / 1e3, (double)(end_us - c->start_us) / 1e6);
}

/* Before any work, where the container says how long the video is. */
static enum err check_time(struct cover *c, struct failure *f)
{
    int64_t start_us = c->container->start_time;
    c->start_us = start_us == AV_NOPTS_VALUE || llabs(start_us) > MAX_TIME_US ? 0 : start_us;
    c->target_us = c->at_ms * 1000 + c->start_us;
    int64_t duration = c->stream->duration;
    if (duration <= 0 || duration == AV_NOPTS_VALUE) {
        return OK;
    }
    int64_t first_us = c->stream->start_time == AV_NOPTS_VALUE ? c->start_us
                                                               : to_us(c, c->stream->start_time);
    int64_t end_us = first_us + to_us(c, duration);
    return c->target_us > end_us + SLACK_US ? too_late(c, end_us, f) : OK;
}

static int open_decoder(struct cover *c, const AVCodec *codec)
{
    c->decoder = avcodec_alloc_context3(codec);
    c->packet = av_packet_alloc();
    c->frame = av_frame_alloc();
    c->best = av_frame_alloc();
    if (c->decoder == NULL || c->packet == NULL || c->frame == NULL || c->best == NULL) {
        return AVERROR(ENOMEM);
    }
    int error = avcodec_parameters_to_context(c->decoder, c->stream->codecpar);
    if (error < 0) {
        return error;
    }
    c->decoder->pkt_timebase = c->stream->time_base;
    c->decoder->max_pixels = MAX_FRAME_PIXELS;
    /* The sandbox lets no thread be made. */
    c->decoder->thread_count = 1;
    return avcodec_open2(c->decoder, codec, NULL);
}

static enum err open_video(struct cover *c, struct failure *f)
{
    const AVCodecParameters *par = c->stream->codecpar;
    const AVCodec *codec = avcodec_find_decoder(par->codec_id);
    bool is_allowed = codec != NULL &&
                      av_match_list(codec->name, codecs_video_decoders(), ',') != 0;
    int error = is_allowed ? open_decoder(c, codec) : AVERROR_DECODER_NOT_FOUND;
    if (error == AVERROR(ENOMEM)) {
        return no_memory(f);
    }
    if (error < 0) {
        return failure_set(f, PROBLEM_UNSUPPORTED_CODEC,
                           "cover: the video (%s) is of a kind that cannot be decoded here.",
                           avcodec_get_name(par->codec_id));
    }
    return OK;
}

/* To the key frame before that time, or to what the container takes for one. False: it cannot. */
static bool seek(struct cover *c, int64_t us)
{
    int64_t time = av_rescale_q(us, AV_TIME_BASE_Q, c->stream->time_base);
    avcodec_flush_buffers(c->decoder);
    av_frame_unref(c->best);
    c->has_best = c->is_found = c->is_over = false;
    return av_seek_frame(c->container, c->stream->index, time, AVSEEK_FLAG_BACKWARD) >= 0;
}

static void accept_frame(struct cover *c)
{
    int64_t us = to_us(c, c->frame->best_effort_timestamp);
    us = us == AV_NOPTS_VALUE ? c->end_us : us;
    c->pixels += (int64_t)c->frame->width * c->frame->height;
    if (us <= c->target_us || !c->has_best) {
        av_frame_unref(c->best);
        av_frame_move_ref(c->best, c->frame);
        c->has_best = true;
        c->best_us = us;
        c->end_us = us + to_us(c, c->best->pkt_duration > 0 ? c->best->pkt_duration : 0);
    }
    c->is_found = c->is_found || us >= c->target_us;
    av_frame_unref(c->frame);
}

/* All that the decoder has ready. */
static int receive(struct cover *c)
{
    int error = 0;
    while (error >= 0 && !c->is_found) {
        error = avcodec_receive_frame(c->decoder, c->frame);
        if (error >= 0) {
            accept_frame(c);
        }
    }
    return error == AVERROR(EAGAIN) || error == AVERROR_EOF || error >= 0 ? 0 : error;
}

static int send_packet(struct cover *c)
{
    if (c->packet->stream_index != c->stream->index) {
        return 0;
    }
    int64_t us = to_us(c, c->packet->pts);
    bool is_early = us != AV_NOPTS_VALUE && us + EXACT_US < c->target_us;
    c->decoder->skip_frame = is_early ? AVDISCARD_NONREF : AVDISCARD_DEFAULT;
    int error = avcodec_send_packet(c->decoder, c->packet);
    return error < 0 ? error : receive(c);
}

static int send_end(struct cover *c)
{
    c->is_over = true;
    int error = avcodec_send_packet(c->decoder, NULL);
    return error < 0 ? error : receive(c);
}

static enum err decode_until_found(struct cover *c, struct failure *f)
{
    while (!c->is_found && !c->is_over && c->pixels < MAX_PIXELS && c->packets < MAX_PACKETS &&
           c->bad_packets < MAX_BAD_PACKETS) {
        int error = av_read_frame(c->container, c->packet);
        if (input_is_broken(c->in)) {
            return ERR_CANCELLED;
        }
        c->packets++;
        if (error != AVERROR(ENOMEM)) {
            error = error < 0 ? send_end(c) : send_packet(c);
        }
        av_packet_unref(c->packet);
        if (error == AVERROR(ENOMEM)) {
            return no_memory(f);
        }
        c->bad_packets += error < 0 ? 1 : 0;
    }
    return OK;
}

static bool is_before_target(const struct cover *c)
{
    return c->has_best && c->best_us <= c->target_us;
}

/* Containers without an index may go to a place from which nothing before the time can be decoded:
 * then from farther back, and at last from the start. */
static enum err find(struct cover *c, struct failure *f)
{
    static const int64_t back_us[] = { 0, 3000000, 15000000, MAX_TIME_US };
    enum err err = OK;
    bool is_from_start = c->at_ms == 0;
    if (is_from_start) {
        err = decode_until_found(c, f);
    }
    for (size_t i = 0; i < ARRAY_LEN(back_us) && !is_from_start && err == OK; i++) {
        int64_t us = c->target_us - back_us[i];
        is_from_start = us <= c->start_us;
        if (!seek(c, is_from_start ? c->start_us : us)) {
            continue;
        }
        err = decode_until_found(c, f);
        is_from_start = is_from_start || is_before_target(c);
    }
    return err;
}

static enum err judge(const struct cover *c, struct failure *f)
{
    if (!c->has_best) {
        return failure_set(f, PROBLEM_COVER_NOT_FOUND,
                           "cover: no picture of the video can be decoded at %.3f s.",
                           (double)c->at_ms / 1e3);
    }
    if (c->is_over && !c->is_found && c->end_us + SLACK_US < c->target_us) {
        return too_late(c, c->end_us, f);
    }
    if (!c->is_found && c->best_us + MAX_AGE_US < c->target_us) {
        return failure_set(f, PROBLEM_COVER_NOT_FOUND,
                           "cover: the picture at %.3f s is too far from where decoding can start.",
                           (double)c->at_ms / 1e3);
    }
    return OK;
}

static int quarter_turns(const AVStream *stream)
{
    size_t size = 0;
    const uint8_t *matrix = av_stream_get_side_data(stream, AV_PKT_DATA_DISPLAYMATRIX, &size);
    if (matrix == NULL || size < 9 * sizeof(int32_t)) {
        return 0;
    }
    /* Counter-clockwise; NaN when there is none in it. */
    double angle = av_display_rotation_get((const int32_t *)(const void *)matrix);
    return isfinite(angle) ? ((int)lround(-angle / 90) % 4 + 4) % 4 : 0;
}

static enum err take(struct cover *c, uint8_t **ret_jpeg, size_t *ret_len, struct failure *f)
{
    enum err err = demux_open_container(c->in, codecs_video_decoders(), &c->container, f);
    err = err != OK ? err : choose(c, f);
    err = err != OK ? err : check_time(c, f);
    err = err != OK ? err : open_video(c, f);
    if (err != OK) {
        return err;
    }
    err = find(c, f);
    err = err != OK ? err : judge(c, f);
    struct cover_shape shape = {
        .pixel_aspect = av_guess_sample_aspect_ratio(c->container, c->stream, c->best),
        .quarter_turns = quarter_turns(c->stream),
        .max_size = COVER_FRAME_MAX_WIDTH,
    };
    return err != OK ? err : cover_jpeg_encode(c->best, &shape, ret_jpeg, ret_len, f);
}

enum err cover_frame_take(struct input *in, int64_t at_ms, uint8_t **ret_jpeg, size_t *ret_len,
                          struct failure *f)
{
    struct cover c = { .in = in, .at_ms = at_ms < MAX_TIME_US / 1000 ? at_ms : MAX_TIME_US / 1000 };
    enum err err = take(&c, ret_jpeg, ret_len, f);
    av_frame_free(&c.best);
    av_frame_free(&c.frame);
    av_packet_free(&c.packet);
    avcodec_free_context(&c.decoder);
    avformat_close_input(&c.container);
    if (err != OK) {
        return err;
    }
    AVIOContext *avio = input_avio(in);
    if (avio_seek(avio, 0, SEEK_SET) < 0) {
        free(*ret_jpeg);
        return ERR_CANCELLED;
    }
    avio->eof_reached = 0;
    avio->error = 0;
    return OK;
}
