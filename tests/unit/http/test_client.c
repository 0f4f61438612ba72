/* The client against the server, and against small servers that misbehave. */
#include "fixture.h"
#include "routes.h"
#include "script.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/attr.h"
#include "http/client.h"

static char urls[8][128];

/* Valid until the eighth next call. */
static const char *at(const char *path)
{
    static size_t next;
    char *url = urls[next++ % ARRAY_LEN(urls)];
    (void)snprintf(url, sizeof(urls[0]), "http://127.0.0.1:%d%s", port, path);
    return url;
}

static struct http_response call(const struct http_call *c)
{
    struct http_response r;
    struct error e = { 0 };
    if (http_client_call(c, &r, &e) != OK) {
        fail_msg("%s: %s", c->url, e.text);
    }
    return r;
}

static enum err call_error(const struct http_call *c)
{
    struct http_response r;
    struct error e = { 0 };
    enum err err = http_client_call(c, &r, &e);
    if (err == OK) {
        http_response_release(&r);
    } else {
        assert_int_not_equal(strlen(e.text), 0);
    }
    return err;
}

static void answers_are_read(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct http_response r = call(&(struct http_call){ .method = "GET", .url = at("/hello") });
        assert_int_equal(r.status, 200);
        assert_string_equal(buf_text(&r.body), "hello");
        assert_string_equal(r.content_type, "text/plain");
        assert_string_equal(r.location, "");
        assert_int_equal(r.retry_after_s, -1);
        http_response_release(&r);
    }
    struct http_response r = call(&(struct http_call){ .method = "HEAD", .url = at("/hello") });
    assert_int_equal(r.status, 200);
    assert_int_equal(r.body.len, 0);
    http_response_release(&r);
    r = call(&(struct http_call){ .method = "GET", .url = at("/none") });
    assert_int_equal(r.status, 404);
    assert_string_equal(r.content_type, "application/problem+json");
    http_response_release(&r);
}

static void credentials_and_bodies_are_sent(void **state)
{
    (void)state;
    struct http_response r = call(&(struct http_call){
        .method = "POST", .url = at("/basic"), .user = "ann", .password = "p:q" });
    assert_string_equal(buf_text(&r.body), "ok ann p:q");
    http_response_release(&r);
    const char *headers[] = { "X-Test: yes", NULL };
    r = call(&(struct http_call){
        .method = "GET", .url = at("/user"), .bearer = "good", .headers = headers });
    assert_int_equal(r.status, 200);
    assert_non_null(strstr(buf_text(&r.body), "\"x\":\"yes\""));
    http_response_release(&r);
    r = call(
        &(struct http_call){ .method = "POST", .url = at("/json"), .body = "[1]", .body_len = 3 });
    assert_string_equal(buf_text(&r.body), "[1]");
    http_response_release(&r);
    r = call(&(struct http_call){ .method = "DELETE", .url = at("/empty") });
    assert_int_equal(r.status, 204);
    http_response_release(&r);
}

struct counted {
    int64_t left;
    int64_t received;
    bool fails;
};

static enum err read_some(void *ctx, void *dst, size_t max, size_t *ret_len)
{
    struct counted *c = ctx;
    size_t len = c->left < (int64_t)max ? (size_t)c->left : max;
    if (c->fails && c->left < 3000000) {
        return ERR_CANCELLED;
    }
    memset(dst, 'x', len);
    c->left -= (int64_t)len;
    *ret_len = len;
    return OK;
}

static enum err write_some(void *ctx, const void *bytes, size_t len)
{
    struct counted *c = ctx;
    (void)bytes;
    c->received += (int64_t)len;
    return c->fails ? ERR_TOO_BIG : OK;
}

