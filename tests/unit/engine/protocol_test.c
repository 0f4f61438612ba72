#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "engine/protocol.h"

static uint8_t frame[PROTOCOL_HEADER_SIZE + PROTOCOL_SMALL_MAX];
static uint8_t *const payload = frame + PROTOCOL_HEADER_SIZE;

/* Checks the header that was packed; the payload's length. */
static size_t check_header(size_t len, enum protocol_side sender, enum protocol_type want)
{
    enum protocol_type type = PROTOCOL_TYPE_MAX;
    size_t payload_len = 0;
    assert_int_equal(protocol_unpack_header(frame, sender, &type, &payload_len, NULL), OK);
    assert_int_equal(type, want);
    assert_int_equal(payload_len, len - PROTOCOL_HEADER_SIZE);
    return payload_len;
}

static void test_start(void **state)
{
    (void)state;
    struct protocol_start in = { .is_output_stream = true,
                                 .threads = 3,
                                 .input_size = -1,
                                 .cover_size = 77,
                                 .max_duration_s = 21600,
                                 .memory_bytes = (int64_t)512 << 20,
                                 .cpu_limit_s = 1140 };
    struct protocol_start out;
    struct job_options options = { .preset = JOB_PRESET_BEST,
                                   .mode = JOB_MODE_VBR,
                                   .bitrate_kbps = 128,
                                   .quality = 4,
                                   .sample_rate_hz = 44100,
                                   .channels = 2,
                                   .loudness = JOB_LOUDNESS_NORMALIZE,
                                   .loudness_target_centi_lufs = -2310,
                                   .trim_silence = 1,
                                   .chapters = JOB_CHAPTERS_SPLIT,
                                   .cover = JOB_COVER_FRAME,
                                   .id3 = JOB_ID3_V23,
                                   .copy = JOB_COPY_NEVER,
                                   .start_ms = 1,
                                   .end_ms = 3600000000,
                                   .fade_in_ms = 2,
                                   .fade_out_ms = 30000,
                                   .cover_at_ms = 12345,
                                   .track = "deu" };
    memset(&in.request, 0, sizeof(in.request));
    in.request.options = options;
    in.request.tags.given = 1 << JOB_TAG_ARTIST;
    memcpy(in.request.tags.texts[JOB_TAG_ARTIST], "Bj\xc3\xb6rk", 7);
    in.request.output_count = JOB_REQUEST_OUTPUTS_MAX;
    for (int i = 0; i < JOB_REQUEST_OUTPUTS_MAX; i++) {
        in.request.outputs[i] = options;
        in.request.outputs[i].quality = i;
    }
    size_t len = check_header(protocol_pack_start(frame, &in), PROTOCOL_PARENT, PROTOCOL_START);
    assert_int_equal(protocol_unpack_start(payload, len, &out, NULL), OK);
    assert_memory_equal(&out.request, &in.request, sizeof(in.request));
    assert_true(out.is_output_stream && !out.is_probe);
    assert_int_equal(out.cover_size, 77);
    assert_int_equal(out.threads, 3);
    assert_int_equal(out.input_size, -1);
    assert_int_equal(out.memory_bytes, in.memory_bytes);
    assert_int_equal(out.cpu_limit_s, 1140);
    assert_int_equal(protocol_unpack_start(payload, len - 1, &out, NULL), ERR_CORRUPT);
    payload[0]++;
    assert_int_equal(protocol_unpack_start(payload, len, &out, NULL), ERR_CORRUPT);
}

