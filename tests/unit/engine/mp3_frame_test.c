/* Frames: what a head tells, how they are found in slices of any size, and where two streams may be
 * joined. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "core/mem.h"
#include "engine_child/splice.h"

static const struct {
    uint8_t header[4];
    bool is_frame;
    size_t len, head_len;
    int rate, channels, kbps;
} rows[] = {
    { { 0xFF, 0xFB, 0xB4, 0x64 }, true, 576, 36, 48000, 2, 192 },
    { { 0xFF, 0xFA, 0xB4, 0x64 }, true, 576, 38, 48000, 2, 192 },
    { { 0xFF, 0xFB, 0x92, 0x64 }, true, 418, 36, 44100, 2, 128 },
    { { 0xFF, 0xFB, 0x90, 0xC4 }, true, 417, 21, 44100, 1, 128 },
    { { 0xFF, 0xFB, 0xEA, 0x44 }, true, 1441, 36, 32000, 2, 320 },
    { { 0xFF, 0xF3, 0x14, 0xC4 }, true, 24, 13, 24000, 1, 8 },
    { { 0xFF, 0xF3, 0x84, 0x64 }, true, 192, 21, 24000, 2, 64 },
    { { 0xFF, 0xE3, 0xE8, 0x64 }, true, 1440, 21, 8000, 2, 160 },
    { { 0xFF, 0xFB, 0x04, 0x64 }, false, 0, 0, 0, 0, 0 }, /* free format */
    { { 0xFF, 0xFB, 0xF4, 0x64 }, false, 0, 0, 0, 0, 0 },
    { { 0xFF, 0xFB, 0xBC, 0x64 }, false, 0, 0, 0, 0, 0 }, /* no such rate */
    { { 0xFF, 0xFD, 0xB4, 0x64 }, false, 0, 0, 0, 0, 0 }, /* layer II */
    { { 0xFF, 0xEB, 0xB4, 0x64 }, false, 0, 0, 0, 0, 0 }, /* no such version */
    { { 0xFE, 0xFB, 0xB4, 0x64 }, false, 0, 0, 0, 0, 0 },
    { { 0xFF, 0xE3, 0x14, 0x64 }, true, 48, 21, 12000, 2, 8 },
};

static void test_heads(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint8_t bytes[MP3_FRAME_HEAD_MAX] = { 0 };
        struct mp3_frame f = { 0 };
        memcpy(bytes, rows[i].header, 4);
        assert_int_equal(mp3_frame_parse(bytes, sizeof(bytes), &f), rows[i].is_frame);
        assert_int_equal(f.len, rows[i].len);
        assert_int_equal(f.head_len, rows[i].head_len);
        assert_int_equal(f.sample_rate_hz, rows[i].rate);
        assert_int_equal(f.channels, rows[i].channels);
        assert_int_equal(f.bitrate_kbps, rows[i].kbps);
        for (size_t len = 0; len < rows[i].head_len; len++) {
            assert_false(mp3_frame_parse(bytes, len, &f));
        }
    }
}

static void set_bits(uint8_t *bytes, size_t at, size_t count, unsigned value)
{
    for (size_t i = 0; i < count; i++, at++) {
        unsigned bit = value >> (count - 1 - i) & 1;
        bytes[at / 8] = (uint8_t)((bytes[at / 8] & ~(0x80U >> at % 8)) | bit << (7 - at % 8));
    }
}

/* A frame of 192 kbit/s at 48 kHz with this reservoir and block type, filled with `fill`. */
static void make_frame(uint8_t *bytes, unsigned begin, unsigned block_type, uint8_t fill)
{
    memset(bytes, fill, 576);
    memset(bytes, 0, 36);
    memcpy(bytes, (const uint8_t[]){ 0xFF, 0xFB, 0xB4, 0x64 }, 4);
    set_bits(bytes, 32, 9, begin);
    /* The granules of the second half: 20 bits, two of 59, then each 33 before the window. */
    for (size_t channel = 0; channel < 2; channel++) {
        size_t at = 32 + 20 + 59 * (2 + channel) + 33;
        set_bits(bytes, at, 1, block_type != 0 ? 1 : 0);
        set_bits(bytes, at + 1, 2, block_type);
    }
}

