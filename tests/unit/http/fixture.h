/* A server in this process and a client that is a bare socket. */
#ifndef TESTS_HTTP_FIXTURE_H
#define TESTS_HTTP_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/server.h"

struct answer {
    int status; /* 0: the connection ended without an answer */
    char head[8192];
    char *body;
    size_t body_len;
};

/* A socket that listens on a free port of the loopback. */
int fixture_listen(int *ret_port);
int fixture_connect(int port);
bool fixture_can_connect(int port);
/* Fails the test when the bytes cannot be sent within 10 s. */
void fixture_send(int fd, const void *bytes, size_t len);
void fixture_send_text(int fd, const char *text);
/* Reads one answer; `is_head`: to HEAD, which has no body. Free with answer_release. */
struct answer fixture_read(int fd, bool is_head);
void answer_release(struct answer *a);
/* The value of a header of the answer; NULL when absent. Valid until the next call. */
const char *answer_header(const struct answer *a, const char *name);
/* Whether the other side has closed the connection, within timeout_ms. */
bool fixture_is_closed(int fd, int timeout_ms);
/* One request on a connection of its own. */
struct answer fixture_ask(int port, const char *request);
int64_t now_ms(void);

#endif
