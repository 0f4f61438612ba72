/* One pass over the sound: packets of all tracks that the plan needs, to their ends. */
#ifndef UNREEL_CONVERTER_ENGINE_PASS_H
#define UNREEL_CONVERTER_ENGINE_PASS_H

#include <stdbool.h>
#include <stdint.h>

#include "branch.h"
#include "crew.h"
#include "demux.h"
#include "engine/protocol.h"
#include "plan.h"

/* For all passes of one conversion. */
struct pass_params {
    const struct channel *channel;
    const struct protocol_start *start;
    struct crew *crew;
    const struct plan *plan;
    const struct heads *heads;
    struct branch_measured *measured; /* for each output of the plan */
};

/* Of a demux that nothing was read from yet. is_measuring: fills `measured`, gives no output.
 * *ret_outputs: how many there were. */
enum err pass_run(const struct pass_params *params, struct demux *demux, bool is_measuring,
                  int *ret_outputs, struct failure *f) MUST_CHECK;

#endif
