/* The Xing/LAME tag: the first frame of the file, written last. LAME makes it for the stream that
 * one encoder wrote; the spliced stream's is LAME's with the numbers of the whole. */
#ifndef UNREEL_CONVERTER_ENGINE_TAG_H
#define UNREEL_CONVERTER_ENGINE_TAG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mp3_frame.h"

#define TAG_SEEK_POINTS 400

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

void tag_init(struct tag *t);
/* The next frame of the stream. */
void tag_add(struct tag *t, const uint8_t *bytes, const struct mp3_frame *frame);
/* Puts the numbers into a tag frame as LAME made it. False: it is none. */
bool tag_fill(const struct tag *t, int padding, uint8_t *tag, size_t len);

#endif
