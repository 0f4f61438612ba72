#include "lookahead.h"

#include <string.h>

#include "core/banned.h"

void lookahead_release(struct lookahead *l)
{
    for (int i = 0; i < l->count; i++) {
        av_packet_free(&l->packets[i]);
    }
    l->count = 0;
}

const AVPacket *lookahead_at(struct lookahead *l, int ahead)
{
    while (l->count <= ahead) {
        struct failure f;
        bool is_end = false;
        AVPacket *packet = av_packet_alloc();
        if (packet == NULL || demux_read(l->demux, packet, &is_end, &f) != OK || is_end) {
            av_packet_free(&packet);
            return NULL;
        }
        l->packets[l->count++] = packet;
    }
    return l->packets[ahead];
}

enum err lookahead_read(struct lookahead *l, AVPacket *packet, bool *ret_end, struct failure *f)
{
    if (l->count == 0) {
        return demux_read(l->demux, packet, ret_end, f);
    }
    av_packet_move_ref(packet, l->packets[0]);
    av_packet_free(&l->packets[0]);
    l->count--;
    memmove(l->packets, l->packets + 1, (size_t)l->count * sizeof(l->packets[0]));
    *ret_end = false;
    return OK;
}
