/* A server may close a kept connection at any moment, also while the next request is on its way:
 * the client asks once more, on a new connection, when not a byte of the answer came. */
#include "fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/attr.h"
#include "http/client.h"

#define CUT "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no"
#define KEPT "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

/* What the server does with the second request of the first connection. */
enum end {
    END_CLOSED, /* closed after it was read, */
    END_RESET,  /* or reset, */
    END_CUT     /* or after a piece of the answer */
};

struct closing {
    enum end end;
    int listen_fd;
    int port;
    atomic_int fd;       /* the connection in hand; -1: none */
    atomic_int requests; /* seen by the server */
    pthread_t thread;
};

/* Reads a head, and the body "body" when there is one. */
static bool read_request(struct closing *s, int fd)
{
    char text[4096];
    size_t len = 0;
    ssize_t n = 1;
    text[0] = '\0';
    while (n > 0 && (strstr(text, "\r\n\r\n") == NULL ||
                     (strstr(text, "Content-Length: 4") != NULL && strstr(text, "body") == NULL))) {
        n = recv(fd, text + len, sizeof(text) - 1 - len, 0);
        len += n > 0 ? (size_t)n : 0;
        text[len] = '\0';
    }
    s->requests += n > 0;
    return n > 0;
}

static void end_connection(const struct closing *s, int fd)
{
    if (s->end == END_RESET) {
        const struct linger now = { .l_onoff = 1, .l_linger = 0 };
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    } else if (s->end == END_CUT) {
        (void)!send(fd, CUT, sizeof(CUT) - 1, MSG_NOSIGNAL);
    }
    (void)close(fd);
}

static void *serve(void *arg)
{
    struct closing *s = arg;
    for (int connection = 0;; connection++) {
        int fd = accept(s->listen_fd, NULL, NULL);
        if (fd < 0) {
            return NULL;
        }
        int answers = connection == 0 ? 1 : 100;
        s->fd = fd;
        while (read_request(s, fd) && answers > 0) {
            (void)!send(fd, KEPT, sizeof(KEPT) - 1, MSG_NOSIGNAL);
            answers--;
        }
        s->fd = -1;
        end_connection(s, fd);
    }
}

static void start(struct closing *s)
{
    s->listen_fd = fixture_listen(&s->port);
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void stop(struct closing *s)
{
    (void)shutdown(s->listen_fd, SHUT_RDWR);
    /* The client keeps its connection, but this server ends. */
    if (s->fd >= 0) {
        (void)shutdown(s->fd, SHUT_RDWR);
    }
    (void)pthread_join(s->thread, NULL);
    (void)close(s->listen_fd);
}

static enum err read_body(void *ctx, void *dst, size_t max, size_t *ret_len)
{
    bool *is_read = ctx;
    *ret_len = *is_read || max < 4 ? 0 : 4;
    memcpy(dst, "body", *ret_len);
    *is_read = true;
    return OK;
}

static void a_kept_connection_that_ends_costs_one_more_try(void **state)
{
    (void)state;

    static const struct {
        const char *name;
        const char *method;
        const char *body;
        bool is_streamed;
        enum end end;
        enum err err;
        int requests;
    } cases[] = {
        { "GET, closed", "GET", NULL, false, END_CLOSED, OK, 3 },
        { "GET, reset", "GET", NULL, false, END_RESET, OK, 3 },
        { "HEAD, closed", "HEAD", NULL, false, END_CLOSED, OK, 3 },
        { "DELETE, reset", "DELETE", NULL, false, END_RESET, OK, 3 },
        { "PUT, closed", "PUT", "body", false, END_CLOSED, OK, 3 },
        { "GET, cut", "GET", NULL, false, END_CUT, ERR_BUSY, 2 },
        { "POST, closed", "POST", "body", false, END_CLOSED, OK, 3 },
        { "POST, reset", "POST", "body", false, END_RESET, OK, 3 },
        /* Its bytes are gone: who called decides. */
        { "streamed POST, closed", "POST", NULL, true, END_CLOSED, ERR_BUSY, 2 },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct closing s = { .end = cases[i].end, .fd = -1 };
        start(&s);
        char url[64];
        (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/x", s.port);
        bool is_read = false;
        struct http_response r;
        const struct http_call first = { .method = "GET", .url = url };
        assert_int_equal(http_client_call(&first, &r, NULL), OK);
        http_response_release(&r);
        const struct http_call second = { .method = cases[i].method,
                                          .url = url,
                                          .body = cases[i].body,
                                          .body_len = cases[i].body != NULL ? 4 : 0,
                                          .read_body = cases[i].is_streamed ? read_body : NULL,
                                          .body_size = cases[i].is_streamed ? 4 : 0,
                                          .ctx = &is_read,
                                          .timeout_ms = 5000 };
        struct error e = { 0 };
        enum err err = http_client_call(&second, &r, &e);
        if (err == OK) {
            http_response_release(&r);
        }
        stop(&s);
        if (err != cases[i].err || s.requests != cases[i].requests) {
            fail_msg("%s: %s %s, %d requests", cases[i].name, err_name(err), e.text, s.requests);
        }
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
        cmocka_unit_test(a_kept_connection_that_ends_costs_one_more_try),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
