#include "routes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/mem.h"

#include "fixture.h"

#define STREAM_SIZE 3000000

struct seen seen;
struct http_server *server;
int port;

static void say_hello(struct http_request *r, void *ctx)
{
    struct seen *s = ctx;
    s->handled++;
    http_reply_header(r, "X-Early", "1\r\nX-Injected: 2");
    http_reply_text(r, 200, "text/plain", "hello");
    http_reply_header(r, "Cache-Control", "max-age=60");
}

static void say_what(struct http_request *r, void *ctx)
{
    struct seen *s = ctx;
    s->handled++;
    const char *q = http_request_query(r, "q");
    const char *x = http_request_header(r, "x-test");
    const char *user = http_request_user(r);
    const char *bearer = http_request_bearer(r);
    json_t *json = json_pack("{s:s, s:s, s:s?, s:s?, s:s?, s:s?, s:s, s:s, s:b}", "method",
                             http_request_method(r), "path", http_request_path(r), "q", q, "x", x,
                             "user", user, "bearer", bearer, "id", http_request_segment(r, "id"),
                             "peer", http_request_peer(r), "admin", http_request_is_admin(r));
    http_reply_json(r, 200, json);
}

static void say_nothing(struct http_request *r, void *ctx)
{
    (void)r;
    (void)ctx;
}

static void say_empty(struct http_request *r, void *ctx)
{
    (void)ctx;
    http_reply_empty(r, 204);
}

static void echo_json(struct http_request *r, void *ctx)
{
    struct seen *s = ctx;
    struct error e = { 0 };
    s->handled++;
    if (http_request_body_error(r, &e) != OK) {
        http_reply_problem(r, problem_from_err(e.code), "%s", e.text);
        return;
    }
    json_t *json = NULL;
    if (http_request_json(r, &json, &e) != OK) {
        http_reply_problem_with(r, PROBLEM_BAD_REQUEST, json_pack("{s:i}", "hint", 7), "%s",
                                e.text);
        return;
    }
    http_reply_json(r, 200, json);
}

static void basic(struct http_request *r, void *ctx)
{
    (void)ctx;
    char *user = NULL;
    char *password = NULL;
    enum err err = http_request_basic(r, &user, &password);
    char text[256];
    (void)snprintf(text, sizeof(text), "%s %s %s", err_name(err), user != NULL ? user : "-",
                   password != NULL ? password : "-");
    http_reply_text(r, 200, "text/plain", text);
    free(user);
    free(password);
}

/* ---- streamed bodies ---- */

struct upload {
    int64_t limit;
    int64_t sleep_ms; /* per slice */
    bool is_handled;
};

static int64_t query_number(const struct http_request *r, const char *name, int64_t otherwise)
{
    const char *text = http_request_query(r, name);
    return text != NULL ? strtoll(text, NULL, 10) : otherwise;
}

static void upload_begin(struct http_request *r, void *ctx)
{
    struct seen *s = ctx;
    s->begun++;
    struct upload *u = xcalloc(1, sizeof(*u));
    u->limit = query_number(r, "limit", INT64_MAX);
    u->sleep_ms = query_number(r, "sleep", 0);
    http_request_set_state(r, u);
    if (http_request_content_length(r) > u->limit) {
        http_reply_problem(r, PROBLEM_INPUT_TOO_LARGE, "at most %lld", (long long)u->limit);
    }
}

static enum err upload_data(struct http_request *r, void *ctx, const void *bytes, size_t len,
                            struct error *e)
{
    struct seen *s = ctx;
    const struct upload *u = http_request_state(r);
    (void)bytes;
    s->bytes += (long long)len;
    clock_sleep_ms(u->sleep_ms);
    if (http_request_received(r) + (int64_t)len > u->limit) {
        return err_set(e, ERR_TOO_BIG, "more than %lld bytes", (long long)u->limit);
    }
    return OK;
}

static void upload_handle(struct http_request *r, void *ctx)
{
    struct seen *s = ctx;
    struct upload *u = http_request_state(r);
    struct error e = { 0 };
    s->handled++;
    u->is_handled = true;
    if (http_request_body_error(r, &e) != OK) {
        http_reply_problem(r, problem_from_err(e.code), "%s", e.text);
        return;
    }
    http_reply_json(r, 201, json_pack("{s:I}", "bytes", (json_int_t)http_request_received(r)));
}

static void upload_done(struct http_request *r, void *ctx)
{
    struct seen *s = ctx;
    struct upload *u = http_request_state(r);
    s->done++;
    if (u != NULL && !u->is_handled && !http_has_reply(r)) {
        s->aborted++;
    }
    free(u);
}

/* ---- streamed answers ---- */

struct pattern {
    struct seen *seen;
    int64_t fail_at;
    int64_t sleep_ms; /* before the first block */
};

static enum err pattern_read(void *read_ctx, int64_t offset, void *dst, size_t max, size_t *ret_len)
{
    const struct pattern *p = read_ctx;
    clock_sleep_ms(offset == 0 ? p->sleep_ms : 0);
    if (offset >= p->fail_at) {
        return ERR_CORRUPT;
    }
    int64_t left = STREAM_SIZE - offset;
    size_t len = left < (int64_t)max ? (size_t)left : max;
    unsigned char *at = dst;
    for (size_t i = 0; i < len; i++) {
        at[i] = (unsigned char)((offset + (int64_t)i) % 251);
    }
    *ret_len = len;
    return OK;
}

