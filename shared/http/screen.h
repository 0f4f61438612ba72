/* Screens the head of a request before anything else looks at it: libmicrohttpd 0.9.75 lets
 * requests through that another server in the chain may read differently (request smuggling).
 * Pure functions over values, so that they can be fuzzed. */
#ifndef UNREEL_HTTP_SCREEN_H
#define UNREEL_HTTP_SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCREEN_HEADERS_MAX 64

struct screen_header {
    const char *name;
    size_t name_len;
    const char *value;
    size_t value_len;
};

struct screen_head {
    const char *version; /* "HTTP/1.1" */
    const char *target;  /* as it came */
    const struct screen_header *headers;
    size_t header_count; /* one more than SCREEN_HEADERS_MAX stands for any number above it */
};

/* NULL when the head is fine, else one sentence that says what is wrong with it. */
const char *screen_check(const struct screen_head *head);

/* Where libmicrohttpd found the parts of a head. It parses a head in place, in one buffer, and
 * turns the line ends into NULs, so the parts of a well-formed head lie exactly one CRLF apart. A
 * bare LF, a NUL inside a line and a folded line are all invisible in the parts themselves but not
 * in where they lie. (NULs and LFs alone, in the place of a line end, cannot be told from CRLF; no
 * proxy passes those on.) */
struct screen_layout {
    const char *method; /* the first byte of the head */
    const char *target; /* decoded in place since, so its length is given */
    size_t target_len;
    const char *version;
    size_t head_len; /* with the empty line at its end */
};

bool screen_is_tidy(const struct screen_layout *layout, const struct screen_header *headers,
                    size_t header_count);

#endif
