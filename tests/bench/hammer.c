/* hammer PORT CONNECTIONS SECONDS < REQUEST: sends the same HTTP request over and over on each
 * connection and prints how many answers came per second. Every answer must be a 200 with a
 * Content-Length. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS_MAX 256

struct connection {
    int fd;
    size_t have;
    char answer[65536];
};

static char request[65536];
static size_t request_len;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void ask(const struct connection *c)
{
    if (write(c->fd, request, request_len) != (ssize_t)request_len) {
        die("write");
    }
}

/* The length of the whole answer in the buffer, 0 while it is incomplete. */
static size_t answer_len(const struct connection *c)
{
    const char *body = strstr(c->answer, "\r\n\r\n");
    if (body == NULL) {
        return 0;
    }
    const char *length = strcasestr(c->answer, "\r\nContent-Length:");
    if (strncmp(c->answer, "HTTP/1.1 200 ", 13) != 0 || length == NULL || length > body) {
        fprintf(stderr, "not a plain 200: %.300s\n", c->answer);
        exit(1);
    }
    size_t total = (size_t)(body + 4 - c->answer) + strtoul(length + 17, NULL, 10);
    return c->have >= total ? total : 0;
}

static int open_connection(int port)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0) {
        die("connect");
    }
    return fd;
}

static int receive(struct connection *c)
{
    ssize_t got = read(c->fd, c->answer + c->have, sizeof(c->answer) - 1 - c->have);
    if (got <= 0) {
        die("read");
    }
    c->have += (size_t)got;
    c->answer[c->have] = '\0';
    if (answer_len(c) == 0) {
        return 0;
    }
    c->have = 0;
    ask(c);
    return 1;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        return 2;
    }
    int port = (int)strtol(argv[1], NULL, 10);
    int count = (int)strtol(argv[2], NULL, 10);
    double seconds = strtod(argv[3], NULL);
    request_len = fread(request, 1, sizeof(request), stdin);
    int poller = epoll_create1(0);
    struct connection *all = calloc(CONNECTIONS_MAX, sizeof(*all));
    if (all == NULL || poller < 0 || count < 1 || count > CONNECTIONS_MAX) {
        return 2;
    }
    for (int i = 0; i < count; i++) {
        all[i].fd = open_connection(port);
        struct epoll_event event = { .events = EPOLLIN, .data.ptr = &all[i] };
        if (epoll_ctl(poller, EPOLL_CTL_ADD, all[i].fd, &event) != 0) {
            die("epoll_ctl");
        }
        ask(&all[i]);
    }
    long answers = 0;
    double began = now_s();
    while (now_s() - began < seconds) {
        struct epoll_event ready[64];
        int found = epoll_wait(poller, ready, 64, 100);
        for (int i = 0; i < found; i++) {
            answers += receive(ready[i].data.ptr);
        }
    }
    printf("%.1f\n", (double)answers / (now_s() - began));
    return 0;
}
