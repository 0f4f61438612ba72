/* What stands before the first frame of a copy that is heard. A decoder needs the frames right
 * before it, so that the windows of its transforms overlap and its filters are full, and the main
 * data that these reach back to; a frame of silence holds those bytes in place of the frames that
 * they came in. */
#ifndef UNREEL_CONVERTER_ENGINE_LEAD_H
#define UNREEL_CONVERTER_ENGINE_LEAD_H

#include "mp3_frame.h"

/* Frames before one that is to be decoded to the bit: with two granules in a frame (MPEG-1) one,
 * else two. */
#define LEAD_WARM_UP(version) ((version) == 1 ? 1 : 2)
/* As many as that, and one: then nothing is gained by leaving it out. */
#define LEAD_MAX 3

struct lead_frame {
    struct mp3_frame head;
    uint8_t bytes[MP3_FRAME_LEN_MAX];
};

/* Begins as zeros. */
struct lead {
    struct lead_frame frames[LEAD_MAX]; /* the last ones */
    int count;
    bool is_cut; /* there were more */
    /* The main data before the first of them. */
    uint8_t reservoir[MP3_FRAME_RESERVOIR_MAX];
    size_t reservoir_len;
};

/* The next frame of the source, which is not heard. */
void lead_add(struct lead *l, const uint8_t *bytes, const struct mp3_frame *head);
/* The next one, or a part of it, is heard: leaves the frames that are needed. If their sound and
 * `samples` (of the next one) are not least_samples, or if they reach back to what is gone, a
 * frame of silence has to stand before them: true. It is of the kind of `model`, and of this
 * bitrate where that fits. */
bool lead_settle(struct lead *l, int64_t samples, int64_t least_samples, const uint8_t *model,
                 int bitrate_kbps, struct lead_frame *ret_silence);

#endif
