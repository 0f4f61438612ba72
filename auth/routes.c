#include "auth/routes.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/metrics.h"
#include "core/text.h"

#include "core/banned.h"

#define BODY_MAX 4096 /* neither route needs one; scripts send them all the same */
#define BASIC_CHALLENGE "Basic realm=\"unreel\", charset=\"UTF-8\""
#define BEARER_CHALLENGE "Bearer realm=\"unreel\""

/* ---- metrics ---- */

/* 0: the client went away before its answer. */
static const int codes[] = { 0, 200, 400, 401, 403, 404, 405, 413, 429, 431, 500, 503 };

#define CODES(route)                                                                               \
    route ",none", route ",200", route ",400", route ",401", route ",403", route ",404",           \
        route ",405", route ",413", route ",429", route ",431", route ",500", route ",503",        \
        route ",other"
#define CODE_COUNT (ARRAY_LEN(codes) + 1)

static const char *const request_labels[] = { CODES("/login,POST"), CODES("/validate,POST"),
                                              CODES("/.well-known/jwks.json,GET"),
                                              CODES("none,none"), NULL };
static const char *const route_labels[] = { "/login", "/validate", "/.well-known/jwks.json", "none",
                                            NULL };
static const char *const login_labels[] = {
    "ok", "denied", "throttled", "busy", "unavailable", NULL
};

enum validation { VALIDATION_OK, VALIDATION_DENIED, VALIDATION_EXPIRED, VALIDATION_UNAVAILABLE };

static const char *const validation_labels[] = { "ok", "denied", "expired", "unavailable", NULL };
static const double duration_buckets[] = { 0.001, 0.005, 0.01, 0.025, 0.05, 0.1,
                                           0.25,  0.5,   1,    2.5,   5 };

static struct metric requests_total = { .name = "unreel_http_requests_total",
                                        .help = "HTTP requests that ended, by status; none: "
                                                "the client went away before",
                                        .type = METRIC_COUNTER,
                                        .label = "route,method,code",
                                        .values = request_labels };
static struct metric request_duration = { .name = "unreel_http_request_duration_seconds",
                                          .help = "time to answer an HTTP request",
                                          .type = METRIC_HISTOGRAM,
                                          .label = "route",
                                          .values = route_labels,
                                          .buckets = duration_buckets,
                                          .bucket_count = ARRAY_LEN(duration_buckets) };
static struct metric logins_total = { .name = "unreel_auth_logins_total",
                                      .help = "logins tried",
                                      .type = METRIC_COUNTER,
                                      .label = "result",
                                      .values = login_labels };
static struct metric validations_total = { .name = "unreel_auth_validations_total",
                                           .help = "tokens shown to /validate",
                                           .type = METRIC_COUNTER,
                                           .label = "result",
                                           .values = validation_labels };

/* ---- POST /login ---- */

static void challenge(struct http_request *r, const char *scheme)
{
    http_reply_header(r, "WWW-Authenticate", scheme);
}

static void reply_token(const struct auth *auth, struct http_request *r,
                        const struct account *account)
{
    struct token_claims claims = { .is_admin = account->is_admin,
                                   .issued_at_s = clock_wall_ms() / 1000 };
    claims.expires_at_s = claims.issued_at_s + auth->settings->token_life_s;
    (void)text_copy(claims.subject, sizeof(claims.subject), account->id);
    (void)text_copy(claims.username, sizeof(claims.username), account->email);
    AUTO(mem_free) char *token = NULL;
    struct error e;
    const enum err code = keyring_sign(auth->keyring, auth->settings->issuer,
                                       auth->settings->audience, &claims, &token, &e);
    if (code != OK) {
        log_failure(LOG_LEVEL_ERROR, err_name(e.code), "no token could be signed: %s", e.text);
        http_reply_problem(r, code == ERR_BUSY ? PROBLEM_UNAVAILABLE : PROBLEM_INTERNAL,
                           "The token could not be made. Try again later.");
        return;
    }
    const char *accept = http_request_header(r, "Accept");
    if (accept != NULL && strcasestr(accept, "application/json") != NULL) {
        http_reply_json(r, 200,
                        json_pack("{s:s, s:s, s:I}", "token", token, "token_type", "Bearer",
                                  "expires_in", (json_int_t)auth->settings->token_life_s));
    } else {
        http_reply_text(r, 200, "text/plain; charset=utf-8", token);
    }
}

