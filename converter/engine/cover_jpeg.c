#include "cover_jpeg.h"

#include <libavcodec/avcodec.h>
#include <libswscale/swscale.h>
#include <stdbool.h>
#include <string.h>

#include "core/mem.h"

#include "core/banned.h"

#define FORMAT AV_PIX_FMT_YUVJ420P
#define PLANES 3
/* Of 2 (best) to 31. */
#define QUALITY 3
/* Pixels that are longer than that are a mistake of the file. */
#define MAX_ASPECT 8
/* From here on, a video that does not say its colours means those of HD. */
#define HD_HEIGHT 720

static enum err no_memory(struct failure *f)
{
    return failure_set(f, PROBLEM_RESOURCE_LIMIT, "The cover needs too much memory.");
}

static int at_least_one(double value)
{
    return value < 1 ? 1 : (int)(value + 0.5);
}

/* The size at which it is shown, scaled down until both sides fit. */
static void find_size(const AVFrame *picture, const struct cover_shape *shape, int *ret_width,
                      int *ret_height)
{
    double aspect = shape->pixel_aspect.num <= 0 || shape->pixel_aspect.den <= 0
                        ? 1
                        : av_q2d(shape->pixel_aspect);
    aspect = aspect > MAX_ASPECT || aspect * MAX_ASPECT < 1 ? 1 : aspect;
    double width = picture->width * aspect;
    double height = picture->height;
    double longer = width > height ? width : height;
    double scale = longer > shape->max_size ? shape->max_size / longer : 1;
    *ret_width = at_least_one(width * scale);
    *ret_height = at_least_one(height * scale);
}

static AVFrame *make_frame(int width, int height)
{
    AVFrame *frame = av_frame_alloc();
    if (frame == NULL) {
        return NULL;
    }
    frame->format = FORMAT;
    frame->width = width;
    frame->height = height;
    if (av_frame_get_buffer(frame, 0) < 0) {
        av_frame_free(&frame);
    }
    return frame;
}

/* JPEG has BT.601's colours in their full range, whatever the video has. */
static void set_colours(struct SwsContext *scaler, const AVFrame *picture)
{
    int space = (int)picture->colorspace;
    if (picture->colorspace == AVCOL_SPC_UNSPECIFIED) {
        space = picture->height >= HD_HEIGHT ? SWS_CS_ITU709 : SWS_CS_ITU601;
    }
    /* Pictures that are not YUV refuse, and need nothing. */
    (void)sws_setColorspaceDetails(scaler, sws_getCoefficients(space),
                                   picture->color_range == AVCOL_RANGE_JPEG,
                                   sws_getCoefficients(SWS_CS_ITU601), 1, 0, 1 << 16, 1 << 16);
}

static AVFrame *scale(const AVFrame *picture, const struct cover_shape *shape)
{
    int width = 0;
    int height = 0;
    find_size(picture, shape, &width, &height);
    /* Not SWS_FAST_BILINEAR: that one makes code at run time, which the sandbox forbids. */
    struct SwsContext *scaler = sws_getContext(
        picture->width, picture->height, (enum AVPixelFormat)picture->format, width, height, FORMAT,
        SWS_BICUBIC | SWS_ACCURATE_RND, NULL, NULL, NULL);
    AVFrame *scaled = scaler == NULL ? NULL : make_frame(width, height);
    if (scaled != NULL) {
        set_colours(scaler, picture);
        int rows = sws_scale(scaler, (const uint8_t *const *)picture->data, picture->linesize, 0,
                             picture->height, scaled->data, scaled->linesize);
        if (rows <= 0) {
            av_frame_free(&scaled);
        }
    }
    sws_freeContext(scaler);
    return scaled;
}

struct plane {
    uint8_t *bytes;
    int stride, width, height;
};

static struct plane plane_of(const AVFrame *frame, int i)
{
    int shift = i == 0 ? 0 : 1;
    return (struct plane){ frame->data[i], frame->linesize[i], (frame->width + shift) >> shift,
                           (frame->height + shift) >> shift };
}

static void turn_plane(const struct plane *from, const struct plane *to, int quarter_turns)
{
    for (int y = 0; y < to->height; y++) {
        for (int x = 0; x < to->width; x++) {
            int from_x = quarter_turns == 1 ? y : from->width - 1 - (quarter_turns == 2 ? x : y);
            int from_y = quarter_turns == 3 ? x : from->height - 1 - (quarter_turns == 2 ? y : x);
            to->bytes[(ptrdiff_t)y * to->stride + x] =
                from->bytes[(ptrdiff_t)from_y * from->stride + from_x];
        }
    }
}

/* Frees `frame`; NULL without memory. */
static AVFrame *turn(AVFrame *frame, int quarter_turns)
{
    if (frame == NULL || quarter_turns == 0) {
        return frame;
    }
    bool is_half = quarter_turns == 2;
    AVFrame *turned = make_frame(is_half ? frame->width : frame->height,
                                 is_half ? frame->height : frame->width);
    for (int i = 0; i < PLANES && turned != NULL; i++) {
        struct plane from = plane_of(frame, i);
        struct plane to = plane_of(turned, i);
        turn_plane(&from, &to, quarter_turns);
    }
    av_frame_free(&frame);
    return turned;
}

static int encode(AVCodecContext *encoder, AVFrame *frame, AVPacket *packet)
{
    encoder->width = frame->width;
    encoder->height = frame->height;
    encoder->pix_fmt = FORMAT;
    encoder->color_range = AVCOL_RANGE_JPEG;
    encoder->time_base = (AVRational){ 1, 25 };
    encoder->flags |= AV_CODEC_FLAG_QSCALE;
    encoder->global_quality = QUALITY * FF_QP2LAMBDA;
    encoder->thread_count = 1;
    frame->quality = encoder->global_quality;
    int error = avcodec_open2(encoder, NULL, NULL);
    error = error < 0 ? error : avcodec_send_frame(encoder, frame);
    return error < 0 ? error : avcodec_receive_packet(encoder, packet);
}

enum err cover_jpeg_encode(const AVFrame *picture, const struct cover_shape *shape,
                           uint8_t **ret_jpeg, size_t *ret_len, struct failure *f)
{
    AVFrame *frame = turn(scale(picture, shape), shape->quarter_turns);
    AVCodecContext *encoder = avcodec_alloc_context3(avcodec_find_encoder(AV_CODEC_ID_MJPEG));
    AVPacket *packet = av_packet_alloc();
    enum err err = OK;
    if (frame == NULL || encoder == NULL || packet == NULL) {
        err = no_memory(f);
    } else if (encode(encoder, frame, packet) < 0) {
        err = failure_set(f, PROBLEM_INTERNAL, "the cover cannot be written as JPEG");
    } else {
        *ret_len = (size_t)packet->size;
        *ret_jpeg = xmalloc(*ret_len);
        memcpy(*ret_jpeg, packet->data, *ret_len);
    }
    av_packet_free(&packet);
    avcodec_free_context(&encoder);
    av_frame_free(&frame);
    return err;
}
