#include "queue/queue_wake.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "core/mem.h"
#include "core/banned.h"

struct queue_wake {
    char *path;
    int inotify_fd;
    int interrupt_fd;
};

static int open_file(const char *path)
{
    return open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
}

void queue_wake_touch(const char *path)
{
    int fd = open_file(path);

    if (fd >= 0) {
        ssize_t written = pwrite(fd, "\n", 1, 0);

        (void)written;
        (void)close(fd);
    }
}

/* Makes the file when it is missing and watches it. */
static enum err add_watch(const struct queue_wake *w, struct error *e)
{
    int fd = open_file(w->path);

    if (fd < 0) {
        return err_set_errno(e, ERR_FAULT, errno, "open %s", w->path);
    }
    (void)close(fd);
    if (inotify_add_watch(w->inotify_fd, w->path, IN_MODIFY | IN_DELETE_SELF | IN_MOVE_SELF) < 0) {
        return err_set_errno(e, ERR_FAULT, errno, "watch %s", w->path);
    }
    return OK;
}

enum err queue_wake_open(const char *path, struct queue_wake **ret_wake, struct error *e)
{
    AUTO(queue_wake_close) struct queue_wake *w = xcalloc(1, sizeof(*w));
    enum err err;

    w->path = xstrdup(path);
    w->interrupt_fd = -1;
    w->inotify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (w->inotify_fd < 0) {
        return err_set_errno(e, ERR_FAULT, errno, "inotify");
    }
    w->interrupt_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (w->interrupt_fd < 0) {
        return err_set_errno(e, ERR_FAULT, errno, "eventfd");
    }
    err = add_watch(w, e);
    if (err != OK) {
        return err;
    }
    *ret_wake = TAKE(w);
    return OK;
}

void queue_wake_close(struct queue_wake *w)
{
    if (w == NULL) {
        return;
    }
    if (w->inotify_fd >= 0) {
        (void)close(w->inotify_fd);
    }
    if (w->interrupt_fd >= 0) {
        (void)close(w->interrupt_fd);
    }
    free(w->path);
    free(w);
}

/* Empties the queue of events; watches the path again when its file has gone. */
static void drain(const struct queue_wake *w)
{
    char events[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
    bool is_lost = false;
    ssize_t len = read(w->inotify_fd, events, sizeof(events));

    while (len > 0) {
        for (ssize_t at = 0; at < len;) {
            const struct inotify_event *event = (const void *)(events + at);

            is_lost = is_lost || (event->mask & ~(uint32_t)IN_MODIFY) != 0;
            at += (ssize_t)(sizeof(*event) + event->len);
        }
        len = read(w->inotify_fd, events, sizeof(events));
    }
    if (is_lost) {
        enum err err = add_watch(w, NULL);

        (void)err; /* the waiter's own timeout is the net below this */
    }
}

void queue_wake_wait(struct queue_wake *w, int64_t timeout_ms)
{
    struct pollfd fds[] = { { .fd = w->inotify_fd, .events = POLLIN },
                            { .fd = w->interrupt_fd, .events = POLLIN } };
    int timeout = timeout_ms > INT_MAX ? INT_MAX : (int)timeout_ms;

    if (poll(fds, ARRAY_LEN(fds), timeout) > 0 && fds[0].revents != 0) {
        drain(w);
    }
}

void queue_wake_interrupt(struct queue_wake *w)
{
    uint64_t one = 1;
    ssize_t written = write(w->interrupt_fd, &one, sizeof(one));

    (void)written; /* the counter cannot overflow; it only has to be above zero */
}
