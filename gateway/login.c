/* Logins and keys come from auth; clients only ever talk to the gateway. */
#include <stdio.h>
#include <string.h>

#include "core/log.h"
#include "http/client.h"
#include "routes.h"

#include "core/banned.h"

static const int login_timeout_ms = 10000;
/* Readiness fetches them as well, and a service that ends waits 8 s for a check in hand. */
static const int jwks_timeout_ms = 5000;

void login_handle(struct http_request *r, void *ctx)
{
    struct gateway *g = ctx;
    const char *authorization = http_request_header(r, "Authorization");
    if (authorization == NULL) {
        http_reply_header(r, "WWW-Authenticate", "Basic realm=\"unreel\", charset=\"UTF-8\"");
        http_reply_problem(r, PROBLEM_UNAUTHENTICATED,
                           "Send e-mail and password as HTTP Basic credentials.");
        return;
    }
    const char *accept = http_request_header(r, "Accept");
    AUTO(mem_free) char *url = xasprintf("%s/login", g->settings->auth_url);
    AUTO(mem_free) char *credentials = xasprintf("Authorization: %s", authorization);
    AUTO(mem_free) char *wanted = xasprintf("Accept: %s", accept != NULL ? accept : "*/*");
    char address[ADDRESS_SIZE];
    http_request_client(r, g->trusted, address);
    AUTO(mem_free) char *client = xasprintf("X-Forwarded-For: %s", address);
    const char *const headers[] = { credentials, wanted, client, NULL };
    struct http_call call = { .method = "POST",
                              .url = url,
                              .headers = headers,
                              .traceparent = http_request_traceparent(r),
                              .body = "",
                              .timeout_ms = login_timeout_ms };
    struct http_response answer = { 0 };
    struct error e = { 0 };
    enum err rc = http_client_call(&call, &answer, &e);
    mem_wipe(credentials, strlen(credentials));
    if (rc != OK) {
        log_failure(LOG_LEVEL_ERROR, err_name(e.code), "login: auth does not answer: %s", e.text);
        http_reply_header(r, "Retry-After", "5");
        http_reply_problem(r, PROBLEM_UNAVAILABLE, "Logins are not possible at the moment.");
        return;
    }
    if (answer.status == 401) {
        http_reply_header(r, "WWW-Authenticate", "Basic realm=\"unreel\", charset=\"UTF-8\"");
    }
    if (answer.retry_after_s >= 0) {
        char text[24];
        (void)snprintf(text, sizeof(text), "%lld", (long long)answer.retry_after_s);
        http_reply_header(r, "Retry-After", text);
    }
    http_reply_bytes(r, answer.status, answer.content_type, buf_text(&answer.body),
                     answer.body.len);
    http_response_release(&answer);
}

enum err login_fetch_jwks(void *ctx, char **ret_json, struct error *e)
{
    const struct gateway *g = ctx;
    AUTO(mem_free) char *url = xasprintf("%s/.well-known/jwks.json", g->settings->auth_url);
    struct http_call call = { .method = "GET", .url = url, .timeout_ms = jwks_timeout_ms };
    struct http_response answer = { 0 };
    enum err rc = http_client_call(&call, &answer, e);
    if (rc != OK) {
        return rc;
    }
    if (answer.status != 200) {
        rc = err_set(e, ERR_BUSY, "auth answered %d for its keys", answer.status);
    } else {
        *ret_json = buf_detach(&answer.body);
    }
    http_response_release(&answer);
    return rc;
}
