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
    struct plan *plan; /* outputs are marked as done in it when a pass is broken off */
    const struct heads *heads;
    struct branch_measured *measured; /* for each output of the plan */
    int64_t *told_us;                 /* the progress that was told last: it never goes back */
};

struct pass_result {
    int outputs;        /* that have got bytes */
    bool is_broken_off; /* what was copied has changed: the outputs that are not done are to be made
                           by another pass, without copying */
};

/* Of a demux that nothing was read from yet. is_measuring: fills `measured`, gives no output. */
enum err pass_run(const struct pass_params *params, struct demux *demux, bool is_measuring,
                  struct pass_result *ret_result, struct failure *f) MUST_CHECK;

#endif
