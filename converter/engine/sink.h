/* One output's bytes on their way to the parent: in order, and at the end patches of what is known
 * last. Collects small writes into pieces (engine/protocol.h). */
#ifndef UNREEL_CONVERTER_ENGINE_SINK_H
#define UNREEL_CONVERTER_ENGINE_SINK_H

#include <stddef.h>
#include <stdint.h>

#include "channel.h"

struct sink {
    const struct channel *channel;
    int number;
    int64_t size_bytes; /* appended so far */
    size_t pending;     /* of them, not sent yet */
    uint8_t piece[PROTOCOL_PIECE_HEADER_SIZE + PROTOCOL_PIECE_MAX];
};

/* The channel must outlive it. Nothing is to be released. */
void sink_init(struct sink *s, const struct channel *channel, int number);
/* ERR_CANCELLED, here and below: the parent is gone. */
enum err sink_append(struct sink *s, const uint8_t *bytes, size_t len) MUST_CHECK;
/* Replaces bytes within what was appended: PROTOCOL_PIECE_MAX of them at most. */
enum err sink_patch(struct sink *s, int64_t offset, const uint8_t *bytes, size_t len) MUST_CHECK;
/* Takes back all that was appended. */
enum err sink_restart(struct sink *s) MUST_CHECK;
/* Nothing comes after it. */
enum err sink_end(struct sink *s) MUST_CHECK;

#endif
