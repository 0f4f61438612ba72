#include "service/ops.h"

#include <stdatomic.h>

#include "core/buf.h"
#include "core/clock.h"
#include "core/metrics.h"
#include "core/version.h"
#include "http/server.h"

#include "core/banned.h"

#define TICK_LIMIT_MS 10000
#define METRICS_MAX ((size_t)1024 * 1024)
#define CONNECTIONS_MAX 64
#define STOP_TIMEOUT_MS 500

struct ops {
    const char *name;
    struct checks *checks;
    char started_at[CLOCK_TEXT_SIZE];
    struct http_server *server;
    _Atomic int phase;
    _Atomic int64_t last_tick_ms;
};

static bool is_stuck(const struct ops *o)
{
    enum ops_phase phase = ops_phase(o);

    /* Starting and stopping may take longer, and do so on the thread that ticks. */
    return (phase == OPS_RUNNING || phase == OPS_DRAINING) &&
           clock_mono_ms() - atomic_load(&o->last_tick_ms) > TICK_LIMIT_MS;
}

static void handle_livez(struct http_request *r, void *ctx)
{
    const struct ops *o = ctx;

    if (is_stuck(o)) {
        http_reply_text(r, 503, "text/plain; charset=utf-8", "stuck\n");
    } else {
        http_reply_text(r, 200, "text/plain; charset=utf-8", "alive\n");
    }
}

static const char *overall_status(const struct ops *o)
{
    switch (ops_phase(o)) {
    case OPS_STARTING:
        return "starting";
    case OPS_RUNNING:
        return checks_are_up(o->checks) ? "up" : "down";
    case OPS_DRAINING:
    case OPS_STOPPING:
        break;
    }
    return "draining";
}

static void handle_readyz(struct http_request *r, void *ctx)
{
    const struct ops *o = ctx;
    const char *status = overall_status(o);
    bool is_up = status[0] == 'u';

    http_reply_header(r, "Cache-Control", "no-store");
    http_reply_json(r, is_up ? 200 : 503,
                    json_pack("{s:s, s:o}", "status", status, "details", checks_report(o->checks)));
}

static void handle_metrics(struct http_request *r, void *ctx)
{
    AUTO(buf_release) struct buf out;

    (void)ctx;
    buf_init(&out, METRICS_MAX);
    if (metrics_render(&out) != OK) {
        http_reply_problem(r, PROBLEM_INTERNAL, "the metrics are larger than their limit");
        return;
    }
    http_reply_bytes(r, 200, "text/plain; version=0.0.4; charset=utf-8", out.data, out.len);
}

static void handle_version(struct http_request *r, void *ctx)
{
    const struct ops *o = ctx;

    http_reply_json(r, 200,
                    json_pack("{s:s, s:s, s:s}", "service", o->name, "version", version_text(),
                              "started_at", o->started_at));
}

static const struct http_route routes[] = {
    { .method = "GET",
      .path = "/livez",
      .access = HTTP_PUBLIC,
      .summary = "whether the process works; asks nobody else",
      .handle = handle_livez },
    { .method = "GET",
      .path = "/readyz",
      .access = HTTP_PUBLIC,
      .summary = "whether every dependency answered at the last check",
      .handle = handle_readyz },
    { .method = "GET",
      .path = "/metrics",
      .access = HTTP_PUBLIC,
      .summary = "metrics as Prometheus text",
      .handle = handle_metrics },
    { .method = "GET",
      .path = "/version",
      .access = HTTP_PUBLIC,
      .summary = "name and version of the service",
      .handle = handle_version },
};

enum err ops_start(const char *name, struct checks *checks, const char *bind_address, int port,
                   struct ops **ret_ops, struct error *e)
{
    AUTO(ops_stop) struct ops *o = xcalloc(1, sizeof(*o));

    o->name = name;
    o->checks = checks;
    clock_format(o->started_at, clock_wall_ms());
    ops_tick(o);
    const struct http_server_options options = {
        .bind_address = bind_address,
        .port = port,
        .routes = routes,
        .route_count = ARRAY_LEN(routes),
        .ctx = o,
        .max_connections = CONNECTIONS_MAX,
        .single_thread = true,
    };
    enum err err = http_server_start(&options, &o->server, e);
    if (err == OK) {
        *ret_ops = TAKE(o);
    }
    return err;
}

void ops_stop(struct ops *o)
{
    if (o != NULL) {
        http_server_stop(o->server, STOP_TIMEOUT_MS);
        free(o);
    }
}

int ops_port(const struct ops *o)
{
    return http_server_port(o->server);
}

void ops_set_phase(struct ops *o, enum ops_phase phase)
{
    atomic_store(&o->phase, (int)phase);
}

enum ops_phase ops_phase(const struct ops *o)
{
    return (enum ops_phase)atomic_load(&o->phase);
}

void ops_tick(struct ops *o)
{
    atomic_store(&o->last_tick_ms, clock_mono_ms());
}
