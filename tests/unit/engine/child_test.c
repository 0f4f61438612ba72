/* The child's code in this process, without its sandbox: what it asks for, what it says, and (under
 * ASan) that it frees everything. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/mem.h"
#include "engine_child/convert.h"
#include "engine_child/input.h"
#include "engine_child/resample.h"
#include "fake_parent.h"

#define CHUNK INPUT_CHUNK_SIZE

static uint8_t *make_bytes(size_t len)
{
    uint8_t *bytes = xmalloc(len);
    uint32_t state = 1;
    for (size_t i = 0; i < len; i++) {
        state = state * 1664525U + 1013904223U;
        bytes[i] = (uint8_t)(state >> 24);
    }
    return bytes;
}

static void read_straight(AVIOContext *avio, const uint8_t *want, size_t len, size_t step)
{
    uint8_t *got = xmalloc(step);
    for (size_t at = 0; at < len; at += step) {
        size_t take = len - at < step ? len - at : step;
        assert_int_equal(avio_read(avio, got, (int)take), (int)take);
        assert_memory_equal(got, want + at, take);
    }
    free(got);
}

/* Every chunk is asked for once, in order, the last one only as long as it is. */
static void test_reads_straight_on(void **state)
{
    (void)state;
    size_t len = 5 * CHUNK + 77;
    uint8_t *bytes = make_bytes(len);
    struct fake_parent parent;
    fake_parent_start(&parent, bytes, (int64_t)len);
    struct input *in = input_new(&parent.channel, (int64_t)len);
    assert_int_equal(avio_size(input_avio(in)), len);
    read_straight(input_avio(in), bytes, len, 10007);
    uint8_t one;
    assert_int_equal(avio_read(input_avio(in), &one, 1), AVERROR_EOF);
    assert_false(input_is_broken(in));
    input_free(in);
    fake_parent_stop(&parent);
    assert_int_equal(parent.read_count, 6);
    for (size_t i = 0; i < parent.read_count; i++) {
        assert_int_equal(parent.reads[i].offset, i * CHUNK);
        assert_int_equal(parent.reads[i].len, i < 5 ? CHUNK : 77);
    }
    fake_parent_release(&parent);
    free(bytes);
}

/* Nothing is fetched that was not asked for, and what is in the cache is not fetched again. */
static void test_jumps(void **state)
{
    (void)state;
    size_t len = 20 * CHUNK;
    uint8_t *bytes = make_bytes(len);
    struct fake_parent parent;
    fake_parent_start(&parent, bytes, (int64_t)len);
    struct input *in = input_new(&parent.channel, (int64_t)len);
    static const int64_t chunks[] = { 0, 19, 4, 9, 19, 4, 14, 9 };
    uint8_t got[16];
    for (size_t i = 0; i < ARRAY_LEN(chunks); i++) {
        int64_t at = chunks[i] * CHUNK + 100;
        assert_int_equal(avio_seek(input_avio(in), at, SEEK_SET), at);
        assert_int_equal(avio_read_partial(input_avio(in), got, sizeof(got)), sizeof(got));
        assert_memory_equal(got, bytes + at, sizeof(got));
    }
    input_free(in);
    fake_parent_stop(&parent);
    assert_int_equal(parent.read_count, 5);
    fake_parent_release(&parent);
    free(bytes);
}

/* The size turns out to be another than was said, or was not known. */
static void test_ends_early(void **state)
{
    (void)state;
    static const int64_t said[] = { -1, 3 * CHUNK };
    size_t len = CHUNK + 500;
    uint8_t *bytes = make_bytes(len);
    for (size_t i = 0; i < ARRAY_LEN(said); i++) {
        struct fake_parent parent;
        fake_parent_start(&parent, bytes, (int64_t)len);
        struct input *in = input_new(&parent.channel, said[i]);
        read_straight(input_avio(in), bytes, len, 4096);
        uint8_t one;
        assert_int_equal(avio_read(input_avio(in), &one, 1), AVERROR_EOF);
        assert_int_equal(avio_size(input_avio(in)), len);
        input_free(in);
        fake_parent_stop(&parent);
        fake_parent_release(&parent);
    }
    free(bytes);
}

static void test_parent_gone(void **state)
{
    (void)state;
    struct fake_parent parent;
    fake_parent_start(&parent, (const uint8_t *)"x", 1);
    (void)shutdown(parent.control, SHUT_RDWR);
    struct input *in = input_new(&parent.channel, 1000);
    uint8_t one;
    assert_true(avio_read(input_avio(in), &one, 1) < 0);
    assert_true(input_is_broken(in));
    input_free(in);
    fake_parent_stop(&parent);
    fake_parent_release(&parent);
}

static void put_le(uint8_t *dst, uint32_t value, int bytes)
{
    for (int i = 0; i < bytes; i++) {
        dst[i] = (uint8_t)(value >> (8 * i));
    }
}

