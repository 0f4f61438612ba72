#include "frames.h"

#include <stdlib.h>
#include <string.h>

#include "core/banned.h"

#define MIN_SIZE ((size_t)64 << 10)
#define MIN_STARTS 256

void frames_release(struct frames *f)
{
    free(f->bytes);
    free(f->starts);
    *f = (struct frames){ 0 };
}

uint8_t *frames_room(struct frames *f, size_t size)
{
    if (f->size - f->len < size) {
        size_t wanted = f->len + size;
        size_t doubled = f->size < MIN_SIZE ? MIN_SIZE : f->size * 2;
        size_t new_size = wanted > doubled ? wanted : doubled;
        uint8_t *bytes = realloc(f->bytes, new_size);
        if (bytes == NULL) {
            return NULL;
        }
        f->bytes = bytes;
        f->size = new_size;
    }
    return f->bytes + f->len;
}

static bool add_start(struct frames *f, size_t start)
{
    if (f->count == f->starts_size) {
        size_t size = f->starts_size == 0 ? MIN_STARTS : f->starts_size * 2;
        uint32_t *starts = realloc(f->starts, size * sizeof(*starts));
        if (starts == NULL) {
            return false;
        }
        f->starts = starts;
        f->starts_size = size;
    }
    f->starts[f->count++] = (uint32_t)start;
    return true;
}

bool frames_added(struct frames *f, size_t len)
{
    f->len += len;
    struct mp3_frame frame;
    while (mp3_frame_parse(f->bytes + f->end, f->len - f->end, &frame)) {
        if (f->len - f->end < frame.len) {
            return true;
        }
        if (!add_start(f, f->end)) {
            return false;
        }
        f->end += frame.len;
    }
    f->is_broken = f->len - f->end >= MP3_FRAME_HEAD_MAX;
    return !f->is_broken;
}

int64_t frames_end(const struct frames *f)
{
    return f->first + (int64_t)f->count;
}

uint8_t *frames_at(const struct frames *f, int64_t number, struct mp3_frame *ret_frame)
{
    uint8_t *bytes = f->bytes + f->starts[number - f->first];
    /* It was parsed when it came. */
    (void)mp3_frame_parse(bytes, f->len - f->starts[number - f->first], ret_frame);
    return bytes;
}

void frames_forget(struct frames *f, int64_t number)
{
    size_t gone = (size_t)(number - f->first);
    size_t gone_bytes = gone < f->count ? f->starts[gone] : f->end;
    memmove(f->bytes, f->bytes + gone_bytes, f->len - gone_bytes);
    f->len -= gone_bytes;
    f->end -= gone_bytes;
    f->count -= gone;
    f->first = number;
    for (size_t i = 0; i < f->count; i++) {
        f->starts[i] = f->starts[i + gone] - (uint32_t)gone_bytes;
    }
}
