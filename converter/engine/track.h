/* One track of the input and the outputs that are made of it: its packets are decoded once, its
 * frames resampled once for each rate and channel count that is wanted. */
#ifndef UNREEL_CONVERTER_ENGINE_TRACK_H
#define UNREEL_CONVERTER_ENGINE_TRACK_H

#include <libavcodec/avcodec.h>
#include <stdbool.h>
#include <stdint.h>

#include "branch.h"
#include "duplicate.h"
#include "demux.h"
#include "failure.h"

struct track;

/* The demux must outlive it. */
struct track *track_new(const struct demux *demux, int stream) MUST_CHECK;
/* Its branches too. */
void track_close(struct track *t);
DEFINE_AUTO(struct track *, track_close)

/* Before the first packet. Owns what it is given, also when it fails: the decoder of the first
 * branch may not be had. */
enum err track_add(struct track *t, struct branch *branch, struct failure *f) MUST_CHECK;
void track_add_duplicate(struct track *t, struct duplicate *duplicate);
int track_stream(const struct track *t);
enum err track_packet(struct track *t, const AVPacket *packet, struct failure *f) MUST_CHECK;
/* Whether frames have come. */
bool track_has_started(const struct track *t);
/* Once, after frames have come: leaves out what lies far before start_us, from which on at the
 * earliest an output wants something, if the container and the codec allow that to the sample. The
 * track is the demux's only one; the packet is empty, and is given back with something in it. */
enum err track_jump(struct track *t, struct demux *demux, AVPacket *packet, int64_t start_us,
                    struct failure *f) MUST_CHECK;
/* Whether none of its outputs wants more. */
bool track_is_over(const struct track *t);
/* After the last packet. Fails when the sound is not what the container had promised. */
enum err track_finish(struct track *t, struct failure *f) MUST_CHECK;
/* After a failure: whether it is only that what was copied cannot be copied any more. */
bool track_has_changed(const struct track *t);
/* Takes back the outputs that are not over, and marks the others in the plan as done. */
enum err track_restart(struct track *t, struct plan *plan) MUST_CHECK;
/* How many outputs have got bytes. */
int track_outputs(const struct track *t);
/* How far into the sound it is. */
int64_t track_us(const struct track *t);

#endif
