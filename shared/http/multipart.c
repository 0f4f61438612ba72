/* The stream of a multipart body.
 *
 * The delimiter is CRLF "--" boundary, and CR occurs in it once, at its start. So what a slice ends
 * with that may be the beginning of a delimiter need not be kept: it is the first `matched` bytes
 * of the delimiter, and when the next slice does not go on with it those bytes were data. */
#include "http/multipart.h"

#include <string.h>

#include "core/buf.h"
#include "http/multipart_impl.h"

#include "core/banned.h"

enum state {
    STATE_PREAMBLE,  /* before the first delimiter: ignored */
    STATE_DELIMITED, /* behind a delimiter: "--", or the end of its line */
    STATE_HEAD,
    STATE_DATA,
    STATE_EPILOGUE /* behind the closing delimiter: ignored */
};

struct multipart {
    struct multipart_events events;
    void *ctx;
    char delimiter[4 + MULTIPART_BOUNDARY_MAX + 1];
    size_t delimiter_len;
    enum state state;
    size_t matched; /* bytes of the delimiter at the end of what came so far */
    char last;      /* STATE_DELIMITED: the byte before; NUL right behind the delimiter */
    struct buf head;
    size_t part_count;
    enum err failed;
};

enum err multipart_new(const char *content_type, const struct multipart_events *events, void *ctx,
                       struct multipart **ret_parser, struct error *e)
{
    char boundary[MULTIPART_BOUNDARY_MAX + 1];
    enum err err = multipart_read_boundary(content_type, boundary, e);
    if (err != OK) {
        return err;
    }
    struct multipart *m = xcalloc(1, sizeof(*m));
    m->events = *events;
    m->ctx = ctx;
    memcpy(m->delimiter, "\r\n--", 4);
    m->delimiter_len = 4 + strlen(boundary);
    memcpy(m->delimiter + 4, boundary, strlen(boundary) + 1);
    /* The first delimiter may be at the very start, without a line end before it. */
    m->matched = 2;
    buf_init(&m->head, MULTIPART_HEAD_MAX);
    *ret_parser = m;
    return OK;
}

void multipart_free(struct multipart *m)
{
    if (m != NULL) {
        buf_release(&m->head);
        free(m);
    }
}

bool multipart_is_complete(const struct multipart *m)
{
    return m->state == STATE_EPILOGUE && m->failed == OK;
}

struct input {
    const char *at;
    size_t len;
};

static void skip(struct input *in, size_t len)
{
    in->at += len;
    in->len -= len;
}

static enum err emit(struct multipart *m, const char *bytes, size_t len, struct error *e)
{
    if (m->state != STATE_DATA || len == 0) {
        return OK;
    }
    return m->events.part_data(m->ctx, bytes, len, e);
}

/* Goes on with a delimiter that was begun. Leaves `matched` at 0 when it was none. */
static enum err continue_delimiter(struct multipart *m, struct input *in, struct error *e)
{
    size_t want = m->delimiter_len - m->matched;
    size_t len = in->len < want ? in->len : want;
    if (memcmp(in->at, m->delimiter + m->matched, len) == 0) {
        m->matched += len;
        skip(in, len);
        return OK;
    }
    size_t was_data = m->matched;
    m->matched = 0;
    /* What matched of this slice is still in it, and is looked at again from its start. It cannot
     * begin a delimiter: that would need a CR. */
    return emit(m, m->delimiter, was_data, e);
}

/* Where a delimiter may begin; the end of the input when nowhere. */
static const char *find_delimiter(const struct multipart *m, const struct input *in)
{
    const char *end = in->at + in->len;
    const char *p = in->at;
    while (p < end) {
        p = memchr(p, '\r', (size_t)(end - p));
        if (p == NULL) {
            return end;
        }
        size_t left = (size_t)(end - p);
        size_t len = left < m->delimiter_len ? left : m->delimiter_len;
        if (memcmp(p, m->delimiter, len) == 0) {
            return p;
        }
        p++;
    }
    return end;
}

static enum err end_part(struct multipart *m, struct error *e)
{
    enum err err = m->state == STATE_DATA ? m->events.part_end(m->ctx, e) : OK;
    m->state = STATE_DELIMITED;
    m->matched = 0;
    m->last = '\0';
    return err;
}

