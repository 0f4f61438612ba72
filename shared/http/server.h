/* An HTTP/1.1 server with its routes in a table, on libmicrohttpd, one thread per connection.
 *
 * Every request is screened before a handler sees it (screen.h). Handlers run on the connection's
 * thread and may block. Life of a request: screen -> route -> authorize (unless public) -> begin
 * (streamed bodies) -> body -> handle -> done. Exactly one reply is set per request, by any of
 * authorize, begin or handle; when begin sets a reply the body is not read (an `Expect:
 * 100-continue` client sends none) and handle is skipped. */
#ifndef UNREEL_HTTP_SERVER_H
#define UNREEL_HTTP_SERVER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/mem.h"
#include "core/problem.h"
#include "http/address.h"

struct http_server;
struct http_request;

enum http_access { HTTP_PUBLIC, HTTP_USER, HTTP_ADMIN };

struct http_route {
    const char *method; /* "GET" (serves HEAD too), "POST", "PUT", "DELETE" */
    const char *path;   /* "/v1/jobs/{id}/cancel": a {name} matches one non-empty segment */
    enum http_access access;
    const char *summary; /* one line, for openapi.yaml's check and metrics' help */
    /* Answers the request. The whole body has arrived. Called once, unless begin replied or the
     * client went away. */
    void (*handle)(struct http_request *r, void *ctx);
    /* Bodies up to body_max bytes are kept for http_request_body; 0: no body is accepted (413).
     * Ignored when `data` is set. */
    size_t body_max;
    /* Streamed body: begin is called after the headers, before 100-continue; data for each slice. A
     * failure of data is remembered (the rest of the body is dropped) and given to handle by
     * http_request_body_error. */
    void (*begin)(struct http_request *r, void *ctx);
    enum err (*data)(struct http_request *r, void *ctx, const void *bytes, size_t len,
                     struct error *e);
    /* Always called once when the request ends, also when the client went away: frees what begin
     * made. */
    void (*done)(struct http_request *r, void *ctx);
};

struct http_server_options {
    const char *bind_address;
    int port; /* 0: a free one */
    const struct http_route *routes;
    size_t route_count;
    void *ctx; /* given to handlers */
    /* Called for routes that are not public, before the body. Sets the user (http_request_set_user)
     * and returns true, or sets a reply and returns false. */
    bool (*authorize)(struct http_request *r, enum http_access access, void *ctx);
    /* Called when a request has ended, for metrics and the access log. `route` is NULL when none
     * matched, `status` 0 when the client went away before its answer. */
    void (*observe)(const struct http_request *r, const struct http_route *route, int status,
                    int64_t duration_us, void *ctx);
    /* 0: 256. Over it, one that is idle or slow is closed for each new one; at twice as many, new
     * ones are. */
    int max_connections;
    int max_connections_per_ip; /* 0: no limit */
    int header_deadline_ms; /* 0: 10000; from accept (or the end of the previous request) to the end
                               of the headers */
    int idle_timeout_ms;    /* 0: 30000; inactivity, and idle keep-alive */
    int body_min_bytes_per_s;     /* 0: 8192, averaged over 30 s */
    int64_t body_deadline_ms;     /* 0: 6 h for one body */
    size_t memory_per_connection; /* 0: 32 KiB; half of it is the slice given to data */
    bool single_thread;           /* one polling thread for all, and no spans: the ops port */
};

/* Starts listening. On OK the caller owns *ret_server. */
enum err http_server_start(const struct http_server_options *options,
                           struct http_server **ret_server, struct error *e) MUST_CHECK;
int http_server_port(const struct http_server *s);
/* Stops accepting, after whoever is connected already; answers carry `Connection: close`; returns
 * at once. Thread-safe. */
void http_server_drain(struct http_server *s);
/* Requests in hand. When a drain has just begun, open connections too: their requests may be on
 * their way; and never 0 in its first 100 ms. */
unsigned http_server_in_flight(const struct http_server *s);
/* Drains, waits up to timeout_ms for requests in hand, stops and frees. NULL is fine. */
void http_server_stop(struct http_server *s, int64_t timeout_ms);

/* ---- the request; texts are valid until done returns ---- */
const char *http_request_method(const struct http_request *r);
const char *http_request_path(const struct http_request *r);
/* NULL when absent. Names are case-insensitive. */
const char *http_request_header(const struct http_request *r, const char *name);
/* Decoded query parameter; NULL when absent. A parameter given twice: the first (unknown ones:
 * http_request_each_query). */
