#include "gateway.h"

#include "routes.h"

#include "core/banned.h"

static const char *const status_classes[] = { "1xx", "2xx", "3xx", "4xx", "5xx", NULL };
static const char *const states[] = {
    "queued", "running", "succeeded", "failed", "cancelled", NULL
};
static const char *const buckets[] = { "videos", "mp3s", NULL };
static const char *const messages[] = { "video", "mp3", NULL };
static const double seconds[] = { 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                  0.25,  0.5,    1,     2.5,  10,    60,   600 };

struct metric metric_http_requests = {
    .name = "unreel_http_requests_total",
    .help = "Requests answered, by class of status.",
    .type = METRIC_COUNTER,
    .label = "code",
    .values = status_classes,
};

struct metric metric_http_duration = {
    .name = "unreel_http_request_duration_seconds",
    .help = "Time from the headers to the end of the answer.",
    .type = METRIC_HISTOGRAM,
    .buckets = seconds,
    .bucket_count = ARRAY_LEN(seconds),
};

struct metric metric_upload_bytes = {
    .name = "unreel_upload_bytes_total",
    .help = "Bytes of files received.",
    .type = METRIC_COUNTER,
};

struct metric metric_uploads_in_flight = {
    .name = "unreel_uploads_in_flight",
    .help = "Uploads being received.",
    .type = METRIC_GAUGE,
};

struct metric metric_jobs = {
    .name = "unreel_jobs",
    .help = "Jobs in the store, by state.",
    .type = METRIC_GAUGE,
    .label = "state",
    .values = states,
};

struct metric metric_jobs_reused = {
    .name = "unreel_jobs_reused_total",
    .help = "Uploads answered with the MP3s of an equal one.",
    .type = METRIC_COUNTER,
};

struct metric metric_outbox_published = {
    .name = "unreel_outbox_published_total",
    .help = "Messages that the broker confirmed.",
    .type = METRIC_COUNTER,
    .label = "queue",
    .values = messages,
};

struct metric metric_outbox_failures = {
    .name = "unreel_outbox_failures_total",
    .help = "Publishes that will be tried again.",
    .type = METRIC_COUNTER,
    .label = "queue",
    .values = messages,
};

struct metric metric_orphans_removed = {
    .name = "unreel_orphans_removed_total",
    .help = "Files that nobody finished, removed.",
    .type = METRIC_COUNTER,
    .label = "bucket",
    .values = buckets,
};

void gateway_metrics_register(void)
{
    metric_register(&metric_http_requests);
    metric_register(&metric_http_duration);
    metric_register(&metric_upload_bytes);
    metric_register(&metric_uploads_in_flight);
    metric_register(&metric_jobs);
    metric_register(&metric_jobs_reused);
    metric_register(&metric_outbox_published);
    metric_register(&metric_outbox_failures);
    metric_register(&metric_orphans_removed);
}
