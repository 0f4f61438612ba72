#include "http/range.h"

#include <stdio.h>
#include <string.h>

#include "core/buf.h"
#include "core/text.h"

#include "core/banned.h"

/* Digits of a number that cannot overflow; longer ones are no range that we serve. */
#define DIGITS_MAX 18

/* Reads digits at *text and moves behind them; -1 when there are none or too many. */
static int64_t read_number(const char **text)
{
    size_t len = strspn(*text, "0123456789");
    if (len == 0 || len > DIGITS_MAX) {
        return -1;
    }
    int64_t value = 0;
    for (size_t i = 0; i < len; i++) {
        value = value * 10 + ((*text)[i] - '0');
    }
    *text += len;
    return value;
}

static struct http_range whole(int64_t size_bytes)
{
    return (struct http_range){ HTTP_RANGE_WHOLE, 0, size_bytes };
}

static struct http_range part(int64_t first, int64_t last, int64_t size_bytes)
{
    if (first >= size_bytes) {
        return (struct http_range){ HTTP_RANGE_UNSATISFIABLE, 0, 0 };
    }
    last = last < size_bytes - 1 ? last : size_bytes - 1;
    return (struct http_range){ HTTP_RANGE_PART, first, last - first + 1 };
}

/* "-500": the last 500 bytes. */
static struct http_range suffix(const char *text, int64_t size_bytes)
{
    int64_t len = read_number(&text);
    if (len < 0 || text[strspn(text, " \t")] != '\0') {
        return whole(size_bytes);
    }
    if (len == 0) {
        return (struct http_range){ HTTP_RANGE_UNSATISFIABLE, 0, 0 };
    }
    return part(len < size_bytes ? size_bytes - len : 0, size_bytes - 1, size_bytes);
}

/* "bytes=" in any case; NULL when it is something else. */
static const char *skip_unit(const char *header)
{
    static const char unit[] = "bytes";
    for (size_t i = 0; unit[i] != '\0'; i++) {
        if ((header[i] | 0x20) != unit[i]) {
            return NULL;
        }
    }
    header += sizeof(unit) - 1;
    if (*header != '=') {
        return NULL;
    }
    header++;
    return header + strspn(header, " \t");
}

struct http_range http_range_parse(const char *header, const char *if_range, const char *etag,
                                   int64_t size_bytes)
{
    if (header == NULL || (if_range != NULL && (etag == NULL || strcmp(if_range, etag) != 0))) {
        return whole(size_bytes);
    }
    const char *text = skip_unit(header);
    if (text == NULL) {
        return whole(size_bytes);
    }
    if (*text == '-') {
        return suffix(text + 1, size_bytes);
    }
    int64_t first = read_number(&text);
    if (first < 0 || *text != '-') {
        return whole(size_bytes);
    }
    text++;
    int64_t last = INT64_MAX;
    if (*text >= '0' && *text <= '9') {
        last = read_number(&text);
    }
    if (last < first || text[strspn(text, " \t")] != '\0') {
        return whole(size_bytes);
    }
    return part(first, last, size_bytes);
}

/* attr-char of RFC 8187: what filename* may have without an escape. */
static int is_attr_char(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("!#$&+-.^_`|~", c) != NULL);
}

/* For clients that know no filename*: other bytes become '_'. A '%' does too, because some decode
 * it there. */
static enum err append_plain(struct buf *b, const char *filename)
{
    enum err err = OK;
    bool in_sequence = false;
    for (const char *p = filename; *p != '\0' && err == OK; p++) {
        unsigned char c = (unsigned char)*p;
        bool is_continuation = in_sequence && (c & 0xc0) == 0x80;
        in_sequence = c >= 0x80;
        if (is_continuation) {
            continue;
        }
        bool is_plain = c >= 0x20 && c < 0x7f && strchr("\"\\%/", c) == NULL;
        err = buf_append(b, is_plain ? p : "_", 1);
    }
    return err;
}

static enum err append_escaped(struct buf *b, const char *filename)
{
    enum err err = OK;
    for (const char *p = filename; *p != '\0' && err == OK; p++) {
        unsigned char c = (unsigned char)*p;
        if (is_attr_char(c)) {
            err = buf_append(b, p, 1);
        } else if (c >= 0x20 && c != 0x7f) {
            err = buf_appendf(b, "%%%02X", c);
        }
    }
    return err;
}

void http_content_disposition(char *dst, size_t dst_size, const char *filename)
{
    struct buf b;
    buf_init(&b, dst_size - 1);
    enum err err = buf_append_text(&b, "attachment; filename=\"");
    if (err == OK) {
        err = append_plain(&b, filename);
    }
    if (err == OK) {
        err = buf_append_text(&b, "\"; filename*=UTF-8''");
    }
    if (err == OK) {
        err = append_escaped(&b, filename);
    }
    (void)text_copy(dst, dst_size, err == OK ? buf_text(&b) : "attachment");
    buf_release(&b);
}
