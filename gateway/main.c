/* unreel-gateway: what clients talk to. Takes uploads, hands out MP3s, and keeps the outbox moving.
 */
#include <string.h>

#include "core/log.h"
#include "core/text.h"
#include "gateway.h"
#include "http/client.h"
#include "relay.h"
#include "intake.h"
#include "pipeline/pipeline_config.h"
#include "routes.h"
#include "service/service.h"
#include "sweeper.h"

#include "core/banned.h"

#define GIB (1024LL * 1024 * 1024)
#define AT(field) offsetof(struct gateway_settings, field)

static const struct config_key keys[] = {
    CONFIG_COMMON_KEYS("9102"),
    { "UNREEL_PORT", CONFIG_INT, AT(port), "8080", "port of the API; 0 picks a free one", 0, 65535,
      NULL },
    PIPELINE_BLOBS_KEY(AT(blobs_url)),
    PIPELINE_JOBS_KEY(AT(jobs_url)),
    PIPELINE_QUEUE_KEY(AT(queue_url)),
    { "UNREEL_AUTH_URL", CONFIG_URL, AT(auth_url), "http://127.0.0.1:5000",
      "where unreel-auth answers", 0, 0, NULL },
    { "UNREEL_ISSUER", CONFIG_TEXT, AT(issuer), "unreel", "issuer that tokens must name", 0, 0,
      NULL },
    { "UNREEL_AUDIENCE", CONFIG_TEXT, AT(audience), "unreel", "audience that tokens must name", 0,
      0, NULL },
    { "UNREEL_TRUSTED_PROXIES", CONFIG_TEXT, AT(trusted_proxies), "127.0.0.0/8,::1",
      "networks whose X-Forwarded-For is believed, an ingress's among them: logins are counted by "
      "the client's address",
      0, 0, NULL },
    { "UNREEL_COMPAT", CONFIG_CHOICE, AT(compat), "none",
      "tutorial: POST /upload answers 200 `success!` as the Python tutorial does", 0, 0,
      "none|tutorial" },
    { "UNREEL_MAX_UPLOAD_BYTES", CONFIG_SIZE, AT(max_upload_bytes), "2GiB", "size of one file", 1,
      1024 * GIB, NULL },
    { "UNREEL_MAX_COVER_BYTES", CONFIG_SIZE, AT(max_cover_bytes), "4MiB",
      "size of a picture that comes with a file", 1, 64LL << 20, NULL },
    { "UNREEL_MAX_UPLOADS_PER_USER", CONFIG_INT, AT(max_uploads_per_user), "32",
      "uploads of one user at once", 1, 1024, NULL },
    { "UNREEL_MAX_WAIT_S", CONFIG_INT, AT(max_wait_s), "60",
      "longest `Prefer: wait=N` that is honoured", 0, 600, NULL },
    { "UNREEL_MAX_CONNECTIONS", CONFIG_INT, AT(max_connections), "256",
      "connections at once; over it idle and slow ones give way, at twice as many new ones are "
      "refused",
      1, 4096, NULL },
    { "UNREEL_MAX_CONNECTIONS_PER_IP", CONFIG_INT, AT(max_connections_per_ip), "0",
      "connections at once from one address; 0: no limit of its own", 0, 4096, NULL },
    { "UNREEL_HEADER_DEADLINE_S", CONFIG_INT, AT(header_deadline_s), "10",
      "seconds for a request's headers", 1, 600, NULL },
    { "UNREEL_IDLE_TIMEOUT_S", CONFIG_INT, AT(idle_timeout_s), "30",
      "seconds of silence before a connection is closed", 1, 3600, NULL },
    { "UNREEL_BODY_MIN_BYTES_PER_S", CONFIG_SIZE, AT(body_min_bytes_per_s), "8KiB",
      "slowest upload, averaged over 30 s", 1, GIB, NULL },
    { "UNREEL_UPLOAD_DEADLINE_S", CONFIG_INT, AT(upload_deadline_s), "21600",
      "seconds for one upload", 10, 604800, NULL },
    { "UNREEL_REUSE", CONFIG_BOOL, AT(reuse), "true",
      "answer an upload that its owner had converted before, by the same options, with the MP3s "
      "that are there",
      0, 0, NULL },
    { "UNREEL_REPUBLISH_AFTER_S", CONFIG_INT, AT(republish_after_s), "900",
      "a job that has waited this long for its message is published again", 1, 86400, NULL },
    PIPELINE_MAX_FAILURES_KEY(AT(max_failures)),
    { "UNREEL_ORPHAN_AGE_S", CONFIG_INT, AT(orphan_age_s), "86400",
      "seconds after which a file is removed that was never finished, or that no job names", 21600,
      31536000, NULL },
};

static enum err check_videos(void *ctx, struct error *e)
{
    return blobs_check(((struct gateway *)ctx)->videos, e);
}

