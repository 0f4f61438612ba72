#include "sink.h"

#include <stdbool.h>
#include <string.h>

#include "core/banned.h"

void sink_init(struct sink *s, const struct channel *channel, int number)
{
    s->channel = channel;
    s->number = number;
    s->size_bytes = 0;
    s->pending = 0;
}

/* What lies in the piece behind its header. */
static enum err send_piece(struct sink *s, int64_t offset, size_t len)
{
    struct protocol_piece m = { .output = s->number, .len = (uint32_t)len, .offset = offset };
    protocol_pack_piece(s->piece, &m);
    return channel_output(s->channel, s->piece, PROTOCOL_PIECE_HEADER_SIZE + len);
}

static enum err flush(struct sink *s)
{
    size_t len = s->pending;
    s->pending = 0;
    return len == 0 ? OK : send_piece(s, s->size_bytes - (int64_t)len, len);
}

enum err sink_append(struct sink *s, const uint8_t *bytes, size_t len)
{
    enum err err = OK;
    while (len > 0 && err == OK) {
        size_t room = PROTOCOL_PIECE_MAX - s->pending;
        size_t take = len < room ? len : room;
        memcpy(s->piece + PROTOCOL_PIECE_HEADER_SIZE + s->pending, bytes, take);
        s->pending += take;
        s->size_bytes += (int64_t)take;
        bytes += take;
        len -= take;
        err = s->pending == PROTOCOL_PIECE_MAX ? flush(s) : OK;
    }
    return err;
}

enum err sink_patch(struct sink *s, int64_t offset, const uint8_t *bytes, size_t len)
{
    enum err err = flush(s);
    if (err != OK || len == 0) {
        return err;
    }
    memcpy(s->piece + PROTOCOL_PIECE_HEADER_SIZE, bytes, len);
    return send_piece(s, offset, len);
}

enum err sink_restart(struct sink *s)
{
    bool is_sent = s->size_bytes > (int64_t)s->pending;
    s->size_bytes = 0;
    s->pending = 0;
    return is_sent ? send_piece(s, 0, 0) : OK;
}

enum err sink_end(struct sink *s)
{
    enum err err = flush(s);
    return err != OK ? err : send_piece(s, s->size_bytes, 0);
}
