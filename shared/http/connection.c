/* libmicrohttpd's callbacks: the life of a request.
 *
 * An answer that does not wait for the end of the body (a refusal, or a body that `data` refused)
 * is sent at once and the connection closed, but not before what the client is still sending has
 * been read and thrown away, within LINGER_MAX_*: closing a socket with unread data resets it, and
 * the reset overtakes the answer. A client that reads while it sends (curl, browsers) stops as soon
 * as it sees the answer; one that only reads when it has sent everything still gets it. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/text.h"
#include "http/server_impl.h"

#include "core/banned.h"

#define SLOW_CALL_US INT64_C(1000000)

/* ---- connections ---- */

void connection_on_notify(void *cls, struct MHD_Connection *c, void **socket_ctx,
                          enum MHD_ConnectionNotificationCode code)
{
    struct http_server *s = cls;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info = MHD_get_connection_info(
            c, MHD_CONNECTION_INFO_CONNECTION_FD);
        *socket_ctx = reaper_watch(s->reaper, info->connect_fd);
    } else if (*socket_ctx != NULL) {
        reaper_forget(*socket_ctx);
        *socket_ctx = NULL;
    }
}

void connection_touch(struct MHD_Connection *c, int idle_timeout_ms)
{
    /* Setting the timeout counts as activity only when there was none before. */
    unsigned idle_timeout_s = (unsigned)((idle_timeout_ms + 999) / 1000);
    (void)MHD_set_connection_option(c, MHD_CONNECTION_OPTION_TIMEOUT, 0U);
    (void)MHD_set_connection_option(c, MHD_CONNECTION_OPTION_TIMEOUT, idle_timeout_s);
}

static void read_peer(struct http_request *r)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(
        r->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const void *address = NULL;
    int family = AF_UNSPEC;
    if (info != NULL && info->client_addr != NULL) {
        family = info->client_addr->sa_family;
        if (family == AF_INET) {
            address = &((const struct sockaddr_in *)(const void *)info->client_addr)->sin_addr;
        } else if (family == AF_INET6) {
            address = &((const struct sockaddr_in6 *)(const void *)info->client_addr)->sin6_addr;
        }
    }
    if (address == NULL || inet_ntop(family, address, r->peer, sizeof(r->peer)) == NULL) {
        (void)text_copy(r->peer, sizeof(r->peer), "unknown");
    } else if (family == AF_INET6 && text_starts_with(r->peer, "::ffff:")) {
        size_t prefix_len = strlen("::ffff:");
        memmove(r->peer, r->peer + prefix_len, strlen(r->peer) - prefix_len + 1);
    }
}

/* The first line of a request has arrived, its target as it came. */
void *connection_on_target(void *cls, const char *target, struct MHD_Connection *c)
{
    struct http_server *s = cls;
    struct http_request *r = xcalloc(1, sizeof(*r));
    r->server = s;
    r->connection = c;
    r->watched = MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    r->fd = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    r->started_us = clock_mono_us();
    r->raw_target = xstrdup(target);
    r->raw_at = target;
    r->method = "";
    r->content_length = -1;
    r->reply.fd = -1;
    reaper_set_phase(r->watched, WATCH_HEADER);
    (void)pthread_mutex_lock(&s->lock);
    s->in_flight++;
    (void)pthread_mutex_unlock(&s->lock);
    return r;
}

/* ---- the head ---- */

struct header_list {
    struct screen_header items[SCREEN_HEADERS_MAX + 1];
    size_t count;
};

static enum MHD_Result add_header(void *cls, enum MHD_ValueKind kind, const char *name,
                                  size_t name_len, const char *value, size_t value_len)
{
    (void)kind;
    struct header_list *list = cls;
    if (list->count == ARRAY_LEN(list->items)) {
        return MHD_NO;
    }
    list->items[list->count++] = (struct screen_header){ name, name_len, value != NULL ? value : "",
                                                         value_len };
    return MHD_YES;
}

/* The layout is that of the version it was measured with; later ones refuse such heads themselves.
 */
static bool is_layout_known(void)
{
    return strcmp(MHD_get_version(), "0.9.75") == 0;
}

