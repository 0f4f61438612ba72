/* The chosen track as decoded frames. Priming and trailing samples that the container or the codec
 * marks (edit lists, encoder delay, pre-skip) are left out by libavcodec; gaps in the timestamps
 * are not filled. */
#ifndef UNREEL_CONVERTER_ENGINE_DECODE_H
#define UNREEL_CONVERTER_ENGINE_DECODE_H

#include <libavutil/frame.h>
#include <stdbool.h>

#include "core/mem.h"
#include "demux.h"
#include "failure.h"

struct decode;

/* The demux must outlive it. */
enum err decode_open(struct demux *demux, struct decode **ret_decode, struct failure *f) MUST_CHECK;
void decode_close(struct decode *d);
DEFINE_AUTO(struct decode *, decode_close)

/* The next frame: of 1 to 8 channels and 8 to 192 kHz, never empty. *ret_end: there was none, and
 * what came before was all that the container had promised, or nearly (95 %). */
enum err decode_next(struct decode *d, AVFrame *frame, bool *ret_end, struct failure *f) MUST_CHECK;

#endif