static void test_read(void **state)
{
    (void)state;

    static const struct {
        int64_t offset;
        uint32_t len;
        enum err want;
    } rows[] = {
        { 0, 1, OK },
        { (int64_t)5 << 40, PROTOCOL_DATA_MAX, OK },
        { -1, 1, ERR_CORRUPT },
        { INT64_MIN, 1, ERR_CORRUPT },
        { INT64_MAX, 1, ERR_CORRUPT },
        { INT64_MAX - PROTOCOL_DATA_MAX, 1, OK },
        { 0, 0, ERR_CORRUPT },
        { 0, PROTOCOL_DATA_MAX + 1, ERR_CORRUPT },
        { 0, UINT32_MAX, ERR_CORRUPT },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct protocol_read in = { PROTOCOL_COVER, rows[i].offset, rows[i].len };
        struct protocol_read out = { 0 };
        size_t len = check_header(protocol_pack_read(frame, &in), PROTOCOL_CHILD, PROTOCOL_READ);
        assert_int_equal(protocol_unpack_read(payload, len, &out, NULL), rows[i].want);
        if (rows[i].want == OK) {
            assert_int_equal(out.source, PROTOCOL_COVER);
            assert_int_equal(out.offset, in.offset);
            assert_int_equal(out.len, in.len);
        }
    }
}

static void test_input(void **state)
{
    (void)state;
    struct job_input in = { .container = "mov,mp4", .duration_s = 12.5, .track_count = 2 };
    in.tracks[1] = (struct job_track){ 1, "aac", "deu", 6, 48000, true };
    struct job_input out;
    size_t len = check_header(protocol_pack_input(frame, &in), PROTOCOL_CHILD, PROTOCOL_INPUT);
    assert_int_equal(protocol_unpack_input(payload, len, &out, NULL), OK);
    assert_string_equal(out.container, "mov,mp4");
    assert_int_equal(out.track_count, 2);
    assert_string_equal(out.tracks[1].codec, "aac");
    assert_string_equal(out.tracks[1].language, "deu");
    assert_true(out.tracks[1].is_default);
    assert_int_equal(protocol_unpack_input(payload, len - 1, &out, NULL), ERR_CORRUPT);
    payload[2] = 0xff; /* not UTF-8 */
    assert_int_equal(protocol_unpack_input(payload, len, &out, NULL), ERR_CORRUPT);
    payload[2] = '\n';
    assert_int_equal(protocol_unpack_input(payload, len, &out, NULL), ERR_CORRUPT);
    memset(payload, 'x', 64); /* no end */
    assert_int_equal(protocol_unpack_input(payload, len, &out, NULL), ERR_CORRUPT);

    /* As many tracks as there can be. */
    in.track_count = JOB_TRACKS_MAX;
    len = check_header(protocol_pack_input(frame, &in), PROTOCOL_CHILD, PROTOCOL_INPUT);
    assert_int_equal(protocol_unpack_input(payload, len, &out, NULL), OK);
    payload[64 + 8] = JOB_TRACKS_MAX + 1;
    assert_int_equal(protocol_unpack_input(payload, len, &out, NULL), ERR_CORRUPT);
}

static void test_progress(void **state)
{
    (void)state;
    struct protocol_progress in = { 1500000, 60000000 };
    struct protocol_progress out;
    size_t len = check_header(protocol_pack_progress(frame, &in), PROTOCOL_CHILD,
                              PROTOCOL_PROGRESS);
    assert_int_equal(protocol_unpack_progress(payload, len, &out, NULL), OK);
    assert_int_equal(out.media_us, in.media_us);
    assert_int_equal(out.duration_us, in.duration_us);
    in.media_us = -1;
    (void)protocol_pack_progress(frame, &in);
    assert_int_equal(protocol_unpack_progress(payload, len, &out, NULL), ERR_CORRUPT);
    in.media_us = INT64_MAX;
    (void)protocol_pack_progress(frame, &in);
    assert_int_equal(protocol_unpack_progress(payload, len, &out, NULL), ERR_CORRUPT);
}