static void bodies_are_streamed(void **state)
{
    (void)state;
    struct counted c = { .left = 5000000 };
    struct http_call upload = { .method = "POST",
                                .url = at("/upload"),
                                .read_body = read_some,
                                .body_size = 5000000,
                                .ctx = &c,
                                .timeout_ms = -1 };
    struct http_response r = call(&upload);
    assert_int_equal(r.status, 201);
    assert_non_null(strstr(buf_text(&r.body), "5000000"));
    http_response_release(&r);
    c.left = 5000000;
    upload.body_size = -1;
    r = call(&upload);
    assert_non_null(strstr(buf_text(&r.body), "5000000"));
    http_response_release(&r);
    c = (struct counted){ .left = 5000000, .fails = true };
    assert_int_equal(call_error(&upload), ERR_CANCELLED);
    c = (struct counted){ 0 };
    struct http_call download = {
        .method = "GET", .url = at("/stream"), .write_body = write_some, .ctx = &c, .timeout_ms = -1
    };
    r = call(&download);
    assert_int_equal(c.received, 3000000);
    assert_int_equal(r.body.len, 0);
    http_response_release(&r);
    c.fails = true;
    assert_int_equal(call_error(&download), ERR_TOO_BIG);
    /* What is no 2xx is text about it, not the body that was asked for. */
    c = (struct counted){ 0 };
    download.url = at("/none");
    r = call(&download);
    assert_int_equal(r.status, 404);
    assert_int_equal(c.received, 0);
    assert_true(r.body.len > 0);
    http_response_release(&r);
}

static void a_long_answer_is_cut(void **state)
{
    (void)state;
    struct http_response r = call(
        &(struct http_call){ .method = "GET", .url = at("/stream"), .response_max = 1000 });
    assert_int_equal(r.status, 200);
    assert_int_equal(r.body.len, 1000);
    http_response_release(&r);
}

static void broken_calls(void **state)
{
    (void)state;
    const char *bad_headers[] = { "X: a\r\nY: b", NULL };
    char closed[64];
    (void)snprintf(closed, sizeof(closed), "http://127.0.0.1:%d/", 1);

    const struct {
        struct http_call call;
        enum err err;
    } cases[] = {
        { { .method = "GET", .url = "http://" }, ERR_INVALID },
        { { .method = "GET", .url = "file:///etc/passwd" }, ERR_INVALID },
        { { .method = "GET", .url = "http://a/\r\n" }, ERR_INVALID },
        { { .method = "GET", .url = closed }, ERR_BUSY },
        { { .method = "GET", .url = at("/hello"), .headers = bad_headers }, ERR_INVALID },
        { { .method = "GET", .url = at("/hello"), .bearer = "a\nb" }, ERR_INVALID },
        { { .method = "GET", .url = at("/wait"), .timeout_ms = 200 }, ERR_TIMEOUT },
        { { .method = "GET", .url = at("/stream?fail_at=1000"), .response_max = 5000000 },
          ERR_BUSY },
        { { .method = "GET", .url = "http://127.0.0.1/", .public_only = true }, ERR_INVALID },
        { { .method = "GET", .url = "https://127.0.0.1/", .public_only = true }, ERR_DENIED },
        { { .method = "GET", .url = "https://localhost/", .public_only = true }, ERR_DENIED },
        { { .method = "GET", .url = "https://[::1]/", .public_only = true }, ERR_DENIED },
        { { .method = "GET", .url = "https://0x7f000001/", .public_only = true }, ERR_DENIED },
        { { .method = "GET", .url = "https://169.254.169.254/", .public_only = true }, ERR_DENIED },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        enum err err = call_error(&cases[i].call);
        if (err != cases[i].err) {
            fail_msg("case %zu: %s", i, err_name(err));
        }
    }
    seen.go = true;
}

