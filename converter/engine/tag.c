#include "tag.h"

#include <string.h>

#include "core/banned.h"

#define TOC_SIZE 100

#define NAME_SIZE 4
#define HAS_FRAMES_BYTES_TOC_QUALITY 0xF
#define ENCODER_SIZE 9
#define METHOD_CBR 1

/* From the letters "Xing" or "Info" on. */
enum {
    AT_FLAGS = 4,
    AT_FRAMES = 8,
    AT_BYTES = 12,
    AT_TOC = 16,
    AT_ENCODER = 120,
    AT_METHOD = 129,
    AT_LOWPASS = 130, /* hundreds of Hz */
    AT_DELAY = 141,   /* 12 bits, and 12 of padding */
    AT_MUSIC_BYTES = 148,
    AT_MUSIC_CRC = 152,
    AT_TAG_CRC = 154,
    TAG_SIZE = 156,
};

/* Streams of constant bitrate are named differently. */
static const uint8_t xing_name[NAME_SIZE] = { 'X', 'i', 'n', 'g' };
static const uint8_t info[NAME_SIZE] = { 'I', 'n', 'f', 'o' };

/* CRC-16 of the reflected polynomial 0x8005, by eight bytes at a time. */
static void make_crc_tables(uint16_t tables[8][256])
{
    for (unsigned i = 0; i < 256; i++) {
        unsigned crc = i;
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc & 1) != 0 ? crc >> 1 ^ 0xA001 : crc >> 1;
        }
        tables[0][i] = (uint16_t)crc;
    }
    for (int more = 1; more < 8; more++) {
        for (unsigned i = 0; i < 256; i++) {
            unsigned crc = tables[more - 1][i];
            tables[more][i] = (uint16_t)(crc >> 8 ^ tables[0][crc & 255]);
        }
    }
}

static uint16_t crc_add(const struct tag *t, uint16_t crc, const uint8_t *bytes, size_t len)
{
    const uint16_t(*tables)[256] = t->crc_tables;
    for (; len >= 8; bytes += 8, len -= 8) {
        crc = (uint16_t)(tables[7][bytes[0] ^ (crc & 255)] ^ tables[6][bytes[1] ^ crc >> 8] ^
                         tables[5][bytes[2]] ^ tables[4][bytes[3]] ^ tables[3][bytes[4]] ^
                         tables[2][bytes[5]] ^ tables[1][bytes[6]] ^ tables[0][bytes[7]]);
    }
    for (; len > 0; bytes++, len--) {
        crc = (uint16_t)(crc >> 8 ^ tables[0][(crc ^ *bytes) & 255]);
    }
    return crc;
}

void tag_init(struct tag *t)
{
    *t = (struct tag){ .want = 1 };
    make_crc_tables(t->crc_tables);
}

void tag_add(struct tag *t, const uint8_t *bytes, const struct mp3_frame *frame)
{
    t->frames++;
    t->bytes += (int64_t)frame->len;
    t->crc = crc_add(t, t->crc, bytes, frame->len);
    t->sum += frame->bitrate_kbps;
    t->seen++;
    if (t->seen < t->want) {
        return;
    }
    t->sums[t->points++] = t->sum;
    t->seen = 0;
    if (t->points == TAG_SEEK_POINTS) {
        /* Full: every other one stays. */
        for (int i = 1; i < TAG_SEEK_POINTS; i += 2) {
            t->sums[i / 2] = t->sums[i];
        }
        t->want *= 2;
        t->points /= 2;
    }
}

/* LAME's arithmetic, floats and all. */
static void make_toc(const struct tag *t, uint8_t toc[TOC_SIZE])
{
    memset(toc, 0, TOC_SIZE);
    for (int i = 1; i < TOC_SIZE && t->points > 0; i++) {
        float share = (float)i / (float)TOC_SIZE;
        int point = (int)(share * (float)t->points);
        point = point < t->points ? point : t->points - 1;
        float act = (float)t->sums[point];
        float sum = (float)t->sum;
        int value = (int)(256. * (double)act / (double)sum);
        toc[i] = (uint8_t)(value < 255 ? value : 255);
    }
}

static void put(uint8_t *dst, int64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        dst[i] = (uint8_t)(value >> 8 * (size - 1 - i));
    }
}

size_t tag_make(const uint8_t *first, const struct mp3_frame *frame, uint8_t dst[MP3_FRAME_LEN_MAX])
{
    struct mp3_frame made;
    mp3_frame_make(first, frame->bitrate_kbps, TAG_SIZE, dst, &made);
    uint8_t *xing = dst + made.head_len;
    memcpy(xing, info, NAME_SIZE);
    put(xing + AT_FLAGS, HAS_FRAMES_BYTES_TOC_QUALITY, 4);
    return made.len;
}

void tag_describe(const struct tag_about *about, uint8_t *tag, size_t len)
{
    struct mp3_frame frame;
    if (!mp3_frame_parse(tag, len, &frame) || frame.head_len + TAG_SIZE > len) {
        return;
    }
    uint8_t *xing = tag + frame.head_len;
    memcpy(xing, about->is_vbr ? xing_name : info, NAME_SIZE);
    memset(xing + AT_ENCODER, 0, ENCODER_SIZE);
    memcpy(xing + AT_ENCODER, about->encoder, strnlen(about->encoder, ENCODER_SIZE));
    xing[AT_METHOD] = about->is_vbr ? 0 : METHOD_CBR;
    xing[AT_LOWPASS] = (uint8_t)(about->lowpass_hz < 25500 ? about->lowpass_hz / 100 : 255);
    xing[AT_DELAY] = (uint8_t)(about->delay >> 4);
    xing[AT_DELAY + 1] = (uint8_t)((about->delay & 15) << 4);
}

bool tag_fill(const struct tag *t, int padding, uint8_t *tag, size_t len)
{
    struct mp3_frame frame;
    if (!mp3_frame_parse(tag, len, &frame) || frame.head_len + TAG_SIZE > len) {
        return false;
    }
    uint8_t *xing = tag + frame.head_len;
    if (memcmp(xing, xing_name, NAME_SIZE) != 0 && memcmp(xing, info, NAME_SIZE) != 0) {
        return false;
    }
    int64_t bytes = t->bytes + (int64_t)len;
    put(xing + AT_FRAMES, t->frames, 4);
    put(xing + AT_BYTES, bytes, 4);
    make_toc(t, xing + AT_TOC);
    xing[AT_DELAY + 1] = (uint8_t)((xing[AT_DELAY + 1] & 0xF0) | padding >> 8);
    xing[AT_DELAY + 2] = (uint8_t)padding;
    put(xing + AT_MUSIC_BYTES, bytes, 4);
    put(xing + AT_MUSIC_CRC, t->crc, 2);
    put(xing + AT_TAG_CRC, crc_add(t, 0, tag, frame.head_len + AT_TAG_CRC), 2);
    return true;
}
