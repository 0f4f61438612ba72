/* The encoder as encoder.h promises it: the same bytes from any number of threads, frames that hold
 * together, a tag that tells the truth. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "encoder_support.h"

/* Where the second segment starts, and how much there must be of it. */
#define FIRST 196
#define LEAST 98
#define ONE_SEGMENT ((size_t)(FIRST + LEAST))

static const int thread_counts[] = { 1, 2, 3, 8 };
static struct crew *crews[ARRAY_LEN(thread_counts)];

/* A length in frames and samples. */
struct length {
    size_t frames;
    int samples;
};

static const struct length short_lengths[] = {
    { 0, 0 },
    { 0, 1 },
    { 1, -1 },
    { 1, 0 },
    { 1, 1 },
    { FIRST, -1 },
    { FIRST, 0 },
    { FIRST, 1 },
    { ONE_SEGMENT, -1 },
    { ONE_SEGMENT, 0 },
    { ONE_SEGMENT, 1 },
    { ONE_SEGMENT - 1, 0 },
    { ONE_SEGMENT + 1, 0 },
};
static const struct length long_lengths[] = { { 900, 321 } };

static const struct {
    const char *name;
    enum job_mode mode;
    int bitrate_kbps, quality, rate, channels;
    enum sound_kind kind;
    bool has_no_tag_of_lames; /* its frames have no room for one */
} modes[] = {
    { "cbr 192", JOB_MODE_CBR, 192, 2, 48000, 2, SOUND_MUSIC, false },
    { "cbr 128, padded", JOB_MODE_CBR, 128, 2, 44100, 2, SOUND_SPEECH, false },
    { "cbr 320", JOB_MODE_CBR, 320, 2, 32000, 2, SOUND_NOISE, false },
    { "cbr 32, padded, mono", JOB_MODE_CBR, 32, 2, 22050, 1, SOUND_CLICKS, true },
    { "cbr 8, mono, small frames", JOB_MODE_CBR, 8, 2, 24000, 1, SOUND_SPEECH, true },
    { "cbr 56, padded", JOB_MODE_CBR, 56, 2, 11025, 2, SOUND_LEVELS, false },
    { "V2", JOB_MODE_VBR, 192, 2, 48000, 2, SOUND_LEVELS, false },
    { "V5, mono", JOB_MODE_VBR, 192, 5, 44100, 1, SOUND_SPEECH, false },
    { "V7", JOB_MODE_VBR, 192, 7, 16000, 2, SOUND_SWEEP, false },
    { "abr 140", JOB_MODE_ABR, 140, 2, 44100, 2, SOUND_CLICKS, false },
    { "abr 24, mono", JOB_MODE_ABR, 24, 2, 12000, 1, SOUND_SILENCE, false },
    { "abr 16", JOB_MODE_ABR, 16, 2, 8000, 2, SOUND_MUSIC, false },
};

static struct job_options options_of(size_t mode)
{
    struct job_options options;
    job_options_default(&options);
    options.mode = modes[mode].mode;
    options.bitrate_kbps = modes[mode].bitrate_kbps;
    options.quality = modes[mode].quality;
    return options;
}

static void make(struct sound *s, size_t mode, struct length length)
{
    size_t frame = (size_t)frame_samples_of(modes[mode].rate);
    size_t samples = (size_t)((int64_t)(length.frames * frame) + length.samples);
    sound_make(s, modes[mode].kind, modes[mode].rate, modes[mode].channels, samples);
}

static void check_walk(const struct mp3 *m, const struct sound *s, size_t mode)
{
    struct mp3_walk walk;
    mp3_walk(m, s, &walk);
    if (walk.fault != NULL) {
        print_message("%s, %zu samples: %s at frame %d\n", modes[mode].name, s->samples, walk.fault,
                      walk.fault_frame);
    }
    assert_null(walk.fault);
    assert_true(walk.has_tag);
    int64_t decoded = (int64_t)walk.frames * frame_samples_of(s->rate);
    assert_in_range(decoded - (int64_t)s->samples, 576 + 576, 576 + 575 + 1152);
}

