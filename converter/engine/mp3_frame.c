#include "mp3_frame.h"

#include <string.h>

#include "core/attr.h"

#include "core/banned.h"

#define HEADER_SIZE ((size_t)4)
#define CRC_SIZE ((size_t)2)
#define MODE_MONO 3U
/* Pairs of frequency lines. */
#define BIG_VALUES_MAX 288U
/* part2_3_length has twelve bits. */
#define GRANULE_BYTES_MAX ((size_t)4095 / 8)

struct bits {
    const uint8_t *bytes;
    size_t at; /* a bit */
};

/* kbit/s of MPEG-2 and of MPEG-1, by the header's index; 0: free format or forbidden. */
static const int16_t bitrates[2][16] = {
    { 0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0 },
    { 0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0 },
};

/* By the header's version: 2.5, none, 2, 1. */
static const int sample_rates[4][4] = {
    { 11025, 12000, 8000, 0 },
    { 0, 0, 0, 0 },
    { 22050, 24000, 16000, 0 },
    { 44100, 48000, 32000, 0 },
};

static unsigned take(struct bits *b, size_t count)
{
    unsigned value = 0;
    for (size_t i = 0; i < count; i++, b->at++) {
        unsigned byte = b->bytes[b->at / 8];
        value = value << 1 | (byte >> (7 - b->at % 8) & 1U);
    }
    return value;
}

static size_t side_len(const struct mp3_frame *f)
{
    if (f->version == 1) {
        return f->channels == 1 ? 17 : 32;
    }
    return f->channels == 1 ? 9 : 17;
}

static bool parse_header(const uint8_t *bytes, struct mp3_frame *f)
{
    struct bits b = { bytes, 0 };
    unsigned sync = take(&b, 11);
    unsigned version = take(&b, 2);
    unsigned layer = take(&b, 2);
    bool has_crc = take(&b, 1) == 0;
    unsigned bitrate = take(&b, 4);
    f->sample_rate_hz = sample_rates[version][take(&b, 2)];
    unsigned padding = take(&b, 1);
    (void)take(&b, 1);
    f->channels = take(&b, 2) == MODE_MONO ? 1 : 2;
    f->version = version == 3 ? 1 : 0;
    f->bitrate_kbps = bitrates[f->version][bitrate];
    if (sync != 0x7FF || layer != 1 || f->sample_rate_hz == 0 || f->bitrate_kbps == 0) {
        return false;
    }
    f->samples = f->version == 1 ? 1152 : 576;
    f->head_len = HEADER_SIZE + (has_crc ? CRC_SIZE : 0) + side_len(f);
    f->len = (size_t)(f->samples / 8 * 1000 * f->bitrate_kbps / f->sample_rate_hz) + padding;
    return f->len >= f->head_len;
}

/* A granule of one channel: 59 bits in MPEG-1, 63 in MPEG-2; its block type. */
static uint8_t take_block_type(struct bits *b, struct mp3_frame *f)
{
    uint8_t block_type = 0;
    b->at += 12; /* part2_3_length */
    bool is_broken = take(b, 9) > BIG_VALUES_MAX;
    /* global_gain, scalefac_compress. */
    b->at += f->version == 1 ? 8 + 4 : 8 + 9;
    size_t end = b->at + (f->version == 1 ? 1 + 22 + 3 : 1 + 22 + 2);
    if (take(b, 1) != 0) {
        block_type = (uint8_t)take(b, 2);
        is_broken |= block_type == 0;
    }
    b->at = end;
    f->is_broken |= is_broken;
    return block_type;
}

bool mp3_frame_parse(const uint8_t *bytes, size_t len, struct mp3_frame *ret_frame)
{
    struct mp3_frame f = { 0 };
    if (len < HEADER_SIZE || !parse_header(bytes, &f) || len < f.head_len) {
        return false;
    }
    struct bits b = { bytes, (f.head_len - side_len(&f)) * 8 };
    size_t channels = (size_t)f.channels;
    f.main_data_begin = (int)take(&b, f.version == 1 ? 9 : 8);
    if (f.version == 1) {
        /* Private bits, and which scale factors the second granule shares. */
        b.at += (channels == 1 ? 5 : 3) + 4 * channels;
    } else {
        b.at += channels;
    }
    for (int granule = 0; granule <= f.version; granule++) {
        for (int c = 0; c < f.channels; c++) {
            f.last_block_types[c] = take_block_type(&b, &f);
        }
    }
    *ret_frame = f;
    return true;
}

static void put_bits(uint8_t *bytes, size_t at, size_t count, unsigned value)
{
    for (size_t i = 0; i < count; i++, at++) {
        unsigned bit = value >> (count - 1 - i) & 1U;
        bytes[at / 8] = (uint8_t)(bytes[at / 8] | bit << (7 - at % 8));
    }
}

/* Whether a frame with the header's bitrate index has the room. */
static bool fits(uint8_t *dst, unsigned bitrate, size_t main_len, struct mp3_frame *ret_frame)
{
    dst[2] = (uint8_t)((dst[2] & 0x0C) | bitrate << 4);
    return mp3_frame_parse(dst, MP3_FRAME_LEN_MAX, ret_frame) &&
           ret_frame->len - ret_frame->head_len >= main_len;
}

void mp3_frame_make(const uint8_t *model, int bitrate_kbps, size_t main_len,
                    uint8_t dst[MP3_FRAME_LEN_MAX], struct mp3_frame *ret_frame)
{
    memset(dst, 0, MP3_FRAME_LEN_MAX);
    memcpy(dst, model, HEADER_SIZE);
    dst[1] |= 1; /* no checksum */
    const int16_t *of_version = bitrates[(model[1] & 0x18) == 0x18 ? 1 : 0];
    for (unsigned i = 1; i < 15; i++) {
        if (of_version[i] == bitrate_kbps && fits(dst, i, main_len, ret_frame)) {
            return;
        }
    }
    unsigned lowest = 1;
    while (lowest < 14 && !fits(dst, lowest, main_len, ret_frame)) {
        lowest++;
    }
}

void mp3_frame_make_reservoir(const uint8_t *model, int bitrate_kbps, const uint8_t *main_data,
                              size_t main_len, uint8_t dst[MP3_FRAME_LEN_MAX],
                              struct mp3_frame *ret_frame)
{
    mp3_frame_make(model, bitrate_kbps, main_len, dst, ret_frame);
    bool is_mpeg1 = ret_frame->version == 1;
    size_t channels = ret_frame->channels == 1 ? 1 : 2;
    size_t granules = channels * (is_mpeg1 ? 2 : 1);
    size_t rest = ret_frame->len - ret_frame->head_len - main_len;
    if (rest > granules * GRANULE_BYTES_MAX) {
        mp3_frame_make(model, 0, main_len, dst, ret_frame);
        rest = ret_frame->len - ret_frame->head_len - main_len;
    }
    /* The granules take the rest: all of their lines are pairs of Huffman table 0, which has no
     * codes, and what part2_3_length counts beyond them is skipped. */
    size_t at = HEADER_SIZE * 8;
    at += is_mpeg1 ? 9 + (channels == 1 ? 5U : 3U) + 4 * channels : 8 + channels;
    for (size_t i = 0; i < granules; i++) {
        size_t take = rest < GRANULE_BYTES_MAX ? rest : GRANULE_BYTES_MAX;
        put_bits(dst, at, 12, (unsigned)(take * 8));
        put_bits(dst, at + 12, 9, BIG_VALUES_MAX);
        at += is_mpeg1 ? 59 : 63;
        rest -= take;
    }
    memcpy(dst + ret_frame->len - main_len, main_data, main_len);
}
