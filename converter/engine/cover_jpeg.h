/* A decoded picture as JPEG: square pixels, upright, and not too large. */
#ifndef UNREEL_CONVERTER_ENGINE_COVER_JPEG_H
#define UNREEL_CONVERTER_ENGINE_COVER_JPEG_H

#include <libavutil/frame.h>
#include <stddef.h>
#include <stdint.h>

#include "failure.h"

struct cover_shape {
    AVRational pixel_aspect; /* 0/1: not known, square */
    int quarter_turns;       /* clockwise, 0 to 3 */
    int max_size;            /* of width and of height */
};

/* *ret_jpeg is the caller's to free(). */
enum err cover_jpeg_encode(const AVFrame *picture, const struct cover_shape *shape,
                           uint8_t **ret_jpeg, size_t *ret_len, struct failure *f) MUST_CHECK;

#endif
