/* The frames that one LAME has written so far, by their numbers in the whole stream. */
#ifndef UNREEL_CONVERTER_ENGINE_FRAMES_H
#define UNREEL_CONVERTER_ENGINE_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mp3_frame.h"

struct frames {
    int64_t first; /* the number of the first one kept; may be set while there is none forgotten */
    uint8_t *bytes;
    size_t len, size;
    uint32_t *starts; /* of each whole frame */
    size_t count, starts_size;
    size_t end; /* of the last whole frame; behind it is a part of the next */
    bool is_broken;
};

/* A zeroed struct is empty. */
void frames_release(struct frames *f);

/* Space for `size` bytes more, to be written and then told to frames_added; NULL: no memory. */
uint8_t *frames_room(struct frames *f, size_t size);
/* False: no memory, or what was written are no frames (is_broken). */
bool frames_added(struct frames *f, size_t len);

/* The number behind the last whole frame. */
int64_t frames_end(const struct frames *f);
/* The bytes of a whole frame, and what its head tells; the number must be in [first, end). */
uint8_t *frames_at(const struct frames *f, int64_t number, struct mp3_frame *ret_frame);
/* Forgets the frames before `number`. */
void frames_forget(struct frames *f, int64_t number);

#endif
