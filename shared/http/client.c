#include "http/client.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "core/span.h"
#include "core/text.h"
#include "core/url.h"
#include "core/version.h"
#include "http/client_impl.h"

#include "core/banned.h"

#define DEFAULT_TIMEOUT_MS 10000
#define CONNECT_TIMEOUT_MS 10000
#define SILENCE_MAX_S 60L
#define DEFAULT_RESPONSE_MAX ((size_t)64 * 1024)
#define TRANSFER_BUFFER_BYTES (256L * 1024)
#define REDIRECTS_MAX 5L

/* One call under way. */
struct transfer {
    const struct http_call *call;
    struct http_response *response;
    CURL *curl;
    struct curl_slist *headers;
    struct span span;
    bool is_denied;    /* the address was refused */
    bool is_truncated; /* response_max reached */
    enum err failed;   /* what a callback of the caller returned */
};

static size_t on_body(char *bytes, size_t size, size_t count, void *ctx)
{
    struct transfer *t = ctx;
    size_t len = size * count;
    long status = 0;
    (void)curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
    if (t->call->write_body != NULL && status >= 200 && status < 300) {
        t->failed = t->call->write_body(t->call->ctx, bytes, len);
        return t->failed == OK ? len : 0;
    }
    struct buf *body = &t->response->body;
    size_t room = body->max - body->len;
    t->failed = buf_append(body, bytes, len < room ? len : room);
    t->is_truncated = len > room;
    return t->failed == OK && !t->is_truncated ? len : 0;
}

static size_t on_read(char *dst, size_t size, size_t count, void *ctx)
{
    struct transfer *t = ctx;
    size_t len = 0;
    t->failed = t->call->read_body(t->call->ctx, dst, size * count, &len);
    return t->failed == OK ? len : CURL_READFUNC_ABORT;
}

static enum err add_header(struct transfer *t, const char *line, struct error *e)
{
    if (!client_is_one_line(line)) {
        return err_set(e, ERR_INVALID, "a header has a control character");
    }
    struct curl_slist *longer = curl_slist_append(t->headers, line);
    if (longer == NULL) {
        return err_set(e, ERR_FAULT, "libcurl: out of memory");
    }
    t->headers = longer;
    return OK;
}

static bool has_content_type(const struct http_call *call)
{
    for (size_t i = 0; call->headers != NULL && call->headers[i] != NULL; i++) {
        if (strncasecmp(call->headers[i], "Content-Type:", strlen("Content-Type:")) == 0) {
            return true;
        }
    }
    return false;
}

static enum err set_headers(struct transfer *t, struct error *e)
{
    const struct http_call *call = t->call;
    /* Without this libcurl claims that any body is a form. */
    enum err err = has_content_type(call) ? OK : add_header(t, "Content-Type:", e);
    for (size_t i = 0; call->headers != NULL && call->headers[i] != NULL && err == OK; i++) {
        err = add_header(t, call->headers[i], e);
    }
    if (call->traceparent != NULL && err == OK) {
        char line[sizeof("traceparent: ") + TRACEPARENT_SIZE];
        (void)snprintf(line, sizeof(line), "traceparent: %s", span_traceparent(&t->span));
        err = add_header(t, line, e);
    }
    (void)curl_easy_setopt(t->curl, CURLOPT_HTTPHEADER, t->headers);
    return err;
}

