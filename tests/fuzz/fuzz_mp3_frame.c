/* Two streams of frames in one input, the first byte says where it is cut: whatever they are, the
 * search for a joint and the joint stay inside them. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine_child/splice.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool is_true)
{
    if (!is_true) {
        abort();
    }
}

static void fill(struct frames *f, const uint8_t *data, size_t len)
{
    for (size_t at = 0; at < len;) {
        size_t slice = len - at < 333 ? len - at : 333;
        uint8_t *room = frames_room(f, slice);
        must(room != NULL);
        memcpy(room, data + at, slice);
        at += slice;
        if (!frames_added(f, slice)) {
            must(f->is_broken);
            break;
        }
    }
    must(f->end <= f->len && f->len <= f->size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mp3_frame frame;
    struct frames old = { .first = 0 };
    struct frames new = { .first = 0 };
    if (size == 0) {
        return 0;
    }
    if (mp3_frame_parse(data, size, &frame)) {
        must(frame.len >= frame.head_len && frame.len <= MP3_FRAME_LEN_MAX);
        must(frame.head_len <= MP3_FRAME_HEAD_MAX && frame.main_data_begin <= 511);
    }
    size_t cut = 1 + (size - 1) * data[0] / 255;
    fill(&old, data + 1, cut - 1);
    fill(&new, data + cut, size - cut);
    struct splice s = { &old, &new, 0, 0 };
    int64_t at = splice_find(&s, 1);
    if (at >= 0) {
        must(at > 0 && at < frames_end(&old) && at < frames_end(&new));
        splice_apply(&s, at);
        frames_forget(&old, at);
        must(frames_end(&old) > at);
    }
    frames_release(&old);
    frames_release(&new);
    return 0;
}
