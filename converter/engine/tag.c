#include "tag.h"

#include <string.h>

#include "core/banned.h"

#define TOC_SIZE 100

/* From the letters "Xing" or "Info" on. */
enum {
    AT_FRAMES = 8,
    AT_BYTES = 12,
    AT_TOC = 16,
    AT_DELAY = 141, /* 12 bits, and 12 of padding */
    AT_MUSIC_BYTES = 148,
    AT_MUSIC_CRC = 152,
    AT_TAG_CRC = 154,
    TAG_SIZE = 156,
};

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

bool tag_fill(const struct tag *t, int padding, uint8_t *tag, size_t len)
{
    struct mp3_frame frame;
    if (!mp3_frame_parse(tag, len, &frame) || frame.head_len + TAG_SIZE > len) {
        return false;
    }
    uint8_t *xing = tag + frame.head_len;
    if (memcmp(xing, "Xing", 4) != 0 && memcmp(xing, "Info", 4) != 0) {
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
