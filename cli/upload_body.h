/* The body of an upload: the video itself, or a form with the video and a picture. */
#ifndef UNREEL_CLI_UPLOAD_BODY_H
#define UNREEL_CLI_UPLOAD_BODY_H

#include <stdint.h>
#include <stdio.h>

#include "core/buf.h"
#include "core/error.h"

struct upload_body {
    FILE *file;
    int64_t size, sent;    /* of the whole; -1: not known, the video comes from a pipe */
    struct buf head, tail; /* around the video; empty without a picture */
    size_t head_at, tail_at;
    char content_type[96]; /* the header's line */
};

/* Opens the video, and reads the picture (NULL: none). Otherwise ERR_NOT_FOUND, or ERR_INVALID for
 * what is no file to send. On OK the caller calls upload_body_close. */
enum err upload_body_open(struct upload_body *b, const char *path, const char *cover_path,
                          struct error *e) MUST_CHECK;
/* The next bytes; none at the end. ERR_FAULT: the video cannot be read. */
enum err upload_body_read(struct upload_body *b, void *dst, size_t max, size_t *ret_len) MUST_CHECK;
void upload_body_close(struct upload_body *b);

#endif
