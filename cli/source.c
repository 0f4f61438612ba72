#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pipe_input.h"

#include "core/banned.h"

/* A file that somebody has read a part of goes on from there, as a pipe does. */
static bool is_file(int fd, const struct stat *info)
{
    return S_ISREG(info->st_mode) && lseek(fd, 0, SEEK_CUR) == 0;
}

static bool is_pipe(const struct stat *info)
{
    return S_ISFIFO(info->st_mode) || S_ISSOCK(info->st_mode) || S_ISREG(info->st_mode);
}

enum err source_open(const char *path, struct source *ret_source, struct error *e)
{
    struct stat info;
    bool is_standard = strcmp(path, "-") == 0;
    const char *name = is_standard ? "standard input" : path;
    /* A descriptor of its own either way, so that it can be closed. */
    int fd = is_standard ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0)
                         : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info) != 0) {
        enum err err = err_set_errno(e, ERR_NOT_FOUND, errno, "%s", name);
        if (fd >= 0) {
            (void)close(fd);
        }
        return err;
    }
    struct source s = { .fd = fd, .size_bytes = info.st_size };
    if (!is_file(fd, &info)) {
        if (!is_pipe(&info)) {
            (void)close(fd);
            return err_set(e, ERR_INVALID, "%s is not a file or a pipe", name);
        }
        s.size_bytes = -1;
        s.pipe = pipe_input_new(fd, PIPE_INPUT_WINDOW);
    }
    *ret_source = s;
    return OK;
}

void source_release(struct source *s)
{
    pipe_input_free(s->pipe);
    if (s->fd >= 0) {
        (void)close(s->fd);
    }
}

enum err source_read(struct source *s, int64_t offset, void *dst, size_t len, size_t *ret_len,
                     struct error *e)
{
    size_t done = 0;
    if (s->pipe != NULL) {
        return pipe_input_read(s->pipe, offset, dst, len, ret_len, e);
    }
    while (done < len) {
        ssize_t n = pread(s->fd, (char *)dst + done, len - done, offset + (int64_t)done);
        if (n < 0 && errno != EINTR) {
            return err_set_errno(e, ERR_FAULT, errno, "read the video");
        }
        if (n == 0) {
            break;
        }
        done += n > 0 ? (size_t)n : 0;
    }
    *ret_len = done;
    return OK;
}
