#include "core/buf.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "core/text.h"

#include "core/banned.h"

#define FIRST_CAPACITY 64

void buf_init(struct buf *b, size_t max)
{
    *b = (struct buf){ .max = max };
}

void buf_release(struct buf *b)
{
    if (b != NULL) {
        free(b->data);
        buf_init(b, b->max);
    }
}

static void truncate_to(struct buf *b, size_t len)
{
    b->len = len;
    if (b->data != NULL) {
        b->data[len] = '\0';
    }
}

void buf_clear(struct buf *b)
{
    truncate_to(b, 0);
}

const char *buf_text(const struct buf *b)
{
    return b->data == NULL ? "" : b->data;
}

char *buf_detach(struct buf *b)
{
    char *data = b->data == NULL ? xstrdup("") : b->data;

    buf_init(b, b->max);
    return data;
}

/* Makes room for `len` more bytes and the NUL. */
static enum err reserve(struct buf *b, size_t len)
{
    if (len > b->max - b->len) {
        return ERR_TOO_BIG;
    }
    size_t needed = b->len + len + 1;
    if (needed <= b->capacity) {
        return OK;
    }
    size_t capacity = b->capacity == 0 ? FIRST_CAPACITY : b->capacity;
    while (capacity < needed) {
        capacity = capacity > SIZE_MAX / 2 ? needed : capacity * 2;
    }
    /* max may be SIZE_MAX, so compare before adding the NUL. */
    if (capacity - 1 > b->max) {
        capacity = b->max + 1;
    }
    b->data = xrealloc(b->data, capacity);
    b->capacity = capacity;
    return OK;
}

enum err buf_append(struct buf *b, const void *data, size_t len)
{
    enum err err = reserve(b, len);

    if (err != OK) {
        return err;
    }
    if (len > 0) {
        memcpy(b->data + b->len, data, len);
    }
    truncate_to(b, b->len + len);
    return OK;
}

enum err buf_append_text(struct buf *b, const char *text)
{
    return buf_append(b, text, strlen(text));
}

enum err buf_appendf(struct buf *b, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    int len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (len < 0) {
        return ERR_INVALID;
    }

    enum err err = reserve(b, (size_t)len);
    if (err != OK) {
        return err;
    }
    va_start(args, fmt);
    (void)vsnprintf(b->data + b->len, (size_t)len + 1, fmt, args);
    va_end(args);
    b->len += (size_t)len;
    return OK;
}

/* The characters that JSON wants escaped; DEL too, because it moves a terminal's cursor. */
static bool needs_escape(unsigned char c)
{
    return c < 0x20 || c == '"' || c == '\\' || c == 0x7f;
}

static enum err append_escaped(struct buf *b, unsigned char c)
{
    static const char *const escapes[] = {
        ['"'] = "\\\"", ['\\'] = "\\\\", ['\n'] = "\\n", ['\r'] = "\\r", ['\t'] = "\\t",
    };

    if (c < ARRAY_LEN(escapes) && escapes[c] != NULL) {
        return buf_append_text(b, escapes[c]);
    }
    return buf_appendf(b, "\\u%04x", c);
}

static enum err append_json_content(struct buf *b, const char *text, size_t len)
{
    size_t run = 0; /* start of the bytes that go out as they are */
    size_t i = 0;
    enum err err = OK;

    while (i < len && err == OK) {
        size_t width = text_utf8_next(text + i, len - i, NULL);
        bool as_is = width > 1 || (width == 1 && !needs_escape((unsigned char)text[i]));
        if (as_is) {
            i += width;
            continue;
        }
        err = buf_append(b, text + run, i - run);
        if (err == OK) {
            err = width == 0 ? buf_append_text(b, "\xef\xbf\xbd")
                             : append_escaped(b, (unsigned char)text[i]);
        }
        i++;
        run = i;
    }
    return err == OK ? buf_append(b, text + run, len - run) : err;
}

enum err buf_append_json(struct buf *b, const char *text)
{
    size_t len_before = b->len;
    enum err err = buf_append(b, "\"", 1);

    if (err == OK) {
        err = append_json_content(b, text, strlen(text));
    }
    if (err == OK) {
        err = buf_append(b, "\"", 1);
    }
    if (err != OK) {
        truncate_to(b, len_before);
    }
    return err;
}

void buf_consume(struct buf *b, size_t len)
{
    if (len >= b->len) {
        buf_clear(b);
        return;
    }
    memmove(b->data, b->data + len, b->len - len);
    truncate_to(b, b->len - len);
}
