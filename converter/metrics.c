#include "attempt.h"

#include "core/clock.h"
#include "engine/engine.h"

#include "core/banned.h"

/* enum attempt_result, but for the first, which the job's state tells apart. */
enum outcome { SUCCEEDED, FAILED, RETRIED, GIVEN_BACK, LOST };

static const char *const outcomes[] = {
    [SUCCEEDED] = "succeeded",   [FAILED] = "failed", [RETRIED] = "retried",
    [GIVEN_BACK] = "given_back", [LOST] = "lost",     NULL
};
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

static struct metric jobs_total = { .name = "unreel_jobs_total",
                                    .help = "Jobs that ended here, by the problem of those that "
                                            "failed.",
                                    .type = METRIC_COUNTER,
                                    .label = "result,reason" };
static struct metric attempts_total = { .name = "unreel_job_attempts_total",
                                        .help = "Attempts that ended.",
                                        .type = METRIC_COUNTER,
                                        .label = "outcome",
                                        .values = outcomes };
static struct metric last_completed = GAUGE("unreel_last_job_completed_timestamp_seconds",
                                            "Unix time of the last job that ended here.");
struct metric metric_job_duration = SECONDS("unreel_job_duration_seconds",
                                            "Wall time of successful attempts.");
static struct metric queue_wait = SECONDS("unreel_job_queue_wait_seconds",
                                          "Time from queued, or from when it was due, to claimed.");
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

/* The problems from this one on are those of jobs, and one more: an option that the file cannot
 * meet. "succeeded,none" stands before them and "failed,other" behind. */
#define FIRST_PROBLEM PROBLEM_UNSUPPORTED_FORMAT
#define PROBLEM_COUNT ((size_t)(PROBLEM_MAX - FIRST_PROBLEM) + 1)

static size_t problem_index(enum problem p)
{
    if (p == PROBLEM_INVALID_OPTION) {
        return PROBLEM_COUNT - 1;
    }
    return p < FIRST_PROBLEM ? PROBLEM_COUNT : (size_t)(p - FIRST_PROBLEM);
}

/* Live as long as the process. */
static const char *const *job_labels(void)
{
    const char **labels = xcalloc(PROBLEM_COUNT + 3, sizeof(*labels));
    labels[0] = "succeeded,none";
    labels[PROBLEM_COUNT + 1] = "failed,other";
    for (enum problem p = PROBLEM_NONE + 1; p < PROBLEM_MAX; p++) {
        if (problem_index(p) < PROBLEM_COUNT) {
            labels[problem_index(p) + 1] = xasprintf("failed,%s", problem_info(p)->slug);
        }
    }
    return labels;
}

static size_t job_label(const struct job *job)
{
    return job->state == JOB_SUCCEEDED ? 0 : problem_index(job->error.problem) + 1;
}

void converter_metrics_claimed(const struct job *job)
{
    bool has_waited_for_try = job->run_at_ms > job->queued_at_ms;
    int64_t since_ms = has_waited_for_try ? job->run_at_ms : job->queued_at_ms;
    int64_t wait_ms = clock_wall_ms() - since_ms;
    /* The clock of whoever queued it may be ahead of ours. */
    metric_observe(&queue_wait, 0, wait_ms > 0 ? (double)wait_ms / 1e3 : 0);
}

void converter_metrics_count(enum attempt_result result, const struct job *job)
{
    static const enum outcome others[] = {
        [ATTEMPT_LATER] = RETRIED, [ATTEMPT_GIVE_BACK] = GIVEN_BACK, [ATTEMPT_LOST] = LOST
    };

    if (result != ATTEMPT_ENDED) {
        metric_add(&attempts_total, others[result], 1);
        return;
    }
    metric_add(&attempts_total, job->state == JOB_SUCCEEDED ? SUCCEEDED : FAILED, 1);
    metric_add(&jobs_total, job_label(job), 1);
    metric_set(&last_completed, 0, clock_wall_ms() / 1000);
}

void converter_metrics_register(void)
{
    if (jobs_total.values == NULL) {
        jobs_total.values = job_labels();
    }
    metric_register(&jobs_total);
    metric_register(&attempts_total);
    metric_register(&last_completed);
    metric_register(&metric_job_duration);
    metric_register(&queue_wait);
    metric_register(&metric_jobs_in_flight);
    metric_register(&metric_media);
    metric_register(&metric_input_bytes);
    metric_register(&metric_fetched_bytes);
    metric_register(&metric_output_bytes);
    metric_register(&metric_sandbox_kills);
    metric_register(&metric_landlock_abi);
}
