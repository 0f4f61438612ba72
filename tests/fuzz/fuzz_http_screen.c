/* The screen: the input is a head, taken apart the way libmicrohttpd 0.9.75 does it (in place, line
 * ends become NULs, folded lines are joined elsewhere). What passes the screen must be a head that
 * a strict reader reads in the same way. */
#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http/screen.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct head {
    char *at; /* a copy, which the parser cuts up */
    size_t len;
    size_t used;
    const char *method, *target, *version;
    size_t target_len;
    struct screen_header headers[SCREEN_HEADERS_MAX + 1];
    size_t count;
    char *folded[SCREEN_HEADERS_MAX + 1]; /* values of folded headers, joined */
};

/* The next line, terminated; NULL at the end. */
static char *next_line(struct head *h)
{
    char *line = h->at + h->used;
    for (size_t i = h->used; i + 1 < h->len; i++) {
        if (h->at[i] == '\r' && h->at[i + 1] == '\n') {
            h->at[i] = '\0';
            h->at[i + 1] = '\0';
            h->used = i + 2;
            return line;
        }
        if (h->at[i] == '\n') {
            h->at[i] = '\0';
            h->used = i + 1;
            return line;
        }
    }
    return NULL;
}

static bool read_request_line(struct head *h)
{
    char *line = next_line(h);
    char *first = line != NULL ? strchr(line, ' ') : NULL;
    char *last = line != NULL ? strrchr(line, ' ') : NULL;
    if (first == NULL || first == last) {
        return false;
    }
    *first = '\0';
    *last = '\0';
    h->method = line;
    h->target = first + 1;
    h->target_len = strlen(h->target);
    h->version = last + 1;
    return true;
}

static void fold(struct head *h, const char *line)
{
    struct screen_header *last = &h->headers[h->count - 1];
    size_t len = last->value_len + strlen(line);
    char *joined = malloc(len + 1);
    assert(joined != NULL);
    memcpy(joined, last->value, last->value_len);
    memcpy(joined + last->value_len, line, strlen(line) + 1);
    free(h->folded[h->count - 1]);
    h->folded[h->count - 1] = joined;
    last->value = joined;
    last->value_len = len;
}

static bool read_headers(struct head *h)
{
    for (char *line = next_line(h); line != NULL; line = next_line(h)) {
        if (line[0] == '\0') {
            return true;
        }
        if (h->count > 0 && (line[0] == ' ' || line[0] == '\t')) {
            fold(h, line);
            continue;
        }
        char *colon = strchr(line, ':');
        if (colon == NULL) {
            return false;
        }
        *colon = '\0';
        const char *value = colon + 1 + strspn(colon + 1, " \t");
        if (h->count < SCREEN_HEADERS_MAX + 1) {
            h->headers[h->count++] = (struct screen_header){ line, strlen(line), value,
                                                             strlen(value) };
        }
    }
    return false;
}

static unsigned count_named(const struct head *h, const char *name)
{
    unsigned n = 0;
    for (size_t i = 0; i < h->count; i++) {
        n += strcasecmp(h->headers[i].name, name) == 0 ? 1 : 0;
    }
    return n;
}

/* A bare LF goes through only in the company of a NUL. */
static void check_lines(const struct head *h, const uint8_t *raw)
{
    bool has_nul = memchr(raw, '\0', h->used) != NULL;
    size_t lines = 0;
    for (size_t i = 0; i < h->used; i++) {
        if (raw[i] == '\n') {
            bool is_crlf = i > 0 && raw[i - 1] == '\r';
            assert(is_crlf || has_nul);
            lines++;
        }
    }
    assert(lines == h->count + 2);
}

/* What must hold for a head that was let through. */
static void check(const struct head *h)
{
    unsigned hosts = count_named(h, "Host");
    unsigned lengths = count_named(h, "Content-Length") + count_named(h, "Transfer-Encoding");
    assert(h->count <= SCREEN_HEADERS_MAX);
    assert(lengths <= 1);
    assert(hosts == 1 || (hosts == 0 && strcmp(h->version, "HTTP/1.0") == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct head h = { .len = size };
    h.at = malloc(size + 1);
    assert(h.at != NULL);
    if (size > 0) {
        memcpy(h.at, data, size);
    }
    h.at[size] = '\0';
    if (read_request_line(&h) && read_headers(&h)) {
        const struct screen_head head = { h.version, h.target, h.headers, h.count };
        const struct screen_layout layout = { h.method, h.target, h.target_len, h.version, h.used };
        if (screen_check(&head) == NULL && screen_is_tidy(&layout, h.headers, h.count)) {
            check(&h);
            check_lines(&h, data);
        }
    }
    for (size_t i = 0; i < h.count; i++) {
        free(h.folded[i]);
    }
    free(h.at);
    return 0;
}
