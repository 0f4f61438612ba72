/* What requests and calls look like as spans. */
#include "fixture.h"
#include "routes.h"
#include "script.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/attr.h"
#include "core/span.h"
#include "http/client.h"

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define PARENT "00f067aa0ba902b7"
#define TRACEPARENT "00-" TRACE "-" PARENT "-01"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct span kept[16];
static atomic_int count;

static void keep(void *ctx, const struct span *s)
{
    (void)ctx;
    (void)pthread_mutex_lock(&lock);
    int at = atomic_load(&count);
    if (at < (int)ARRAY_LEN(kept)) {
        kept[at] = *s;
        atomic_store(&count, at + 1);
    }
    (void)pthread_mutex_unlock(&lock);
}

/* Before the server's threads begin, and after they have ended. */
static int serve_recorded(void **state)
{
    atomic_store(&count, 0);
    span_record_to(keep, NULL, 100);
    return serve(state);
}

static int serve_no_more_recorded(void **state)
{
    int failed = serve_no_more(state);
    span_record_to(NULL, NULL, 0);
    return failed;
}

static void one_thread(struct http_server_options *options)
{
    options->single_thread = true;
}

static int serve_one_thread_recorded(void **state)
{
    (void)state;
    atomic_store(&count, 0);
    span_record_to(keep, NULL, 100);
    return serve_with(one_thread);
}

static const char *text_of(const struct span *s, const char *key)
{
    for (size_t i = 0; i < s->attribute_count; i++) {
        if (strcmp(s->attributes[i].key, key) == 0 && s->attributes[i].is_text) {
            return s->texts + s->attributes[i].number;
        }
    }
    return "";
}

static int64_t number_of(const struct span *s, const char *key)
{
    for (size_t i = 0; i < s->attribute_count; i++) {
        if (strcmp(s->attributes[i].key, key) == 0 && !s->attributes[i].is_text) {
            return s->attributes[i].number;
        }
    }
    return -1;
}

