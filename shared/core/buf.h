/* A growable byte buffer with a limit that it is born with.
 *
 * `data` is NUL-terminated after any append, so text can be used as a C string. A failed append
 * leaves the buffer as it was and returns ERR_TOO_BIG. Not thread-safe. */
#ifndef UNREEL_CORE_BUF_H
#define UNREEL_CORE_BUF_H

#include <stddef.h>

#include "core/error.h"

struct buf {
    char *data; /* NULL until the first append */
    size_t len;
    size_t capacity;
    size_t max; /* bytes of content at most, without the NUL */
};

/* No allocation. */
void buf_init(struct buf *b, size_t max);
/* Frees the content; the buffer is as after buf_init. b may be NULL. */
void buf_release(struct buf *b);
/* Sets len to 0 and keeps the memory. */
void buf_clear(struct buf *b);
/* Never NULL: "" while empty. Valid until the next change. */
const char *buf_text(const struct buf *b);
/* Hands the content (NUL-terminated, to be freed with free()) to the caller and leaves b empty.
 * Never NULL. */
char *buf_detach(struct buf *b);

enum err buf_append(struct buf *b, const void *data, size_t len) MUST_CHECK;
enum err buf_append_text(struct buf *b, const char *text) MUST_CHECK;
enum err buf_appendf(struct buf *b, const char *fmt, ...) PRINTF(2, 3) MUST_CHECK;
/* Appends `text` as a JSON string with its quotes; bytes that are no UTF-8 become U+FFFD. */
enum err buf_append_json(struct buf *b, const char *text) MUST_CHECK;
/* Drops the first `len` bytes. */
void buf_consume(struct buf *b, size_t len);

static inline __attribute__((unused)) void buf_release_auto(struct buf *b)
{
    buf_release(b);
}

#endif
