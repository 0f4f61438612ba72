#include "channel.h"

#include <errno.h>
#include <unistd.h>

#include "core/banned.h"

static enum err read_whole(int fd, void *dst, size_t len)
{
    uint8_t *at = dst;
    while (len > 0) {
        ssize_t got = read(fd, at, len);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return ERR_CANCELLED;
        }
        at += got;
        len -= (size_t)got;
    }
    return OK;
}

static enum err write_whole(int fd, const uint8_t *at, size_t len)
{
    while (len > 0) {
        ssize_t written = write(fd, at, len);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return ERR_CANCELLED;
        }
        at += written;
        len -= (size_t)written;
    }
    return OK;
}

/* The header of a frame that must be of this type. */
static enum err receive_header(const struct channel *c, enum protocol_type want, size_t *ret_len)
{
    uint8_t header[PROTOCOL_HEADER_SIZE];
    enum protocol_type type = PROTOCOL_TYPE_MAX;
    if (read_whole(c->control, header, sizeof(header)) != OK ||
        protocol_unpack_header(header, PROTOCOL_PARENT, &type, ret_len, NULL) != OK ||
        type != want) {
        return ERR_CANCELLED;
    }
    return OK;
}

enum err channel_receive_start(const struct channel *c, struct protocol_start *ret_start)
{
    uint8_t payload[PROTOCOL_SMALL_MAX];
    size_t len = 0;
    if (receive_header(c, PROTOCOL_START, &len) != OK || len > sizeof(payload) ||
        read_whole(c->control, payload, len) != OK ||
        protocol_unpack_start(payload, len, ret_start, NULL) != OK) {
        return ERR_CANCELLED;
    }
    return OK;
}

enum err channel_receive_data(const struct channel *c, void *dst, size_t size, size_t *ret_len)
{
    size_t len = 0;
    if (receive_header(c, PROTOCOL_DATA, &len) != OK || len > size ||
        read_whole(c->control, dst, len) != OK) {
        return ERR_CANCELLED;
    }
    *ret_len = len;
    return OK;
}

enum err channel_send(const struct channel *c, const uint8_t *frame, size_t len)
{
    return write_whole(c->control, frame, len);
}

enum err channel_output(const struct channel *c, const uint8_t *bytes, size_t len)
{
    return write_whole(c->output, bytes, len);
}

void channel_wait_end(const struct channel *c)
{
    uint8_t rest[512];
    ssize_t got = 0;
    do {
        got = read(c->control, rest, sizeof(rest));
    } while (got > 0 || (got < 0 && errno == EINTR));
}
