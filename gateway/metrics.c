#include "gateway.h"

#include <string.h>

#include "core/banned.h"

/* The first for a client that went away before its answer: nobody's failure here. */
static const char *const status_classes[] = { "none", "2xx", "3xx", "4xx", "5xx" };
static const char *const states[] = {
    "queued", "running", "succeeded", "failed", "cancelled", NULL
};
static const char *const buckets[] = { "videos", "mp3s", NULL };
static const char *const queues[] = { "video", "mp3", NULL };
static const char *const recoveries[] = { "requeued", "failed", NULL };
static const double seconds[] = { 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                  0.25,  0.5,    1,     2.5,  10,    60,   600 };

struct metric metric_http_requests = {
    .name = "unreel_http_requests_total",
    .help = "Requests that ended, by class of status; none: the client went away before.",
    .type = METRIC_COUNTER,
    .label = "route,method,code",
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
    .values = queues,
};

struct metric metric_outbox_failures = {
    .name = "unreel_outbox_failures_total",
    .help = "Publishes that will be tried again.",
    .type = METRIC_COUNTER,
    .label = "queue",
    .values = queues,
};

struct metric metric_outbox_pending = {
    .name = "unreel_outbox_pending",
    .help = "Jobs whose message is due and not published.",
    .type = METRIC_GAUGE,
};

struct metric metric_outbox_oldest_age = {
    .name = "unreel_outbox_oldest_age_seconds",
    .help = "How long the oldest of them has been due.",
    .type = METRIC_GAUGE,
};

struct metric metric_queued_oldest_age = {
    .name = "unreel_jobs_queued_oldest_age_seconds",
    .help = "How long the oldest queued job has waited, but for those that wait for a try.",
    .type = METRIC_GAUGE,
};

struct metric metric_jobs_recovered = {
    .name = "unreel_jobs_recovered_total",
    .help = "Jobs taken back from a converter that was gone.",
    .type = METRIC_COUNTER,
    .label = "result",
    .values = recoveries,
};

struct metric metric_queue_messages = {
    .name = "unreel_queue_messages",
    .help = "Messages that wait in a queue.",
    .type = METRIC_GAUGE,
    .label = "queue",
    .values = queues,
};

struct metric metric_queue_dead = {
    .name = "unreel_queue_dead_messages",
    .help = "Dead letters of a queue.",
    .type = METRIC_GAUGE,
    .label = "queue",
    .values = queues,
};

struct metric metric_orphans_removed = {
    .name = "unreel_orphans_removed_total",
    .help = "Files that nobody finished, or that no record names, removed.",
    .type = METRIC_COUNTER,
    .label = "bucket",
    .values = buckets,
};

struct metric metric_orphans_left = {
    .name = "unreel_orphans_left",
    .help = "Files that nobody finished, or that no record names, and that the last sweep left.",
    .type = METRIC_GAUGE,
    .label = "bucket",
    .values = buckets,
};

/* "ROUTE,METHOD,CLASS" for each route, and for what has none. Lives as long as the process. */
static const char *const *request_labels(const struct http_route *routes, size_t route_count)
{
    size_t class_count = ARRAY_LEN(status_classes);
    const char **labels = xcalloc((route_count + 1) * class_count + 1, sizeof(*labels));

    for (size_t i = 0; i <= route_count; i++) {
        for (size_t k = 0; k < class_count; k++) {
            labels[i * class_count + k] = xasprintf(
                "%s,%s,%s", i < route_count ? routes[i].path : "none",
                i < route_count ? routes[i].method : "none", status_classes[k]);
        }
    }
    return labels;
}

static size_t status_class(int status)
{
    if (status == 0) {
        return 0;
    }
    return status >= 200 && status < 600 ? (size_t)(status / 100 - 1)
                                         : ARRAY_LEN(status_classes) - 1;
}

size_t gateway_metrics_request(const struct http_route *routes, size_t route_count,
                               const struct http_route *route, int status)
{
    size_t class_count = ARRAY_LEN(status_classes);
    size_t i = route == NULL ? route_count : 0;

    /* The server may have made a copy of the table. */
    while (i < route_count && (strcmp(routes[i].path, route->path) != 0 ||
                               strcmp(routes[i].method, route->method) != 0)) {
        i++;
    }
    return i * class_count + status_class(status);
}

void gateway_metrics_register(const struct http_route *routes, size_t route_count)
{
    if (metric_http_requests.values == NULL) {
        metric_http_requests.values = request_labels(routes, route_count);
    }
    metric_register(&metric_http_requests);
    metric_register(&metric_http_duration);
    metric_register(&metric_upload_bytes);
    metric_register(&metric_uploads_in_flight);
    metric_register(&metric_jobs);
    metric_register(&metric_jobs_reused);
    metric_register(&metric_outbox_published);
    metric_register(&metric_outbox_failures);
    metric_register(&metric_outbox_pending);
    metric_register(&metric_outbox_oldest_age);
    metric_register(&metric_queued_oldest_age);
    metric_register(&metric_jobs_recovered);
    metric_register(&metric_queue_messages);
    metric_register(&metric_queue_dead);
    metric_register(&metric_orphans_removed);
    metric_register(&metric_orphans_left);
}