static void requests_are_named_by_method_and_route(void **state)
{
    static const struct {
        const char *request;
        const char *name, *method, *route, *path;
        int status;
        const char *error;
    } cases[] = {
        { "GET /hello?secret=1 HTTP/1.1", "GET /hello", "GET", "/hello", "/hello", 200, "" },
        { "DELETE /v1/jobs/a%2Fb HTTP/1.1", "DELETE /v1/jobs/{id}", "DELETE", "/v1/jobs/{id}",
          "/v1/jobs/a%2Fb", 204, "" },
        { "GET /none HTTP/1.1", "GET", "GET", "", "/none", 404, "" },
        { "BREW /hello HTTP/1.1", "HTTP", "_OTHER", "", "/hello", 405, "" },
        { "GET /user HTTP/1.1", "GET /user", "GET", "/user", "/user", 401, "" },
        { "GET /nothing HTTP/1.1", "GET /nothing", "GET", "/nothing", "/nothing", 500, "500" },
        { "GET /hello?%zz HTTP/1.1", "GET", "GET", "", "/hello", 400, "" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char request[256];
        (void)snprintf(request, sizeof(request),
                       "%s\r\nHost: a\r\ntraceparent: " TRACEPARENT "\r\n\r\n", cases[i].request);
        struct answer a = fixture_ask(port, request);
        assert_string_equal(answer_header(&a, "X-Request-Id"), TRACE);
        answer_release(&a);
        wait_until(&count, (int)i + 1);
        const struct span *s = &kept[i];
        assert_string_equal(s->name, cases[i].name);
        assert_int_equal(s->kind, SPAN_SERVER);
        assert_string_equal(s->parent_id, PARENT);
        assert_string_equal(text_of(s, "http.request.method"), cases[i].method);
        assert_string_equal(text_of(s, "http.route"), cases[i].route);
        assert_string_equal(text_of(s, "url.path"), cases[i].path);
        assert_int_equal(number_of(s, "http.response.status_code"), cases[i].status);
        assert_string_equal(text_of(s, "error.type"), cases[i].error);
        assert_int_equal(s->is_failed, cases[i].error[0] != '\0');
    }
}

static void a_client_that_goes_away_is_a_failure(void **state)
{
    (void)state;
    int fd = fixture_connect(port);
    fixture_send_text(fd, "POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc");
    wait_until(&seen.begun, 1);
    assert_int_equal(close(fd), 0);
    wait_until(&count, 1);
    assert_string_equal(kept[0].name, "POST /upload");
    assert_string_equal(kept[0].parent_id, "");
    assert_string_equal(text_of(&kept[0], "error.type"), "disconnected");
    assert_int_equal(number_of(&kept[0], "http.response.status_code"), -1);
}

static void requests_of_one_connection_are_spans_of_their_own(void **state)
{
    (void)state;
    int fd = fixture_connect(port);
    for (int i = 0; i < 2; i++) {
        fixture_send_text(fd, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
        struct answer a = fixture_read(fd, false);
        answer_release(&a);
    }
    wait_until(&count, 2);
    assert_int_equal(close(fd), 0);
    assert_string_equal(kept[0].parent_id, "");
    assert_string_equal(kept[1].parent_id, "");
    assert_string_not_equal(kept[0].traceparent, kept[1].traceparent);
}

static void threads_that_are_shared_have_no_spans(void **state)
{
    (void)state;
    struct answer a = fixture_ask(
        port, "GET /hello HTTP/1.1\r\nHost: a\r\ntraceparent: " TRACEPARENT "\r\n\r\n");
    assert_string_equal(answer_header(&a, "X-Request-Id"), TRACE);
    answer_release(&a);
    wait_until(&seen.observed, 1);
    assert_int_equal(atomic_load(&count), 0);
}

/* The call's span; the answer's status, 0 without one. */
static int call(const char *url, const char *traceparent)
{
    const struct http_call c = {
        .method = "GET", .url = url, .traceparent = traceparent, .timeout_ms = 5000
    };
    struct http_response r;
    struct error e = { 0 };
    if (http_client_call(&c, &r, &e) != OK) {
        assert_int_not_equal(strlen(e.text), 0);
        return 0;
    }
    int status = r.status;
    http_response_release(&r);
    return status;
}

static void calls_hand_their_context_on(void **state)
{
    char url[128];

    (void)state;
    (void)snprintf(url, sizeof(url), "http://user:secret@127.0.0.1:%d/hello?secret=1", port);
    assert_int_equal(call(url, TRACEPARENT), 200);
    wait_until(&count, 2);
    const struct span *client = kept[0].kind == SPAN_CLIENT ? &kept[0] : &kept[1];
    const struct span *served = client == &kept[0] ? &kept[1] : &kept[0];
    char id[TRACE_SPAN_ID_SIZE];
    trace_read_span_id(client->traceparent, id);
    assert_string_equal(client->name, "GET");
    assert_string_equal(client->parent_id, PARENT);
    assert_string_equal(served->parent_id, id);
    assert_string_equal(text_of(client, "server.address"), "127.0.0.1");
    assert_int_equal(number_of(client, "server.port"), port);
    assert_int_equal(number_of(client, "http.response.status_code"), 200);
    assert_false(client->is_failed);
    assert_null(memmem(client->texts, client->texts_len, "secret", 6));
}

static void calls_that_fail_are_failures(void **state)
{
    char url[128];
    int closed_port = 0;
    int fd = fixture_listen(&closed_port);

    (void)state;
    assert_int_equal(close(fd), 0);
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/", closed_port);
    assert_int_equal(call(url, TRACEPARENT), 0);
    assert_int_equal(atomic_load(&count), 1);
    assert_string_equal(text_of(&kept[0], "error.type"), "busy");
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/none", port);
    assert_int_equal(call(url, TRACEPARENT), 404);
    wait_until(&count, 3);
    const struct span *client = kept[1].kind == SPAN_CLIENT ? &kept[1] : &kept[2];
    assert_string_equal(text_of(client, "error.type"), "404");
    assert_true(client->is_failed);
}

/* The header of a call without a recorder: as it was given, or none. */
static void without_a_recorder_the_context_is_sent_as_it_came(void **state)
{
    static const char *const answers[] = { "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n" };
    static const char *const given[] = { TRACEPARENT, NULL };

    (void)state;
    span_record_to(NULL, NULL, 0);
    for (size_t i = 0; i < ARRAY_LEN(given); i++) {
        struct script s = { .answers = answers };
        char url[64];
        script_start(&s);
        (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/", s.port);
        assert_int_equal(call(url, given[i]), 204);
        script_end(&s);
        if (given[i] != NULL) {
            assert_non_null(strstr(s.heard, "\r\ntraceparent: " TRACEPARENT "\r\n"));
        } else {
            assert_null(strstr(s.heard, "traceparent"));
        }
    }
    assert_int_equal(atomic_load(&count), 0);
}

static int set_up(void **state)
{
    (void)state;
    struct error e = { 0 };
    return http_client_init(&e) == OK ? 0 : -1;
}

#define RECORDED(name) cmocka_unit_test_setup_teardown(name, serve_recorded, serve_no_more_recorded)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RECORDED(requests_are_named_by_method_and_route),
        RECORDED(a_client_that_goes_away_is_a_failure),
        RECORDED(requests_of_one_connection_are_spans_of_their_own),
        cmocka_unit_test_setup_teardown(threads_that_are_shared_have_no_spans,
                                        serve_one_thread_recorded, serve_no_more_recorded),
        RECORDED(calls_hand_their_context_on),
        RECORDED(calls_that_fail_are_failures),
        RECORDED(without_a_recorder_the_context_is_sent_as_it_came),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