static void reply_login(const struct auth *auth, struct http_request *r,
                        const struct login_outcome *outcome)
{
    char seconds[24];
    switch (outcome->result) {
    case LOGIN_OK:
        reply_token(auth, r, &outcome->account);
        break;
    case LOGIN_THROTTLED:
        (void)snprintf(seconds, sizeof(seconds), "%lld", (long long)outcome->retry_after_s);
        http_reply_problem(r, PROBLEM_TOO_MANY_REQUESTS,
                           "Too many failed logins. Try again in %s seconds.", seconds);
        http_reply_header(r, "Retry-After", seconds);
        break;
    case LOGIN_BUSY:
    case LOGIN_UNAVAILABLE:
        http_reply_problem(r, PROBLEM_UNAVAILABLE, "Logins are not possible right now.");
        http_reply_header(r, "Retry-After", "5");
        break;
    default:
        http_reply_problem(r, PROBLEM_UNAUTHENTICATED, "The e-mail address or password is wrong.");
        challenge(r, BASIC_CHALLENGE);
        break;
    }
}

static void log_login(const char *email, const char *address, const struct login_outcome *outcome)
{
    char masked[LOG_MASK_SIZE];
    (void)log_mask_email(masked, email);
    if (outcome->result == LOGIN_OK) {
        log_context_user(outcome->account.id);
        log_info("login of %s from %s: ok", masked, address);
    } else {
        log_failure(LOG_LEVEL_WARN, login_labels[outcome->result], "login of %s from %s: %s",
                    masked, address, outcome->why.text);
    }
}

static void handle_login(struct http_request *r, void *ctx)
{
    struct auth *auth = ctx;
    char *email = NULL;
    char *password = NULL;
    char address[ADDRESS_SIZE];
    http_request_client(r, auth->trusted, address);
    if (http_request_basic(r, &email, &password) != OK) {
        metric_add(&logins_total, LOGIN_DENIED, 1);
        log_failure(LOG_LEVEL_WARN, "denied", "login from %s: no credentials", address);
        http_reply_problem(r, PROBLEM_UNAUTHENTICATED,
                           "Send your e-mail address and password with HTTP Basic.");
        challenge(r, BASIC_CHALLENGE);
        return;
    }
    struct login_outcome outcome;
    login_try(&auth->login, email, password, address, &outcome);
    metric_add(&logins_total, (size_t)outcome.result, 1);
    log_login(email, address, &outcome);
    reply_login(auth, r, &outcome);
    mem_wipe(password, strlen(password));
    free(password);
    free(email);
}

/* ---- POST /validate ---- */

static void refuse(struct http_request *r, enum problem p, enum validation result,
                   const char *detail)
{
    metric_add(&validations_total, (size_t)result, 1);
    http_reply_problem(r, p, "%s", detail);
    if (p != PROBLEM_UNAVAILABLE && p != PROBLEM_FORBIDDEN) {
        challenge(r, p == PROBLEM_UNAUTHENTICATED ? BEARER_CHALLENGE
                                                  : BEARER_CHALLENGE ", error=\"invalid_token\"");
    }
}

/* A token says what was true when it was made; the account may have gone since. A database that is
 * away does not log anybody out. */
static bool is_account_in_force(const struct auth *auth, struct http_request *r,
                                const struct token_claims *claims)
{
    struct account account;
    struct error e;
    const enum err code = accounts_find_id(auth->accounts, claims->subject, &account, &e);
    if (code == ERR_NOT_FOUND) {
        log_failure(LOG_LEVEL_INFO, "token-invalid", "refused a token: its account is gone");
        refuse(r, PROBLEM_TOKEN_INVALID, VALIDATION_DENIED, "The account is gone.");
        return false;
    }
    if (code == OK && account.is_disabled) {
        log_failure(LOG_LEVEL_INFO, "forbidden", "refused a token: its account is disabled");
        refuse(r, PROBLEM_FORBIDDEN, VALIDATION_DENIED, "The account is disabled.");
        return false;
    }
    if (code != OK) {
        log_failure(LOG_LEVEL_WARN, err_name(e.code),
                    "a token was validated without its account: %s", e.text);
    }
    return true;
}

