#include "service/exporter.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/metrics.h"
#include "core/span.h"
#include "core/text.h"
#include "core/url.h"
#include "core/version.h"
#include "http/client.h"
#include "service/otlp.h"

#include "core/banned.h"

#define BATCH_MAX 256
#define BATCH_BYTES_MAX ((BATCH_MAX + 1) * OTLP_SPAN_MAX)
#define HOST_SIZE 65

static const int64_t batch_every_ms = 1000;
static const int64_t call_timeout_ms = 2000;
static const int64_t flush_timeout_ms = 3000;

enum { SPANS_SENT, SPANS_FULL, SPANS_UNSENT };

static const char *const results[] = { "sent", "full", "unsent", NULL };

static struct metric spans_total = {
    .name = "unreel_trace_spans_total",
    .help =
        "Spans that were sent, that came when too many waited, that the collector did not take.",
    .type = METRIC_COUNTER,
    .label = "result",
    .values = results,
};

struct exporter {
    char *url;
    const char *service;
    char instance[HOST_SIZE + 16];
    pthread_t thread;
    bool is_away; /* the thread's own: whether the last batch was not taken */
    struct span batch[BATCH_MAX];

    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t wake;
    struct span *held; /* ring of EXPORTER_SPANS_MAX */
    size_t first, count;
    bool is_stopping;
    int64_t end_ms; /* when it is: monotonic */
};

void exporter_register(void)
{
    metric_register(&spans_total);
}

/* The recorder. */
static void hold(void *ctx, const struct span *s)
{
    struct exporter *x = ctx;

    (void)pthread_mutex_lock(&x->lock);
    bool is_full = x->count == EXPORTER_SPANS_MAX;
    if (!is_full) {
        x->held[(x->first + x->count) % EXPORTER_SPANS_MAX] = *s;
        x->count++;
        if (x->count == 1 || x->count == BATCH_MAX) {
            (void)pthread_cond_signal(&x->wake);
        }
    }
    (void)pthread_mutex_unlock(&x->lock);
    if (is_full) {
        metric_add(&spans_total, SPANS_FULL, 1);
    }
}

/* ---- the thread ---- */

/* Waits until there is a batch: a full one, what came within a second, or what is left at the end.
 * Called with the lock held. */
static void wait_for_batch(struct exporter *x)
{
    while (x->count == 0 && !x->is_stopping) {
        (void)pthread_cond_wait(&x->wake, &x->lock);
    }
    int64_t until_ms = clock_mono_ms() + batch_every_ms;
    struct timespec until = { .tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000 };
    while (x->count < BATCH_MAX && !x->is_stopping) {
        if (pthread_cond_timedwait(&x->wake, &x->lock, &until) != 0) {
            break;
        }
    }
}

/* Called with the lock held. */
static size_t take_batch(struct exporter *x)
{
    size_t count = x->count < BATCH_MAX ? x->count : BATCH_MAX;
    for (size_t i = 0; i < count; i++) {
        x->batch[i] = x->held[(x->first + i) % EXPORTER_SPANS_MAX];
    }
    x->first = (x->first + count) % EXPORTER_SPANS_MAX;
    x->count -= count;
    return count;
}

static enum err post(const struct exporter *x, const struct buf *body, int64_t timeout_ms,
                     struct error *e)
{
    static const char *const headers[] = { "Content-Type: application/json", NULL };
    const struct http_call call = { .method = "POST",
                                    .url = x->url,
                                    .headers = headers,
                                    .body = body->data,
                                    .body_len = body->len,
                                    .timeout_ms = (int)timeout_ms };
    struct http_response answer = { 0 };
    enum err rc = http_client_call(&call, &answer, e);
    if (rc != OK) {
        return rc;
    }
    if (answer.status < 200 || answer.status > 299) {
        rc = err_set(e, ERR_BUSY, "it answered %d", answer.status);
    }
    http_response_release(&answer);
    return rc;
}

/* One line per change, not per batch. */
static void note_collector(struct exporter *x, enum err rc, const struct error *e)
{
    bool is_away = rc != OK;
    if (is_away && !x->is_away) {
        log_failure(LOG_LEVEL_WARN, err_name(e->code),
                    "spans are dropped, the collector does not take them: %s", e->text);
    } else if (!is_away && x->is_away) {
        log_info("the collector takes spans again");
    }
    x->is_away = is_away;
}

