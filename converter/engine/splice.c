#include "splice.h"

#include <string.h>

#include "core/banned.h"

/* main_data_begin has nine bits. */
#define RESERVOIR_MAX 511

enum direction { TAKE_OUT, PUT_IN };

/* The last `count` bytes of main data before the frame `number`, skipping heads on the way back.
 * False, and with PUT_IN something may be written: there are fewer. */
static bool move_back(struct frames *f, int64_t number, int64_t lowest, enum direction direction,
                      uint8_t *data, int count)
{
    size_t left = (size_t)count;
    while (left > 0) {
        struct mp3_frame frame;
        number--;
        if (number < lowest || number < f->first) {
            return false;
        }
        uint8_t *bytes = frames_at(f, number, &frame);
        size_t have = frame.len - frame.head_len;
        size_t part = have < left ? have : left;
        left -= part;
        if (direction == TAKE_OUT) {
            memcpy(data + left, bytes + frame.len - part, part);
        } else {
            memcpy(bytes + frame.len - part, data + left, part);
        }
    }
    return true;
}

static bool fits(const struct splice *s, int64_t number)
{
    struct mp3_frame old;
    struct mp3_frame new;
    uint8_t data[RESERVOIR_MAX];
    (void)frames_at(s->old, number - 1, &old);
    (void)frames_at(s->new, number - 1, &new);
    if (memcmp(old.last_block_types, new.last_block_types, sizeof(old.last_block_types)) != 0) {
        return false;
    }
    (void)frames_at(s->old, number, &old);
    (void)frames_at(s->new, number, &new);
    return new.main_data_begin <= old.main_data_begin &&move_back(s->old, number, s->old_lowest,
                                                                  TAKE_OUT, data,
                                                                  old.main_data_begin) &&
           move_back(s->new, number, s->new_lowest, TAKE_OUT, data, new.main_data_begin);
}

int64_t splice_find(const struct splice *s, int64_t from)
{
    int64_t old_end = frames_end(s->old);
    int64_t new_end = frames_end(s->new);
    int64_t end = old_end < new_end ? old_end : new_end;
    for (int64_t number = from; number < end; number++) {
        if (number > s->old_lowest && number > s->new_lowest && fits(s, number)) {
            return number;
        }
    }
    return -1;
}

void splice_apply(const struct splice *s, int64_t at)
{
    struct mp3_frame old;
    struct mp3_frame new;
    uint8_t data[RESERVOIR_MAX] = { 0 };
    (void)frames_at(s->old, at, &old);
    (void)frames_at(s->new, at, &new);
    /* What was the old one's alone becomes padding that no frame points to. */
    int unused = old.main_data_begin - new.main_data_begin;
    (void)move_back(s->new, at, s->new_lowest, TAKE_OUT, data + unused, new.main_data_begin);
    (void)move_back(s->old, at, s->old_lowest, PUT_IN, data, old.main_data_begin);
}
