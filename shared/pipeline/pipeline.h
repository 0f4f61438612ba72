/* A job and its broker together: what the gateway's outbox and the converter both do. */
#ifndef UNREEL_PIPELINE_PIPELINE_H
#define UNREEL_PIPELINE_PIPELINE_H

#include "jobs/jobs.h"
#include "queue/queue.h"

/* Tells the broker about the job and marks its record: a queued one on "video", one that has ended
 * on "mp3" (but a probe without a webhook); and the event "job.<state>". OK once the broker
 * confirmed; a mark that failed only means that it will be told again, which is harmless.
 * Thread-safe, blocks as queue_put. */
enum err pipeline_publish(struct jobs *jobs, struct queue *queue, struct job *job,
                          struct error *e) MUST_CHECK;
/* The event alone: "job.<what>", or "job.<state>" when what is NULL. Best effort. */
void pipeline_event(struct queue *queue, const struct job *job, const char *what);

#endif
