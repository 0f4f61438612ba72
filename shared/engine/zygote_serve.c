#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/zygote_wire.h"

#include "core/banned.h"

#define SOCKET_FD 0

struct received {
    struct zygote_request request;
    int fds[ZYGOTE_CHILD_FDS];
    int fd_count;
};

static void take_fds(struct msghdr *message, struct received *r)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
            r->fd_count = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
            memcpy(r->fds, CMSG_DATA(c), (size_t)r->fd_count * sizeof(int));
        }
    }
}

/* False at the other end's end. */
static bool receive(struct received *r)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(ZYGOTE_CHILD_FDS * sizeof(int))];
    } control;
    struct iovec part = { &r->request, sizeof(r->request) };
    struct msghdr message = { .msg_iov = &part,
                              .msg_iovlen = 1,
                              .msg_control = &control,
                              .msg_controllen = sizeof(control) };
    r->fd_count = 0;
    ssize_t got = -1;
    do {
        got = recvmsg(SOCKET_FD, &message, 0);
    } while (got < 0 && errno == EINTR);
    if (got > 0) {
        take_fds(&message, r);
    }
    return got == (ssize_t)sizeof(r->request);
}

/* Into the places of a child: 0 is the zygote's socket no more. */
static bool place_fds(const struct received *r)
{
    for (int i = 0; i < ZYGOTE_CHILD_FDS; i++) {
        if (dup2(r->fds[i], i) < 0) {
            return false;
        }
    }
    return true;
}

static void close_fds(const struct received *r)
{
    for (int i = 0; i < r->fd_count; i++) {
        (void)close(r->fds[i]);
    }
}

static void reply(const struct zygote_reply *answer)
{
    /* An end that is gone is seen by the next receive. */
    (void)!send(SOCKET_FD, answer, sizeof(*answer), MSG_NOSIGNAL);
}

/* True in the child. */
static bool fork_child(const struct received *r)
{
    struct zygote_reply answer = { .pid = -EINVAL };
    if (r->fd_count == ZYGOTE_CHILD_FDS) {
        answer.pid = fork();
        if (answer.pid == 0) {
            /* A group of its own, as an exec'd one has. */
            bool is_placed = place_fds(r) && setpgid(0, 0) == 0;
            close_fds(r);
            if (!is_placed) {
                _exit(1);
            }
            return true;
        }
        answer.pid = answer.pid < 0 ? -errno : answer.pid;
    }
    close_fds(r);
    reply(&answer);
    return false;
}

static void wait_child(const struct zygote_request *request)
{
    struct zygote_reply answer = { 0 };
    int status = 0;
    do {
        answer.pid = wait4(request->pid, &status, request->options, &answer.usage);
    } while (answer.pid < 0 && errno == EINTR);
    answer.pid = answer.pid < 0 ? -errno : answer.pid;
    answer.status = status;
    reply(&answer);
}

bool zygote_serve(void)
{
    struct received r;
    while (receive(&r)) {
        if (r.request.command == ZYGOTE_FORK) {
            if (fork_child(&r)) {
                return true;
            }
        } else {
            close_fds(&r);
            wait_child(&r.request);
        }
    }
    return false;
}
