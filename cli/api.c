#include "api.h"

#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/mem.h"
#include "core/text.h"
#include "core/trace.h"
#include "escape.h"
#include "progress.h"

#include "core/banned.h"

static const size_t answer_max = (size_t)4 * 1024 * 1024;
static const int call_timeout_ms = 30000;
/* Quick for a short job, easy on the server for a long one. */
static const int poll_ms = 250;
static const int poll_later_ms = 1000;
static const int64_t poll_quick_for_ms = 10000;
static const int64_t outage_max_ms = 60000;

/* Why a call did not succeed. */
struct failure {
    int code;
    bool is_expired; /* the token was good once */
    char text[512];
};

int api_login(struct login *ret_session)
{
    struct error e = { 0 };
    if (http_client_init(&e) != OK) {
        say_error("%s", e.text);
        return EXIT_FAILED;
    }
    if (login_load(ret_session, &e) != OK) {
        say_error("%s", e.text);
        return EXIT_DENIED;
    }
    return EXIT_OK;
}

const char *api_trace(void)
{
    const char *given = getenv("TRACEPARENT");
    return trace_is_valid(given) ? given : NULL;
}

/* ---- what went wrong ---- */

static bool has_type(const json_t *problem, const char *slug)
{
    const char *type = json_string_value(json_object_get(problem, "type"));
    size_t prefix = strlen("urn:unreel:problem:");
    return type != NULL && strlen(type) > prefix && strcmp(type + prefix, slug) == 0;
}

static int exit_code_for(int status, const json_t *problem)
{
    switch (status) {
    case 400:
        return has_type(problem, "empty-upload") ? EXIT_JOB_FAILED : EXIT_USAGE;
    case 401:
    case 403:
        return EXIT_DENIED;
    case 404:
    case 410:
        return EXIT_NOT_FOUND;
    case 413:
    case 415:
    case 422:
        return EXIT_JOB_FAILED;
    case 429:
    case 502:
    case 503:
    case 504:
        return EXIT_UNAVAILABLE;
    default:
        return EXIT_FAILED;
    }
}

static void read_refusal(const struct login *session, const struct http_response *answer,
                         struct failure *ret_failure)
{
    json_t *problem = json_loadb(buf_text(&answer->body), answer->body.len, 0, NULL);
    const char *text = json_string_value(json_object_get(problem, "detail"));
    if (text == NULL) {
        text = json_string_value(json_object_get(problem, "title"));
    }
    ret_failure->code = exit_code_for(answer->status, problem);
    ret_failure->is_expired = has_type(problem, "token-expired");
    if (ret_failure->is_expired || has_type(problem, "token-invalid")) {
        (void)snprintf(ret_failure->text, sizeof(ret_failure->text),
                       "the login has expired; log in again: unreel login %s %s", session->server,
                       session->user);
    } else if (text != NULL) {
        (void)text_copy(ret_failure->text, sizeof(ret_failure->text), text);
    } else {
        (void)snprintf(ret_failure->text, sizeof(ret_failure->text), "%s answered %d",
                       session->server, answer->status);
    }
    json_decref(problem);
}

static void read_silence(const struct login *session, enum err rc, const struct error *e,
                         struct failure *ret_failure)
{
    bool is_away = rc == ERR_BUSY || rc == ERR_TIMEOUT;
    *ret_failure = (struct failure){ .code = is_away ? EXIT_UNAVAILABLE : EXIT_FAILED };
    (void)snprintf(ret_failure->text, sizeof(ret_failure->text), "%s%s%s",
                   is_away ? session->server : "", is_away ? " cannot be reached: " : "", e->text);
}

int api_refused(const struct login *session, const struct http_response *answer)
{
    struct failure failure = { 0 };
    read_refusal(session, answer, &failure);
    say_error("%s", failure.text);
    return failure.code;
}

int api_unreachable(const struct login *session, enum err rc, const struct error *e)
{
    struct failure failure = { 0 };
    read_silence(session, rc, e, &failure);
    say_error("%s", failure.text);
    return failure.code;
}

/* ---- calls ---- */

/* True: *ret_json is the caller's. False: *ret_failure says why. */
static bool call_json(const struct login *session, const char *method, const char *path,
                      json_t **ret_json, struct failure *ret_failure)
{
    AUTO(mem_free) char *url = xasprintf("%s%s", session->server, path);
    struct http_call call = { .method = method,
                              .url = url,
                              .bearer = session->token,
                              .traceparent = api_trace(),
                              .response_max = answer_max,
                              .timeout_ms = call_timeout_ms };
    struct http_response answer = { 0 };
    struct error e = { 0 };
    enum err rc = http_client_call(&call, &answer, &e);
    if (rc != OK) {
        read_silence(session, rc, &e, ret_failure);
        return false;
    }
    bool is_success = answer.status >= 200 && answer.status <= 299;
    json_t *json = NULL;
    if (!is_success) {
        read_refusal(session, &answer, ret_failure);
    } else if (answer.body.len > 0) {
        json = json_loadb(buf_text(&answer.body), answer.body.len, JSON_REJECT_DUPLICATES, NULL);
        is_success = json != NULL;
        *ret_failure = (struct failure){ .code = EXIT_FAILED,
                                         .text = "the server's answer is not JSON" };
    }
    http_response_release(&answer);
    if (is_success) {
        *ret_json = json;
    }
    return is_success;
}

