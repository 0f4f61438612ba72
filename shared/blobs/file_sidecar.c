#include "blobs/file_sidecar.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "blobs/file_folder.h"
#include "core/text.h"
#include "core/banned.h"

#define SIDECAR_VERSION 1

static void take_text(json_t *root, const char *key, char *dst, size_t size)
{
    const char *text = json_string_value(json_object_get(root, key));
    (void)text_copy(dst, size, text != NULL ? text : "");
}

enum err sidecar_decode(const char *json, size_t len, struct sidecar *ret, struct error *e)
{
    json_error_t error;
    json_auto_t *root = json_loadb(json, len, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(root)) {
        return err_set(e, ERR_CORRUPT, "blobs: the description of a blob is no JSON object");
    }
    struct sidecar s = { .size_bytes = json_integer_value(json_object_get(root, "size_bytes")),
                         .created_at_ms = json_integer_value(
                             json_object_get(root, "created_at_ms")) };
    if (s.size_bytes < 0) {
        return err_set(e, ERR_CORRUPT, "blobs: the description of a blob has a negative size");
    }
    take_text(root, "owner", s.owner, sizeof(s.owner));
    take_text(root, "filename", s.filename, sizeof(s.filename));
    take_text(root, "content_type", s.content_type, sizeof(s.content_type));
    take_text(root, "sha256", s.sha256, sizeof(s.sha256));
    *ret = s;
    return OK;
}

char *sidecar_encode(const struct sidecar *s)
{
    json_auto_t *root = json_pack(
        "{s:i, s:s, s:s, s:s, s:s, s:I, s:I}", "version", SIDECAR_VERSION, "owner", s->owner,
        "filename", s->filename, "content_type", s->content_type, "sha256", s->sha256, "size_bytes",
        (json_int_t)s->size_bytes, "created_at_ms", (json_int_t)s->created_at_ms);
    return root != NULL ? json_dumps(root, JSON_INDENT(2)) : NULL;
}

enum err sidecar_read(int dir_fd, const char *name, struct sidecar *ret, struct error *e)
{
    int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return file_error(errno, "open the description of a blob", e);
    }
    char json[SIDECAR_SIZE_MAX];
    ssize_t len = read(fd, json, sizeof(json));
    int errnum = errno;
    (void)close(fd);
    if (len < 0) {
        return file_error(errnum, "read the description of a blob", e);
    }
    return sidecar_decode(json, (size_t)len, ret, e);
}

/* A short write of so few bytes means a full disk. */
static enum err write_whole(int fd, const char *json, bool is_durable, struct error *e)
{
    size_t len = strlen(json);
    ssize_t written = write(fd, json, len);
    if (written < 0 || (size_t)written != len) {
        return file_error(written < 0 ? errno : ENOSPC, "write the description of a blob", e);
    }
    if (is_durable && fdatasync(fd) != 0) {
        return file_error(errno, "sync the description of a blob", e);
    }
    return OK;
}

enum err sidecar_write(int dir_fd, const char *name, const char *temporary_name,
                       const struct sidecar *s, bool is_durable, struct error *e)
{
    AUTO(mem_free) char *json = sidecar_encode(s);
    if (json == NULL) {
        return err_set(e, ERR_INVALID, "blobs: the description of a blob is not UTF-8");
    }
    int fd = openat(dir_fd, temporary_name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
                    0600);
    if (fd < 0) {
        return file_error(errno, "create the description of a blob", e);
    }
    enum err err = write_whole(fd, json, is_durable, e);
    (void)close(fd);
    if (err == OK && renameat(dir_fd, temporary_name, dir_fd, name) != 0) {
        err = file_error(errno, "name the description of a blob", e);
    }
    if (err != OK) {
        (void)unlinkat(dir_fd, temporary_name, 0);
    }
    return err;
}
