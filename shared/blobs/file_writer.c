/* The writing half of the folder engine. */
#include "blobs/file_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "blobs/file_sidecar.h"
#include "core/clock.h"
#include "core/text.h"
#include "core/banned.h"

/* The disk is set to work after so many bytes, which keeps the sync at the commit short. */
#define WRITE_BACK_BYTES ((int64_t)8 * 1024 * 1024)

struct file_writer {
    struct blob_writer base;
    struct file_names names;
    struct sidecar sidecar;
    int dir_fd; /* borrowed */
    int fd;
    int64_t flushed_bytes; /* handed to the disk */
    bool is_named;         /* has its final name; only the folder's sync may be missing */
};

static struct file_writer *writer_of(struct blob_writer *w)
{
    return CONTAINER_OF(w, struct file_writer, base);
}

static struct file_writer *new_writer(struct blobs *b, const struct file_names *names, int fd)
{
    struct file_writer *w = xcalloc(1, sizeof(*w));
    w->names = *names;
    w->dir_fd = file_dir_of(b);
    w->fd = fd;
    return w;
}

static enum err describe(struct file_writer *w, bool is_durable, struct error *e)
{
    return sidecar_write(w->dir_fd, w->names.json, w->names.json_temporary, &w->sidecar, is_durable,
                         e);
}

enum err file_writer_create(struct blobs *b, const char *id, const struct blob_meta *meta,
                            struct blob_writer **ret_writer, struct error *e)
{
    struct file_names names;
    file_names_make(&names, id);
    int dir_fd = file_dir_of(b);
    int fd = openat(dir_fd, names.part, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return file_error(errno, "create a blob", e);
    }
    /* Only now: a commit between a look and the create would go unseen. */
    if (file_has_name(dir_fd, names.data)) {
        (void)close(fd);
        (void)unlinkat(dir_fd, names.part, 0);
        return err_set(e, ERR_EXISTS, "blobs: the blob has been committed");
    }
    struct file_writer *w = new_writer(b, &names, fd);
    (void)text_copy(w->sidecar.owner, sizeof(w->sidecar.owner), meta->owner);
    (void)text_copy(w->sidecar.filename, sizeof(w->sidecar.filename), meta->filename);
    (void)text_copy(w->sidecar.content_type, sizeof(w->sidecar.content_type), meta->content_type);
    w->sidecar.created_at_ms = clock_wall_ms();
    enum err err = describe(w, false, e);
    if (err != OK) {
        file_names_remove(dir_fd, &names);
        (void)close(fd);
        free(w);
        return err;
    }
    *ret_writer = &w->base;
    return OK;
}

enum err file_writer_resume(struct blobs *b, const char *id, struct blob_writer **ret_writer,
                            struct error *e)
{
    struct file_names names;
    file_names_make(&names, id);
    int fd = openat(file_dir_of(b), names.part, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    int errnum = errno;
    if (file_has_name(file_dir_of(b), names.data)) {
        if (fd >= 0) {
            (void)close(fd);
        }
        return err_set(e, ERR_EXISTS, "blobs: the blob has been committed");
    }
    if (fd < 0) {
        return file_error(errnum, "resume a blob", e);
    }
    struct file_writer *w = new_writer(b, &names, fd);
    struct stat st;
    enum err err = OK;
    if (fstat(fd, &st) != 0) {
        err = file_error(errno, "look at a blob", e);
    } else {
        /* The process before may have died before it described the blob. */
        w->sidecar.created_at_ms = (int64_t)st.st_mtim.tv_sec * 1000;
        err = sidecar_read(w->dir_fd, names.json, &w->sidecar, e);
        err = err == ERR_NOT_FOUND ? OK : err;
    }
    if (err != OK) {
        (void)close(fd);
        free(w);
        return err;
    }
    w->base.size_bytes = st.st_size;
    w->flushed_bytes = st.st_size;
    *ret_writer = &w->base;
    return OK;
}

static enum err write_at(int fd, int64_t offset, const void *bytes, size_t len, struct error *e)
{
    const char *at = bytes;
    while (len > 0) {
        ssize_t written = pwrite(fd, at, len, offset);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return file_error(written < 0 ? errno : ENOSPC, "write a blob", e);
        }
        at += written;
        offset += written;
        len -= (size_t)written;
    }
    return OK;
}

