/* Outgoing HTTP and SMTP on libcurl. Each call blocks up to its timeout; thread-safe. */
#ifndef UNREEL_HTTP_CLIENT_H
#define UNREEL_HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/error.h"
#include "core/mem.h"

struct http_response {
    int status;
    struct buf body; /* up to response_max */
    char content_type[128];
    char location[512];
    int64_t retry_after_s; /* -1 when absent */
};

struct http_call {
    const char *method; /* "GET", "POST", ... */
    const char *url;
    const char *const *headers;  /* "Name: value", NULL-terminated; may be NULL */
    const char *user, *password; /* Basic; may be NULL */
    const char *bearer;          /* may be NULL */
    /* The trace that the call is part of, unless the thread's current span is: it gets a span of
     * its own, and a traceparent header. NULL: neither. */
    const char *traceparent;
    const void *body;
    size_t body_len;
    /* Instead of body: a stream of body_size bytes (-1: chunked). */
    enum err (*read_body)(void *ctx, void *dst, size_t max, size_t *ret_len);
    int64_t body_size;
    /* Instead of response.body: called with each slice of a 2xx answer. */
    enum err (*write_body)(void *ctx, const void *bytes, size_t len);
    void *ctx;
    size_t response_max; /* 0: 64 KiB */
    int timeout_ms;      /* 0: 10000; -1: none (transfers), with 60 s of silence as the limit */
    /* Refuse loopback, private, link-local, unique-local, multicast and metadata addresses, connect
     * only to the address checked, and https only; for URLs that users give (A14). */
    bool public_only;
    bool follow_redirects;
};

/* Once, before threads. */
enum err http_client_init(struct error *e) MUST_CHECK;
/* OK when an answer came, whatever its status. Connections are kept, and a server may close a kept
 * one at any moment: when it does so before a byte of its answer came, the call is made once more
 * on a new one (by libcurl, which does it for every method, as browsers do: what we POST may be
 * repeated), unless its body was a stream. BUSY: no connection or broken; TIMEOUT; DENIED:
 * address refused; INVALID: bad URL. On OK the caller releases *ret with http_response_release. */
enum err http_client_call(const struct http_call *call, struct http_response *ret,
                          struct error *e) MUST_CHECK;
void http_response_release(struct http_response *response);
/* Whether a textual IPv4 or IPv6 address is one that public_only refuses. */
bool http_client_is_private_address(const char *address);

struct smtp_mail {
    const char *url;             /* smtp://host:port (STARTTLS when offered), smtps://host:port */
    bool require_tls;            /* a user implies it, unless the URL names this machine */
    const char *user, *password; /* may be NULL */
    const char *from, *to;       /* bare addresses; CR, LF, <, > are refused */
    const char *message;         /* the whole RFC 5322 message with CRLF lines */
    size_t message_len;
    int timeout_ms;
};

/* OK when the server took it. INVALID: refused for good (5xx); BUSY: try later (4xx, no
 * connection). */
enum err smtp_send(const struct smtp_mail *mail, struct error *e) MUST_CHECK;

#endif
