/* Two encoders have described the same frames, each from its own start: where one stream can go
 * over into the other without anybody hearing it, and how its bytes must change. */
#ifndef UNREEL_CONVERTER_ENGINE_SPLICE_H
#define UNREEL_CONVERTER_ENGINE_SPLICE_H

#include "frames.h"

/* The old stream's frames up to the joint, the new one's from it on. */
struct splice {
    struct frames *old;
    struct frames *new;
    int64_t old_lowest; /* the first frame of the old one's that may be changed */
    int64_t new_lowest; /* the first frame that holds the new one's main data */
};

/* The first frame from `from` on where the joint fits; -1: none among the frames that both have.
 * Before it both have ended with the same block type in each channel, so that the windows of both
 * sides overlap, and it does not reach farther back than the old one's does, so that it takes
 * nothing from frames that stay. */
int64_t splice_find(const struct splice *s, int64_t from);

/* At a frame that splice_find gave: puts what the new one's frames from `at` on have in the
 * reservoir before it into the old one's frames, in place of what the old one had there. */
void splice_apply(const struct splice *s, int64_t at);

#endif
