/* Range, If-Range and the entity headers of a download (RFC 9110 sections 13 and 14). */
#ifndef UNREEL_HTTP_RANGE_H
#define UNREEL_HTTP_RANGE_H

#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

enum http_range_kind { HTTP_RANGE_WHOLE, HTTP_RANGE_PART, HTTP_RANGE_UNSATISFIABLE };

struct http_range {
    enum http_range_kind kind;
    int64_t offset;
    int64_t len;
};

/* `header` (may be NULL) against an entity of size_bytes. Several ranges, another unit or bad
 * syntax: WHOLE, as the RFC allows. `if_range` (may be NULL) that is not exactly `etag`: WHOLE. */
struct http_range http_range_parse(const char *header, const char *if_range, const char *etag,
                                   int64_t size_bytes);

/* attachment; filename="ascii"; filename*=UTF-8''percent-encoded (RFC 6266). dst_size >= 1200 fits
 * any 255-byte name. */
void http_content_disposition(char *dst, size_t dst_size, const char *filename);

#endif
