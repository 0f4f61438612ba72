#include "http/screen.h"

#include <string.h>

#include "core/text.h"

#include "core/banned.h"

struct counts {
    unsigned host, content_length, transfer_encoding;
};

static bool is_token_char(char c)
{
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) {
        return true;
    }
    return c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

static bool is_token(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (!is_token_char(text[i])) {
            return false;
        }
    }
    return len > 0;
}

/* Tabs are allowed in a value (RFC 9110 section 5.5), other control characters are not. */
static bool has_control(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f) {
            return true;
        }
    }
    return false;
}

static bool is_named(const struct screen_header *h, const char *name)
{
    /* The name is a token, so it holds no NUL and is followed by one. */
    return h->name_len == strlen(name) && text_equals_nocase(h->name, name);
}

static bool is_digits(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return false;
        }
    }
    return len > 0 && len <= 18;
}

/* Spaces and tabs around a value are no part of it. */
static struct screen_header trimmed(struct screen_header h)
{
    while (h.value_len > 0 && (h.value[0] == ' ' || h.value[0] == '\t')) {
        h.value++;
        h.value_len--;
    }
    while (h.value_len > 0 &&
           (h.value[h.value_len - 1] == ' ' || h.value[h.value_len - 1] == '\t')) {
        h.value_len--;
    }
    return h;
}

static const char *check_framing(const struct screen_header *raw, struct counts *n)
{
    struct screen_header h = trimmed(*raw);
    if (is_named(&h, "Host")) {
        n->host++;
        return NULL;
    }
    if (is_named(&h, "Content-Length")) {
        n->content_length++;
        return is_digits(h.value, h.value_len) ? NULL
                                               : "The Content-Length header is not a number.";
    }
    if (is_named(&h, "Transfer-Encoding")) {
        n->transfer_encoding++;
        /* Untrimmed on purpose: libmicrohttpd compares the value as it came. */
        bool is_chunked = raw->value_len == strlen("chunked") &&
                          text_equals_nocase(raw->value, "chunked");
        return is_chunked ? NULL : "The only Transfer-Encoding understood is \"chunked\".";
    }
    return NULL;
}

static const char *check_header(const struct screen_header *h, struct counts *n)
{
    if (!is_token(h->name, h->name_len)) {
        return "A header's name has a character that is not allowed there.";
    }
    if (has_control(h->value, h->value_len)) {
        return "A header's value has a control character.";
    }
    return check_framing(h, n);
}

static const char *check_counts(const struct counts *n, bool is_http_1_1)
{
    if (n->content_length > 1) {
        return "There is more than one Content-Length header.";
    }
    if (n->transfer_encoding > 1) {
        return "There is more than one Transfer-Encoding header.";
    }
    if (n->content_length > 0 && n->transfer_encoding > 0) {
        return "A request cannot have both Content-Length and Transfer-Encoding.";
    }
    if (n->transfer_encoding > 0 && !is_http_1_1) {
        return "HTTP/1.0 has no Transfer-Encoding.";
    }
    if (n->host > 1) {
        return "There is more than one Host header.";
    }
    if (n->host == 0 && is_http_1_1) {
        return "The Host header is missing.";
    }
    return NULL;
}

const char *screen_check(const struct screen_head *head)
{
    bool is_http_1_1 = strcmp(head->version, "HTTP/1.1") == 0;
    if (!is_http_1_1 && strcmp(head->version, "HTTP/1.0") != 0) {
        return "The protocol must be HTTP/1.1 or HTTP/1.0.";
    }
    size_t target_len = strlen(head->target);
    if (target_len == 0 || has_control(head->target, target_len) ||
        strpbrk(head->target, " \t") != NULL) {
        return "The request target has a character that is not allowed there.";
    }
    if (head->header_count > SCREEN_HEADERS_MAX) {
        return "There are more than 64 headers.";
    }
    struct counts n = { 0 };
    for (size_t i = 0; i < head->header_count; i++) {
        const char *wrong = check_header(&head->headers[i], &n);
        if (wrong != NULL) {
            return wrong;
        }
    }
    return check_counts(&n, is_http_1_1);
}

/* Whether `next` lies `gap` bytes behind `end`. The pointers may be into different objects. */
static bool follows(const char *next, const char *end, size_t gap)
{
    return (uintptr_t)next == (uintptr_t)end + gap;
}

static bool is_zero(const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] != '\0') {
            return false;
        }
    }
    return true;
}

bool screen_is_tidy(const struct screen_layout *layout, const struct screen_header *headers,
                    size_t header_count)
{
    const size_t crlf_len = 2;
    if (!follows(layout->target, layout->method + strlen(layout->method), 1) ||
        !follows(layout->version, layout->target + layout->target_len, 1)) {
        return false;
    }
    const char *end = layout->version + strlen(layout->version);
    for (size_t i = 0; i < header_count; i++) {
        const struct screen_header *h = &headers[i];
        /* A colon at least lies between name and value; blanks may. */
        if (!follows(h->name, end, crlf_len) || !is_zero(end, crlf_len) ||
            (uintptr_t)h->value < (uintptr_t)h->name + h->name_len + 1) {
            return false;
        }
        end = h->value + h->value_len;
    }
    return follows(layout->method + layout->head_len, end, 2 * crlf_len) &&
           is_zero(end, 2 * crlf_len);
}