static void headers_of_an_answer(void **state)
{
    (void)state;

    static const struct {
        const char *answer;
        int64_t retry_after_s;
        const char *location;
    } cases[] = {
        { "HTTP/1.1 503 x\r\nRetry-After: 17\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", 17,
          "" },
        { "HTTP/1.1 503 x\r\nRetry-After: Sat, 01 Jan 2000 00:00:00 GMT\r\nContent-Length: 0\r\n"
          "Connection: close\r\n\r\n",
          0, "" },
        { "HTTP/1.1 503 x\r\nRetry-After: soon\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
          -1, "" },
        { "HTTP/1.1 302 x\r\nLocation: /else\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", -1,
          "/else" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct script s = { .answers = &cases[i].answer };
        char target[64];
        script_start(&s);
        (void)snprintf(target, sizeof(target), "http://127.0.0.1:%d/x", s.port);
        struct http_response r = call(&(struct http_call){ .method = "PUT", .url = target });
        script_end(&s);
        assert_int_equal(r.retry_after_s, cases[i].retry_after_s);
        assert_string_equal(r.location, cases[i].location);
        assert_non_null(strstr(s.heard, "PUT /x HTTP/1.1\r\n"));
        assert_null(strstr(s.heard, "x-www-form-urlencoded"));
        http_response_release(&r);
    }
}

static const char *const private[] = {
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.127.255.255",
    "127.0.0.1",
    "127.1.2.3",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.8",
    "192.0.2.1",
    "192.168.0.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:a9fe:a9fe",
    "::7f00:1",
    "64:ff9b::7f00:1",
    "64:ff9b::10.0.0.1",
    "64:ff9b:1::1",
    "2002:7f00:1::",
    "2002:a00:1::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "3fff::1",
    "fc00::1",
    "fd12::1",
    "fe80::1",
    "febf::1",
    "fec0::1",
    "ff02::1",
    "not an address",
    "",
    "1.2.3",
    "fe80::1%eth0",
};

static const char *const public[] = {
    "1.1.1.1",         "8.8.8.8",
    "9.255.255.255",   "11.0.0.0",
    "100.63.255.255",  "100.128.0.0",
    "126.255.255.255", "128.0.0.1",
    "169.253.255.255", "172.15.255.255",
    "172.32.0.0",      "192.167.255.255",
    "192.169.0.0",     "198.17.255.255",
    "198.20.0.0",      "223.255.255.255",
    "2606:4700::1111", "2a00:1450::1",
    "::ffff:8.8.8.8",  "64:ff9b::8.8.8.8",
    "2002:808:808::1", "2001:4860:4860::8888",
};

static void private_addresses(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(private); i++) {
        if (!http_client_is_private_address(private[i])) {
            fail_msg("%s is private", private[i]);
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(public); i++) {
        if (http_client_is_private_address(public[i])) {
            fail_msg("%s is public", public[i]);
        }
    }
}

static void *call_often(void *arg)
{
    int *failures = arg;
    char target[64];
    (void)snprintf(target, sizeof(target), "http://127.0.0.1:%d/hello", port);
    for (int i = 0; i < 20; i++) {
        struct http_response r;
        const struct http_call c = { .method = "GET", .url = target };
        if (http_client_call(&c, &r, NULL) != OK) {
            ++*failures;
            continue;
        }
        *failures += r.status == 200 ? 0 : 1;
        http_response_release(&r);
    }
    return NULL;
}

static void threads_share_the_handles(void **state)
{
    (void)state;
    pthread_t threads[8];
    int failures[8] = { 0 };
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, call_often, &failures[i]), 0);
    }
    for (size_t i = 0; i < 8; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(failures[i], 0);
    }
}

int main(void)
{
    struct error e = { 0 };
    if (http_client_init(&e) != OK) {
        (void)fprintf(stderr, "%s\n", e.text);
        return 1;
    }
    const struct CMUnitTest tests[] = {
        SERVED(answers_are_read),
        SERVED(credentials_and_bodies_are_sent),
        SERVED(bodies_are_streamed),
        SERVED(a_long_answer_is_cut),
        SERVED(broken_calls),
        SERVED(threads_share_the_handles),
        cmocka_unit_test(headers_of_an_answer),
        cmocka_unit_test(private_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
