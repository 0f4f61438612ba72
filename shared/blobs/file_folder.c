#include "blobs/file_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/text.h"
#include "core/banned.h"

int file_dir_of(struct blobs *b)
{
    return CONTAINER_OF(b, struct file_blobs, base)->dir_fd;
}

void file_names_make(struct file_names *names, const char *id)
{
    (void)text_copy(names->data, sizeof(names->data), id);
    (void)snprintf(names->part, sizeof(names->part), "%s.part", id);
    (void)snprintf(names->json, sizeof(names->json), "%s.json", id);
    (void)snprintf(names->json_temporary, sizeof(names->json_temporary), "%s.json.new", id);
}

bool file_has_name(int dir_fd, const char *name)
{
    return faccessat(dir_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

void file_names_remove(int dir_fd, const struct file_names *names)
{
    /* The data goes last: what a crash leaves half removed is still found as an orphan. */
    (void)unlinkat(dir_fd, names->json_temporary, 0);
    (void)unlinkat(dir_fd, names->json, 0);
    (void)unlinkat(dir_fd, names->part, 0);
}

enum err file_read_at(int fd, int64_t offset, void *dst, size_t len, size_t *ret_len,
                      struct error *e)
{
    size_t got = 0;
    while (got < len) {
        ssize_t n = pread(fd, (char *)dst + got, len - got, offset + (int64_t)got);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return file_error(errno, "read a blob", e);
        }
        if (n == 0) {
            break;
        }
        got += (size_t)n;
    }
    *ret_len = got;
    return OK;
}

enum err file_error(int errnum, const char *what, struct error *e)
{
    enum err err = ERR_FAULT;
    if (errnum == ENOENT) {
        err = ERR_NOT_FOUND;
    } else if (errnum == EEXIST) {
        err = ERR_EXISTS;
    } else if (errnum == ENOSPC || errnum == EDQUOT || errnum == EMFILE || errnum == ENFILE) {
        err = ERR_BUSY;
    }
    return err_set_errno(e, err, errnum, "blobs: %s", what);
}
