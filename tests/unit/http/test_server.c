/* The server from the outside: requests over real sockets. */
#include "fixture.h"
#include "routes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/attr.h"

static void every_answer_has_the_security_headers(void **state)
{
    (void)state;
    struct answer a = fixture_ask(port, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(a.status, 200);
    assert_string_equal(a.body, "hello");
    assert_string_equal(answer_header(&a, "Content-Type"), "text/plain");
    assert_string_equal(answer_header(&a, "X-Content-Type-Options"), "nosniff");
    assert_string_equal(answer_header(&a, "Content-Security-Policy"),
                        "default-src 'none'; frame-ancestors 'none'");
    assert_string_equal(answer_header(&a, "Referrer-Policy"), "no-referrer");
    assert_int_equal(strlen(answer_header(&a, "X-Request-Id")), 32);
    assert_null(answer_header(&a, "Server"));
    /* Set by the handler: the default gives way, and no value can add a header. */
    assert_string_equal(answer_header(&a, "Cache-Control"), "max-age=60");
    assert_string_equal(answer_header(&a, "X-Early"), "1X-Injected: 2");
    assert_null(answer_header(&a, "X-Injected"));
    answer_release(&a);
}

static void the_trace_of_the_caller_is_kept(void **state)
{
    (void)state;
    struct answer a = fixture_ask(
        port, "GET /hello HTTP/1.1\r\nHost: a\r\n"
              "traceparent: 00-0123456789abcdef0123456789abcdef-0123456789abcdef-01\r\n\r\n");
    assert_string_equal(answer_header(&a, "X-Request-Id"), "0123456789abcdef0123456789abcdef");
    answer_release(&a);
}

struct case_ {
    const char *request;
    int status;
    const char *in_body;
    const char *header, *value;
};

static const struct case_ dialogues[] = {
    { "GET /none HTTP/1.1\r\nHost: a\r\n\r\n", 404, "\"urn:unreel:problem:not-found\"",
      "Content-Type", "application/problem+json" },
    { "PUT /hello HTTP/1.1\r\nHost: a\r\n\r\n", 405, "method-not-allowed", "Allow", "GET, HEAD" },
    { "POST /v1/jobs/1 HTTP/1.1\r\nHost: a\r\n\r\n", 405, NULL, "Allow", "GET, HEAD, DELETE" },
    { "HEAD /hello HTTP/1.1\r\nHost: a\r\n\r\n", 200, NULL, "Content-Length", "5" },
    { "GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n", 500, "internal-error", NULL, NULL },
    { "DELETE /empty HTTP/1.1\r\nHost: a\r\n\r\n", 204, NULL, NULL, NULL },
    { "GET /v1/jobs/a%2Fb?x=1&q=%C3%BC+y&q=2 HTTP/1.1\r\nHost: a\r\nX-Test: T\r\n\r\n", 200,
      "\"q\":\"\xc3\xbc y\",\"x\":\"T\",\"user\":null,\"bearer\":null,\"id\":\"a/b\"", NULL, NULL },
    { "GET /v1/jobs/events HTTP/1.1\r\nHost: a\r\n\r\n", 200, "hello", NULL, NULL },
    { "GET /v1/jobs/ HTTP/1.1\r\nHost: a\r\n\r\n", 404, NULL, NULL, NULL },
    { "GET http://else/hello HTTP/1.1\r\nHost: a\r\n\r\n", 200, "hello", NULL, NULL },
    { "GET /v1/jobs/%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400, "percent", NULL, NULL },
    { "GET /v1/jobs/%00 HTTP/1.1\r\nHost: a\r\n\r\n", 400, "percent", NULL, NULL },
    { "GET /v1/jobs/%ff HTTP/1.1\r\nHost: a\r\n\r\n", 400, "UTF-8", NULL, NULL },
    { "GET /hello?a=%f HTTP/1.1\r\nHost: a\r\n\r\n", 400, "percent", NULL, NULL },
    { "GET /hello HTTP/1.0\r\n\r\n", 200, "hello", NULL, NULL },
    { "GET /user HTTP/1.1\r\nHost: a\r\n\r\n", 401, "unauthenticated", "WWW-Authenticate",
      "Bearer" },
    { "GET /user HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer bad\r\n\r\n", 401, "token-invalid",
      NULL, NULL },
    { "GET /user HTTP/1.1\r\nHost: a\r\nAuthorization: bearer good\r\n\r\n", 200,
      "\"user\":\"ann\",\"bearer\":\"good\",\"id\":\"\",\"peer\":\"127.0.0.1\",\"admin\":true",
      NULL, NULL },
    { "POST /basic HTTP/1.1\r\nHost: a\r\n\r\n", 200, "not_found - -", NULL, NULL },
    { "POST /basic HTTP/1.1\r\nHost: a\r\nAuthorization: Basic YW5uOnA6cQ==\r\n\r\n", 200,
      "ok ann p:q", NULL, NULL },
    { "POST /basic HTTP/1.1\r\nHost: a\r\nAuthorization: Basic YW5u\r\n\r\n", 200, "invalid - -",
      NULL, NULL },
    { "POST /basic HTTP/1.1\r\nHost: a\r\nAuthorization: Basic !\r\n\r\n", 200, "invalid - -", NULL,
      NULL },
    { "POST /basic HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx", 413, "no body", "Connection",
      "close" },
    { "POST /json HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n\r\n{\"a\":1}", 200, "{\"a\":1}",
      "Content-Type", "application/json" },
    { "POST /json HTTP/1.1\r\nHost: a\r\nContent-Length: 13\r\n\r\n{\"a\":1,\"a\":2}", 400,
      "\"hint\":7", NULL, NULL },
    { "POST /json HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 400, NULL, NULL, NULL },
    { "POST /json HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n", 413, "1000 bytes",
      "Connection", "close" },
    { "POST /json HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{\"a\r\n"
      "4;x=y\r\n\":1}\r\n0\r\nTrailer: x\r\n\r\n",
      200, "{\"a\":1}", NULL, NULL },
    { "POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabcde", 201, "\"bytes\":5",
      NULL, NULL },
    { "POST /upload?limit=3 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
      "5\r\nabcde\r\n0\r\n\r\n",
      413, "more than 3", "Connection", "close" },
};

static void requests_have_their_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(dialogues); i++) {
        struct answer a = fixture_ask(port, dialogues[i].request);
        if (a.status != dialogues[i].status) {
            fail_msg("%s -> %s%s", dialogues[i].request, a.head, a.body);
        }
        if (dialogues[i].in_body != NULL && strstr(a.body, dialogues[i].in_body) == NULL) {
            fail_msg("%s -> %s", dialogues[i].request, a.body);
        }
        if (dialogues[i].header != NULL) {
            const char *value = answer_header(&a, dialogues[i].header);
            assert_non_null(value);
            assert_string_equal(value, dialogues[i].value);
        }
        answer_release(&a);
    }
}

static void a_connection_serves_many_requests(void **state)
{
    (void)state;
    int fd = fixture_connect(port);
    for (int i = 0; i < 20; i++) {
        const char *requests[] = {
            "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /none HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /user HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST /json HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n\r\n{\"a\":1}",
            "POST /upload?limit=3 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
        };
        const int statuses[] = { 200, 404, 401, 200, 201 };
        size_t n = (size_t)i % ARRAY_LEN(requests);
        fixture_send_text(fd, requests[n]);
        struct answer a = fixture_read(fd, false);
        assert_int_equal(a.status, statuses[n]);
        assert_null(answer_header(&a, "Connection"));
        answer_release(&a);
    }
    close(fd);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    (void)state;
    int fd = fixture_connect(port);
    fixture_send_text(fd, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"
                          "POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab"
                          "GET /v1/jobs/7 HTTP/1.1\r\nHost: a\r\n\r\n");
    static const int statuses[] = { 200, 201, 200 };
    static const char *const texts[] = { "hello", "\"bytes\":2", "\"id\":\"7\"" };
    for (size_t i = 0; i < 3; i++) {
        struct answer a = fixture_read(fd, false);
        assert_int_equal(a.status, statuses[i]);
        assert_non_null(strstr(a.body, texts[i]));
        answer_release(&a);
    }
    close(fd);
}

static void connection_close_is_honoured(void **state)
{
    (void)state;
    int fd = fixture_connect(port);
    fixture_send_text(fd, "GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    struct answer a = fixture_read(fd, false);
    assert_int_equal(a.status, 200);
    assert_true(fixture_is_closed(fd, 2000));
    answer_release(&a);
    close(fd);
}

static void an_upload_that_breaks_off_is_done_but_not_handled(void **state)
{
    (void)state;
    static const char *const requests[] = {
        "POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc",
        "POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        "POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n",
    };
    for (int i = 0; i < (int)ARRAY_LEN(requests); i++) {
        int fd = fixture_connect(port);
        fixture_send_text(fd, requests[i]);
        close(fd);
        wait_until(&seen.aborted, i + 1);
        assert_int_equal(seen.done, i + 1);
        assert_int_equal(seen.handled, 0);
    }
}

static void expect_is_answered_before_the_body(void **state)
{
    (void)state;
    int fd = fixture_connect(port);
    fixture_send_text(fd, "POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n"
                          "Expect: 100-continue\r\n\r\n");
    struct answer a = fixture_read(fd, false);
    assert_int_equal(a.status, 100);
    answer_release(&a);
    fixture_send_text(fd, "abc");
    a = fixture_read(fd, false);
    assert_int_equal(a.status, 201);
    answer_release(&a);
    fixture_send_text(fd, "POST /private HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n"
                          "Expect: 100-continue\r\n\r\n");
    a = fixture_read(fd, false);
    assert_int_equal(a.status, 401);
    assert_string_equal(answer_header(&a, "Connection"), "close");
    answer_release(&a);
    close(fd);
    assert_int_equal(seen.begun, 1);
}

static void check_pattern(const struct answer *a)
{
    for (size_t i = 0; i < a->body_len; i++) {
        if ((unsigned char)a->body[i] != i % 251) {
            fail_msg("byte %zu is wrong", i);
        }
    }
}

static void a_stream_arrives_whole(void **state)
{
    (void)state;
    struct answer a = fixture_ask(port, "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(a.status, 200);
    assert_int_equal(a.body_len, 3000000);
    check_pattern(&a);
    answer_release(&a);
    wait_until(&seen.released, 1);
    /* HEAD does not read, and releases all the same. */
    a = fixture_ask(port, "HEAD /stream HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_string_equal(answer_header(&a, "Content-Length"), "3000000");
    answer_release(&a);
    wait_until(&seen.released, 2);
    /* A reply that is replaced is released. */
    a = fixture_ask(port, "GET /stream?twice HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_string_equal(a.body, "instead");
    answer_release(&a);
    wait_until(&seen.released, 3);
}

static void a_stream_of_unknown_length_ends(void **state)
{
    (void)state;
    struct answer a = fixture_ask(port, "GET /stream?endless HTTP/1.0\r\n\r\n");
    assert_int_equal(a.status, 200);
    assert_null(answer_header(&a, "Content-Length"));
    assert_int_equal(a.body_len, 3000000);
    check_pattern(&a);
    answer_release(&a);
}

static void a_stream_that_fails_is_cut_short(void **state)
{
    (void)state;
    struct answer a = fixture_ask(port, "GET /stream?fail_at=1000000 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(a.status, 200);
    assert_string_equal(answer_header(&a, "Content-Length"), "3000000");
    assert_true(a.body_len < 3000000);
    answer_release(&a);
    wait_until(&seen.released, 1);
}

static void a_file_is_sent_from_its_offset(void **state)
{
    (void)state;
    int fd = fixture_connect(port);
    for (int i = 0; i < 2; i++) {
        fixture_send_text(fd, "GET /file HTTP/1.1\r\nHost: a\r\n\r\n");
        struct answer a = fixture_read(fd, false);
        assert_int_equal(a.status, 206);
        assert_int_equal(a.body_len, 9000);
        assert_memory_equal(a.body, "5678901234", 10);
        assert_memory_equal(a.body + 8990, "5678901234", 10);
        answer_release(&a);
    }
    close(fd);
}

static void requests_are_observed(void **state)
{
    (void)state;
    struct answer a = fixture_ask(port, "GET /none HTTP/1.1\r\nHost: a\r\n\r\n");
    answer_release(&a);
    wait_until(&seen.observed, 1);
    assert_int_equal(seen.last_status, 404);
}

static void a_bad_address_is_refused(void **state)
{
    (void)state;
    const struct http_server_options options = { .bind_address = "not-an-address" };
    struct http_server *s = NULL;
    struct error e = { 0 };
    assert_int_equal(http_server_start(&options, &s, &e), ERR_INVALID);
    const struct http_server_options taken = { .bind_address = "127.0.0.1", .port = port };
    assert_int_equal(http_server_start(&taken, &s, &e), ERR_FAULT);
    assert_non_null(strstr(e.text, "in use"));
}

static void patterns_match_segment_by_segment(void **state)
{
    (void)state;

    static const struct {
        const char *pattern, *path;
        bool matches;
    } cases[] = {
        { "/", "/", true },
        { "/", "/a", false },
        { "/a", "/a", true },
        { "/a", "/a/", false },
        { "/a", "/ab", false },
        { "/a/{id}", "/a/1", true },
        { "/a/{id}", "/a/", false },
        { "/a/{id}", "/a", false },
        { "/a/{id}", "/a/1/b", false },
        { "/a/{id}/b", "/a/1/b", true },
        { "/a/{id}/b", "/a/1/c", false },
        { "/{x}/{y}", "/1/2", true },
        { "/{x}/{y}", "//2", false },
        { "/a", "a", false },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (http_route_matches(cases[i].pattern, cases[i].path) != cases[i].matches) {
            fail_msg("%s %s", cases[i].pattern, cases[i].path);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVED(every_answer_has_the_security_headers),
        SERVED(the_trace_of_the_caller_is_kept),
        SERVED(requests_have_their_answers),
        SERVED(a_connection_serves_many_requests),
        SERVED(pipelined_requests_are_answered_in_order),
        SERVED(connection_close_is_honoured),
        SERVED(an_upload_that_breaks_off_is_done_but_not_handled),
        SERVED(expect_is_answered_before_the_body),
        SERVED(a_stream_arrives_whole),
        SERVED(a_stream_of_unknown_length_ends),
        SERVED(a_stream_that_fails_is_cut_short),
        SERVED(a_file_is_sent_from_its_offset),
        SERVED(requests_are_observed),
        SERVED(a_bad_address_is_refused),
        cmocka_unit_test(patterns_match_segment_by_segment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
