/* Who may: tokens are verified here with cached keys, so that logged-in users go on while auth is
 * down. */
#include <string.h>

#include "core/log.h"
#include "routes.h"

#include "core/banned.h"

bool access_authorize(struct http_request *r, enum http_access access, void *ctx)
{
    struct gateway *g = ctx;
    const char *token = http_request_bearer(r);
    if (token == NULL) {
        log_failure(LOG_LEVEL_INFO, "unauthenticated", "a request without a token was refused");
        http_reply_header(r, "WWW-Authenticate", "Bearer");
        http_reply_problem(r, PROBLEM_UNAUTHENTICATED,
                           "Send the token from /login as `Authorization: Bearer ...`.");
        return false;
    }
    struct token_claims claims;
    struct error e = { 0 };
    enum err rc = token_verifier_check(g->verifier, token, &claims, &e);
    if (rc == ERR_BUSY) {
        log_failure(LOG_LEVEL_ERROR, err_name(rc), "tokens cannot be verified: %s", e.text);
        http_reply_header(r, "Retry-After", "5");
        http_reply_problem(r, PROBLEM_UNAVAILABLE, "Logins cannot be checked at the moment.");
        return false;
    }
    if (rc != OK) {
        log_failure(LOG_LEVEL_INFO, err_name(rc), "token refused: %s", e.text);
        http_reply_header(r, "WWW-Authenticate", "Bearer error=\"invalid_token\"");
        http_reply_problem(r, rc == ERR_TIMEOUT ? PROBLEM_TOKEN_EXPIRED : PROBLEM_TOKEN_INVALID,
                           "Log in again at /login.");
        return false;
    }
    log_context_user(claims.subject);
    if (access == HTTP_ADMIN && !claims.is_admin) {
        log_failure(LOG_LEVEL_WARN, "forbidden", "an administrator's route was refused to a user");
        http_reply_problem(r, PROBLEM_FORBIDDEN, "Only an administrator may do this.");
        return false;
    }
    http_request_set_user(r, claims.username, claims.subject, claims.is_admin);
    return true;
}

void access_observe(const struct http_request *r, const struct http_route *route, int status,
                    int64_t duration_us, void *ctx)
{
    (void)ctx;
    metric_add(&metric_http_requests,
               gateway_metrics_request(gateway_routes, gateway_route_count, route, status), 1);
    metric_observe(&metric_http_duration, 0, (double)duration_us / 1e6);
    /* The route's pattern, not the path: a path holds ids and what strangers type. */
    log_debug("%s %s %d in %lld us from %s", http_request_method(r),
              route != NULL ? route->path : "(no route)", status, (long long)duration_us,
              http_request_peer(r));
}

void reply_store_error(struct http_request *r, const struct error *e)
{
    if (e->code == ERR_NOT_FOUND) {
        http_reply_problem(r, PROBLEM_NOT_FOUND, "There is no such job or file.");
        return;
    }
    if (e->code == ERR_BUSY || e->code == ERR_TIMEOUT) {
        log_failure(LOG_LEVEL_ERROR, err_name(e->code), "a store is not available: %s", e->text);
        http_reply_header(r, "Retry-After", "5");
        http_reply_problem(r, PROBLEM_UNAVAILABLE, "The service is not available at the moment.");
        return;
    }
    log_failure(LOG_LEVEL_ERROR, err_name(e->code), "a store failed: %s", e->text);
    http_reply_problem(r, PROBLEM_INTERNAL, "Something went wrong here; it has been logged.");
}
