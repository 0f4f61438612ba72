/* A cover out of a video made here: which picture, what the input is like afterwards, and (under
 * ASan) that everything is freed, whatever fails. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/mem.h>
#include <string.h>

#include "core/mem.h"
#include "engine_child/cover_frame.h"
#include "engine_child/cover_jpeg.h"
#include "fake_parent.h"

#define WIDTH 64
#define HEIGHT 48
#define PICTURES 20
#define RATE 5

static AVFrame *make_picture(int luma)
{
    AVFrame *frame = av_frame_alloc();
    assert_non_null(frame);
    frame->format = AV_PIX_FMT_YUV420P;
    frame->width = WIDTH;
    frame->height = HEIGHT;
    assert_int_equal(av_frame_get_buffer(frame, 0), 0);
    for (int i = 0; i < 3; i++) {
        memset(frame->data[i], i == 0 ? luma : 128,
               (size_t)frame->linesize[i] * (size_t)(i == 0 ? HEIGHT : HEIGHT / 2));
    }
    return frame;
}

static uint8_t *make_jpeg(int luma, const struct cover_shape *shape, size_t *ret_len)
{
    struct failure f = { 0 };
    uint8_t *jpeg = NULL;
    AVFrame *frame = make_picture(luma);
    assert_int_equal(cover_jpeg_encode(frame, shape, &jpeg, ret_len, &f), OK);
    av_frame_free(&frame);
    return jpeg;
}

/* One picture in each fifth of a second, brighter and brighter. av_free it. */
static uint8_t *make_video(size_t *ret_len)
{
    static const struct cover_shape shape = { { 1, 1 }, 0, 1000 };
    AVFormatContext *container = NULL;
    assert_true(avformat_alloc_output_context2(&container, NULL, "matroska", NULL) >= 0);
    AVStream *stream = avformat_new_stream(container, NULL);
    assert_true(stream != NULL && avio_open_dyn_buf(&container->pb) >= 0);
    stream->codecpar->codec_type = AVMEDIA_TYPE_VIDEO;
    stream->codecpar->codec_id = AV_CODEC_ID_MJPEG;
    stream->codecpar->width = WIDTH;
    stream->codecpar->height = HEIGHT;
    stream->time_base = (AVRational){ 1, RATE };
    stream->avg_frame_rate = (AVRational){ RATE, 1 };
    assert_true(avformat_write_header(container, NULL) >= 0);
    for (int i = 0; i < PICTURES; i++) {
        AVPacket *packet = av_packet_alloc();
        size_t len = 0;
        uint8_t *jpeg = make_jpeg(16 + 10 * i, &shape, &len);
        assert_int_equal(av_new_packet(packet, (int)len), 0);
        memcpy(packet->data, jpeg, len);
        packet->pts = packet->dts = av_rescale_q(i, (AVRational){ 1, RATE }, stream->time_base);
        packet->flags = AV_PKT_FLAG_KEY;
        assert_int_equal(av_write_frame(container, packet), 0);
        av_packet_free(&packet);
        free(jpeg);
    }
    assert_int_equal(av_write_trailer(container), 0);
    uint8_t *bytes = NULL;
    *ret_len = (size_t)avio_close_dyn_buf(container->pb, &bytes);
    avformat_free_context(container);
    return bytes;
}

/* The brightness in the middle. */
static int brightness(const uint8_t *jpeg, size_t len)
{
    AVCodecContext *decoder = avcodec_alloc_context3(avcodec_find_decoder(AV_CODEC_ID_MJPEG));
    AVPacket *packet = av_packet_alloc();
    AVFrame *frame = av_frame_alloc();
    decoder->thread_count = 1;
    assert_int_equal(av_new_packet(packet, (int)len), 0);
    memcpy(packet->data, jpeg, len);
    assert_int_equal(avcodec_open2(decoder, NULL, NULL), 0);
    assert_int_equal(avcodec_send_packet(decoder, packet), 0);
    assert_int_equal(avcodec_receive_frame(decoder, frame), 0);
    assert_true(frame->width == WIDTH && frame->height == HEIGHT);
    int luma = frame->data[0][frame->linesize[0] * HEIGHT / 2 + WIDTH / 2];
    av_frame_free(&frame);
    av_packet_free(&packet);
    avcodec_free_context(&decoder);
    return luma;
}

static const struct {
    int64_t at_ms;
    int picture; /* -1: there is none */
} rows[] = { { 0, 0 },     { 199, 0 },   { 200, 1 },    { 2500, 12 },     { 3999, 19 },
             { 4400, 19 }, { 4600, -1 }, { 60000, -1 }, { INT64_MAX, -1 } };

static void test_which_picture(void **state)
{
    (void)state;
    size_t len = 0;
    uint8_t *video = make_video(&len);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct fake_parent parent;
        fake_parent_start(&parent, video, (int64_t)len);
        AUTO(input_free) struct input *in = input_new(&parent.channel, (int64_t)len);
        AUTO(mem_free) uint8_t *jpeg = NULL;
        size_t jpeg_len = 0;
        struct failure f = { 0 };
        enum err err = cover_frame_take(in, rows[i].at_ms, &jpeg, &jpeg_len, &f);
        if (rows[i].picture < 0) {
            assert_int_equal(err, ERR_INVALID);
            assert_int_equal(f.problem, PROBLEM_COVER_NOT_FOUND);
            assert_non_null(strstr(f.detail, "the video lasts 4.000 s"));
        } else {
            assert_int_equal(err, OK);
            int want = rows[i].picture * 10 * 255 / 219;
            assert_in_range(brightness(jpeg, jpeg_len) + 3, want, want + 6);
            uint8_t head[4];
            assert_int_equal(avio_tell(input_avio(in)), 0);
            assert_int_equal(avio_read(input_avio(in), head, 4), 4);
            assert_memory_equal(head, video, 4);
        }
        fake_parent_stop(&parent);
        fake_parent_release(&parent);
    }
    av_free(video);
}

/* Cut anywhere: a picture or a failure. */
static void test_cut_off(void **state)
{
    (void)state;
    size_t len = 0;
    uint8_t *video = make_video(&len);
    for (size_t cut = 1; cut < len; cut += len / 23) {
        struct fake_parent parent;
        fake_parent_start(&parent, video, (int64_t)cut);
        AUTO(input_free) struct input *in = input_new(&parent.channel, (int64_t)cut);
        AUTO(mem_free) uint8_t *jpeg = NULL;
        size_t jpeg_len = 0;
        struct failure f = { 0 };
        enum err err = cover_frame_take(in, 2000, &jpeg, &jpeg_len, &f);
        assert_true(err == OK ? jpeg != NULL : err == ERR_INVALID && f.detail[0] != '\0');
        fake_parent_stop(&parent);
        fake_parent_release(&parent);
    }
    av_free(video);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_which_picture),
        cmocka_unit_test(test_cut_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
