/* A multipart body: the first line is the Content-Type, the rest the body. The same body fed whole
 * and byte by byte must say the same. */
#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "http/multipart.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct sum {
    uint64_t hash;
    unsigned parts, ends;
    bool is_open;
};

static void add(struct sum *s, const void *bytes, size_t len)
{
    const unsigned char *p = bytes;
    for (size_t i = 0; i < len; i++) {
        s->hash = (s->hash ^ p[i]) * UINT64_C(1099511628211);
    }
}

static enum err on_begin(void *ctx, const struct multipart_part *part, struct error *e)
{
    struct sum *s = ctx;
    (void)e;
    assert(!s->is_open);
    s->is_open = true;
    s->parts++;
    assert(s->parts <= 64); /* multipart.h */
    add(s, part->name, strlen(part->name) + 1);
    if (part->filename != NULL) {
        char clean[256];
        text_clean_filename(clean, sizeof(clean), part->filename);
        add(s, part->filename, strlen(part->filename) + 1);
    }
    add(s, part->content_type, strlen(part->content_type) + 1);
    return OK;
}

static enum err on_data(void *ctx, const void *bytes, size_t len, struct error *e)
{
    struct sum *s = ctx;
    (void)e;
    assert(s->is_open && len > 0);
    add(s, bytes, len);
    return OK;
}

static enum err on_end(void *ctx, struct error *e)
{
    struct sum *s = ctx;
    (void)e;
    assert(s->is_open);
    s->is_open = false;
    s->ends++;
    return OK;
}

static const struct multipart_events events = { on_begin, on_data, on_end };

static enum err run(const char *type, const char *body, size_t len, size_t step, struct sum *s,
                    bool *ret_complete)
{
    struct multipart *m = NULL;
    struct error e = { .code = OK };
    *s = (struct sum){ .hash = 1 };
    *ret_complete = false;
    enum err err = multipart_new(type, &events, s, &m, &e);
    for (size_t at = 0; at < len && err == OK; at += step) {
        err = multipart_feed(m, body + at, len - at < step ? len - at : step, &e);
    }
    if (m != NULL) {
        *ret_complete = multipart_is_complete(m);
        multipart_free(m);
    }
    return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *newline = size > 0 ? memchr(data, '\n', size) : NULL;
    if (newline == NULL) {
        return 0;
    }
    size_t type_len = (size_t)(newline - data);
    char *type = malloc(type_len + 1);
    assert(type != NULL);
    memcpy(type, data, type_len);
    type[type_len] = '\0';
    const char *body = (const char *)newline + 1;
    size_t len = size - type_len - 1;
    struct sum whole;
    struct sum bytes;
    bool is_complete = false;
    bool is_complete_too = false;
    enum err err = run(type, body, len, len > 0 ? len : 1, &whole, &is_complete);
    enum err err_too = run(type, body, len, 1, &bytes, &is_complete_too);
    assert(err == err_too && is_complete == is_complete_too);
    assert(whole.parts == bytes.parts && whole.ends == bytes.ends);
    /* An error in the middle may come before or after the data of its slice. */
    assert(err != OK || whole.hash == bytes.hash);
    free(type);
    return 0;
}
