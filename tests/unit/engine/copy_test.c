/* copy.h on frames made here: what the demuxer's marks and cuts make of delay, padding and counts,
 * and which frames are written. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <libavutil/intreadwrite.h>
#include <string.h>

#include "core/mem.h"
#include "engine_child/copy.h"

/* 128 kbit/s at 48 kHz: 384 bytes without padding, 24 ms, 1152 samples. */
#define FRAME_LEN 384
#define FRAME_SAMPLES 1152
#define FRAMES 20

/* A source of FRAMES frames, each filled with its number. */
struct source {
    int skip_first;      /* of the first packet */
    int discarded_first; /* packets with the flag to leave them out */
    int discard_from;    /* from this frame on samples are left out at the end, 0: none */
    int discard;         /* how many of that frame; all of those behind it */
    unsigned reservoir;  /* main_data_begin of each frame */
    int per_packet;      /* frames in a packet; 0: 1 */
    int broken;          /* this frame has side information that no decoder takes; 0: none */
};

struct output {
    uint8_t *bytes;
    size_t len;
    struct copy_summary summary;
    struct failure failure;
};

static enum err on_bytes(void *ctx, const uint8_t *bytes, size_t len)
{
    struct output *o = ctx;
    o->bytes = xrealloc(o->bytes, o->len + len);
    memcpy(o->bytes + o->len, bytes, len);
    o->len += len;
    return OK;
}

static void make_frame(const struct source *s, int number, uint8_t *dst)
{
    memset(dst, number, FRAME_LEN);
    memcpy(dst, (const uint8_t[]){ 0xFF, 0xFB, 0x94, 0x64 }, 4);
    memset(dst + 4, 0, 32);
    dst[4] = (uint8_t)(s->reservoir >> 1);
    dst[5] = (uint8_t)(s->reservoir << 7);
    if (s->broken != 0 && number == s->broken) {
        /* big_values of the first granule, from bit 52 + 12 on. */
        dst[8] = 0xFF;
    }
}

static AVPacket *make_packet(const struct source *s, int first, int count)
{
    AVPacket *packet = av_packet_alloc();
    assert_non_null(packet);
    assert_int_equal(av_new_packet(packet, count * FRAME_LEN), 0);
    for (int i = 0; i < count; i++) {
        make_frame(s, first + i, packet->data + (size_t)i * FRAME_LEN);
    }
    int skip = first == 0 ? s->skip_first : 0;
    int discard = 0;
    if (s->discard_from != 0 && first >= s->discard_from) {
        discard = first == s->discard_from ? s->discard : FRAME_SAMPLES;
    }
    if (skip != 0 || discard != 0) {
        uint8_t *marks = av_packet_new_side_data(packet, AV_PKT_DATA_SKIP_SAMPLES, 10);
        assert_non_null(marks);
        memset(marks, 0, 10);
        AV_WL32(marks, (unsigned)skip);
        AV_WL32(marks + 4, (unsigned)discard);
    }
    if (first < s->discarded_first) {
        packet->flags |= AV_PKT_FLAG_DISCARD;
    }
    return packet;
}

static enum err run(const struct source *s, int64_t start_ms, int64_t end_ms, struct output *o)
{
    struct job_options options;
    job_options_default(&options);
    options.start_ms = start_ms;
    options.end_ms = end_ms;
    *o = (struct output){ 0 };
    struct copy_params params = { &options, 0, { 1, 48000 }, "LAME3.100", o, false, on_bytes };
    AUTO(copy_free) struct copy *c = copy_new(&params);
    enum err err = OK;
    int step = s->per_packet == 0 ? 1 : s->per_packet;
    for (int at = 0; at < FRAMES && err == OK && !copy_is_over(c); at += step) {
        AVPacket *packet = make_packet(s, at, step);
        err = copy_packet(c, packet, &o->failure);
        av_packet_free(&packet);
    }
    err = err != OK ? err : copy_finish(c, &o->summary, &o->failure);
    if (err == OK) {
        assert_int_equal(copy_duration_us(c), o->summary.samples * 1000000 / 48000);
        memcpy(o->bytes, o->summary.tag, o->summary.tag_len);
    }
    return err;
}

