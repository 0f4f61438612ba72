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

struct decode_params {
    const struct demux *demux; /* must outlive it */
    int stream;
    void *ctx;
    enum err (*on_frame)(void *ctx, const AVFrame *frame, struct failure *f);
};

enum err decode_open(const struct decode_params *params, struct decode **ret_decode,
                     struct failure *f) MUST_CHECK;
void decode_close(struct decode *d);
DEFINE_AUTO(struct decode *, decode_close)

/* Decodes a packet of the stream; NULL: its end, once. Each frame that comes of it goes to
 * on_frame: of 1 to 8 channels and 8 to 192 kHz, never empty. */
enum err decode_packet(struct decode *d, const AVPacket *packet, struct failure *f) MUST_CHECK;
/* The timestamp of the next sample: true where the stream's timestamps count the samples of the
 * frames that have come, and a decoder that begins elsewhere gives the same samples. */
bool decode_position(const struct decode *d, int64_t *ret_pts);
/* The next packet is not the one that follows: begins anew, and gives nothing before the sample
 * with this timestamp. left_out_us: of sound that was skipped by that. */
void decode_jump(struct decode *d, int64_t pts, int64_t left_out_us);
/* After the end: whether that was all that the container had promised, or nearly (95 %). */
enum err decode_check(const struct decode *d, struct failure *f) MUST_CHECK;
/* How much sound there has been so far, or was left out. */
int64_t decode_us(const struct decode *d);

#endif
