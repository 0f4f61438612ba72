/* The demuxer's packets, with a look at the next ones: whether a stream can be copied shows in its
 * first frames, before anything is settled. */
#ifndef UNREEL_CONVERTER_ENGINE_LOOKAHEAD_H
#define UNREEL_CONVERTER_ENGINE_LOOKAHEAD_H

#include <libavcodec/packet.h>
#include <stdbool.h>

#include "demux.h"

#define LOOKAHEAD_MAX 64

/* Begins as zeros and the demuxer, which must outlive it. */
struct lookahead {
    struct demux *demux;
    AVPacket *packets[LOOKAHEAD_MAX];
    int count;
};

/* The packets that were looked at and not read. */
void lookahead_release(struct lookahead *l);
/* The packet that lookahead_read will give after `ahead` others (below LOOKAHEAD_MAX), of any of
 * the selected streams; valid until then. NULL: there is none, or an error, which lookahead_read
 * will tell. */
const AVPacket *lookahead_at(struct lookahead *l, int ahead);
/* As demux_read. */
enum err lookahead_read(struct lookahead *l, AVPacket *packet, bool *ret_end,
                        struct failure *f) MUST_CHECK;

#endif
