/* One output whose frames are the source's own: no decoder and no encoder, only copy.h with a head
 * in front of it. */
#ifndef UNREEL_CONVERTER_ENGINE_DUPLICATE_H
#define UNREEL_CONVERTER_ENGINE_DUPLICATE_H

#include <libavcodec/packet.h>
#include <stdbool.h>

#include "branch.h"
#include "core/mem.h"
#include "demux.h"
#include "failure.h"
#include "lookahead.h"

struct duplicate;

/* Whether an output can be made so: nothing was asked that changes the sound, and the first frames
 * of its stream, which must be selected, can be copied. */
bool duplicate_is_possible(struct lookahead *l, const struct plan_output *output);

/* What params point to must outlive it. */
struct duplicate *duplicate_new(const struct branch_params *params,
                                const struct demux *demux) MUST_CHECK;
void duplicate_free(struct duplicate *d);
DEFINE_AUTO(struct duplicate *, duplicate_free)

enum err duplicate_packet(struct duplicate *d, const AVPacket *packet,
                          struct failure *f) MUST_CHECK;
int duplicate_number(const struct duplicate *d);
bool duplicate_is_over(const struct duplicate *d);
bool duplicate_has_output(const struct duplicate *d);
/* After a failure: whether the source has changed into something that cannot be copied, but decoded
 * and encoded. */
bool duplicate_has_changed(const struct duplicate *d);
/* As branch_restart. */
enum err duplicate_restart(struct duplicate *d) MUST_CHECK;
/* How much sound there is in it so far. */
int64_t duplicate_us(const struct duplicate *d);
/* After the last packet: ends the output unless that was done. As branch_finish, of a chapter
 * behind the sound's end nothing is made. */
enum err duplicate_finish(struct duplicate *d, struct failure *f) MUST_CHECK;

#endif