static void test_chapters(void **state)
{
    (void)state;
    struct job_input in = { .container = "mov,mp4", .chapter_count = JOB_CHAPTERS_MAX };
    struct job_input out;
    for (int i = 0; i < JOB_CHAPTERS_MAX; i++) {
        in.chapters[i] = (struct job_chapter){ i * 1000, i * 1000 + 999, "Z\xc3\xbcrich" };
    }
    in.track_count = JOB_TRACKS_MAX;
    size_t len = check_header(protocol_pack_input(frame, &in), PROTOCOL_CHILD, PROTOCOL_INPUT);
    assert_int_equal(protocol_unpack_input(payload, len, &out, NULL), OK);
    assert_int_equal(out.chapter_count, JOB_CHAPTERS_MAX);
    assert_memory_equal(out.chapters, in.chapters, sizeof(in.chapters));
    assert_int_equal(protocol_unpack_input(payload, len - 1, &out, NULL), ERR_CORRUPT);
    in.chapters[3].end_ms = in.chapters[3].start_ms - 1;
    (void)protocol_pack_input(frame, &in);
    assert_int_equal(protocol_unpack_input(payload, len, &out, NULL), ERR_CORRUPT);
}

static void test_output(void **state)
{
    (void)state;
    struct protocol_output in = { .number = 63,
                                  .output = { .size_bytes = 100000,
                                              .duration_s = 5.25,
                                              .mode = "copy",
                                              .bitrate_kbps = 192,
                                              .sample_rate_hz = 44100,
                                              .channels = 2,
                                              .track = 3,
                                              .chapter = 64,
                                              .loudness = { true, -23.25, -1.5, 7, 3.75 } } };
    struct protocol_output out;
    size_t len = check_header(protocol_pack_output(frame, &in), PROTOCOL_CHILD, PROTOCOL_OUTPUT);
    assert_int_equal(protocol_unpack_output(payload, len, &out, NULL), OK);
    assert_int_equal(out.number, 63);
    assert_int_equal(out.output.size_bytes, 100000);
    assert_true(out.output.duration_s == 5.25);
    assert_string_equal(out.output.mode, "copy");
    assert_int_equal(out.output.chapter, 64);
    assert_true(out.output.loudness.is_measured);
    assert_true(out.output.loudness.integrated_lufs == -23.25);
    assert_true(out.output.loudness.gain_db == 3.75);
    assert_int_equal(protocol_unpack_output(payload, len - 1, &out, NULL), ERR_CORRUPT);
    in.output.channels = 3;
    (void)protocol_pack_output(frame, &in);
    assert_int_equal(protocol_unpack_output(payload, len, &out, NULL), ERR_CORRUPT);
    in.output.channels = 2;
    in.number = JOB_OUTPUTS_MAX;
    (void)protocol_pack_output(frame, &in);
    assert_int_equal(protocol_unpack_output(payload, len, &out, NULL), ERR_CORRUPT);
}

static void test_pieces(void **state)
{
    (void)state;

    static const struct {
        struct protocol_piece piece;
        enum err want;
    } rows[] = {
        { { 0, 0, 0 }, OK },
        { { JOB_OUTPUTS_MAX - 1, PROTOCOL_PIECE_MAX, (int64_t)1 << 40 }, OK },
        { { JOB_OUTPUTS_MAX, 1, 0 }, ERR_CORRUPT },
        { { -1, 1, 0 }, ERR_CORRUPT },
        { { 0, PROTOCOL_PIECE_MAX + 1, 0 }, ERR_CORRUPT },
        { { 0, 1, -1 }, ERR_CORRUPT },
        { { 0, 1, INT64_MAX }, ERR_CORRUPT },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t header[PROTOCOL_PIECE_HEADER_SIZE];
        struct protocol_piece out = { 0 };
        protocol_pack_piece(header, &rows[i].piece);
        assert_int_equal(protocol_unpack_piece(header, &out, NULL), rows[i].want);
        if (rows[i].want == OK) {
            assert_int_equal(out.output, rows[i].piece.output);
            assert_int_equal(out.len, rows[i].piece.len);
            assert_int_equal(out.offset, rows[i].piece.offset);
        }
    }
}