static enum err set_credentials(struct transfer *t, struct error *e)
{
    const struct http_call *call = t->call;
    if (call->user != NULL) {
        (void)curl_easy_setopt(t->curl, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
        (void)curl_easy_setopt(t->curl, CURLOPT_USERNAME, call->user);
        (void)curl_easy_setopt(t->curl, CURLOPT_PASSWORD,
                               call->password != NULL ? call->password : "");
    } else if (call->bearer != NULL) {
        if (!client_is_one_line(call->bearer)) {
            return err_set(e, ERR_INVALID, "the token has a control character");
        }
        (void)curl_easy_setopt(t->curl, CURLOPT_HTTPAUTH, (long)CURLAUTH_BEARER);
        (void)curl_easy_setopt(t->curl, CURLOPT_XOAUTH2_BEARER, call->bearer);
    }
    return OK;
}

static void set_body(struct transfer *t)
{
    const struct http_call *call = t->call;
    if (strcmp(call->method, "HEAD") == 0) {
        (void)curl_easy_setopt(t->curl, CURLOPT_NOBODY, 1L);
        return;
    }
    if (call->read_body != NULL) {
        (void)curl_easy_setopt(t->curl, CURLOPT_UPLOAD, 1L);
        (void)curl_easy_setopt(t->curl, CURLOPT_READFUNCTION, on_read);
        (void)curl_easy_setopt(t->curl, CURLOPT_READDATA, t);
        (void)curl_easy_setopt(t->curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)call->body_size);
        (void)curl_easy_setopt(t->curl, CURLOPT_UPLOAD_BUFFERSIZE, TRANSFER_BUFFER_BYTES);
    } else if (call->body != NULL || strcmp(call->method, "POST") == 0 ||
               strcmp(call->method, "PUT") == 0) {
        (void)curl_easy_setopt(t->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body_len);
        (void)curl_easy_setopt(t->curl, CURLOPT_POSTFIELDS, call->body != NULL ? call->body : "");
    }
    (void)curl_easy_setopt(t->curl, CURLOPT_CUSTOMREQUEST, call->method);
}