enum err file_writer_write(struct blob_writer *base, const void *bytes, size_t len, struct error *e)
{
    struct file_writer *w = writer_of(base);
    enum err err = write_at(w->fd, base->size_bytes, bytes, len, e);
    int64_t end = base->size_bytes + (int64_t)len;
    if (err == OK && end - w->flushed_bytes >= WRITE_BACK_BYTES) {
        /* A hint: what fails here shows at the sync. */
        (void)sync_file_range(w->fd, w->flushed_bytes, end - w->flushed_bytes,
                              SYNC_FILE_RANGE_WRITE);
        w->flushed_bytes = end;
    }
    return err;
}

enum err file_writer_rewrite(struct blob_writer *base, int64_t offset, const void *bytes,
                             size_t len, struct error *e)
{
    return write_at(writer_of(base)->fd, offset, bytes, len, e);
}

enum err file_writer_read_back(struct blob_writer *base, int64_t offset, void *dst, size_t len,
                               struct error *e)
{
    size_t got = 0;
    enum err err = file_read_at(writer_of(base)->fd, offset, dst, len, &got, e);
    if (err == OK && got < len) {
        return err_set(e, ERR_CORRUPT, "blobs: the file has become shorter");
    }
    return err;
}

enum err file_writer_settle(struct blob_writer *base, struct error *e)
{
    if (fdatasync(writer_of(base)->fd) != 0) {
        return file_error(errno, "sync a blob", e);
    }
    return OK;
}

static enum err sync_folder(int dir_fd, struct error *e)
{
    if (fsync(dir_fd) != 0) {
        return file_error(errno, "sync the folder of blobs", e);
    }
    return OK;
}

/* Gives ID.part its final name unless that is taken. */
static enum err name_data(struct file_writer *w, struct error *e)
{
    const struct file_names *names = &w->names;
    if (renameat2(w->dir_fd, names->part, w->dir_fd, names->data, RENAME_NOREPLACE) == 0) {
        return OK;
    }
    if (errno == EINVAL || errno == ENOSYS) { /* a file system without that flag */
        if (linkat(w->dir_fd, names->part, w->dir_fd, names->data, 0) == 0) {
            (void)unlinkat(w->dir_fd, names->part, 0);
            return OK;
        }
    }
    return file_error(errno, "commit a blob", e);
}

enum err file_writer_publish(struct blob_writer *base, const char *sha256, struct error *e)
{
    struct file_writer *w = writer_of(base);
    enum err err = OK;
    if (!w->is_named) {
        (void)text_copy(w->sidecar.sha256, sizeof(w->sidecar.sha256), sha256);
        w->sidecar.size_bytes = base->size_bytes;
        if (!file_has_name(w->dir_fd, w->names.part)) {
            return err_set(e, ERR_NOT_FOUND, "blobs: the blob was removed while it was written");
        }
        err = describe(w, true, e);
        if (err == OK) {
            err = name_data(w, e);
        }
    }
    w->is_named = err == OK;
    return err == OK ? sync_folder(w->dir_fd, e) : err;
}

enum err file_writer_keep(struct blob_writer *base, struct error *e)
{
    struct file_writer *w = writer_of(base);
    if (!file_has_name(w->dir_fd, w->names.part)) {
        return err_set(e, ERR_NOT_FOUND, "blobs: the blob was removed while it was written");
    }
    enum err err = describe(w, true, e);
    return err == OK ? sync_folder(w->dir_fd, e) : err;
}

void file_writer_discard(struct blob_writer *base)
{
    struct file_writer *w = writer_of(base);
    if (w->is_named) {
        (void)unlinkat(w->dir_fd, w->names.data, 0);
    }
    file_names_remove(w->dir_fd, &w->names);
}

void file_writer_release(struct blob_writer *base)
{
    struct file_writer *w = writer_of(base);
    (void)close(w->fd);
    free(w);
}