int api_json(const struct login *session, const char *method, const char *path, json_t **ret_json)
{
    struct failure failure = { 0 };
    if (call_json(session, method, path, ret_json, &failure)) {
        return EXIT_OK;
    }
    say_error("%s", failure.text);
    return failure.code;
}

/* ---- waiting ---- */

static void show_job(struct progress *bar, const json_t *job, const char *state)
{
    const json_t *progress = json_object_get(job, "progress");
    double speed = json_number_value(json_object_get(progress, "speed"));
    double eta_s = json_number_value(json_object_get(progress, "eta_s"));
    char note[96];
    if (speed > 0) {
        (void)snprintf(note, sizeof(note), "%s, %.0fx, %.0f s left", state, speed, eta_s);
    } else {
        (void)snprintf(note, sizeof(note), "%s", state);
    }
    progress_update(bar, json_number_value(json_object_get(progress, "percent")), note);
}

/* EXIT_OK when the job has ended or goes on (*ret_has_ended says which). */
static int look(const json_t *job, struct progress *bar, bool *ret_has_ended)
{
    const char *state = json_string_value(json_object_get(job, "state"));
    if (state == NULL) {
        say_error("the server's answer is no job");
        return EXIT_FAILED;
    }
    *ret_has_ended = strcmp(state, "queued") != 0 && strcmp(state, "running") != 0;
    if (!*ret_has_ended) {
        show_job(bar, job, state);
        return EXIT_OK;
    }
    if (strcmp(state, "succeeded") == 0) {
        progress_done(bar, state);
        return EXIT_OK;
    }
    progress_break(bar);
    return EXIT_JOB_FAILED;
}

/* The job itself is safe at the server. */
static int give_up(const char *id, struct progress *bar, const struct failure *failure)
{
    progress_break(bar);
    say_error("%s", failure->text);
    if (failure->code == EXIT_DENIED || failure->code == EXIT_UNAVAILABLE) {
        say_error("the job goes on without us; later: unreel watch %s", id);
    }
    return failure->code;
}

int api_wait(struct login *session, const char *id, bool show_bar, json_t **ret_job)
{
    AUTO(mem_free) char *escaped = escape_query(id);
    AUTO(mem_free) char *path = xasprintf("/v1/jobs/%s", escaped);
    struct progress bar;
    progress_init(&bar, "convert", show_bar);
    int64_t started_ms = clock_mono_ms();
    int64_t heard_ms = started_ms;
    for (;;) {
        json_t *job = NULL;
        struct failure failure = { 0 };
        bool has_ended = false;
        if (call_json(session, "GET", path, &job, &failure)) {
            int code = look(job, &bar, &has_ended);
            if (has_ended) {
                *ret_job = job;
                return code;
            }
            json_decref(job);
            if (code != EXIT_OK) {
                return code;
            }
            heard_ms = clock_mono_ms();
        } else {
            bool is_brief = failure.code == EXIT_UNAVAILABLE && heard_ms > started_ms &&
                            clock_mono_ms() - heard_ms < outage_max_ms;
            if (!is_brief && !(failure.code == EXIT_DENIED && login_renew(session))) {
                return give_up(id, &bar, &failure);
            }
        }
        bool is_young = clock_mono_ms() - started_ms < poll_quick_for_ms;
        clock_sleep_ms(is_young ? poll_ms : poll_later_ms);
    }
}

/* ---- printing ---- */

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text != NULL ? text : "";
}

void api_print_job(const json_t *job, bool json)
{
    if (json) {
        print_json(job);
        return;
    }
    const json_t *error = json_object_get(job, "error");
    const char *detail = text_of(error, "detail");
    detail = detail[0] != '\0' ? detail : text_of(error, "title");
    double percent = json_number_value(
        json_object_get(json_object_get(job, "progress"), "percent"));
    /* A job is a conversion unless it says otherwise. */
    bool is_probe = strcmp(text_of(job, "kind"), "probe") == 0;
    AUTO(mem_free)
    char *line = xasprintf("%s  %-9s %5.1f %%  %.19s  %s%s%s%s", text_of(job, "id"),
                           text_of(job, "state"), percent, text_of(job, "created_at"),
                           is_probe ? "probe of " : "", text_of(job, "filename"),
                           detail[0] != '\0' ? "  " : "", detail);
    AUTO(mem_free) char *clean = escape_controls(line);
    (void)printf("%s\n", clean);
    (void)fflush(stdout);
}
