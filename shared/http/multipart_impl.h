/* The headers of a multipart body, apart from its stream. Only for multipart*.c and its fuzzer. */
#ifndef UNREEL_HTTP_MULTIPART_IMPL_H
#define UNREEL_HTTP_MULTIPART_IMPL_H

#include <stddef.h>

#include "core/error.h"
#include "http/multipart.h"

#define MULTIPART_BOUNDARY_MAX 70
#define MULTIPART_HEAD_MAX ((size_t)4 * 1024)
#define MULTIPART_PARTS_MAX 64

/* The boundary of a multipart/form-data Content-Type. */
enum err multipart_read_boundary(const char *content_type,
                                 char ret_boundary[MULTIPART_BOUNDARY_MAX + 1],
                                 struct error *e) MUST_CHECK;

/* A part's head taken apart; the texts are owned. */
struct multipart_head {
    char *name;
    char *filename;
    char *content_type;
};

/* `text`: header lines that end with CRLF, NUL-terminated. h must be zeroed. */
enum err multipart_read_head(struct multipart_head *h, const char *text,
                             struct error *e) MUST_CHECK;
void multipart_head_release(struct multipart_head *h);

#endif
