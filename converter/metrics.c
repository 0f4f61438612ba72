#include "worker.h"

#include "engine/engine.h"

#include "core/banned.h"

static const char *const results[] = { "succeeded", "failed", "retried", NULL };
/* enum engine_kill, without its first. */
static const char *const kills[] = { "seccomp", "memory", "cpu",      "wall", "no_progress",
                                     "output",  "signal", "protocol", NULL };
_Static_assert(ARRAY_LEN(kills) == ENGINE_KILL_MAX, "a label for each way to be killed");
static const double seconds[] = { 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 10800 };

#define COUNTER(metric_name, text)                                                                 \
    {                                                                                              \
        .name = (metric_name), .help = (text), .type = METRIC_COUNTER                              \
    }
#define GAUGE(metric_name, text)                                                                   \
    {                                                                                              \
        .name = (metric_name), .help = (text), .type = METRIC_GAUGE                                \
    }
#define SECONDS(metric_name, text)                                                                 \
    {                                                                                              \
        .name = (metric_name), .help = (text), .type = METRIC_HISTOGRAM, .buckets = seconds,       \
        .bucket_count = ARRAY_LEN(seconds)                                                         \
    }

struct metric metric_jobs_total = { .name = "unreel_jobs_total",
                                    .help = "Attempts ended, by result.",
                                    .type = METRIC_COUNTER,
                                    .label = "result",
                                    .values = results };
struct metric metric_job_duration = SECONDS("unreel_job_duration_seconds",
                                            "Wall time of successful attempts.");
struct metric metric_queue_wait = SECONDS("unreel_job_queue_wait_seconds",
                                          "Time from queued to claimed.");
struct metric metric_jobs_in_flight = GAUGE("unreel_jobs_in_flight", "Jobs being converted.");
struct metric metric_media = COUNTER("unreel_job_media_seconds_total",
                                     "Seconds of sound converted.");
struct metric metric_input_bytes = COUNTER("unreel_job_input_bytes_total",
                                           "Bytes of videos converted.");
struct metric metric_fetched_bytes = COUNTER("unreel_job_fetched_bytes_total",
                                             "Bytes of videos read from the store.");
struct metric metric_output_bytes = COUNTER("unreel_job_output_bytes_total", "Bytes of MP3 made.");
struct metric metric_sandbox_kills = { .name = "unreel_sandbox_kills_total",
                                       .help = "Engines that were ended, by cause.",
                                       .type = METRIC_COUNTER,
                                       .label = "cause",
                                       .values = kills };
struct metric metric_landlock_abi = GAUGE("unreel_sandbox_landlock_abi",
                                          "Landlock ABI of the kernel; 0: none.");
struct metric metric_last_completed = GAUGE("unreel_last_job_completed_timestamp_seconds",
                                            "Unix time of the last success.");

void converter_metrics_register(void)
{
    metric_register(&metric_jobs_total);
    metric_register(&metric_job_duration);
    metric_register(&metric_queue_wait);
    metric_register(&metric_jobs_in_flight);
    metric_register(&metric_media);
    metric_register(&metric_input_bytes);
    metric_register(&metric_fetched_bytes);
    metric_register(&metric_output_bytes);
    metric_register(&metric_sandbox_kills);
    metric_register(&metric_landlock_abi);
    metric_register(&metric_last_completed);
}
