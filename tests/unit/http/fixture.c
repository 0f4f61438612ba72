#include "fixture.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"

#define PATIENCE_MS 10000

int64_t now_ms(void)
{
    return clock_mono_ms();
}

int fixture_listen(int *ret_port)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(listen(fd, 5), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    *ret_port = ntohs(a.sin_port);
    return fd;
}

static int try_connect(int port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in a = { .sin_family = AF_INET,
                             .sin_port = htons((in_port_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    assert_true(fd >= 0);
    if (connect(fd, (const struct sockaddr *)&a, sizeof(a)) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

int fixture_connect(int port)
{
    int fd = try_connect(port);
    assert_true(fd >= 0);
    return fd;
}

bool fixture_can_connect(int port)
{
    int fd = try_connect(port);
    if (fd >= 0) {
        close(fd);
    }
    return fd >= 0;
}

void fixture_send(int fd, const void *bytes, size_t len)
{
    const char *at = bytes;
    while (len > 0) {
        struct pollfd p = { .fd = fd, .events = POLLOUT };
        assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
        ssize_t n = send(fd, at, len, MSG_NOSIGNAL);
        assert_true(n > 0);
        at += n;
        len -= (size_t)n;
    }
}

void fixture_send_text(int fd, const char *text)
{
    fixture_send(fd, text, strlen(text));
}

/* The next byte, or -1 at the end. */
static int read_byte(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    unsigned char c = 0;
    if (poll(&p, 1, PATIENCE_MS) != 1 || recv(fd, &c, 1, 0) != 1) {
        return -1;
    }
    return c;
}

static void read_to_end(int fd, struct answer *a)
{
    size_t capacity = 1024;
    a->body = malloc(capacity + 1);
    ssize_t n = 1;
    while (n > 0) {
        if (a->body_len == capacity) {
            capacity *= 2;
            a->body = realloc(a->body, capacity + 1);
        }
        struct pollfd p = { .fd = fd, .events = POLLIN };
        n = poll(&p, 1, PATIENCE_MS) == 1
                ? recv(fd, a->body + a->body_len, capacity - a->body_len, 0)
                : 0;
        a->body_len += n > 0 ? (size_t)n : 0;
    }
}

static void read_exactly(int fd, struct answer *a, size_t len)
{
    a->body = malloc(len + 1);
    while (a->body_len < len) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        ssize_t n = poll(&p, 1, PATIENCE_MS) == 1
                        ? recv(fd, a->body + a->body_len, len - a->body_len, 0)
                        : 0;
        if (n <= 0) {
            return; /* the test sees that the body is short */
        }
        a->body_len += (size_t)n;
    }
}

struct answer fixture_read(int fd, bool is_head)
{
    struct answer a = { .status = 0 };
    size_t len = 0;
    while (len < sizeof(a.head) - 1 && (len < 4 || memcmp(a.head + len - 4, "\r\n\r\n", 4) != 0)) {
        int c = read_byte(fd);
        if (c < 0) {
            break;
        }
        a.head[len++] = (char)c;
    }
    a.head[len] = '\0';
    if (strncmp(a.head, "HTTP/1.", 7) == 0) {
        a.status = (int)strtol(a.head + 9, NULL, 10);
    }
    const char *length = answer_header(&a, "Content-Length");
    if (a.status == 0 || is_head || a.status == 204 || a.status == 100) {
        a.body = calloc(1, 1);
    } else if (length != NULL) {
        read_exactly(fd, &a, strtoul(length, NULL, 10));
    } else {
        read_to_end(fd, &a);
    }
    a.body[a.body_len] = '\0';
    return a;
}

void answer_release(struct answer *a)
{
    free(a->body);
    a->body = NULL;
}

const char *answer_header(const struct answer *a, const char *name)
{
    static char value[1024];
    size_t len = strlen(name);
    for (const char *line = strstr(a->head, "\r\n"); line != NULL; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, len) == 0 && line[len] == ':') {
            const char *text = line + len + 1 + strspn(line + len + 1, " ");
            (void)snprintf(value, sizeof(value), "%.*s", (int)strcspn(text, "\r"), text);
            return value;
        }
    }
    return NULL;
}

bool fixture_is_closed(int fd, int timeout_ms)
{
    int64_t end = now_ms() + timeout_ms;
    while (now_ms() < end) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        char c;
        if (poll(&p, 1, (int)(end - now_ms()) + 1) == 1 && recv(fd, &c, 1, 0) <= 0) {
            return true;
        }
    }
    return false;
}

struct answer fixture_ask(int port, const char *request)
{
    int fd = fixture_connect(port);
    fixture_send_text(fd, request);
    struct answer a = fixture_read(fd, strncmp(request, "HEAD ", 5) == 0);
    close(fd);
    return a;
}
