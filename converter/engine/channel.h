/* The child's end of the protocol (engine/protocol.h): blocking, read(2) and write(2) only. */
#ifndef UNREEL_CONVERTER_ENGINE_CHANNEL_H
#define UNREEL_CONVERTER_ENGINE_CHANNEL_H

#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "engine/protocol.h"

struct channel {
    int control; /* the socket */
    int output;  /* the pipe for the MP3 */
};

/* ERR_CANCELLED: the parent is gone, or talks nonsense. */
enum err channel_receive_start(const struct channel *c,
                               struct protocol_start *ret_start) MUST_CHECK;
/* The next DATA, of at most `size` bytes. */
enum err channel_receive_data(const struct channel *c, void *dst, size_t size,
                              size_t *ret_len) MUST_CHECK;
/* A whole frame as protocol_pack_* made it. */
enum err channel_send(const struct channel *c, const uint8_t *frame, size_t len) MUST_CHECK;
enum err channel_output(const struct channel *c, const uint8_t *bytes, size_t len) MUST_CHECK;
/* After the last word: returns when the parent has closed its end. */
void channel_wait_end(const struct channel *c);

#endif