/* 16-bit mono PCM. */
static uint8_t *make_wav(int rate, int samples, size_t *ret_len)
{
    size_t data = (size_t)samples * 2;
    *ret_len = 44 + data;
    uint8_t *wav = xcalloc(1, *ret_len);
    memcpy(wav, "RIFF....WAVEfmt ", 16);
    put_le(wav + 4, (uint32_t)(36 + data), 4);
    put_le(wav + 16, 16, 4);
    put_le(wav + 20, 1, 2);
    put_le(wav + 22, 1, 2);
    put_le(wav + 24, (uint32_t)rate, 4);
    put_le(wav + 28, (uint32_t)rate * 2, 4);
    put_le(wav + 32, 2, 2);
    put_le(wav + 34, 16, 2);
    memcpy(wav + 36, "data", 4);
    put_le(wav + 40, (uint32_t)data, 4);
    for (int i = 0; i < samples; i++) {
        put_le(wav + 44 + 2 * i, (uint32_t)((i * 37) % 8000), 2);
    }
    return wav;
}

static struct protocol_start make_start(size_t input_len)
{
    struct protocol_start start = { .threads = 1,
                                    .input_size = (int64_t)input_len,
                                    .max_duration_s = 100,
                                    .memory_bytes = (int64_t)512 << 20,
                                    .cpu_limit_s = 60 };
    job_request_default(&start.request);
    return start;
}

static void run(struct fake_parent *parent, const uint8_t *bytes, size_t len,
                const struct protocol_start *start)
{
    fake_parent_start(parent, bytes, (int64_t)len);
    struct crew *crew = NULL;
    assert_int_equal(crew_new(start->threads, &crew, NULL), OK);
    enum err err = convert_run(&parent->channel, start, crew);
    crew_free(crew);
    fake_parent_stop(parent);
    assert_int_equal(err, OK);
    assert_true(parent->has_done != parent->has_failed);
}

static void test_converts(void **state)
{
    (void)state;
    size_t len = 0;
    uint8_t *wav = make_wav(22050, 30000, &len);
    struct protocol_start start = make_start(len);
    struct fake_parent parent;
    run(&parent, wav, len, &start);
    assert_true(parent.has_done);
    assert_int_equal(parent.done.output_count, 1);
    assert_int_equal(parent.output_count, 1);
    const struct job_output *told = &parent.told_outputs[0].output;
    struct buf *mp3 = &parent.outputs[0];
    assert_int_equal(told->size_bytes, mp3->len);
    assert_int_equal(told->sample_rate_hz, 22050);
    assert_int_equal(told->channels, 1);
    assert_true(fabs(told->duration_s - 30000 / 22050.0) < 1e-5);
    assert_int_equal(parent.told_input.track_count, 1);
    assert_string_equal(parent.told_input.container, "wav");

    /* What came out, put in: MP3 to MP3, resampled. */
    struct fake_parent again;
    struct protocol_start second = make_start(mp3->len);
    second.request.options.sample_rate_hz = 48000;
    second.request.options.channels = 2;
    second.request.options.copy = JOB_COPY_NEVER;
    run(&again, (const uint8_t *)mp3->data, mp3->len, &second);
    assert_true(again.has_done);
    assert_int_equal(again.told_outputs[0].output.channels, 2);
    fake_parent_release(&again);
    fake_parent_release(&parent);
    free(wav);
}

static void test_fails_in_the_users_terms(void **state)
{
    (void)state;
    size_t len = 0;
    uint8_t *wav = make_wav(8000, 20000, &len);
    struct fake_parent parent;
    struct protocol_start start = make_start(len);
    start.max_duration_s = 2;
    run(&parent, wav, len, &start);
    assert_int_equal(parent.failed.problem, PROBLEM_DURATION_EXCEEDED);
    assert_string_equal(parent.failed.detail, "The sound is longer than the limit of 2 seconds.");
    fake_parent_release(&parent);

    start = make_start(0);
    run(&parent, wav, 0, &start);
    assert_int_equal(parent.failed.problem, PROBLEM_UNSUPPORTED_FORMAT);
    assert_string_equal(parent.failed.detail, "The file is empty.");
    fake_parent_release(&parent);

    uint8_t *noise = make_bytes(100000);
    start = make_start(100000);
    run(&parent, noise, 100000, &start);
    assert_int_equal(parent.failed.problem, PROBLEM_UNSUPPORTED_FORMAT);
    fake_parent_release(&parent);
    free(noise);
    free(wav);
}

static void test_nearest_rate(void **state)
{
    (void)state;
    static const int pairs[][2] = { { 8000, 8000 },   { 48000, 48000 },  { 44100, 44100 },
                                    { 96000, 48000 }, { 192000, 48000 }, { 37800, 32000 },
                                    { 22255, 22050 }, { 7000, 8000 } };
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        assert_int_equal(resample_nearest_rate(pairs[i][0]), pairs[i][1]);
    }
}

int main(void)
{
    /* In its own process a child dies of it, and that is right. */
    (void)signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_straight_on), cmocka_unit_test(test_jumps),
        cmocka_unit_test(test_ends_early),        cmocka_unit_test(test_parent_gone),
        cmocka_unit_test(test_converts),          cmocka_unit_test(test_fails_in_the_users_terms),
        cmocka_unit_test(test_nearest_rate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