static void test_done(void **state)
{
    (void)state;
    struct protocol_done in = { 64 };
    struct protocol_done out;
    size_t len = check_header(protocol_pack_done(frame, &in), PROTOCOL_CHILD, PROTOCOL_DONE);
    assert_int_equal(protocol_unpack_done(payload, len, &out, NULL), OK);
    assert_int_equal(out.output_count, 64);
    assert_int_equal(protocol_unpack_done(payload, len - 1, &out, NULL), ERR_CORRUPT);
    in.output_count = 65;
    (void)protocol_pack_done(frame, &in);
    assert_int_equal(protocol_unpack_done(payload, len, &out, NULL), ERR_CORRUPT);
}

static void test_failed(void **state)
{
    (void)state;
    struct protocol_failed in = { PROBLEM_NO_AUDIO, "The video has no sound." };
    struct protocol_failed out;
    size_t len = check_header(protocol_pack_failed(frame, &in), PROTOCOL_CHILD, PROTOCOL_FAILED);
    assert_int_equal(protocol_unpack_failed(payload, len, &out, NULL), OK);
    assert_int_equal(out.problem, PROBLEM_NO_AUDIO);
    assert_string_equal(out.detail, in.detail);
    payload[6] = 0x80;
    assert_int_equal(protocol_unpack_failed(payload, len, &out, NULL), ERR_CORRUPT);

    /* Nothing that is not for the child to say. */
    static const enum problem others[] = { PROBLEM_NONE, PROBLEM_UNAUTHENTICATED,
                                           PROBLEM_WORKER_LOST, PROBLEM_MAX };

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        in.problem = others[i];
        (void)protocol_pack_failed(frame, &in);
        assert_int_equal(protocol_unpack_failed(payload, len, &out, NULL), ERR_CORRUPT);
    }
}

static void test_headers(void **state)
{
    (void)state;

    static const struct {
        int type;
        size_t len;
        enum protocol_side sender;
        enum err want;
    } rows[] = {
        { PROTOCOL_DATA, 0, PROTOCOL_PARENT, OK },
        { PROTOCOL_DATA, PROTOCOL_DATA_MAX, PROTOCOL_PARENT, OK },
        { PROTOCOL_DATA, PROTOCOL_DATA_MAX + 1, PROTOCOL_PARENT, ERR_CORRUPT },
        { PROTOCOL_DATA, 10, PROTOCOL_CHILD, ERR_CORRUPT },
        { PROTOCOL_READ, 16, PROTOCOL_CHILD, OK },
        { PROTOCOL_READ, 17, PROTOCOL_CHILD, ERR_CORRUPT },
        { PROTOCOL_READ, 16, PROTOCOL_PARENT, ERR_CORRUPT },
        { PROTOCOL_DONE, PROTOCOL_SMALL_MAX, PROTOCOL_CHILD, ERR_CORRUPT },
        { 0, 0, PROTOCOL_CHILD, ERR_CORRUPT },
        { PROTOCOL_TYPE_MAX, 0, PROTOCOL_CHILD, ERR_CORRUPT },
        { -1, 0, PROTOCOL_CHILD, ERR_CORRUPT },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        enum protocol_type type = PROTOCOL_TYPE_MAX;
        size_t len = 0;
        protocol_pack_header(frame, (enum protocol_type)rows[i].type, rows[i].len);
        assert_int_equal(protocol_unpack_header(frame, rows[i].sender, &type, &len, NULL),
                         rows[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_start),   cmocka_unit_test(test_read),
        cmocka_unit_test(test_input),   cmocka_unit_test(test_progress),
        cmocka_unit_test(test_done),    cmocka_unit_test(test_failed),
        cmocka_unit_test(test_headers), cmocka_unit_test(test_chapters),
        cmocka_unit_test(test_output),  cmocka_unit_test(test_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