/* Each row: the source, the cut, and what comes of it. silent: bytes of the frame of silence. */
static const struct {
    struct source source;
    int64_t start_ms, end_ms;
    int first, frames; /* of the source's, written */
    bool has_silence;
    int delay, padding;
    int64_t samples;
} rows[] = {
    /* No marks: everything is heard. */
    { { 0 }, 0, 0, 0, 20, true, 623, 529, 23040 },
    /* LAME's own. */
    { { .skip_first = 1105, .discard_from = 19, .discard = 300 },
      0,
      0,
      0,
      20,
      false,
      576,
      829,
      23040 - 1405 },
    /* A padding over two frames. */
    { { .skip_first = 1105, .discard_from = 18, .discard = 1 },
      0,
      0,
      0,
      20,
      false,
      576,
      1682,
      23040 - 1105 - 1153 },
    /* More padding than the tag can tell: what is behind it is left out. */
    { { .discard_from = 10, .discard = FRAME_SAMPLES },
      0,
      0,
      0,
      13,
      true,
      623,
      529 + 3 * 1152,
      11520 },
    /* A skip of less than the decoder's delay. */
    { { .skip_first = 100 }, 0, 0, 0, 20, true, 723, 529, 22940 },
    /* Long ones: one frame is kept before the sound, and one that feeds the reservoir. */
    { { .skip_first = 5000 }, 0, 0, 3, 17, false, 1152 + 392 - 529, 529, 23040 - 5000 },
    { { .skip_first = 5000, .reservoir = 300 },
      0,
      0,
      3,
      17,
      true,
      2304 + 392 - 529,
      529,
      23040 - 5000 },
    { { .discarded_first = 7 }, 0, 0, 6, 14, false, 623, 529, INT64_C(13) * 1152 },
    /* Cuts: 24 ms are a frame. */
    { { 0 }, 0, 240, 0, 10, true, 623, 529, 11520 },
    { { 0 }, 24, 240, 0, 10, false, 623, 529, 9 * 1152 },
    { { 0 }, 48, 250, 0, 11, false, 1775, 529 + 672, 202 * 48 },
    { { 0 }, 250, 400, 9, 8, false, 1152 + 480 - 529, 529 + 384, 150 * 48 },
    { { .reservoir = 1 }, 250, 400, 9, 8, true, 2304 + 480 - 529, 529 + 384, 150 * 48 },
    { { .skip_first = 1105, .reservoir = 1 },
      250,
      400,
      10,
      8,
      true,
      2304 + 433 - 529,
      529 + 431,
      150 * 48 },
    { { .per_packet = 5 }, 250, 400, 9, 8, false, 1152 + 480 - 529, 529 + 384, 150 * 48 },
    { { .per_packet = 20 }, 0, 0, 0, 20, true, 623, 529, 23040 },
    /* The end that is asked for is behind the sound. */
    { { 0 }, 250, 9000, 9, 11, false, 1152 + 480 - 529, 529, 23040 - 12000 },
    /* A broken frame is written, for what is in the reservoir, and gives no sound. */
    { { .broken = 12 }, 250, 400, 9, 9, false, 1152 + 480 - 529, 529 + 384, 150 * 48 + 1152 },
};

static unsigned be(const uint8_t *bytes, size_t size)
{
    unsigned value = 0;
    for (size_t i = 0; i < size; i++) {
        value = value << 8 | bytes[i];
    }
    return value;
}