static const char *screen(struct http_request *r, const char *version)
{
    struct header_list list = { .count = 0 };
    (void)MHD_get_connection_values_n(r->connection, MHD_HEADER_KIND, add_header, &list);
    const struct screen_head head = { version, r->raw_target, list.items, list.count };
    const char *wrong = screen_check(&head);
    if (wrong != NULL || !is_layout_known()) {
        return wrong;
    }
    const union MHD_ConnectionInfo *size = MHD_get_connection_info(
        r->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    const struct screen_layout layout = {
        .method = r->method,
        .target = r->raw_at,
        .target_len = strlen(r->raw_target),
        .version = version,
        .head_len = size != NULL ? size->header_size : 0,
    };
    return screen_is_tidy(&layout, list.items, list.count)
               ? NULL
               : "A header is folded, has a NUL, or ends with something else than CR LF.";
}

static void read_body_headers(struct http_request *r)
{
    const char *length = http_request_header(r, "Content-Length");
    bool is_chunked = http_request_header(r, "Transfer-Encoding") != NULL;
    if (length != NULL &&
        text_to_int64(length + strspn(length, " \t"), 0, INT64_MAX, &r->content_length) != OK) {
        r->content_length = 0; /* screened; trailing spaces, which libmicrohttpd refused */
    }
    r->has_body = is_chunked || r->content_length > 0;
    if (is_chunked) {
        r->content_length = -1;
    }
}

static bool is_head_small(const struct http_request *r)
{
    const union MHD_ConnectionInfo *size = MHD_get_connection_info(
        r->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    return size == NULL || size->header_size <= HEAD_MAX_BYTES;
}

/* What no handler is needed for. False: a reply was set. */
static bool check_head(struct http_request *r, const char *version)
{
    const char *wrong = screen(r, version);
    if (wrong == NULL) {
        read_body_headers(r);
        wrong = target_parse(&r->target, r->raw_target);
    }
    if (wrong != NULL) {
        r->is_fatal = true;
        http_reply_problem(r, PROBLEM_BAD_REQUEST, "%s", wrong);
        return false;
    }
    if (!is_head_small(r)) {
        r->is_fatal = true;
        http_reply_problem(r, PROBLEM_HEADERS_TOO_LARGE,
                           "The headers of a request may have %zu bytes.", HEAD_MAX_BYTES);
        return false;
    }
    return true;
}

static bool find_route(struct http_request *r)
{
    route_find(r->server, r->method, r->target.path, &r->match);
    if (r->match.route != NULL) {
        return true;
    }
    if (r->match.is_path_known) {
        char allow[128];
        route_allow(r->server, r->target.path, allow, sizeof(allow));
        http_reply_header(r, "Allow", allow);
        http_reply_problem(r, PROBLEM_METHOD_NOT_ALLOWED, "This path allows %s.", allow);
    } else {
        http_reply_problem(r, PROBLEM_NOT_FOUND, "There is nothing at this path.");
    }
    return false;
}

static bool authorize(struct http_request *r)
{
    const struct http_server_options *o = &r->server->options;
    enum http_access access = r->match.route->access;
    if (access == HTTP_PUBLIC) {
        return true;
    }
    bool is_allowed = o->authorize != NULL && o->authorize(r, access, o->ctx);
    if (!is_allowed && !http_has_reply(r)) {
        http_reply_problem(r, PROBLEM_UNAUTHENTICATED, "This needs a valid token.");
    }
    return is_allowed;
}

static bool accept_body(struct http_request *r)
{
    const struct http_route *route = r->match.route;
    if (!r->has_body || route->data != NULL) {
        return true;
    }
    if (route->body_max == 0) {
        http_reply_problem(r, PROBLEM_INPUT_TOO_LARGE, "This request takes no body.");
        return false;
    }
    if (r->content_length > (int64_t)route->body_max) {
        http_reply_problem(r, PROBLEM_INPUT_TOO_LARGE, "The body may have %zu bytes.",
                           route->body_max);
        return false;
    }
    return true;
}

static void begin(struct http_request *r, const char *method, const char *version)
{
    r->is_begun = true;
    r->method = method;
    read_peer(r);
    request_span_begin(r);
    log_context(r->trace_id, NULL);
    reaper_set_phase(r->watched, WATCH_FREE);
    if (!check_head(r, version) || !find_route(r) || !authorize(r) || !accept_body(r)) {
        return;
    }
    const struct http_route *route = r->match.route;
    buf_init(&r->body, route->data == NULL ? route->body_max : 0);
    if (route->begin != NULL) {
        route->begin(r, r->server->options.ctx);
    }
    if (r->has_body && !http_has_reply(r)) {
        reaper_set_phase(r->watched, WATCH_BODY);
    }
}

/* ---- the body and the answer ---- */

static void handle(struct http_request *r)
{
    reaper_set_phase(r->watched, WATCH_FREE);
    if (!http_has_reply(r)) {
        r->match.route->handle(r, r->server->options.ctx);
    }
    if (!http_has_reply(r)) {
        http_reply_problem(r, PROBLEM_INTERNAL, "The request was not answered.");
    }
}

static enum err take_slice(struct http_request *r, const char *data, size_t len)
{
    const struct http_route *route = r->match.route;
    struct error e = { .code = OK, .text = "" };
    enum err err;
    if (route->data != NULL) {
        int64_t before_us = clock_mono_us();
        reaper_slice_begins(r->watched);
        err = route->data(r, r->server->options.ctx, data, len, &e);
        reaper_slice_ends(r->watched, len);
        if (clock_mono_us() - before_us > SLOW_CALL_US) {
            connection_touch(r->connection, r->server->options.idle_timeout_ms);
        }
    } else {
        reaper_slice_begins(r->watched);
        err = buf_append(&r->body, data, len);
        reaper_slice_ends(r->watched, len);
        if (err != OK) {
            (void)err_set(&e, err, "the body may have %zu bytes", route->body_max);
        }
    }
    r->received += (int64_t)len;
    if (err != OK) {
        r->body_error = e;
        r->body_error.code = err;
    }
    return err;
}

/* libmicrohttpd cannot answer in the middle of a body, so this does it and then has it drop the
 * connection; connection_on_completed lingers. */
static enum MHD_Result cut_body(struct http_request *r)
{
    r->is_cut = true;
    handle(r);
    reply_write_now(r);
    return MHD_NO;
}

enum MHD_Result connection_on_request(void *cls, struct MHD_Connection *c, const char *url,
                                      const char *method, const char *version, const char *data,
                                      size_t *data_len, void **request)
{
    (void)cls;
    (void)c;
    (void)url;
    struct http_request *r = *request;
    if (!r->is_begun) {
        begin(r, method, version);
        bool is_answered_early = http_has_reply(r) && (r->has_body || r->is_fatal);
        if (!is_answered_early) {
            /* A reply without a body to refuse waits for the last call: queued now it would cost
             * the client its connection. */
            return MHD_YES;
        }
        r->is_cut = true;
        return reply_queue(r);
    }
    if (r->server->options.single_thread) {
        log_context(r->trace_id, NULL); /* another's request may have been here since */
    }
    if (*data_len > 0) {
        size_t len = *data_len;
        *data_len = 0;
        bool is_last = r->content_length == r->received + (int64_t)len;
        if (take_slice(r, data, len) != OK && !is_last) {
            return cut_body(r);
        }
        return MHD_YES;
    }
    handle(r);
    return reply_queue(r);
}

/* ---- the end ---- */

/* Reads and drops what the client still sends after the answer. */
static void linger(const struct http_request *r)
{
    static const size_t chunk = (size_t)64 * 1024;
    char *bin = xmalloc(chunk);
    int64_t end_ms = clock_mono_ms() + LINGER_MAX_MS;
    int64_t total = 0;
    /* One polling thread serves everybody: it takes what is there and waits for nobody. */
    bool may_wait = !r->server->options.single_thread;
    (void)shutdown(r->fd, SHUT_WR);
    while (total < LINGER_MAX_BYTES) {
        int64_t left_ms = end_ms - clock_mono_ms();
        struct pollfd p = { .fd = r->fd, .events = POLLIN };
        if (left_ms <= 0 || poll(&p, 1, may_wait ? (int)left_ms : 0) <= 0) {
            break;
        }
        ssize_t n = recv(r->fd, bin, chunk, MSG_DONTWAIT);
        if (n <= 0) {
            break;
        }
        total += n;
    }
    free(bin);
}

static void observe(const struct http_request *r)
{
    const struct http_server_options *o = &r->server->options;
    if (o->observe != NULL && r->is_begun) {
        o->observe(r, r->match.route, r->reply.is_sent ? r->reply.status : 0,
                   clock_mono_us() - r->started_us, o->ctx);
    }
}

static void free_request(struct http_request *r)
{
    reply_release(&r->reply);
    target_release(&r->target);
    route_match_release(&r->match);
    buf_release(&r->body);
    free(r->raw_target);
    free(r->user);
    free(r->user_id);
    free(r);
}

void connection_on_completed(void *cls, struct MHD_Connection *c, void **request,
                             enum MHD_RequestTerminationCode how)
{
    (void)c;
    (void)how;
    struct http_server *s = cls;
    struct http_request *r = *request;
    if (r == NULL) {
        return;
    }
    *request = NULL;
    observe(r);
    if (r->match.route != NULL && r->match.route->done != NULL) {
        r->match.route->done(r, s->options.ctx);
    }
    request_span_end(r);
    reaper_set_phase(r->watched, WATCH_IDLE);
    if (r->is_cut && r->reply.is_sent && !atomic_load(&s->is_stopping)) {
        linger(r);
    }
    log_context(NULL, NULL);
    free_request(r);
    (void)pthread_mutex_lock(&s->lock);
    s->in_flight--;
    if (s->in_flight == 0) {
        (void)pthread_cond_broadcast(&s->idle);
    }
    (void)pthread_mutex_unlock(&s->lock);
}