static enum err feed_data(struct multipart *m, struct input *in, struct error *e)
{
    enum err err = OK;
    if (m->matched > 0) {
        err = continue_delimiter(m, in, e);
    } else {
        const char *found = find_delimiter(m, in);
        size_t len = (size_t)(found - in->at);
        err = emit(m, in->at, len, e);
        skip(in, len);
        m->matched = in->len < m->delimiter_len ? in->len : m->delimiter_len;
        skip(in, m->matched);
    }
    if (err == OK && m->matched == m->delimiter_len) {
        err = end_part(m, e);
    }
    return err;
}

/* After a delimiter come "--", or blanks and CRLF. */
static enum err feed_delimited(struct multipart *m, struct input *in, struct error *e)
{
    char c = *in->at;
    char last = m->last;
    skip(in, 1);
    m->last = c;
    if (last == '-' && c == '-') {
        m->state = STATE_EPILOGUE;
        return OK;
    }
    if (last == '\r' && c == '\n') {
        m->state = STATE_HEAD;
        buf_clear(&m->head);
        return OK;
    }
    bool is_blank = c == ' ' || c == '\t';
    bool may_follow = last == '\0' ? (is_blank || c == '-' || c == '\r')
                                   : (last == ' ' && (is_blank || c == '\r'));
    if (!may_follow) {
        return err_set(e, ERR_INVALID, "a multipart boundary is followed by something else");
    }
    if (is_blank) {
        m->last = ' ';
    }
    return OK;
}

static enum err begin_part(struct multipart *m, struct error *e)
{
    if (m->part_count == MULTIPART_PARTS_MAX) {
        return err_set(e, ERR_TOO_BIG, "the form has more than %d parts", MULTIPART_PARTS_MAX);
    }
    m->part_count++;
    if (strlen(buf_text(&m->head)) != m->head.len) {
        return err_set(e, ERR_INVALID, "a part's header has a NUL");
    }
    struct multipart_head h = { 0 };
    enum err err = multipart_read_head(&h, buf_text(&m->head), e);
    if (err == OK) {
        const struct multipart_part part = { h.name != NULL ? h.name : "", h.filename,
                                             h.content_type != NULL ? h.content_type : "" };
        m->state = STATE_DATA;
        err = m->events.part_begin(m->ctx, &part, e);
    }
    multipart_head_release(&h);
    return err;
}

static enum err feed_head(struct multipart *m, struct input *in, struct error *e)
{
    const char *newline = memchr(in->at, '\n', in->len);
    size_t len = newline != NULL ? (size_t)(newline - in->at) + 1 : in->len;
    if (buf_append(&m->head, in->at, len) != OK) {
        return err_set(e, ERR_TOO_BIG, "a part's header has more than %zu bytes",
                       MULTIPART_HEAD_MAX);
    }
    skip(in, len);
    const char *text = buf_text(&m->head);
    size_t head_len = m->head.len;
    bool is_empty_line = head_len >= 2 && memcmp(text + head_len - 2, "\r\n", 2) == 0 &&
                         (head_len == 2 ||
                          (head_len >= 4 && memcmp(text + head_len - 4, "\r\n", 2) == 0));
    if (!is_empty_line) {
        return OK;
    }
    m->head.len -= 2;
    m->head.data[m->head.len] = '\0';
    return begin_part(m, e);
}

static enum err feed_once(struct multipart *m, struct input *in, struct error *e)
{
    switch (m->state) {
    case STATE_PREAMBLE:
    case STATE_DATA:
        return feed_data(m, in, e);
    case STATE_DELIMITED:
        return feed_delimited(m, in, e);
    case STATE_HEAD:
        return feed_head(m, in, e);
    case STATE_EPILOGUE:
        skip(in, in->len);
        return OK;
    }
    return ERR_FAULT;
}

enum err multipart_feed(struct multipart *m, const void *bytes, size_t len, struct error *e)
{
    struct input in = { bytes, len };
    while (in.len > 0 && m->failed == OK) {
        m->failed = feed_once(m, &in, e);
    }
    return m->failed;
}
