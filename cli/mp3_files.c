#include "mp3_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/mem.h"

#include "core/banned.h"

/* The caller frees it. */
static char *path_of(const struct mp3_files *m, int number)
{
    const char *path = m->path;
    if (number == 0) {
        return xstrdup(path);
    }
    const char *name = strrchr(path, '/');
    const char *dot = strrchr(name == NULL ? path : name, '.');
    size_t stem = dot == NULL ? strlen(path) : (size_t)(dot - path);
    size_t size = strlen(path) + 16;
    char *numbered = xmalloc(size);
    (void)snprintf(numbered, size, "%.*s-%d%s", (int)stem, path, number + 1,
                   dot == NULL ? "" : dot);
    return numbered;
}

static enum err open_file(struct mp3_files *m, int number, struct error *e)
{
    char *path = path_of(m, number);
    enum err rc = partial_open(path, &m->files[number], e);
    if (rc != OK) {
        free(path);
        return rc;
    }
    m->paths[number] = path;
    m->is_open[number] = true;
    return OK;
}

/* Whether pwrite puts bytes where they were written; behind ">>" it would append. */
static bool can_rewrite(int fd)
{
    struct stat info;
    int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && (flags & O_APPEND) == 0 && fstat(fd, &info) == 0 &&
           S_ISREG(info.st_mode) && lseek(fd, 0, SEEK_CUR) == 0;
}

static enum err use_standard(struct mp3_files *m, struct error *e)
{
    if (isatty(STDOUT_FILENO)) {
        return err_set(e, ERR_INVALID,
                       "standard output is a terminal: send it to a file or a pipe");
    }
    m->is_standard = true;
    m->is_stream = !can_rewrite(STDOUT_FILENO);
    m->paths[0] = xstrdup(m->path);
    m->files[0].fd = STDOUT_FILENO;
    return OK;
}

enum err mp3_files_open(struct mp3_files *m, const char *path, struct error *e)
{
    *m = (struct mp3_files){ .path = path };
    return strcmp(path, "-") == 0 ? use_standard(m, e) : open_file(m, 0, e);
}

enum err mp3_files_write(struct mp3_files *m, int number, const void *bytes, size_t len,
                         struct error *e)
{
    if (m->is_standard && number != 0) {
        return err_set(e, ERR_INVALID, "standard output takes one MP3 only: name a file");
    }
    enum err rc = m->paths[number] == NULL ? open_file(m, number, e) : OK;
    m->has_bytes[number] = rc == OK;
    for (size_t done = 0; done < len && rc == OK;) {
        ssize_t n = write(m->files[number].fd, (const char *)bytes + done, len - done);
        if (n < 0 && errno != EINTR) {
            rc = err_set_errno(e, ERR_FAULT, errno, "write the MP3");
        }
        done += n > 0 ? (size_t)n : 0;
    }
    return rc;
}

enum err mp3_files_rewrite(struct mp3_files *m, int number, int64_t offset, const void *bytes,
                           size_t len, struct error *e)
{
    ssize_t n = pwrite(m->files[number].fd, bytes, len, offset);
    return n == (ssize_t)len ? OK : err_set_errno(e, ERR_FAULT, errno, "write the MP3's tag");
}

enum err mp3_files_restart(struct mp3_files *m, int number, struct error *e)
{
    int fd = m->files[number].fd;
    m->has_bytes[number] = false;
    return ftruncate(fd, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0
               ? OK
               : err_set_errno(e, ERR_FAULT, errno, "write the MP3 anew");
}

enum err mp3_files_commit(struct mp3_files *m, struct error *e)
{
    enum err rc = OK;
    for (int i = 0; i < JOB_OUTPUTS_MAX && rc == OK; i++) {
        if (m->is_open[i] && m->has_bytes[i]) {
            m->is_open[i] = false;
            rc = partial_commit(&m->files[i], e);
        }
    }
    return rc;
}

void mp3_files_release(struct mp3_files *m)
{
    for (int i = 0; i < JOB_OUTPUTS_MAX; i++) {
        if (m->is_open[i]) {
            partial_abort(&m->files[i]);
        }
        free(m->paths[i]);
    }
}