static void check_row(size_t i)
{
    struct output o;
    assert_int_equal(run(&rows[i].source, rows[i].start_ms, rows[i].end_ms, &o), OK);
    struct mp3_frame frame;
    assert_true(mp3_frame_parse(o.bytes, o.len, &frame));
    assert_int_equal(frame.len, o.summary.tag_len);
    const uint8_t *xing = o.bytes + frame.head_len;
    assert_memory_equal(xing + 120, "LAME3.100", 9);
    assert_int_equal(be(xing + 8, 4), rows[i].frames + (rows[i].has_silence ? 1 : 0));
    assert_int_equal(be(xing + 12, 4), o.len);
    assert_int_equal(be(xing + 141, 3) >> 12, rows[i].delay);
    assert_int_equal(be(xing + 141, 3) & 0xFFF, rows[i].padding);
    assert_int_equal(o.summary.samples, rows[i].samples);
    size_t at = frame.len;
    if (rows[i].has_silence) {
        assert_true(mp3_frame_parse(o.bytes + at, o.len - at, &frame));
        size_t reservoir = rows[i].first == 0 ? 0 : rows[i].source.reservoir;
        for (size_t back = 1; back <= reservoir; back++) {
            assert_int_equal(o.bytes[at + frame.len - back], rows[i].first - 1);
        }
        at += frame.len;
    }
    assert_int_equal(o.len - at, rows[i].frames * FRAME_LEN);
    for (int n = 0; n < rows[i].frames; n++) {
        uint8_t expected[FRAME_LEN];
        make_frame(&rows[i].source, rows[i].first + n, expected);
        assert_memory_equal(o.bytes + at + (size_t)n * FRAME_LEN, expected, FRAME_LEN);
    }
    free(o.bytes);
}

static void test_what_is_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        print_message("row %zu\n", i);
        check_row(i);
    }
}

/* Sound behind a hole that the marks cut stays where it is, and so does what fills the hole. */
static void test_a_hole(void **state)
{
    (void)state;
    struct output o = { 0 };
    struct job_options options;
    job_options_default(&options);
    struct copy_params params = { &options, 0, { 1, 48000 }, "", &o, false, on_bytes };
    AUTO(copy_free) struct copy *c = copy_new(&params);
    static const struct source whole = { 0 };
    static const struct source holed = { .discard_from = 1, .discard = 500 };
    for (int i = 0; i < 3; i++) {
        AVPacket *packet = make_packet(i == 1 ? &holed : &whole, i, 1);
        assert_int_equal(copy_packet(c, packet, &o.failure), OK);
        av_packet_free(&packet);
    }
    assert_int_equal(copy_finish(c, &o.summary, &o.failure), OK);
    assert_int_equal(o.summary.samples, 3 * FRAME_SAMPLES);
    free(o.bytes);
}

static void test_no_sound(void **state)
{
    (void)state;
    static const struct source whole = { 0 };
    static const struct source none = { .discarded_first = FRAMES };
    struct output o;
    assert_int_equal(run(&whole, 480, 0, &o), ERR_INVALID);
    assert_int_equal(o.failure.problem, PROBLEM_TRIM_RANGE);
    assert_int_equal(o.len, 0);
    assert_int_equal(run(&none, 0, 0, &o), ERR_INVALID);
    assert_int_equal(o.failure.problem, PROBLEM_CORRUPT_INPUT);
    assert_int_equal(o.len, 0);
}

static enum err refuse_bytes(void *ctx, const uint8_t *bytes, size_t len)
{
    (void)bytes;
    size_t *left = ctx;
    *left -= len < *left ? len : *left;
    return *left == 0 ? ERR_CANCELLED : OK;
}

/* The parent goes away: no more is written, and nobody is told why. */
static void test_cancelled(void **state)
{
    (void)state;
    static const struct source source = { .reservoir = 9 };
    for (size_t left = 1; left < 8000; left += 77) {
        size_t rest = left;
        struct job_options options;
        struct failure f;
        job_options_default(&options);
        options.start_ms = 100;
        struct copy_params params = { &options, 0, { 1, 48000 }, "", &rest, false, refuse_bytes };
        AUTO(copy_free) struct copy *c = copy_new(&params);
        enum err err = OK;
        for (int at = 0; at < FRAMES && err == OK; at++) {
            AVPacket *packet = make_packet(&source, at, 1);
            err = copy_packet(c, packet, &f);
            av_packet_free(&packet);
        }
        assert_int_equal(err, left < 6500 ? ERR_CANCELLED : err);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_written),
        cmocka_unit_test(test_a_hole),
        cmocka_unit_test(test_no_sound),
        cmocka_unit_test(test_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