static void set_limits(struct transfer *t)
{
    const struct http_call *call = t->call;
    if (call->timeout_ms < 0) {
        (void)curl_easy_setopt(t->curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
        (void)curl_easy_setopt(t->curl, CURLOPT_LOW_SPEED_TIME, SILENCE_MAX_S);
    } else {
        long timeout_ms = call->timeout_ms > 0 ? call->timeout_ms : DEFAULT_TIMEOUT_MS;
        (void)curl_easy_setopt(t->curl, CURLOPT_TIMEOUT_MS, timeout_ms);
    }
    (void)curl_easy_setopt(t->curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
    const char *protocols = call->public_only ? "https" : "http,https";
    (void)curl_easy_setopt(t->curl, CURLOPT_PROTOCOLS_STR, protocols);
    (void)curl_easy_setopt(t->curl, CURLOPT_REDIR_PROTOCOLS_STR, protocols);
    (void)curl_easy_setopt(t->curl, CURLOPT_FOLLOWLOCATION, call->follow_redirects ? 1L : 0L);
    (void)curl_easy_setopt(t->curl, CURLOPT_MAXREDIRS, REDIRECTS_MAX);
    if (call->public_only) {
        egress_guard(t->curl, &t->is_denied);
    }
}

static const char *header_of(CURL *curl, const char *name)
{
    struct curl_header *h = NULL;
    return curl_easy_header(curl, name, 0, CURLH_HEADER, -1, &h) == CURLHE_OK ? h->value : NULL;
}

static int64_t read_retry_after(const char *value)
{
    int64_t seconds = -1;
    if (value == NULL || text_to_int64(value, 0, INT32_MAX, &seconds) == OK) {
        return seconds;
    }
    time_t at = curl_getdate(value, NULL);
    if (at < 0) {
        return -1;
    }
    time_t now = time(NULL);
    return at > now ? (int64_t)(at - now) : 0;
}

static void read_answer(struct transfer *t)
{
    struct http_response *response = t->response;
    long status = 0;
    (void)curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
    response->status = (int)status;
    const char *type = header_of(t->curl, "Content-Type");
    (void)text_copy(response->content_type, sizeof(response->content_type),
                    type != NULL ? type : "");
    const char *location = header_of(t->curl, "Location");
    (void)text_copy(response->location, sizeof(response->location),
                    location != NULL ? location : "");
    response->retry_after_s = read_retry_after(header_of(t->curl, "Retry-After"));
}

static enum err perform(struct transfer *t, const char *error_buffer, struct error *e)
{
    CURLcode code = curl_easy_perform(t->curl);
    if (t->is_denied) {
        return err_set(e, ERR_DENIED, "the address is not a public one");
    }
    if (t->failed != OK) {
        return err_set(e, t->failed, "the transfer was broken off: %s", err_text(t->failed));
    }
    if (code != CURLE_OK && !(code == CURLE_WRITE_ERROR && t->is_truncated)) {
        return client_error(code, error_buffer, e);
    }
    read_answer(t);
    return OK;
}

static enum err run(struct transfer *t, const char *error_buffer, struct error *e)
{
    const struct http_call *call = t->call;
    char agent[sizeof("unreel/") + VERSION_SIZE];
    (void)snprintf(agent, sizeof(agent), "unreel/%s", version_text());
    (void)curl_easy_setopt(t->curl, CURLOPT_URL, call->url);
    (void)curl_easy_setopt(t->curl, CURLOPT_USERAGENT, agent);
    (void)curl_easy_setopt(t->curl, CURLOPT_WRITEFUNCTION, on_body);
    (void)curl_easy_setopt(t->curl, CURLOPT_WRITEDATA, t);
    (void)curl_easy_setopt(t->curl, CURLOPT_BUFFERSIZE, TRANSFER_BUFFER_BYTES);
    enum err err = set_headers(t, e);
    if (err == OK) {
        err = set_credentials(t, e);
    }
    if (err == OK) {
        set_body(t);
        set_limits(t);
        err = perform(t, error_buffer, e);
    }
    return err;
}

/* ---- the span: semantic conventions for HTTP clients, but for url.full: the path of a webhook can
 * be a secret ---- */

static void begin_span(struct span *s, const struct http_call *call)
{
    span_none(s);
    if (call->traceparent == NULL) {
        return;
    }
    span_begin(s, SPAN_CLIENT, call->traceparent, call->method);
    AUTO(url_free) struct url *url = NULL;
    if (s->is_recorded && url_parse(call->url, &url, NULL) == OK && url->host != NULL) {
        bool is_tls = strcmp(url->scheme, "https") == 0;
        span_text(s, "http.request.method", call->method);
        span_text(s, "server.address", url->host);
        span_int(s, "server.port", url->port != 0 ? url->port : is_tls ? 443 : 80);
    }
}

static void end_span(struct span *s, enum err err, const struct http_response *response,
                     const struct error *e)
{
    char text[16];
    if (err != OK) {
        span_fail(s, err_name(err), e->text);
    } else {
        span_int(s, "http.response.status_code", response->status);
        if (response->status >= 400) {
            (void)snprintf(text, sizeof(text), "%d", response->status);
            span_fail(s, text, NULL);
        }
    }
    span_end(s);
}

enum err http_client_call(const struct http_call *call, struct http_response *ret, struct error *e)
{
    if (!client_is_one_line(call->url) || !client_is_one_line(call->method)) {
        return err_set(e, ERR_INVALID, "the URL has a control character");
    }
    char error_buffer[CURL_ERROR_SIZE];
    struct http_response response = { .retry_after_s = -1 };
    buf_init(&response.body, call->response_max > 0 ? call->response_max : DEFAULT_RESPONSE_MAX);
    struct transfer t = { .call = call, .response = &response };
    struct error why = { 0 };
    t.curl = client_take_handle(error_buffer);
    if (t.curl == NULL) {
        return err_set(e, ERR_FAULT, "libcurl: out of memory");
    }
    begin_span(&t.span, call);
    enum err err = run(&t, error_buffer, &why);
    end_span(&t.span, err, &response, &why);
    client_give_handle(t.curl);
    curl_slist_free_all(t.headers);
    if (err != OK) {
        buf_release(&response.body);
        return err_set(e, err, "%s", why.text);
    }
    *ret = response;
    return OK;
}

void http_response_release(struct http_response *response)
{
    buf_release(&response->body);
}
