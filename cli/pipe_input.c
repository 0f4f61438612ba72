#include "pipe_input.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "core/banned.h"

struct pipe_input {
    int fd;
    bool is_over;
    int64_t end; /* bytes that have come */
    size_t size;
    char *ring; /* the last `size` of them, each at its offset modulo size */
};

struct pipe_input *pipe_input_new(int fd, size_t window_size)
{
    struct pipe_input *p = xcalloc(1, sizeof(*p));
    p->fd = fd;
    p->size = window_size;
    p->ring = xmalloc(window_size);
    return p;
}

void pipe_input_free(struct pipe_input *p)
{
    if (p != NULL) {
        free(p->ring);
        free(p);
    }
}

/* One read(2), up to the ring's edge and no further than `until`: what is kept is not pushed out
 * before it has to be. */
static enum err fill(struct pipe_input *p, int64_t until, struct error *e)
{
    size_t place = (size_t)(p->end % (int64_t)p->size);
    size_t room = p->size - place;
    int64_t wanted = until - p->end;
    ssize_t got = -1;
    do {
        got = read(p->fd, p->ring + place, wanted < (int64_t)room ? (size_t)wanted : room);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        return err_set_errno(e, ERR_FAULT, errno, "read the pipe");
    }
    p->is_over = got == 0;
    p->end += got;
    return OK;
}

/* Kept bytes, up to the ring's edge. */
static size_t copy(const struct pipe_input *p, int64_t offset, char *dst, size_t len)
{
    size_t place = (size_t)(offset % (int64_t)p->size);
    size_t take = p->size - place < len ? p->size - place : len;
    take = p->end - offset < (int64_t)take ? (size_t)(p->end - offset) : take;
    memcpy(dst, p->ring + place, take);
    return take;
}

enum err pipe_input_read(struct pipe_input *p, int64_t offset, void *dst, size_t len,
                         size_t *ret_len, struct error *e)
{
    size_t done = 0;
    if (offset < p->end - (int64_t)p->size) {
        return err_set(e, ERR_INVALID,
                       "this video has to be read backwards, which a pipe cannot (an MP4 whose "
                       "index is at its end, most likely): give it as a file");
    }
    while (done < len) {
        int64_t at = offset + (int64_t)done;
        if (at < p->end) {
            done += copy(p, at, (char *)dst + done, len - done);
        } else if (p->is_over) {
            break;
        } else {
            enum err err = fill(p, offset + (int64_t)len, e);
            if (err != OK) {
                return err;
            }
        }
    }
    *ret_len = done;
    return OK;
}
