/* A request's span: OpenTelemetry's semantic conventions for HTTP servers. */
#include <stdio.h>
#include <string.h>

#include "http/server_impl.h"

#include "core/banned.h"

/* Threads have a current span, so requests that share one have none. */
void request_span_begin(struct http_request *r)
{
    const char *given = http_request_header(r, "traceparent");
    if (r->server->options.single_thread) {
        trace_accept(given, r->span.traceparent, r->trace_id);
        return;
    }
    span_begin(&r->span, SPAN_SERVER, given, "HTTP");
    trace_read_id(r->span.traceparent, r->trace_id);
}

/* Only the methods that there are: the name of a span is no place for what strangers type. */
static const char *known_method(const char *method)
{
    static const char *const known[] = { "GET",     "HEAD",  "POST",    "PUT",  "DELETE",
                                         "OPTIONS", "PATCH", "CONNECT", "TRACE" };
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (strcmp(known[i], method) == 0) {
            return known[i];
        }
    }
    return NULL;
}

void request_span_end(struct http_request *r)
{
    const char *method = known_method(r->method);
    const struct http_route *route = r->match.route;
    char text[SPAN_NAME_SIZE];
    if (!r->span.is_recorded) {
        return;
    }
    (void)snprintf(text, sizeof(text), "%s%s%s", method != NULL ? method : "HTTP",
                   route != NULL ? " " : "", route != NULL ? route->path : "");
    span_rename(&r->span, text);
    span_text(&r->span, "http.request.method", method != NULL ? method : "_OTHER");
    span_text(&r->span, "url.scheme", "http");
    if (route != NULL) {
        span_text(&r->span, "http.route", route->path);
    }
    if (!r->reply.is_sent) {
        span_fail(&r->span, "disconnected", "the client went away before the answer");
    } else {
        span_int(&r->span, "http.response.status_code", r->reply.status);
        if (r->reply.status >= 500) {
            (void)snprintf(text, sizeof(text), "%d", r->reply.status);
            span_fail(&r->span, text, NULL);
        }
    }
    /* Last: it may be long. */
    span_text(&r->span, "url.path", r->target.path != NULL ? r->target.path : "");
    span_end(&r->span);
}
