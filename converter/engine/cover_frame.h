/* The video's picture at one time, as JPEG: a pass of its own over the input, before the sound's,
 * which is not changed by it in any way. */
#ifndef UNREEL_CONVERTER_ENGINE_COVER_FRAME_H
#define UNREEL_CONVERTER_ENGINE_COVER_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "failure.h"
#include "input.h"

#define COVER_FRAME_MAX_WIDTH 1280 /* and height; larger ones are scaled down */

/* Call it before demux_open, with nothing read; the input is at its start again afterwards. Pixels
 * become square, a phone's rotation is undone. *ret_jpeg is the caller's to free().
 * PROBLEM_COVER_NOT_FOUND: there is no video, or it is shorter than that. */
enum err cover_frame_take(struct input *in, int64_t at_ms, uint8_t **ret_jpeg, size_t *ret_len,
                          struct failure *f) MUST_CHECK;

#endif
