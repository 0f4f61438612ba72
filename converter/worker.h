/* Workers: one thread per slot, each with one job at a time. */
#ifndef UNREEL_CONVERTER_WORKER_H
#define UNREEL_CONVERTER_WORKER_H

#include <stdatomic.h>

#include "blobs/blobs.h"
#include "core/config.h"
#include "core/metrics.h"
#include "engine/zygote.h"
#include "jobs/jobs.h"
#include "queue/queue.h"

struct converter_settings {
    struct config_common common; /* first */
    char *blobs_url, *jobs_url, *queue_url, *engine;
    int64_t slots, threads;
    int64_t lease_s, max_failures;
    int64_t max_duration_s, max_output_bytes, memory_bytes;
    int64_t wall_limit_s, no_progress_limit_s, consumer_timeout_s;
};

struct service;

struct converter {
    const struct converter_settings *settings;
    const struct service *service;
    struct blobs *videos, *mp3s;
    struct jobs *jobs;
    struct queue *queue;
    struct queue_consumer *consumer;
    struct zygote *zygote; /* of the engines */
    int threads;           /* of each */
    int landlock_abi;
    atomic_int busy;         /* jobs in hand */
    atomic_bool is_stopping; /* the drain time is over: give jobs back */
    struct worker *workers;
};

extern struct metric metric_job_duration, metric_jobs_in_flight, metric_media, metric_input_bytes,
    metric_fetched_bytes, metric_output_bytes, metric_sandbox_kills, metric_landlock_abi;
void converter_metrics_register(void);

/* Starts settings->slots threads that take from c->consumer. */
enum err workers_start(struct converter *c, struct error *e) MUST_CHECK;
/* Joins them; c->consumer must have been cancelled. */
void workers_join(struct converter *c);

/* Handles one message to its end and frees it. */
void worker_handle(struct converter *c, struct queue_message *message);

#endif