static void test_side_information(void **state)
{
    (void)state;
    uint8_t bytes[576];
    struct mp3_frame f;
    make_frame(bytes, 511, 2, 0);
    assert_true(mp3_frame_parse(bytes, sizeof(bytes), &f));
    assert_int_equal(f.main_data_begin, 511);
    assert_int_equal(f.last_block_types[0], 2);
    assert_int_equal(f.last_block_types[1], 2);
    assert_int_equal(f.samples, 1152);
}

/* What a decoder refuses: windows of type 0, more pairs than there are lines. */
static void test_broken_side_information(void **state)
{
    (void)state;
    uint8_t bytes[576];
    struct mp3_frame f;
    size_t second_granule = 32 + 20 + 59 * 2;
    make_frame(bytes, 0, 2, 0);
    assert_true(mp3_frame_parse(bytes, sizeof(bytes), &f));
    assert_false(f.is_broken);
    set_bits(bytes, second_granule + 12, 9, 288);
    assert_true(mp3_frame_parse(bytes, sizeof(bytes), &f));
    assert_false(f.is_broken);
    set_bits(bytes, second_granule + 12, 9, 289);
    assert_true(mp3_frame_parse(bytes, sizeof(bytes), &f));
    assert_true(f.is_broken);
    make_frame(bytes, 0, 2, 0);
    set_bits(bytes, second_granule + 34, 2, 0);
    assert_true(mp3_frame_parse(bytes, sizeof(bytes), &f));
    assert_true(f.is_broken);
}

static unsigned get_bits(const uint8_t *bytes, size_t at, size_t count)
{
    unsigned value = 0;
    for (size_t i = at; i < at + count; i++) {
        value = value << 1 | ((unsigned)bytes[i / 8] >> (7 - i % 8) & 1U);
    }
    return value;
}

/* What is not for the reservoir belongs to the frame itself. */
static void check_reservoir(const uint8_t *model, int kbps, size_t len)
{
    static const size_t part2_3_at[2][3] = { { 0, 41, 42 }, { 0, 50, 52 } };
    uint8_t main_data[MP3_FRAME_RESERVOIR_MAX];
    uint8_t made[MP3_FRAME_LEN_MAX];
    struct mp3_frame f;
    struct mp3_frame read;
    memset(main_data, 0xA5, sizeof(main_data));
    mp3_frame_make_reservoir(model, kbps, main_data, len, made, &f);
    assert_true(mp3_frame_parse(made, f.len, &read));
    assert_false(read.is_broken);
    assert_int_equal(read.len, f.len);
    assert_int_equal(read.head_len, f.head_len);
    assert_int_equal(read.main_data_begin, 0);
    size_t own_bits = 0;
    for (size_t i = 0; i < (size_t)(read.channels * (read.version + 1)); i++) {
        size_t at = part2_3_at[read.version][read.channels] + i * (read.version == 1 ? 59 : 63);
        own_bits += get_bits(made, at, 12);
        assert_int_equal(get_bits(made, at + 12, 9), 288);
    }
    assert_int_equal(own_bits, (f.len - f.head_len - len) * 8);
    assert_memory_equal(made + f.len - len, main_data, len);
}

/* Of every kind there is, frames with room for a tag, and such that fill the reservoir. */
static void test_made_frames(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < 9 * 4; kind++) {
        static const uint8_t versions[] = { 0xFA, 0xF2, 0xE2 }; /* with a checksum */
        uint8_t model[4] = { 0xFF, versions[kind / 12], (uint8_t)(0x92 | kind / 4 % 3 << 2),
                             (uint8_t)(kind % 4 << 6) };
        uint8_t made[MP3_FRAME_LEN_MAX];
        struct mp3_frame f;
        mp3_frame_make(model, 128, 156, made, &f);
        assert_int_equal(f.bitrate_kbps, 128);
        mp3_frame_make(model, 8, 156, made, &f);
        assert_in_range(f.len - f.head_len, 156, 450);
        assert_int_equal(made[2] & 0x0E, model[2] & 0x0C);
        assert_int_equal(made[3], model[3]);
        size_t most = kind < 12 ? MP3_FRAME_RESERVOIR_MAX : 255;
        for (size_t len = 0; len <= most; len++) {
            check_reservoir(model, kind % 2 == 0 ? 128 : 320, len);
        }
    }
}

