/* The Xing/LAME tag: the first frame of the file, written last. LAME makes it for the stream that
 * one encoder wrote; the spliced stream's is LAME's with the numbers of the whole. Where there is
 * none of LAME's it is made here. */
#ifndef UNREEL_CONVERTER_ENGINE_TAG_H
#define UNREEL_CONVERTER_ENGINE_TAG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mp3_frame.h"

#define TAG_SEEK_POINTS 400
/* Samples of silence that come out of every decoder first. What is to be left out at the head of
 * a stream is the tag's delay and these; at its end, the padding without them. */
#define TAG_DECODER_DELAY 529
/* The delay and the padding have twelve bits each. */
#define TAG_DELAY_MAX 0xFFF

struct tag {
    int64_t frames;
    int64_t bytes; /* without the tag */
    uint16_t crc;  /* of those bytes */
    /* Sums of kbit/s at every `want` frames, as LAME keeps them for the table of contents. */
    int want, seen, points;
    int64_t sum;
    int64_t sums[TAG_SEEK_POINTS];
    uint16_t crc_tables[8][256]; /* of a byte, and of a byte with 1 to 7 more behind it */
};

/* What LAME's part of the tag says beside the numbers. */
struct tag_about {
    const char *encoder; /* nine characters at most; players look at delay and padding only for
                            names that they know: "LAME...", "Lavf", "Lavc" */
    bool is_vbr;
    int lowpass_hz; /* 0: not known */
    int delay;
};

void tag_init(struct tag *t);
/* The next frame of the stream. */
void tag_add(struct tag *t, const uint8_t *bytes, const struct mp3_frame *frame);
/* A tag frame without numbers for a stream that begins with this frame: of the stream's kind, and
 * of its bitrate where that is enough. Returns its length. */
size_t tag_make(const uint8_t *first, const struct mp3_frame *frame,
                uint8_t dst[MP3_FRAME_LEN_MAX]);
/* Writes LAME's part into what tag_make made. */
void tag_describe(const struct tag_about *about, uint8_t *tag, size_t len);
/* Puts the numbers into a tag frame as LAME or tag_make made it. False: it is none. */
bool tag_fill(const struct tag *t, int padding, uint8_t *tag, size_t len);

#endif
