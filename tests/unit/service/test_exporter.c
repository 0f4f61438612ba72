#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/attr.h"
#include "core/clock.h"
#include "core/metrics.h"
#include "core/span.h"
#include "http/server.h"
#include "service/exporter.h"

#define BATCH 256 /* as many are sent without waiting for more */

/* ---- a collector, on a thread of its own ---- */

static atomic_int spans_taken;
static atomic_int posts;
static atomic_int answer_status = 200;

static void take_spans(struct http_request *r, void *ctx)
{
    json_t *json = NULL;
    struct error e = { 0 };

    (void)ctx;
    atomic_fetch_add(&posts, 1); /* first: tests wait for the spans */
    if (http_request_json(r, &json, &e) == OK) {
        json_t *batch = json_array_get(json_object_get(json, "resourceSpans"), 0);
        json_t *scope = json_array_get(json_object_get(batch, "scopeSpans"), 0);
        atomic_fetch_add(&spans_taken, (int)json_array_size(json_object_get(scope, "spans")));
        json_decref(json);
    }
    http_reply_text(r, atomic_load(&answer_status), "application/json", "{}");
}

static const struct http_route routes[] = { { .method = "POST",
                                              .path = "/v1/traces",
                                              .access = HTTP_PUBLIC,
                                              .handle = take_spans,
                                              .body_max = (size_t)4 << 20 } };

static struct http_server *collector;

static int start_collector(void **state)
{
    const struct http_server_options options = { .bind_address = "127.0.0.1",
                                                 .routes = routes,
                                                 .route_count = ARRAY_LEN(routes),
                                                 .single_thread = true };
    struct error e = { 0 };

    (void)state;
    exporter_register();
    return http_server_start(&options, &collector, &e) == OK ? 0 : -1;
}

static int stop_collector(void **state)
{
    (void)state;
    http_server_stop(collector, 1000);
    return 0;
}

/* ---- one that takes connections and never answers ---- */

static int hang(int *ret_port)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

/* ---- helpers ---- */

static struct exporter *start(int port, const char *path)
{
    char url[64];
    struct exporter *x = NULL;
    struct error e = { 0 };

    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", port, path);
    const struct exporter_options options = { .url = url, .service = "t", .sample_percent = 100 };
    assert_int_equal(exporter_start(&options, &x, &e), OK);
    atomic_store(&spans_taken, 0);
    atomic_store(&posts, 0);
    return x;
}

static void make_spans(int count)
{
    for (int i = 0; i < count; i++) {
        struct span s;
        span_begin(&s, SPAN_INTERNAL, "", "work");
        span_int(&s, "number", i);
        span_end(&s);
    }
}

static long counted(const char *result)
{
    char line[96];
    struct buf out;

    buf_init(&out, (size_t)1 << 20);
    assert_int_equal(metrics_render(&out), OK);
    (void)snprintf(line, sizeof(line), "unreel_trace_spans_total{result=\"%s\"} ", result);
    const char *at = strstr(buf_text(&out), line);
    assert_non_null(at);
    long value = strtol(at + strlen(line), NULL, 10);
    buf_release(&out);
    return value;
}

/* ---- tests ---- */

static void what_is_held_is_sent_at_the_end(void **state)
{
    long sent = counted("sent");
    struct exporter *x = start(http_server_port(collector), "/");

    (void)state;
    make_spans(3);
    int64_t began_ms = clock_mono_ms();
    exporter_stop(x);
    assert_true(clock_mono_ms() - began_ms < 2000);
    assert_int_equal(atomic_load(&spans_taken), 3);
    assert_int_equal(counted("sent") - sent, 3);
    make_spans(1); /* nobody records any more */
    assert_int_equal(atomic_load(&spans_taken), 3);
}

static void spans_go_in_batches_without_an_end(void **state)
{
    struct exporter *x = start(http_server_port(collector), "");

    (void)state;
    make_spans(2 * BATCH + 1);
    for (int i = 0; i < 500 && atomic_load(&spans_taken) < 2 * BATCH + 1; i++) {
        clock_sleep_ms(20);
    }
    assert_int_equal(atomic_load(&spans_taken), 2 * BATCH + 1);
    assert_in_range(atomic_load(&posts), 3, 5);
    exporter_stop(x);
}

static void *make_many(void *arg)
{
    (void)arg;
    for (int i = 0; i < 300; i++) {
        make_spans(1);
    }
    return NULL;
}

static void threads_make_spans_at_once(void **state)
{
    struct exporter *x = start(http_server_port(collector), "");
    pthread_t threads[4];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, make_many, NULL), 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    exporter_stop(x);
    assert_int_equal(atomic_load(&spans_taken), 1200);
}

static void a_refused_batch_is_dropped(void **state)
{
    long unsent = counted("unsent");
    struct exporter *x = start(http_server_port(collector), "");

    (void)state;
    atomic_store(&answer_status, 503);
    make_spans(5);
    exporter_stop(x);
    atomic_store(&answer_status, 200);
    assert_int_equal(counted("unsent") - unsent, 5);
    assert_int_equal(atomic_load(&posts), 1);
}

static void a_collector_that_is_not_there_costs_no_time(void **state)
{
    long unsent = counted("unsent");
    int port = 0;
    int fd = hang(&port);
    assert_int_equal(close(fd), 0);
    struct exporter *x = start(port, "");

    (void)state;
    make_spans(BATCH + 5);
    int64_t began_ms = clock_mono_ms();
    exporter_stop(x);
    assert_true(clock_mono_ms() - began_ms < 2000);
    assert_int_equal(counted("unsent") - unsent, BATCH + 5);
}

static void what_does_not_fit_is_dropped_and_nobody_waits(void **state)
{
    long full = counted("full");
    long unsent = counted("unsent");
    int port = 0;
    int fd = hang(&port);
    struct pollfd called = { .fd = fd, .events = POLLIN };
    struct exporter *x = start(port, "");

    (void)state;
    make_spans(BATCH);
    assert_int_equal(poll(&called, 1, 10000), 1); /* that batch is on its way */
    int64_t began_ms = clock_mono_ms();
    make_spans(EXPORTER_SPANS_MAX + 10);
    assert_true(clock_mono_ms() - began_ms < 1000);
    assert_int_equal(counted("full") - full, 10);
    began_ms = clock_mono_ms();
    exporter_stop(x);
    assert_true(clock_mono_ms() - began_ms < 4000);
    assert_int_equal(counted("unsent") - unsent, BATCH + EXPORTER_SPANS_MAX);
    assert_int_equal(close(fd), 0);
}

static void only_http_addresses_are_taken(void **state)
{
    static const char *const wrong[] = { "", "collector:4318", "ftp://a/", "http://",
                                         "grpc://a:1" };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        const struct exporter_options options = { .url = wrong[i], .service = "t" };
        struct exporter *x = NULL;
        struct error e = { 0 };
        assert_int_equal(exporter_start(&options, &x, &e), ERR_INVALID);
        assert_null(x);
        assert_non_null(strstr(e.text, "UNREEL_OTLP_URL"));
    }
    exporter_stop(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_held_is_sent_at_the_end),
        cmocka_unit_test(spans_go_in_batches_without_an_end),
        cmocka_unit_test(threads_make_spans_at_once),
        cmocka_unit_test(a_refused_batch_is_dropped),
        cmocka_unit_test(a_collector_that_is_not_there_costs_no_time),
        cmocka_unit_test(what_does_not_fit_is_dropped_and_nobody_waits),
        cmocka_unit_test(only_http_addresses_are_taken),
    };

    return cmocka_run_group_tests(tests, start_collector, stop_collector);
}