static void pattern_release(void *read_ctx)
{
    struct pattern *p = read_ctx;
    p->seen->released++;
    free(p);
}

static void stream(struct http_request *r, void *ctx)
{
    struct pattern *p = xcalloc(1, sizeof(*p));
    p->seen = ctx;
    p->fail_at = query_number(r, "fail_at", INT64_MAX);
    p->sleep_ms = query_number(r, "sleep", 0);
    bool is_endless = http_request_query(r, "endless") != NULL;
    http_reply_stream(r, 200, "application/octet-stream", is_endless ? -1 : STREAM_SIZE,
                      pattern_read, pattern_release, p);
    if (http_request_query(r, "twice") != NULL) {
        http_reply_text(r, 200, "text/plain", "instead");
    }
}

static void send_file(struct http_request *r, void *ctx)
{
    (void)ctx;
    char name[] = "/tmp/unreel-http-XXXXXX";
    int fd = mkstemp(name);
    assert_true(fd >= 0);
    (void)unlink(name);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(write(fd, "0123456789", 10), 10);
    }
    http_reply_fd(r, 206, "audio/mpeg", fd, 5, 9000);
}

static void wait_for_go(struct http_request *r, void *ctx)
{
    struct seen *s = ctx;
    s->slots_waiting++;
    while (!s->go && http_request_is_alive(r)) {
        clock_sleep_ms(5);
    }
    s->was_alive = http_request_is_alive(r);
    http_reply_text(r, 200, "text/plain", "waited");
}

static void wait_stubbornly(struct http_request *r, void *ctx)
{
    struct seen *s = ctx;
    s->slots_waiting++;
    while (!s->go) {
        clock_sleep_ms(5);
    }
    http_reply_text(r, 200, "text/plain", "stubborn");
}

static const struct http_route table[] = {
    { .method = "GET", .path = "/hello", .handle = say_hello },
    { .method = "GET", .path = "/nothing", .handle = say_nothing },
    { .method = "DELETE", .path = "/empty", .handle = say_empty },
    { .method = "GET", .path = "/v1/jobs/{id}", .handle = say_what },
    { .method = "DELETE", .path = "/v1/jobs/{id}", .handle = say_empty },
    { .method = "GET", .path = "/v1/jobs/events", .handle = say_hello },
    { .method = "GET", .path = "/user", .access = HTTP_USER, .handle = say_what },
    { .method = "POST", .path = "/json", .handle = echo_json, .body_max = 1000 },
    { .method = "POST", .path = "/basic", .handle = basic },
    { .method = "POST",
      .path = "/upload",
      .begin = upload_begin,
      .data = upload_data,
      .handle = upload_handle,
      .done = upload_done },
    { .method = "POST",
      .path = "/private",
      .access = HTTP_USER,
      .begin = upload_begin,
      .data = upload_data,
      .handle = upload_handle,
      .done = upload_done },
    { .method = "GET", .path = "/stream", .handle = stream },
    { .method = "GET", .path = "/file", .handle = send_file },
    { .method = "GET", .path = "/wait", .handle = wait_for_go },
    { .method = "GET", .path = "/stubborn", .handle = wait_stubbornly },
};

static bool authorize(struct http_request *r, enum http_access access, void *ctx)
{
    (void)access;
    (void)ctx;
    const char *token = http_request_bearer(r);
    if (token == NULL) {
        return false;
    }
    if (strcmp(token, "good") != 0) {
        http_reply_problem(r, PROBLEM_TOKEN_INVALID, "no");
        return false;
    }
    http_request_set_user(r, "ann", "0123", true);
    return true;
}

static void observe(const struct http_request *r, const struct http_route *route, int status,
                    int64_t duration_us, void *ctx)
{
    struct seen *s = ctx;
    (void)r;
    (void)route;
    (void)duration_us;
    s->last_status = status;
    s->observed++;
}

struct http_server *routes_start(struct seen *to_see,
                                 void (*change)(struct http_server_options *options))
{
    memset(to_see, 0, sizeof(*to_see));
    struct http_server_options options = {
        .bind_address = "127.0.0.1",
        .routes = table,
        .route_count = ARRAY_LEN(table),
        .ctx = to_see,
        .authorize = authorize,
        .observe = observe,
    };
    if (change != NULL) {
        change(&options);
    }
    struct http_server *started = NULL;
    struct error e = { 0 };
    if (http_server_start(&options, &started, &e) != OK) {
        fail_msg("%s", e.text);
    }
    return started;
}

int serve_with(void (*change)(struct http_server_options *options))
{
    server = routes_start(&seen, change);
    port = http_server_port(server);
    return 0;
}

int serve(void **state)
{
    (void)state;
    return serve_with(NULL);
}

int serve_no_more(void **state)
{
    (void)state;
    http_server_stop(server, 1000);
    server = NULL;
    return 0;
}

void wait_until(atomic_int *value, int wanted)
{
    int64_t end = now_ms() + 5000;
    while (*value != wanted && now_ms() < end) {
        clock_sleep_ms(1);
    }
    assert_int_equal(*value, wanted);
}