const char *http_request_query(const struct http_request *r, const char *name);
void http_request_each_query(const struct http_request *r,
                             void (*each)(void *ctx, const char *name, const char *value),
                             void *ctx);
/* The value of {name} in the route's path. Never NULL for a name of the route. */
const char *http_request_segment(const struct http_request *r, const char *name);
/* -1 when the length is not known (chunked) or there is no body: see http_request_has_body. */
int64_t http_request_content_length(const struct http_request *r);
bool http_request_has_body(const struct http_request *r);
/* Body bytes received so far. */
int64_t http_request_received(const struct http_request *r);
/* The kept body (body_max routes). */
const void *http_request_body(const struct http_request *r, size_t *ret_len);
/* Parses the kept body as one JSON value, duplicates rejected. The caller owns *ret_json. */
enum err http_request_json(const struct http_request *r, json_t **ret_json,
                           struct error *e) MUST_CHECK;
/* OK, or what data returned first, or ERR_TOO_BIG for a kept body. */
enum err http_request_body_error(const struct http_request *r, struct error *ret_error);
/* Peer address as text. */
const char *http_request_peer(const struct http_request *r);
/* The client's address: the peer's, or what trusted proxies say in X-Forwarded-For. */
void http_request_client(const struct http_request *r, const struct address_list *trusted,
                         char ret_address[ADDRESS_SIZE]);
/* Accepted or new, and of the request's own span while that is recorded; also the log context of
 * the thread, and X-Request-Id of the answer is the trace id. */
const char *http_request_traceparent(const struct http_request *r);
const char *http_request_trace_id(const struct http_request *r);
/* Decodes `Authorization: Basic`. ERR_NOT_FOUND without one, ERR_INVALID when broken. The caller
 * wipes and frees both. */
enum err http_request_basic(const struct http_request *r, char **ret_user,
                            char **ret_password) MUST_CHECK;
/* The token of `Authorization: Bearer`; NULL without one. */
const char *http_request_bearer(const struct http_request *r);
/* Per-request state of a handler; freed by its done. */
void http_request_set_state(struct http_request *r, void *state);
void *http_request_state(const struct http_request *r);
void http_request_set_user(struct http_request *r, const char *username, const char *user_id,
                           bool is_admin);
const char *http_request_user(const struct http_request *r); /* NULL before authorize */
/* The account's id; NULL before authorize. */
const char *http_request_user_id(const struct http_request *r);
bool http_request_is_admin(const struct http_request *r);
/* Whether the client is still there and the server is not stopping: for handlers that wait. */
bool http_request_is_alive(const struct http_request *r);

/* ---- the reply; texts are copied; a second reply replaces the first unless it was sent ---- */
void http_reply_text(struct http_request *r, int status, const char *content_type,
                     const char *text);
void http_reply_bytes(struct http_request *r, int status, const char *content_type,
                      const void *bytes, size_t len);
/* Takes ownership of json. */
void http_reply_json(struct http_request *r, int status, json_t *json);
void http_reply_empty(struct http_request *r, int status);
/* RFC 9457 problem+json; status and title come from the catalogue; detail is printf-formatted, in
 * the user's terms. */
void http_reply_problem(struct http_request *r, enum problem p, const char *detail, ...)
    PRINTF(3, 4);
/* The same with extension members merged in; takes ownership of `members`, an object (may be NULL).
 */
void http_reply_problem_with(struct http_request *r, enum problem p, json_t *members,
                             const char *detail, ...) PRINTF(4, 5);
/* Streams size_bytes from `read` (positional, blocking; returns ERR to break off).
 * `release(read_ctx)` is always called once. */
void http_reply_stream(struct http_request *r, int status, const char *content_type,
                       int64_t size_bytes,
                       enum err (*read)(void *read_ctx, int64_t offset, void *dst, size_t max,
                                        size_t *ret_len),
                       void (*release)(void *read_ctx), void *read_ctx);
/* The same for a regular file's descriptor, sent with sendfile where the connection allows. Takes
 * ownership of fd. */
void http_reply_fd(struct http_request *r, int status, const char *content_type, int fd,
                   int64_t offset, int64_t size_bytes);
/* Adds a header to the reply, before or after it is set. Control characters in value are dropped.
 */
void http_reply_header(struct http_request *r, const char *name, const char *value);
bool http_has_reply(const struct http_request *r);

/* `path` matches the route's pattern; for tests. */
bool http_route_matches(const char *pattern, const char *path);

#endif