static enum err send_batch(struct exporter *x, size_t count, int64_t timeout_ms)
{
    const struct otlp_resource resource = { x->service, version_text(), x->instance };
    __attribute__((cleanup(buf_release_auto))) struct buf body;
    struct error e = { 0 };
    buf_init(&body, BATCH_BYTES_MAX);
    enum err rc = otlp_render(&resource, x->batch, count, &body);
    rc = rc == OK ? post(x, &body, timeout_ms, &e) : err_set(&e, rc, "the batch is too big");
    metric_add(&spans_total, rc == OK ? SPANS_SENT : SPANS_UNSENT, (int64_t)count);
    note_collector(x, rc, &e);
    return rc;
}

/* How long the next call may take. */
static int64_t call_time_ms(const struct exporter *x)
{
    int64_t left_ms = x->is_stopping ? x->end_ms - clock_mono_ms() : call_timeout_ms;
    return left_ms < call_timeout_ms ? left_ms : call_timeout_ms;
}

static void *run(void *arg)
{
    struct exporter *x = arg;
    bool is_over = false;

    (void)pthread_mutex_lock(&x->lock);
    while (!is_over) {
        wait_for_batch(x);
        int64_t timeout_ms = call_time_ms(x);
        is_over = x->is_stopping && (x->count == 0 || timeout_ms <= 0);
        if (!is_over) {
            size_t count = take_batch(x);
            (void)pthread_mutex_unlock(&x->lock);
            enum err rc = send_batch(x, count, timeout_ms);
            (void)pthread_mutex_lock(&x->lock);
            /* An end is not the time to find out whether the collector comes back. */
            is_over = x->is_stopping && rc != OK;
        }
    }
    metric_add(&spans_total, SPANS_UNSENT, (int64_t)x->count);
    (void)pthread_mutex_unlock(&x->lock);
    return NULL;
}

/* ---- life ---- */

static enum err make_url(const char *base, char **ret_url, struct error *e)
{
    AUTO(url_free) struct url *url = NULL;
    bool is_http = text_starts_with(base, "http://") || text_starts_with(base, "https://");
    if (!is_http || url_parse(base, &url, NULL) != OK || url->host == NULL) {
        return err_set(e, ERR_INVALID, "UNREEL_OTLP_URL: not an http:// or https:// address");
    }
    size_t len = strlen(base);
    while (base[len - 1] == '/') {
        len--;
    }
    *ret_url = xasprintf("%.*s/v1/traces", (int)len, base);
    return OK;
}

static void name_instance(struct exporter *x)
{
    char host[HOST_SIZE] = "";
    (void)gethostname(host, sizeof(host) - 1);
    (void)snprintf(x->instance, sizeof(x->instance), "%s-%ld", host, (long)getpid());
}

static void free_exporter(struct exporter *x)
{
    (void)pthread_cond_destroy(&x->wake);
    (void)pthread_mutex_destroy(&x->lock);
    free(x->held);
    free(x->url);
    free(x);
}

enum err exporter_start(const struct exporter_options *options, struct exporter **ret_exporter,
                        struct error *e)
{
    AUTO(mem_free) char *url = NULL;
    enum err rc = make_url(options->url, &url, e);
    if (rc == OK) {
        rc = http_client_init(e);
    }
    if (rc != OK) {
        return rc;
    }
    struct exporter *x = xcalloc(1, sizeof(*x));
    pthread_condattr_t attributes;
    x->url = TAKE(url);
    x->service = options->service;
    x->held = xcalloc(EXPORTER_SPANS_MAX, sizeof(*x->held));
    name_instance(x);
    (void)pthread_mutex_init(&x->lock, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&x->wake, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    int failure = pthread_create(&x->thread, NULL, run, x);
    if (failure != 0) {
        free_exporter(x);
        return err_set_errno(e, ERR_FAULT, failure, "start the exporter's thread");
    }
    span_record_to(hold, x, options->sample_percent);
    *ret_exporter = x;
    return OK;
}

void exporter_stop(struct exporter *x)
{
    if (x == NULL) {
        return;
    }
    span_record_to(NULL, NULL, 0);
    (void)pthread_mutex_lock(&x->lock);
    x->is_stopping = true;
    x->end_ms = clock_mono_ms() + flush_timeout_ms;
    (void)pthread_cond_signal(&x->wake);
    (void)pthread_mutex_unlock(&x->lock);
    (void)pthread_join(x->thread, NULL);
    free_exporter(x);
}
