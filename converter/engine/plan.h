/* Which MP3s are made of the input: the request, with its tracks and chapters found in the file. */
#ifndef UNREEL_CONVERTER_ENGINE_PLAN_H
#define UNREEL_CONVERTER_ENGINE_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "demux.h"
#include "failure.h"
#include "id3.h"
#include "jobs/job.h"

struct plan_output {
    int number;                        /* the output's, from 0 */
    const struct job_options *options; /* of the request */
    int track;                         /* job_track.index */
    int stream;                        /* of the container */
    int chapter;                       /* from 1; 0: not one chapter alone */
    bool is_done;                      /* whole, by a pass that was broken off after it */
    bool may_copy;                     /* MP3 already, and nothing was asked that changes it */
    int64_t start_ms, end_ms;          /* of the source's sound; end 0: to its end */
};

struct plan {
    int output_count;
    struct plan_output outputs[JOB_OUTPUTS_MAX];
};

/* The file's chapters are in order and do not overlap; more than there may be outputs is no fault
 * unless they are asked for one by one. The request must outlive the plan. Fails before any work
 * where a track is missing, a start lies behind the sound's promised end, or there are too many
 * chapters. */
enum err plan_make(const struct job_request *request, const struct demux *d,
                   const struct id3_chapter *chapters, size_t chapter_count, struct plan *ret_plan,
                   struct failure *f) MUST_CHECK;
/* Whether any output has to be measured before it is made. */
bool plan_has_measuring(const struct plan *plan);
bool plan_is_measured(const struct plan_output *output);
/* All that is still to be done is encoded. */
void plan_forbid_copies(struct plan *plan);
/* From the first start to the last end, as far as the container tells; end 0: it does not. */
void plan_span(const struct plan *plan, const struct demux *d, int64_t *ret_start_us,
               int64_t *ret_end_us);

#endif
