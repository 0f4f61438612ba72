/* The input as libavformat sees it: an AVIOContext over READ requests to the parent.
 *
 * Chunks of 255 KiB (GridFS's own size) in a least-recently-used cache of four. Two chunks are
 * asked for ahead when access goes straight on, none when it jumps; the parent fetches them while
 * the encoder works. */
#ifndef UNREEL_CONVERTER_ENGINE_INPUT_H
#define UNREEL_CONVERTER_ENGINE_INPUT_H

#include <libavformat/avio.h>
#include <stdbool.h>
#include <stdint.h>

#include "channel.h"
#include "core/mem.h"

#define INPUT_CHUNK_SIZE 261120

struct input;

/* size -1: not known yet, as of a pipe or a file still growing: it is read from its start to its
 * end, and only a container that cannot do otherwise (an MP4 whose index is at its end) goes back.
 * The channel stays the caller's and must outlive it. */
struct input *input_new(const struct channel *channel, int64_t size) MUST_CHECK;
void input_free(struct input *in);
DEFINE_AUTO(struct input *, input_free)

/* Owned by the input. */
AVIOContext *input_avio(struct input *in);
/* Whether the parent is gone: then every read has failed, and the media is not to blame. */
bool input_is_broken(const struct input *in);

#endif
