#include "submit.h"

#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/text.h"
#include "headers.h"
#include "relay.h"
#include "reuse.h"
#include "routes.h"

#include "core/banned.h"

static const int wait_poll_ms = 50;

enum err submit_job(struct gateway *g, struct job *job, struct error *e)
{
    job->queued_at_ms = clock_wall_ms(); /* its upload may have taken hours */
    enum err rc = jobs_create(g->jobs, job, e);
    if (rc == OK) {
        log_info("job accepted: %lld bytes", (long long)job->size_bytes);
        relay_publish(g->relay, job);
    }
    return rc;
}

/* The same upload again needs no conversion. */
static enum err submit_or_reuse(struct gateway *g, struct job *job, struct error *e)
{
    struct job first;
    if (!reuse_find(g, job, &first)) {
        return submit_job(g, job, e);
    }
    enum err rc = reuse_create(g, job, &first, e);
    if (rc == OK) {
        relay_publish(g->relay, job);
    }
    return rc;
}

void reply_job(struct http_request *r, int status, const struct job *j)
{
    char location[64];
    (void)snprintf(location, sizeof(location), "/v1/jobs/%s", j->id);
    http_reply_header(r, "Location", location);
    if (!job_is_final(j)) {
        http_reply_header(r, "Retry-After", "1");
    }
    http_reply_json(r, status, job_to_json(j));
}

void submit_wait(struct http_request *r, struct gateway *g, struct job *job, int64_t wait_s)
{
    int64_t deadline_ms = clock_mono_ms() + wait_s * 1000;
    while (!job_is_final(job) && clock_mono_ms() < deadline_ms && http_request_is_alive(r)) {
        clock_sleep_ms(wait_poll_ms);
        struct job now;
        if (jobs_get(g->jobs, job->id, NULL, &now, NULL) != OK) {
            break;
        }
        *job = now;
    }
}

void submit_tell_wait(struct http_request *r, int64_t wait_s)
{
    char applied[32];
    (void)snprintf(applied, sizeof(applied), "wait=%lld", (long long)wait_s);
    http_reply_header(r, "Preference-Applied", applied);
}

static void reply_accepted(struct http_request *r, struct gateway *g, struct job *job)
{
    if (g->settings->compat == COMPAT_TUTORIAL && strcmp(http_request_path(r), "/upload") == 0) {
        http_reply_text(r, 200, "text/plain; charset=utf-8", "success!");
        return;
    }
    int64_t wait_s = headers_wait_s(http_request_header(r, "Prefer"), g->settings->max_wait_s);
    if (wait_s > 0) {
        submit_wait(r, g, job, wait_s);
        submit_tell_wait(r, wait_s);
    }
    reply_job(r, job_is_final(job) ? 200 : 202, job);
}

/* The record could not be looked for, and may be there: then the file must stay. */
static void keep_when_in_doubt(struct intake *in, enum err rc)
{
    if (rc != ERR_NOT_FOUND) {
        intake_accept(in);
        log_failure(LOG_LEVEL_ERROR, err_name(rc),
                    "job %s may or may not be stored; its file is kept", intake_job(in)->id);
    }
}

enum err submit_look_again(struct gateway *g, struct intake *in)
{
    struct job stored;
    enum err rc = jobs_get(g->jobs, intake_job(in)->id, NULL, &stored, NULL);
    if (rc != OK) {
        keep_when_in_doubt(in, rc);
        return rc;
    }
    *intake_job(in) = stored;
    relay_publish(g->relay, &stored);
    return OK;
}

/* The key was used before: the same upload gets the same job, another one is refused. */
static void reply_replay(struct http_request *r, struct gateway *g, struct intake *in)
{
    const struct job *job = intake_job(in);
    struct job first;
    struct error e = { 0 };
    enum err rc = jobs_get_by_key(g->jobs, job->owner, job->idempotency_key, &first, &e);
    if (rc != OK) {
        keep_when_in_doubt(in, rc);
        reply_store_error(r, &e);
        return;
    }
    if (strcmp(first.id, job->id) == 0) {
        /* The store tried twice and met its own first try: the file belongs to this record. */
        intake_accept(in);
        relay_publish(g->relay, &first);
        reply_accepted(r, g, &first);
        return;
    }
    bool is_same = false;
    rc = intake_is_same_cover(in, &first, &is_same, &e);
    if (rc != OK && rc != ERR_NOT_FOUND) {
        reply_store_error(r, &e);
        return;
    }
    if (!is_same || strcmp(first.sha256, job->sha256) != 0 ||
        !job_request_equal(&first.request, &job->request)) {
        log_info("upload refused: its idempotency key belongs to another upload");
        http_reply_problem(r, PROBLEM_IDEMPOTENCY_MISMATCH,
                           "This Idempotency-Key was used for another file or other options.");
        return;
    }
    log_info("upload repeated: answered with job %s", first.id);
    reply_accepted(r, g, &first);
}

void submit_upload(struct http_request *r, struct gateway *g, struct intake *in)
{
    struct error e = { 0 };
    if (intake_commit(in, &e) != OK) {
        reply_store_error(r, &e);
        return;
    }
    struct job *job = intake_job(in);
    enum err rc = submit_or_reuse(g, job, &e);
    if (rc == ERR_EXISTS && job->idempotency_key[0] != '\0') {
        reply_replay(r, g, in);
        return;
    }
    if (rc != OK && submit_look_again(g, in) != OK) {
        reply_store_error(r, &e);
        return;
    }
    intake_accept(in);
    reply_accepted(r, g, job);
}
