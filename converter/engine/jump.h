/* Leaving out the sound before a start, where a container and a codec allow that to the sample. */
#ifndef UNREEL_CONVERTER_ENGINE_JUMP_H
#define UNREEL_CONVERTER_ENGINE_JUMP_H

#include <libavformat/avformat.h>
#include <stdbool.h>

#include "core/attr.h"

/* Goes on reading at `to` instead of `from`, both timestamps of samples in the stream, whose time
 * base is one sample. *ret_at says where that is, and the packet is the one to go on with: some
 * before the sample *ret_at, so that a decoder finds its way.
 * AV_NOPTS_VALUE: nothing was done, for it could not be done to the sample; `from`: there was
 * nothing at `to`. False: `from` is not found either. */
bool jump_to(AVFormatContext *context, int stream, int64_t from, int64_t to, AVPacket *packet,
             int64_t *ret_at) MUST_CHECK;

#endif
