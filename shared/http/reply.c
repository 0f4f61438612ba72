/* Setting a reply; reply_send.c sends it. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/mem.h"
#include "core/text.h"
#include "http/server_impl.h"

#include "core/banned.h"

#define DETAIL_MAX 512

static void release_content(struct reply *reply)
{
    if (reply->kind == REPLY_STREAM && reply->release != NULL) {
        reply->release(reply->read_ctx);
    }
    if (reply->kind == REPLY_FD && reply->fd >= 0) {
        (void)close(reply->fd);
    }
    free(reply->bytes);
    free(reply->content_type);
    reply->bytes = NULL;
    reply->content_type = NULL;
    reply->fd = -1;
    reply->release = NULL;
    reply->kind = REPLY_NONE;
}

void reply_release(struct reply *reply)
{
    release_content(reply);
    for (size_t i = 0; i < reply->header_count; i++) {
        free(reply->headers[i].name);
        free(reply->headers[i].value);
    }
    reply->header_count = 0;
}

/* Makes room for a reply; what the former one owned is released. */
static struct reply *renew(struct http_request *r, enum reply_kind kind, int status,
                           const char *content_type)
{
    struct reply *reply = &r->reply;
    release_content(reply);
    reply->kind = kind;
    reply->status = status;
    reply->content_type = content_type != NULL ? xstrdup(content_type) : NULL;
    reply->len = 0;
    return reply;
}

bool http_has_reply(const struct http_request *r)
{
    return r->reply.kind != REPLY_NONE || r->reply.is_sent;
}

void http_reply_bytes(struct http_request *r, int status, const char *content_type,
                      const void *bytes, size_t len)
{
    if (r->reply.is_sent) {
        return;
    }
    char *copy = xmalloc(len + 1);
    memcpy(copy, len > 0 ? bytes : "", len);
    struct reply *reply = renew(r, REPLY_BYTES, status, content_type);
    reply->bytes = copy;
    reply->len = (int64_t)len;
}

void http_reply_text(struct http_request *r, int status, const char *content_type, const char *text)
{
    http_reply_bytes(r, status, content_type, text, strlen(text));
}

void http_reply_empty(struct http_request *r, int status)
{
    http_reply_bytes(r, status, NULL, NULL, 0);
}

static void reply_json(struct http_request *r, int status, const char *content_type, json_t *json)
{
    char *text = json != NULL
                     ? json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(12))
                     : NULL;
    if (text != NULL) {
        http_reply_text(r, status, content_type, text);
    } else {
        http_reply_text(r, 500, "application/problem+json",
                        "{\"type\":\"urn:unreel:problem:internal-error\",\"status\":500}");
    }
    free(text);
    json_decref(json);
}

void http_reply_json(struct http_request *r, int status, json_t *json)
{
    reply_json(r, status, "application/json", json);
}

static void reply_problem(struct http_request *r, enum problem p, json_t *members,
                          const char *detail)
{
    const struct problem_info *info = problem_info(p);
    char type[PROBLEM_TYPE_SIZE];
    json_t *json = json_object();
    (void)json_object_set_new(json, "type", json_string(problem_type(type, p)));
    (void)json_object_set_new(json, "title", json_string(info->title));
    (void)json_object_set_new(json, "status", json_integer(info->status));
    (void)json_object_set_new(json, "detail", json_string(detail));
    if (r->target.path != NULL && text_is_utf8(r->target.path, strlen(r->target.path))) {
        (void)json_object_set_new(json, "instance", json_string(r->target.path));
    }
    (void)json_object_set_new(json, "trace_id", json_string(r->trace_id));
    if (members != NULL) {
        (void)json_object_update(json, members);
        json_decref(members);
    }
    reply_json(r, info->status, "application/problem+json", json);
}

/* What is no UTF-8 would not be JSON: such a detail is left out. */
static void PRINTF(3, 0) format_detail(char *dst, size_t size, const char *format, va_list args)
{
    char *text = NULL;
    dst[0] = '\0';
    if (vasprintf(&text, format, args) >= 0) {
        if (text_is_utf8(text, strlen(text))) {
            (void)text_copy(dst, size, text);
        }
        free(text);
    }
}

void http_reply_problem(struct http_request *r, enum problem p, const char *detail, ...)
{
    char text[DETAIL_MAX];
    va_list args;
    va_start(args, detail);
    format_detail(text, sizeof(text), detail, args);
    va_end(args);
    reply_problem(r, p, NULL, text);
}

void http_reply_problem_with(struct http_request *r, enum problem p, json_t *members,
                             const char *detail, ...)
{
    char text[DETAIL_MAX];
    va_list args;
    va_start(args, detail);
    format_detail(text, sizeof(text), detail, args);
    va_end(args);
    reply_problem(r, p, members, text);
}

void http_reply_stream(struct http_request *r, int status, const char *content_type,
                       int64_t size_bytes,
                       enum err (*read)(void *read_ctx, int64_t offset, void *dst, size_t max,
                                        size_t *ret_len),
                       void (*release)(void *read_ctx), void *read_ctx)
{
    if (r->reply.is_sent) {
        release(read_ctx);
        return;
    }
    struct reply *reply = renew(r, REPLY_STREAM, status, content_type);
    reply->len = size_bytes;
    reply->read = read;
    reply->release = release;
    reply->read_ctx = read_ctx;
}

void http_reply_fd(struct http_request *r, int status, const char *content_type, int fd,
                   int64_t offset, int64_t size_bytes)
{
    if (r->reply.is_sent) {
        (void)close(fd);
        return;
    }
    struct reply *reply = renew(r, REPLY_FD, status, content_type);
    reply->fd = fd;
    reply->offset = offset;
    reply->len = size_bytes;
}

static char *without_controls(const char *value)
{
    char *copy = xstrdup(value);
    size_t len = 0;
    for (const char *p = value; *p != '\0'; p++) {
        unsigned char c = (unsigned char)*p;
        if (c >= 0x20 && c != 0x7f) {
            copy[len++] = *p;
        }
    }
    copy[len] = '\0';
    return copy;
}

/* Headers of which an answer may have several. */
static bool is_repeatable(const char *name)
{
    return text_equals_nocase(name, "Set-Cookie") || text_equals_nocase(name, "Link");
}

void http_reply_header(struct http_request *r, const char *name, const char *value)
{
    struct reply *reply = &r->reply;
    if (reply->is_sent) {
        return;
    }
    for (size_t i = 0; i < reply->header_count && !is_repeatable(name); i++) {
        if (text_equals_nocase(reply->headers[i].name, name)) {
            free(reply->headers[i].value);
            reply->headers[i].value = without_controls(value);
            return;
        }
    }
    if (reply->header_count < REPLY_HEADERS_MAX) {
        reply->headers[reply->header_count++] = (struct reply_header){ xstrdup(name),
                                                                       without_controls(value) };
    }
}