static void handle_validate(struct http_request *r, void *ctx)
{
    const struct auth *auth = ctx;
    const char *token = http_request_bearer(r);
    if (token == NULL) {
        log_failure(LOG_LEVEL_INFO, "unauthenticated", "asked to validate no token");
        refuse(r, PROBLEM_UNAUTHENTICATED, VALIDATION_DENIED, "Send the token as a bearer token.");
        return;
    }
    struct token_claims claims;
    struct error e;
    const enum err code = token_verifier_check(auth->verifier, token, &claims, &e);
    if (code == OK) {
        log_context_user(claims.subject);
    }
    if (code == ERR_TIMEOUT) {
        log_failure(LOG_LEVEL_INFO, err_name(code), "refused a token: %s", e.text);
        refuse(r, PROBLEM_TOKEN_EXPIRED, VALIDATION_EXPIRED, "The token has expired. Log in.");
    } else if (code == ERR_BUSY) {
        log_failure(LOG_LEVEL_WARN, err_name(code), "a token could not be validated: %s", e.text);
        refuse(r, PROBLEM_UNAVAILABLE, VALIDATION_UNAVAILABLE,
               "Tokens cannot be validated right now.");
    } else if (code != OK) {
        char address[ADDRESS_SIZE];
        http_request_client(r, auth->trusted, address);
        log_failure(LOG_LEVEL_WARN, err_name(code), "refused a token from %s: %s", address, e.text);
        refuse(r, PROBLEM_TOKEN_INVALID, VALIDATION_DENIED, "The token is not valid.");
    } else if (is_account_in_force(auth, r, &claims)) {
        metric_add(&validations_total, VALIDATION_OK, 1);
        http_reply_json(r, 200,
                        json_pack("{s:s, s:s, s:b, s:I, s:I, s:s}", "sub", claims.subject,
                                  "username", claims.username, "admin", claims.is_admin ? 1 : 0,
                                  "iat", (json_int_t)claims.issued_at_s, "exp",
                                  (json_int_t)claims.expires_at_s, "iss", auth->settings->issuer));
    }
}

/* ---- GET /.well-known/jwks.json ---- */

static void handle_jwks(struct http_request *r, void *ctx)
{
    const struct auth *auth = ctx;
    AUTO(mem_free) char *json = NULL;
    struct error e;
    if (keyring_jwks(auth->keyring, &json, &e) != OK) {
        log_failure(LOG_LEVEL_WARN, err_name(e.code), "no key set: %s", e.text);
        http_reply_problem(r, PROBLEM_UNAVAILABLE, "The keys are not available right now.");
        http_reply_header(r, "Retry-After", "5");
        return;
    }
    http_reply_text(r, 200, "application/json", json);
    http_reply_header(r, "Cache-Control", "public, max-age=300");
}

/* ---- the table ---- */

/* clang-format off */
static const struct http_route routes[] = {
    { .method = "POST",
      .path = "/login",
      .access = HTTP_PUBLIC,
      .summary = "Log in with e-mail address and password",
      .handle = handle_login,
      .body_max = BODY_MAX },
    /* Public: the handler judges the token itself, its answer is the point. */
    { .method = "POST",
      .path = "/validate",
      .access = HTTP_PUBLIC,
      .summary = "The claims of a token",
      .handle = handle_validate,
      .body_max = BODY_MAX },
    { .method = "GET",
      .path = "/.well-known/jwks.json",
      .access = HTTP_PUBLIC,
      .summary = "The public keys that verify tokens",
      .handle = handle_jwks },
};

/* clang-format on */

/* Its place in route_labels; the server may have made a copy of the table. */
static size_t route_label(const struct http_route *route)
{
    size_t i = 0;
    while (i < ARRAY_LEN(routes) && (route == NULL || strcmp(routes[i].path, route->path) != 0)) {
        i++;
    }
    return i;
}

static void observe(const struct http_request *r, const struct http_route *route, int status,
                    int64_t duration_us, void *ctx)
{
    (void)r;
    (void)ctx;
    const size_t index = route_label(route);
    size_t code = 0;
    while (code < ARRAY_LEN(codes) && codes[code] != status) {
        code++;
    }
    metric_add(&requests_total, index * CODE_COUNT + code, 1);
    metric_observe(&request_duration, index, (double)duration_us / 1e6);
}

enum err routes_serve(struct auth *auth, struct error *e)
{
    metric_register(&requests_total);
    metric_register(&request_duration);
    metric_register(&logins_total);
    metric_register(&validations_total);
    const struct http_server_options options = {
        .bind_address = auth->settings->common.bind_address,
        .port = (int)auth->settings->port,
        .routes = routes,
        .route_count = ARRAY_LEN(routes),
        .ctx = auth,
        .observe = observe,
        .max_connections = (int)auth->settings->max_connections,
    };
    return http_server_start(&options, &auth->server, e);
}