/* Every length by every number of threads against one thread. */
static void compare_threads(size_t mode, const struct length *lengths, size_t count)
{
    struct job_options options = options_of(mode);
    for (size_t i = 0; i < count; i++) {
        struct sound s;
        struct mp3 first;
        make(&s, mode, lengths[i]);
        mp3_encode(&first, &s, &options, crews[0]);
        check_walk(&first, &s, mode);
        for (size_t t = 1; t < ARRAY_LEN(thread_counts); t++) {
            struct mp3 other;
            mp3_encode(&other, &s, &options, crews[t]);
            assert_int_equal(other.len, first.len);
            assert_memory_equal(other.bytes, first.bytes, first.len);
            assert_int_equal(other.summary.bitrate_kbps, first.summary.bitrate_kbps);
            mp3_release(&other);
        }
        mp3_release(&first);
        sound_release(&s);
    }
}

static void test_threads_short(void **state)
{
    (void)state;
    static const size_t some[] = { 1, 4, 7 };
    for (size_t i = 0; i < ARRAY_LEN(some); i++) {
        compare_threads(some[i], short_lengths, ARRAY_LEN(short_lengths));
    }
}

static void test_threads_long(void **state)
{
    (void)state;
    for (size_t mode = 0; mode < ARRAY_LEN(modes); mode++) {
        compare_threads(mode, long_lengths, ARRAY_LEN(long_lengths));
    }
}

/* What fits in one segment is LAME's own stream to the last bit, with the tag that LAME itself
 * writes, or behind ours where it writes none. */
static void test_one_segment_is_serial(void **state)
{
    (void)state;
    static const struct length lengths[] = {
        { 0, 0 }, { 0, 1 }, { 1, 1 }, { 77, 5 }, { ONE_SEGMENT, -1 }
    };
    for (size_t mode = 0; mode < ARRAY_LEN(modes); mode++) {
        struct job_options options = options_of(mode);
        for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
            struct sound s;
            struct mp3 ours;
            struct mp3 serial;
            make(&s, mode, lengths[i]);
            mp3_encode(&ours, &s, &options, crews[0]);
            mp3_encode_serial(&serial, &s, &options);
            bool has_own_tag = modes[mode].has_no_tag_of_lames;
            size_t more = has_own_tag ? ours.summary.tag_len : 0;
            assert_int_equal(serial.summary.tag_len == 0, has_own_tag);
            assert_int_equal(ours.summary.tag_len, serial.summary.tag_len + more);
            assert_int_equal(ours.len, serial.len + more);
            assert_memory_equal(ours.bytes + more, serial.bytes, serial.len);
            mp3_release(&ours);
            mp3_release(&serial);
            sound_release(&s);
        }
    }
}

/* Into a pipe goes the same without the tag's frame. */
static void test_streams_have_no_tag(void **state)
{
    (void)state;
    for (size_t mode = 0; mode < ARRAY_LEN(modes); mode++) {
        struct job_options options = options_of(mode);
        struct sound s;
        struct mp3 file;
        struct mp3 stream;
        make(&s, mode, (struct length){ ONE_SEGMENT + 30, 11 });
        mp3_encode(&file, &s, &options, crews[0]);
        mp3_encode_stream(&stream, &s, &options, crews[1]);
        assert_int_equal(stream.summary.tag_len, 0);
        assert_int_equal(stream.summary.bitrate_kbps, file.summary.bitrate_kbps);
        assert_int_equal(stream.len, file.len - file.summary.tag_len);
        assert_memory_equal(stream.bytes, file.bytes + file.summary.tag_len, stream.len);
        mp3_release(&file);
        mp3_release(&stream);
        sound_release(&s);
    }
}

/* Joints change less than one frame in twenty, and not the size of a CBR file by a byte. */
static void test_near_serial(void **state)
{
    (void)state;
    struct job_options options = options_of(1);
    struct sound s;
    struct mp3 ours;
    struct mp3 serial;
    make(&s, 1, (struct length){ 2000, 0 });
    mp3_encode(&ours, &s, &options, crews[1]);
    mp3_encode_serial(&serial, &s, &options);
    assert_int_equal(ours.len, serial.len);
    size_t same = 0;
    for (size_t i = 0; i < ours.len; i++) {
        same += ours.bytes[i] == serial.bytes[i] ? 1 : 0;
    }
    assert_true((double)same > 0.95 * (double)ours.len);
    mp3_release(&ours);
    mp3_release(&serial);
    sound_release(&s);
}

