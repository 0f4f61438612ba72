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

/* CRC-16 of the reflected polynomial 0x8005, by half bytes. */
static uint16_t crc_add(uint16_t crc, const uint8_t *bytes, size_t len)
{
    static const uint16_t table[16] = { 0x0000, 0xCC01, 0xD801, 0x1400, 0xF001, 0x3C00,
                                        0x2800, 0xE401, 0xA001, 0x6C00, 0x7800, 0xB401,
                                        0x5000, 0x9C01, 0x8801, 0x4400 };
    for (size_t i = 0; i < len; i++) {
        crc = (uint16_t)(crc ^ bytes[i]);
        crc = (uint16_t)(crc >> 4 ^ table[crc & 15]);
        crc = (uint16_t)(crc >> 4 ^ table[crc & 15]);
    }
    return crc;
}

void tag_init(struct tag *t)
{
    *t = (struct tag){ .want = 1 };
}

void tag_add(struct tag *t, const uint8_t *bytes, const struct mp3_frame *frame)
{
    t->frames++;
    t->bytes += (int64_t)frame->len;
    t->crc = crc_add(t->crc, bytes, frame->len);
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
    put(xing + AT_TAG_CRC, crc_add(0, tag, frame.head_len + AT_TAG_CRC), 2);
    return true;
}
