#include "upload_body.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "core/id.h"

#include "core/banned.h"

/* The server has a limit of its own, which is lower. */
#define COVER_MAX_BYTES ((size_t)64 << 20)
#define FORM_TEXT_MAX ((size_t)64 << 10)

/* A file, or a pipe, whose size is -1. */
static enum err open_file(const char *path, FILE **ret_file, int64_t *ret_size, struct error *e)
{
    struct stat info;
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return err_set_errno(e, ERR_NOT_FOUND, errno, "%s", path);
    }
    enum err err = OK;
    if (fstat(fileno(file), &info) != 0) {
        err = err_set_errno(e, ERR_NOT_FOUND, errno, "%s", path);
    } else if (S_ISDIR(info.st_mode)) {
        err = err_set(e, ERR_NOT_FOUND, "%s is a folder", path);
    }
    if (err != OK) {
        (void)fclose(file);
        return err;
    }
    *ret_file = file;
    *ret_size = S_ISREG(info.st_mode) ? info.st_size : -1;
    return OK;
}

static enum err append_file(struct buf *out, const char *path, struct error *e)
{
    FILE *file = NULL;
    int64_t size = 0;
    enum err err = open_file(path, &file, &size, e);
    if (err != OK) {
        return err;
    }
    char slice[16384];
    size_t got = 0;
    do {
        got = fread(slice, 1, sizeof(slice), file);
        err = buf_append(out, slice, got);
    } while (err == OK && got > 0);
    if (err != OK) {
        err = err_set(e, ERR_INVALID, "%s is too large for a picture", path);
    } else if (ferror(file) != 0) {
        err = err_set(e, ERR_INVALID, "%s cannot be read", path);
    }
    (void)fclose(file);
    return err;
}

/* The video's name is a field of its own: so it needs no quotes. It follows the video, whose part
 * has a name too, and is the one that counts. */
static enum err build_form(struct upload_body *b, const char *path, const char *cover_path,
                           struct error *e)
{
    char boundary[ID_SIZE];
    const char *slash = strrchr(path, '/');
    id_new(boundary);
    (void)snprintf(b->content_type, sizeof(b->content_type),
                   "Content-Type: multipart/form-data; boundary=unreel-%s", boundary);
    enum err err = buf_appendf(&b->head,
                               "--unreel-%s\r\nContent-Disposition: form-data; name=\"cover\"; "
                               "filename=\"cover\"\r\n\r\n",
                               boundary);
    err = err == OK ? append_file(&b->head, cover_path, e) : err;
    if (err == OK) {
        err = buf_appendf(&b->head,
                          "\r\n--unreel-%s\r\nContent-Disposition: form-data; name=\"file\"; "
                          "filename=\"video\"\r\n\r\n",
                          boundary);
    }
    if (err == OK) {
        err = buf_appendf(&b->tail,
                          "\r\n--unreel-%s\r\nContent-Disposition: form-data; name=\"filename\""
                          "\r\n\r\n%s\r\n--unreel-%s--\r\n",
                          boundary, slash != NULL ? slash + 1 : path, boundary);
    }
    return err;
}

enum err upload_body_open(struct upload_body *b, const char *path, const char *cover_path,
                          struct error *e)
{
    memset(b, 0, sizeof(*b));
    enum err err = open_file(path, &b->file, &b->size, e);
    if (err != OK) {
        return err;
    }
    buf_init(&b->head, COVER_MAX_BYTES + FORM_TEXT_MAX);
    buf_init(&b->tail, FORM_TEXT_MAX);
    (void)snprintf(b->content_type, sizeof(b->content_type),
                   "Content-Type: application/octet-stream");
    err = cover_path != NULL ? build_form(b, path, cover_path, e) : OK;
    if (err != OK) {
        upload_body_close(b);
        return err;
    }
    b->size = b->size < 0 ? -1 : b->size + (int64_t)(b->head.len + b->tail.len);
    return OK;
}

/* What is left of a text. */
static size_t take(const struct buf *text, size_t *at, void *dst, size_t max)
{
    size_t len = text->len - *at < max ? text->len - *at : max;
    if (len > 0) {
        memcpy(dst, text->data + *at, len);
        *at += len;
    }
    return len;
}

enum err upload_body_read(struct upload_body *b, void *dst, size_t max, size_t *ret_len)
{
    size_t len = take(&b->head, &b->head_at, dst, max);
    if (len == 0) {
        len = fread(dst, 1, max, b->file);
        if (len == 0 && ferror(b->file) != 0) {
            return ERR_FAULT;
        }
    }
    if (len == 0) {
        len = take(&b->tail, &b->tail_at, dst, max);
    }
    b->sent += (int64_t)len;
    *ret_len = len;
    return OK;
}

void upload_body_close(struct upload_body *b)
{
    (void)fclose(b->file);
    buf_release(&b->head);
    buf_release(&b->tail);
}