static enum err check_jobs(void *ctx, struct error *e)
{
    return jobs_check(((struct gateway *)ctx)->jobs, e);
}

/* A broker that is down delays jobs and fails no upload: told, but no reason to take no requests.
 */
static enum err check_queue(void *ctx, struct error *e)
{
    return queue_check(((struct gateway *)ctx)->queue, e);
}

static enum err check_tokens(void *ctx, struct error *e)
{
    return token_verifier_ready(((struct gateway *)ctx)->verifier, e);
}

static enum err open_stores(struct gateway *g, struct error *e)
{
    const struct gateway_settings *s = g->settings;
    unsigned parallel = (unsigned)s->max_connections;
    parallel = parallel > 64 ? 64 : parallel;
    enum err rc = blobs_open(s->blobs_url, "videos", parallel, &g->videos, e);
    if (rc == OK) {
        rc = blobs_open(s->blobs_url, "mp3s", parallel, &g->mp3s, e);
    }
    if (rc == OK) {
        rc = jobs_open(s->jobs_url, parallel, &g->jobs, e);
    }
    if (rc == OK) {
        rc = queue_open(s->queue_url, &g->queue, e);
    }
    return rc;
}

static enum err listen_for_clients(struct gateway *g, struct error *e)
{
    const struct gateway_settings *s = g->settings;
    struct http_server_options options = {
        .bind_address = s->common.bind_address,
        .port = (int)s->port,
        .routes = gateway_routes,
        .route_count = gateway_route_count,
        .ctx = g,
        .authorize = access_authorize,
        .observe = access_observe,
        .max_connections = (int)s->max_connections,
        .max_connections_per_ip = (int)s->max_connections_per_ip,
        .header_deadline_ms = (int)s->header_deadline_s * 1000,
        .idle_timeout_ms = (int)s->idle_timeout_s * 1000,
        .body_min_bytes_per_s = (int)s->body_min_bytes_per_s,
        .body_deadline_ms = s->upload_deadline_s * 1000,
        .memory_per_connection = (size_t)256 * 1024,
    };
    enum err rc = http_server_start(&options, &g->server, e);
    if (rc == OK) {
        log_info("listening on http://%s:%d", s->common.bind_address, http_server_port(g->server));
    }
    return rc;
}

static void stop(void *state)
{
    struct gateway *g = state;
    /* Clients first, then what serves them. Requests in hand had the drain time already. */
    http_server_stop(g->server, 1000);
    sweeper_stop(g->sweeper);
    relay_stop(g->relay);
    token_verifier_free(g->verifier);
    queue_close(g->queue);
    jobs_close(g->jobs);
    blobs_close(g->mp3s);
    blobs_close(g->videos);
    upload_slots_free(g->slots);
    address_list_free(g->trusted);
    free(g);
}

static enum err start(struct service *service, void *settings, void **ret_state, struct error *e)
{
    struct gateway *g = xcalloc(1, sizeof(*g));
    g->settings = settings;
    g->slots = upload_slots_new();
    gateway_metrics_register(gateway_routes, gateway_route_count);
    enum err rc = http_client_init(e);
    if (rc == OK) {
        rc = address_list_parse(g->settings->trusted_proxies, &g->trusted, e);
    }
    if (rc == OK) {
        rc = open_stores(g, e);
    }
    if (rc == OK) {
        rc = token_verifier_new(g->settings->issuer, g->settings->audience, login_fetch_jwks, g,
                                &g->verifier, e);
    }
    if (rc == OK) {
        rc = relay_start(g, &g->relay, e);
    }
    if (rc == OK) {
        rc = sweeper_start(g, &g->sweeper, e);
    }
    if (rc == OK) {
        rc = listen_for_clients(g, e);
    }
    if (rc != OK) {
        stop(g);
        return rc;
    }
    service_add_check(service, "blobs", false, check_videos, g);
    service_add_check(service, "jobs", false, check_jobs, g);
    service_add_check(service, "tokens", false, check_tokens, g);
    service_add_check(service, "queue", true, check_queue, g);
    *ret_state = g;
    return OK;
}

static void drain(void *state)
{
    http_server_drain(((struct gateway *)state)->server);
}

static bool is_idle(void *state)
{
    return http_server_in_flight(((struct gateway *)state)->server) == 0;
}

int main(int argc, char **argv)
{
    static const struct service_definition definition = {
        .name = "unreel-gateway",
        .summary = "takes uploads and hands out MP3s over HTTP",
        .keys = keys,
        .key_count = ARRAY_LEN(keys),
        .settings_size = sizeof(struct gateway_settings),
        .start = start,
        .drain = drain,
        .is_idle = is_idle,
        .stop = stop,
    };
    return service_main(&definition, argc, argv);
}