static void fill_frames(struct frames *f, const unsigned (*heads)[2], size_t count, uint8_t fill,
                        size_t slice)
{
    uint8_t *all = xmalloc(count * 576);
    for (size_t i = 0; i < count; i++) {
        make_frame(all + i * 576, heads[i][0], heads[i][1], fill);
    }
    for (size_t at = 0; at < count * 576; at += slice) {
        size_t len = count * 576 - at < slice ? count * 576 - at : slice;
        memcpy(frames_room(f, len), all + at, len);
        assert_true(frames_added(f, len));
    }
    assert_int_equal(frames_end(f) - f->first, count);
    free(all);
}

static void test_slices(void **state)
{
    (void)state;
    static const unsigned heads[300][2];
    static const size_t slices[] = { 1, 37, 575, 576, 577, 100000 };
    for (size_t i = 0; i < ARRAY_LEN(slices); i++) {
        struct frames f = { .first = 7 };
        struct mp3_frame frame;
        fill_frames(&f, heads, 300, 9, slices[i]);
        frames_forget(&f, 200);
        assert_int_equal(f.first, 200);
        assert_int_equal(frames_end(&f), 307);
        assert_int_equal(f.len, 107 * 576);
        assert_ptr_equal(frames_at(&f, 201, &frame), f.bytes + 576);
        memset(frames_room(&f, 100), 0, 100);
        assert_false(frames_added(&f, 100));
        assert_true(f.is_broken);
        frames_release(&f);
    }
}

/* Each row: the two streams, and the first frame from the second on where they may be joined. */
static const struct {
    unsigned old[5][2], new[5][2];
    int64_t at;
} joints[] = {
    { { { 0 } }, { { 0 } }, 2 },
    /* The new one reaches farther back, until the fourth. */
    { { { 0 }, { 9 }, { 9 }, { 9 }, { 9 } }, { { 0 }, { 9 }, { 10 }, { 10 }, { 3 } }, 4 },
    /* Other windows before it. */
    { { { 0 }, { 0, 1 }, { 0, 2 }, { 0 }, { 0 } }, { { 0 }, { 0 }, { 0, 3 }, { 0 }, { 0 } }, 4 },
    /* The new one always reaches farther back. */
    { { { 0 }, { 0 }, { 0 }, { 0 }, { 0 } }, { { 0 }, { 0 }, { 1 }, { 1 }, { 1 } }, -1 },
};

static void test_joints(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(joints); i++) {
        struct frames old = { .first = 0 };
        struct frames new = { .first = 0 };
        fill_frames(&old, joints[i].old, 5, 0xAA, 99);
        fill_frames(&new, joints[i].new, 5, 0xBB, 1000);
        struct splice s = { &old, &new, 0, 0 };
        assert_int_equal(splice_find(&s, 2), joints[i].at);
        frames_release(&old);
        frames_release(&new);
    }
}

/* Main data skip the head of the frame between. */
static void test_bytes_at_a_joint(void **state)
{
    (void)state;
    static const unsigned old_heads[4][2] = { { 0 }, { 0 }, { 0 }, { 511 } };
    static const unsigned new_heads[4][2] = { { 0 }, { 0 }, { 0 }, { 500 } };
    struct frames old = { .first = 0 };
    struct frames new = { .first = 0 };
    fill_frames(&old, old_heads, 4, 0xAA, 500);
    fill_frames(&new, new_heads, 4, 0xBB, 500);
    struct splice s = { &old, &new, 0, 0 };
    assert_int_equal(splice_find(&s, 3), 3);
    splice_apply(&s, 3);
    for (size_t i = 2 * 576 + 36; i < (size_t)3 * 576; i++) {
        size_t back = (size_t)3 * 576 - i;
        assert_int_equal(old.bytes[i], back <= 500 ? 0xBB : back <= 511 ? 0 : 0xAA);
    }
    frames_release(&old);
    frames_release(&new);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heads),
        cmocka_unit_test(test_side_information),
        cmocka_unit_test(test_broken_side_information),
        cmocka_unit_test(test_made_frames),
        cmocka_unit_test(test_slices),
        cmocka_unit_test(test_joints),
        cmocka_unit_test(test_bytes_at_a_joint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
