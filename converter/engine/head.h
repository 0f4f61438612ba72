/* What stands before an MP3's sound: the ID3 tag of one output, out of what the file and the
 * request say. */
#ifndef UNREEL_CONVERTER_ENGINE_HEAD_H
#define UNREEL_CONVERTER_ENGINE_HEAD_H

#include <stddef.h>
#include <stdint.h>

#include "channel.h"
#include "core/mem.h"
#include "id3.h"
#include "input.h"
#include "metadata.h"
#include "plan.h"

struct heads;

/* What came with the request is read from the channel, so nothing else may be under way on it. */
enum err heads_new(const struct channel *channel, const struct protocol_start *start,
                   struct heads **ret_heads, struct failure *f) MUST_CHECK;
void heads_free(struct heads *h);
DEFINE_AUTO(struct heads *, heads_free)

/* Takes over what the file says. The metadata's picture is copied. */
void heads_describe(struct heads *h, const struct metadata *m);
const struct metadata *heads_metadata(const struct heads *h);
/* Whether an output wants a picture out of the video: then heads_take_frames is to be called, with
 * no demux open on the input. It is at its start again afterwards. */
bool heads_wants_frames(const struct plan *plan);
enum err heads_take_frames(struct heads *h, const struct plan *plan, struct input *in,
                           struct failure *f) MUST_CHECK;

/* start_ms, end_ms: the part of the source's sound that is in it; end 0: to its end. NULL: there is
 * nothing to say. */
struct id3 *heads_make(const struct heads *h, const struct plan_output *output, int64_t start_ms,
                       int64_t end_ms) MUST_CHECK;

#endif