static enum err refuse_bytes(void *ctx, const uint8_t *bytes, size_t len)
{
    (void)bytes;
    size_t *left = ctx;
    *left -= len < *left ? len : *left;
    return *left == 0 ? ERR_CANCELLED : OK;
}

/* The parent goes away at any time: nothing is left, nothing hangs. */
static void test_cancelled(void **state)
{
    (void)state;
    struct job_options options = options_of(0);
    struct sound s;
    make(&s, 0, (struct length){ 1600, 0 });
    static const size_t after[] = { 1, 1000, 150000, 700000 };
    for (size_t i = 0; i < ARRAY_LEN(after); i++) {
        for (size_t t = 0; t < ARRAY_LEN(crews); t++) {
            size_t left = after[i];
            struct encoder_params params = { .options = &options,
                                             .sample_rate_hz = s.rate,
                                             .channels = s.channels,
                                             .crew = crews[t],
                                             .ctx = &left,
                                             .on_bytes = refuse_bytes };
            struct failure f = { 0 };
            AUTO(encoder_free) struct encoder *enc = NULL;
            struct encoder_summary summary;
            assert_int_equal(encoder_open(&params, &enc, &f), OK);
            const float *const planes[2] = { s.planes[0], s.planes[1] };
            enum err err = encoder_feed(enc, planes, s.samples, &f);
            err = err != OK ? err : encoder_finish(enc, &summary, &f);
            assert_int_equal(err, ERR_CANCELLED);
        }
    }
    sound_release(&s);
}

/* Wild numbers at a joint are clamped as anywhere. */
static void test_wild_samples(void **state)
{
    (void)state;
    struct job_options options = options_of(0);
    struct sound s;
    struct mp3 one;
    struct mp3 two;
    make(&s, 0, (struct length){ 700, 0 });
    for (size_t i = 0; i < s.samples; i += 97) {
        static const float wild[] = { NAN, INFINITY, -INFINITY, 1e30F, -1e30F };
        s.planes[i % 2][i] = wild[i % ARRAY_LEN(wild)];
    }
    mp3_encode(&one, &s, &options, crews[0]);
    mp3_encode(&two, &s, &options, crews[2]);
    check_walk(&one, &s, 0);
    assert_int_equal(one.len, two.len);
    assert_memory_equal(one.bytes, two.bytes, one.len);
    mp3_release(&one);
    mp3_release(&two);
    sound_release(&s);
}

static void test_refusal(void **state)
{
    (void)state;
    struct job_options options = options_of(0);
    struct encoder_params params = { .options = &options,
                                     .sample_rate_hz = 12345,
                                     .channels = 2,
                                     .crew = crews[0],
                                     .on_bytes = refuse_bytes };
    struct failure f = { 0 };
    struct encoder *enc = NULL;
    assert_int_equal(encoder_open(&params, &enc, &f), ERR_FAULT);
    assert_null(enc);
    assert_int_equal(f.problem, PROBLEM_INTERNAL);
}

static int make_crews(void **state)
{
    (void)state;
    int failed = 0;
    for (size_t i = 0; i < ARRAY_LEN(crews); i++) {
        failed |= crew_new(thread_counts[i], &crews[i], NULL) != OK;
    }
    return failed;
}

static int free_crews(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(crews); i++) {
        crew_free(crews[i]);
    }
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_segment_is_serial), cmocka_unit_test(test_threads_short),
        cmocka_unit_test(test_threads_long),          cmocka_unit_test(test_streams_have_no_tag),
        cmocka_unit_test(test_near_serial),           cmocka_unit_test(test_cancelled),
        cmocka_unit_test(test_wild_samples),          cmocka_unit_test(test_refusal),
    };
    return cmocka_run_group_tests(tests, make_crews, free_crews);
}
