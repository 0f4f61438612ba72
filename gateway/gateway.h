/* The gateway's state, shared by its routes. Everything here is set up before the first request and
 * thread-safe. */
#ifndef UNREEL_GATEWAY_GATEWAY_H
#define UNREEL_GATEWAY_GATEWAY_H

#include "blobs/blobs.h"
#include "core/config.h"
#include "core/metrics.h"
#include "http/server.h"
#include "jobs/jobs.h"
#include "queue/queue.h"
#include "token/verifier.h"

enum gateway_compat { COMPAT_NONE, COMPAT_TUTORIAL };

struct gateway_settings {
    struct config_common common; /* first */
    int64_t port;
    char *blobs_url, *jobs_url, *queue_url, *auth_url;
    char *issuer, *audience;
    char *trusted_proxies;
    int compat;
    int64_t max_upload_bytes, max_cover_bytes;
    int64_t max_uploads_per_user;
    int64_t max_wait_s;
    int64_t max_connections, max_connections_per_ip;
    int64_t header_deadline_s, idle_timeout_s, body_min_bytes_per_s, upload_deadline_s;
    int64_t republish_after_s, max_failures, orphan_age_s;
    bool reuse;
};

struct relay;
struct sweeper;
struct upload_slots;

struct gateway {
    const struct gateway_settings *settings;
    struct blobs *videos, *mp3s;
    struct jobs *jobs;
    struct queue *queue;
    struct token_verifier *verifier;
    struct address_list *trusted;
    struct relay *relay;
    struct sweeper *sweeper;
    struct upload_slots *slots;
    struct http_server *server;
};

extern struct metric metric_http_requests, metric_http_duration, metric_upload_bytes,
    metric_uploads_in_flight, metric_jobs, metric_jobs_reused, metric_jobs_recovered,
    metric_queued_oldest_age, metric_outbox_published, metric_outbox_failures,
    metric_outbox_pending, metric_outbox_oldest_age, metric_queue_messages, metric_queue_dead,
    metric_orphans_removed, metric_orphans_left;

/* Registers the metrics above, with the routes as labels. Once, at start. */
void gateway_metrics_register(const struct http_route *routes, size_t route_count);
/* Which value of metric_http_requests an answer counts as; route NULL: none matched; status 0: the
 * client went away before it was answered. */
size_t gateway_metrics_request(const struct http_route *routes, size_t route_count,
                               const struct http_route *route, int status);

#endif
