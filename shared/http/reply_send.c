/* Sending a reply, with the headers that every answer has. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "core/clock.h"
#include "core/mem.h"
#include "core/text.h"
#include "http/server_impl.h"

#include "core/banned.h"

#define SLOW_READ_US INT64_C(1000000)
#define WRITE_TIMEOUT_MS 5000
#define HEAD_OUT_MAX ((size_t)16 * 1024)

/* What an answer has unless its handler said otherwise. */
static const struct {
    const char *name;
    const char *value;
} default_headers[] = {
    { "X-Content-Type-Options", "nosniff" },
    { "Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'" },
    { "Referrer-Policy", "no-referrer" },
    { "Cache-Control", "no-store" },
};

static bool has_header(const struct reply *reply, const char *name)
{
    for (size_t i = 0; i < reply->header_count; i++) {
        if (text_equals_nocase(reply->headers[i].name, name)) {
            return true;
        }
    }
    return false;
}

/* Completes the list of headers. */
static void add_headers(struct http_request *r)
{
    struct reply *reply = &r->reply;
    for (size_t i = 0; i < ARRAY_LEN(default_headers); i++) {
        if (!has_header(reply, default_headers[i].name)) {
            http_reply_header(r, default_headers[i].name, default_headers[i].value);
        }
    }
    if (reply->content_type != NULL) {
        http_reply_header(r, "Content-Type", reply->content_type);
    }
    http_reply_header(r, "X-Request-Id", r->trace_id);
    if (reply->status == 401 && !has_header(reply, "WWW-Authenticate")) {
        http_reply_header(r, "WWW-Authenticate", "Bearer");
    }
    if (r->is_cut || r->is_fatal || atomic_load(&r->server->is_draining)) {
        http_reply_header(r, "Connection", "close");
    }
}

/* ---- through libmicrohttpd ---- */

/* Outlives the request: libmicrohttpd frees it with the response. */
struct stream {
    struct http_server *server;
    struct MHD_Connection *connection;
    enum err (*read)(void *read_ctx, int64_t offset, void *dst, size_t max, size_t *ret_len);
    void (*release)(void *read_ctx);
    void *read_ctx;
    bool is_endless;
};

static ssize_t stream_read(void *cls, uint64_t offset, char *dst, size_t max)
{
    struct stream *s = cls;
    size_t len = 0;
    int64_t before_us = clock_mono_us();
    if (atomic_load(&s->server->is_stopping) ||
        s->read(s->read_ctx, (int64_t)offset, dst, max, &len) != OK) {
        return MHD_CONTENT_READER_END_WITH_ERROR;
    }
    if (clock_mono_us() - before_us > SLOW_READ_US) {
        connection_touch(s->connection, s->server->options.idle_timeout_ms);
    }
    if (len == 0) {
        /* Never 0: libmicrohttpd would ask again at once, for ever. */
        return s->is_endless ? MHD_CONTENT_READER_END_OF_STREAM : MHD_CONTENT_READER_END_WITH_ERROR;
    }
    return (ssize_t)len;
}

static void stream_free(void *cls)
{
    struct stream *s = cls;
    s->release(s->read_ctx);
    free(s);
}

static struct MHD_Response *stream_response(struct http_request *r)
{
    struct reply *reply = &r->reply;
    struct stream *s = xcalloc(1, sizeof(*s));
    s->server = r->server;
    s->connection = r->connection;
    s->read = reply->read;
    s->release = reply->release;
    s->read_ctx = reply->read_ctx;
    s->is_endless = reply->len < 0;
    reply->release = NULL;
    uint64_t size = reply->len < 0 ? MHD_SIZE_UNKNOWN : (uint64_t)reply->len;
    struct MHD_Response *response = MHD_create_response_from_callback(size, STREAM_BLOCK_BYTES,
                                                                      stream_read, s, stream_free);
    if (response == NULL) {
        stream_free(s);
    }
    return response;
}

static struct MHD_Response *make_response(struct http_request *r)
{
    struct reply *reply = &r->reply;
    if (reply->kind == REPLY_STREAM) {
        return stream_response(r);
    }
    if (reply->kind == REPLY_FD) {
        struct MHD_Response *response = MHD_create_response_from_fd_at_offset64(
            (uint64_t)reply->len, reply->fd, (uint64_t)reply->offset);
        reply->fd = response != NULL ? -1 : reply->fd;
        return response;
    }
    struct MHD_Response *response = MHD_create_response_from_buffer(
        (size_t)reply->len, reply->bytes, MHD_RESPMEM_MUST_FREE);
    reply->bytes = response != NULL ? NULL : reply->bytes;
    return response;
}

enum MHD_Result reply_queue(struct http_request *r)
{
    struct reply *reply = &r->reply;
    add_headers(r);
    struct MHD_Response *response = make_response(r);
    if (response == NULL) {
        return MHD_NO;
    }
    for (size_t i = 0; i < reply->header_count; i++) {
        (void)MHD_add_response_header(response, reply->headers[i].name, reply->headers[i].value);
    }
    enum MHD_Result queued = MHD_queue_response(r->connection, (unsigned)reply->status, response);
    MHD_destroy_response(response);
    reply->is_sent = queued == MHD_YES;
    return queued;
}

/* ---- past libmicrohttpd ---- */

static enum err render(const struct http_request *r, struct buf *out)
{
    const struct reply *reply = &r->reply;
    enum err err = buf_appendf(out, "HTTP/1.1 %d %s\r\n", reply->status,
                               MHD_get_reason_phrase_for((unsigned)reply->status));
    char date[CLOCK_TEXT_SIZE];
    clock_format_http(date, clock_wall_ms());
    if (err == OK) {
        err = buf_appendf(out, "Date: %s\r\nContent-Length: %lld\r\n", date, (long long)reply->len);
    }
    for (size_t i = 0; i < reply->header_count && err == OK; i++) {
        err = buf_appendf(out, "%s: %s\r\n", reply->headers[i].name, reply->headers[i].value);
    }
    if (err == OK) {
        err = buf_append_text(out, "\r\n");
    }
    return err == OK ? buf_append(out, reply->bytes, (size_t)reply->len) : err;
}

static bool write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0) {
            data += n;
            len -= (size_t)n;
            continue;
        }
        struct pollfd p = { .fd = fd, .events = POLLOUT };
        bool is_full = n < 0 && (errno == EAGAIN || errno == EINTR);
        if (!is_full || poll(&p, 1, WRITE_TIMEOUT_MS) <= 0) {
            return false;
        }
    }
    return true;
}

void reply_write_now(struct http_request *r)
{
    /* Only refusals come here; a stream or a file would be a handler's mistake. */
    if (r->reply.kind != REPLY_BYTES) {
        http_reply_problem(r, PROBLEM_INTERNAL, "The body could not be taken.");
    }
    add_headers(r);
    struct buf out;
    buf_init(&out, HEAD_OUT_MAX + (size_t)r->reply.len);
    if (render(r, &out) == OK) {
        r->reply.is_sent = write_all(r->fd, buf_text(&out), out.len);
    }
    buf_release(&out);
}
