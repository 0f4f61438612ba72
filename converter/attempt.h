/* One attempt at one claimed job: runs the engine between the stores, and ends the job by
 * compare-and-set. */
#ifndef UNREEL_CONVERTER_ATTEMPT_H
#define UNREEL_CONVERTER_ATTEMPT_H

#include "worker.h"

enum attempt_result {
    ATTEMPT_ENDED, /* the job has ended (job->state says how): announce it, ack the message */
    ATTEMPT_LATER, /* given back with a delay: the outbox publishes it again; ack the message */
    /* Drained, and queued again: ack the message, then publish the job. Or the store took no end of
     * it (job->state is not QUEUED): let the broker deliver the message again. */
    ATTEMPT_GIVE_BACK,
    ATTEMPT_LOST /* cancelled, removed, or another attempt has it: nothing to say; ack the message
                  */
};

/* `job` holds the claim. Leaves no output behind unless it became the job's mp3_fid. Blocks. */
enum attempt_result attempt_run(struct converter *c, struct job *job,
                                struct queue_message *message);

/* metrics.c: how long it had waited before it was claimed, just now. */
void converter_metrics_claimed(const struct job *job);
/* metrics.c: counts the attempt, and the job when it has ended. */
void converter_metrics_count(enum attempt_result result, const struct job *job);

#endif
