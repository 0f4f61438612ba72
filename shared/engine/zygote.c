#include "engine/zygote.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/mem.h"
#include "engine/zygote_wire.h"

#include "core/banned.h"

/* A zygote answers in milliseconds; one that does not is dead. */
#define ANSWER_LIMIT_S 10

/* Lives until its last child was waited for. */
struct zygote_process {
    pid_t pid;
    int fd;
    int children;
};

struct zygote {
    char *program; /* NULL: as engine_job says */
    pthread_mutex_t lock;
    struct zygote_process *current; /* makes the next child; NULL: none yet, or it was left */
};

struct zygote *zygote_new(const char *program)
{
    struct zygote *z = xcalloc(1, sizeof(*z));
    z->program = program == NULL ? NULL : xstrdup(program);
    (void)pthread_mutex_init(&z->lock, NULL);
    return z;
}

/* It ends when its socket is closed. */
static void end_process(struct zygote_process *p)
{
    (void)close(p->fd);
    while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR) {
    }
    free(p);
}

/* No more children from it. */
static void leave_current(struct zygote *z)
{
    struct zygote_process *p = z->current;
    z->current = NULL;
    if (p != NULL && p->children == 0) {
        end_process(p);
    }
}

void zygote_free(struct zygote *z)
{
    if (z != NULL) {
        leave_current(z);
        (void)pthread_mutex_destroy(&z->lock);
        free(z->program);
        free(z);
    }
}

/* NULL: e says why. */
static struct zygote_process *start_process(const struct zygote *z, struct error *e)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        (void)err_set_errno(e, ERR_FAULT, errno, "a socket for the zygote");
        return NULL;
    }
    const struct timeval limit = { .tv_sec = ANSWER_LIMIT_S };
    (void)setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    /* What its loader has to complain of goes where our log goes. */
    const int fds[3] = { pair[1], STDERR_FILENO, STDERR_FILENO };
    pid_t pid = 0;
    enum err err = spawn_program(z->program, ZYGOTE_ARGUMENT, fds, &pid, e);
    (void)close(pair[1]);
    if (err != OK) {
        (void)close(pair[0]);
        return NULL;
    }
    struct zygote_process *p = xcalloc(1, sizeof(*p));
    p->pid = pid;
    p->fd = pair[0];
    return p;
}

/* One request, one reply. fds: ZYGOTE_CHILD_FDS of them, or NULL. */
static bool exchange(const struct zygote_process *p, const struct zygote_request *request,
                     const int *fds, struct zygote_reply *ret_reply)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(ZYGOTE_CHILD_FDS * sizeof(int))];
    } control = { 0 };
    struct iovec part = { (void *)(uintptr_t)request, sizeof(*request) };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
    if (fds != NULL) {
        message.msg_control = &control;
        message.msg_controllen = sizeof(control);
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(ZYGOTE_CHILD_FDS * sizeof(int));
        memcpy(CMSG_DATA(&control.header), fds, ZYGOTE_CHILD_FDS * sizeof(int));
    }
    if (sendmsg(p->fd, &message, MSG_NOSIGNAL) < 0) {
        return false;
    }
    ssize_t got = -1;
    do {
        got = recv(p->fd, ret_reply, sizeof(*ret_reply), 0);
    } while (got < 0 && errno == EINTR);
    return got == (ssize_t)sizeof(*ret_reply);
}

/* False: it is dead, by now at least. A late answer must not be taken for the next request's, and
 * its children die with it. */
static bool ask(const struct zygote_process *p, const struct zygote_request *request,
                const int *fds, struct zygote_reply *ret_reply)
{
    bool has_answer = exchange(p, request, fds, ret_reply);
    if (!has_answer) {
        (void)kill(p->pid, SIGKILL);
    }
    return has_answer;
}

static enum err fork_locked(struct zygote *z, const int fds[ZYGOTE_CHILD_FDS], pid_t *ret_pid,
                            struct error *e)
{
    const struct zygote_request request = { .command = ZYGOTE_FORK };
    struct zygote_reply answer;
    /* One that died since its last child is replaced. */
    for (int try = 0; try < 2; try++) {
        struct zygote_process *p = z->current == NULL ? start_process(z, e) : z->current;
        if (p == NULL) {
            return ERR_FAULT;
        }
        z->current = p;
        if (ask(p, &request, fds, &answer)) {
            if (answer.pid < 0) {
                return err_set_errno(e, ERR_FAULT, -answer.pid, "fork an engine");
            }
            p->children++;
            *ret_pid = answer.pid;
            return OK;
        }
        leave_current(z);
    }
    return err_set(e, ERR_FAULT, "the engine's zygote does not answer");
}

enum err zygote_spawn(struct zygote *z, struct spawned *ret_child, struct error *e)
{
    struct spawn_ends ends;
    enum err err = spawn_open_ends(&ends, e);
    if (err != OK) {
        return err;
    }
    pid_t pid = 0;
    (void)pthread_mutex_lock(&z->lock);
    err = fork_locked(z, ends.theirs, &pid, e);
    if (err == OK) {
        /* Before another thread can leave this zygote. */
        spawn_adopt(&ends, pid, z->current, ret_child);
    } else {
        spawn_close_ends(&ends);
    }
    (void)pthread_mutex_unlock(&z->lock);
    return err;
}

/* A child less. */
static void count_end(struct zygote *z, struct zygote_process *p, bool must_leave)
{
    p->children--;
    if (z->current == p && must_leave) {
        leave_current(z);
    } else if (z->current != p && p->children == 0) {
        end_process(p);
    }
}

pid_t zygote_wait(struct zygote *z, const struct spawned *child, int options, int *ret_status,
                  struct rusage *ret_usage)
{
    const struct zygote_request request = { ZYGOTE_WAIT, child->pid, options };
    struct zygote_reply answer = { 0 };
    (void)pthread_mutex_lock(&z->lock);
    bool has_answer = ask(child->zygote, &request, NULL, &answer) && answer.pid >= 0;
    if (!has_answer) {
        answer = (struct zygote_reply){ .pid = child->pid, .status = W_EXITCODE(1, 0) };
    }
    if (answer.pid != 0) {
        /* A death by a signal is the end of its layout. */
        count_end(z, child->zygote, !has_answer || WIFSIGNALED(answer.status));
    }
    (void)pthread_mutex_unlock(&z->lock);
    *ret_status = answer.status;
    *ret_usage = answer.usage;
    return answer.pid;
}
