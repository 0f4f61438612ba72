/* A streaming multipart/form-data parser (RFC 7578). No copy of a part's body, no allocation that
 * grows with it.
 *
 * Limits: boundary 70 characters (RFC 2046), part headers 4 KiB, 64 parts. Fed with arbitrary
 * slices. */
#ifndef UNREEL_HTTP_MULTIPART_H
#define UNREEL_HTTP_MULTIPART_H

#include <stdbool.h>
#include <stddef.h>

#include "core/error.h"
#include "core/mem.h"

struct multipart;

struct multipart_part {
    const char *name;         /* "" when absent */
    const char *filename;     /* NULL: a plain field; filename* (RFC 5987) is understood too */
    const char *content_type; /* "" when absent */
};

struct multipart_events {
    /* A failure returned by any of them ends parsing and is returned by multipart_feed. */
    enum err (*part_begin)(void *ctx, const struct multipart_part *part, struct error *e);
    enum err (*part_data)(void *ctx, const void *bytes, size_t len, struct error *e);
    enum err (*part_end)(void *ctx, struct error *e);
};

/* From the request's Content-Type. ERR_INVALID when it is no multipart/form-data or its boundary is
 * bad. */
enum err multipart_new(const char *content_type, const struct multipart_events *events, void *ctx,
                       struct multipart **ret_parser, struct error *e) MUST_CHECK;
void multipart_free(struct multipart *m);
DEFINE_AUTO(struct multipart *, multipart_free)
enum err multipart_feed(struct multipart *m, const void *bytes, size_t len,
                        struct error *e) MUST_CHECK;
/* Whether the closing boundary was seen: false at the end of the body means that it was cut. */
bool multipart_is_complete(const struct multipart *m);

#endif
