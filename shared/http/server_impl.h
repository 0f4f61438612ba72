/* What the files of the server share; see server.h for the contract. Only for this folder. */
#ifndef UNREEL_HTTP_SERVER_IMPL_H
#define UNREEL_HTTP_SERVER_IMPL_H

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

#include "core/buf.h"
#include "core/span.h"
#include "http/reaper.h"
#include "http/screen.h"
#include "http/server.h"

/* A head longer than this is answered with 431. */
#define HEAD_MAX_BYTES ((size_t)16 * 1024)
/* After an answer that did not wait for the end of the body, so much more of it is read and thrown
 * away, for so long, because closing a socket with unread data would take the answer back. */
#define LINGER_MAX_BYTES ((int64_t)64 * 1024 * 1024)
#define LINGER_MAX_MS 5000
/* One call of a stream's read. */
#define STREAM_BLOCK_BYTES ((size_t)256 * 1024)
#define SEGMENTS_MAX 8
#define PARAMS_MAX 64
#define REPLY_HEADERS_MAX 32
#define PEER_SIZE 64

struct http_server {
    struct http_server_options options; /* with the defaults filled in */
    struct http_route *routes;
    struct MHD_Daemon *daemon;
    struct reaper *reaper;
    int listen_fd;
    int port;
    pthread_mutex_t lock; /* guards in_flight */
    pthread_cond_t idle;
    unsigned in_flight;
    atomic_bool is_draining;
    _Atomic int64_t drained_at_ms; /* monotonic */
    atomic_bool is_stopping;
};

/* ---- target.c: the request target, taken apart ---- */
struct target_param {
    char *name;
    char *value;
};

struct target {
    char *path;    /* as it came, without the query */
    char *decoded; /* percent-decoded */
    struct target_param params[PARAMS_MAX];
    size_t param_count;
};

/* NULL, or one sentence that says what is wrong. t must be zeroed. */
const char *target_parse(struct target *t, const char *raw);
void target_release(struct target *t);

/* ---- route.c ---- */
struct segment {
    const char *name; /* in the route's pattern, not terminated */
    size_t name_len;
    char *value; /* percent-decoded; owned */
};

struct route_match {
    const struct http_route *route; /* NULL: none */
    bool is_path_known;             /* but not with this method */
    struct segment segments[SEGMENTS_MAX];
    size_t segment_count;
};

void route_find(const struct http_server *s, const char *method, const char *path,
                struct route_match *ret_match);
void route_match_release(struct route_match *m);
/* The methods that `path` has, as the value of Allow: "GET, HEAD, POST". */
void route_allow(const struct http_server *s, const char *path, char *dst, size_t size);

/* ---- reply.c and reply_send.c ---- */
enum reply_kind { REPLY_NONE, REPLY_BYTES, REPLY_STREAM, REPLY_FD };

struct reply_header {
    char *name;
    char *value;
};

struct reply {
    enum reply_kind kind;
    int status;
    char *content_type;
    char *bytes;
    int64_t len; /* -1: a stream of unknown length */
    int fd;
    int64_t offset;
    enum err (*read)(void *read_ctx, int64_t offset, void *dst, size_t max, size_t *ret_len);
    void (*release)(void *read_ctx);
    void *read_ctx;
    struct reply_header headers[REPLY_HEADERS_MAX];
    size_t header_count;
    bool is_sent;
};

struct http_request {
    struct http_server *server;
    struct MHD_Connection *connection;
    struct watched *watched;
    int fd;
    int64_t started_us;
    /* The target as it came, and where it lies in libmicrohttpd's buffer. */
    char *raw_target;
    const char *raw_at;
    struct target target;
    const char *method;
    struct route_match match;
    char peer[PEER_SIZE];
    struct span span;
    char trace_id[TRACE_ID_SIZE];
    char *user;
    char *user_id;
    bool is_admin;
    void *state;
    /* body */
    bool has_body;
    int64_t content_length;
    int64_t received;
    struct buf body;
    struct error body_error;
    /* progress */
    bool is_begun; /* the head was looked at */
    bool is_fatal; /* the connection cannot be used again */
    bool is_cut;   /* answered before the end of the body */
    struct reply reply;
};

void reply_release(struct reply *reply);
/* Queues the reply with libmicrohttpd. */
enum MHD_Result reply_queue(struct http_request *r);
/* Writes the reply to the socket past libmicrohttpd, which cannot answer in the middle of a body.
 * The connection must be closed after it. */
void reply_write_now(struct http_request *r);

/* ---- request_span.c ---- */
void request_span_begin(struct http_request *r);
void request_span_end(struct http_request *r);

/* ---- connection.c: libmicrohttpd's callbacks ---- */
void *connection_on_target(void *cls, const char *target, struct MHD_Connection *c);
enum MHD_Result connection_on_request(void *cls, struct MHD_Connection *c, const char *url,
                                      const char *method, const char *version, const char *data,
                                      size_t *data_len, void **request);
void connection_on_completed(void *cls, struct MHD_Connection *c, void **request,
                             enum MHD_RequestTerminationCode how);
void connection_on_notify(void *cls, struct MHD_Connection *c, void **socket_ctx,
                          enum MHD_ConnectionNotificationCode code);
/* Counts what the application just did as activity, for libmicrohttpd's inactivity timeout. */
void connection_touch(struct MHD_Connection *c, int idle_timeout_ms);

#endif
