/* POST /v1/probe: what is in a file, without converting it. The file is the body, or one that an
 * earlier job brought. Only a converter reads media, so a probe is a job like any other; when it
 * ends in time it is the answer, and nothing of it stays. */
#include <stdio.h>
#include <string.h>

#include "core/log.h"
#include "core/text.h"
#include "headers.h"
#include "intake.h"
#include "receive.h"
#include "routes.h"
#include "submit.h"

#include "core/banned.h"

static const int64_t default_wait_s = 30;

struct probe {
    struct gateway *gateway;
    struct intake *intake; /* holds an upload slot either way */
    const char *fid;       /* of a file that is here already; NULL: the body is the file */
    bool is_too_large;
    bool is_answered; /* else the client went away before its body was whole */
    char wrong[JOB_DETAIL_SIZE];
};

static void set_label(void *ctx, const char *name, const char *value)
{
    struct probe *p = ctx;
    char wrong[JOB_DETAIL_SIZE] = "";
    if (!receive_label(intake_job(p->intake), name, value, wrong) && strcmp(name, "fid") != 0) {
        char shown[64];
        (void)text_copy(shown, sizeof(shown), name);
        (void)snprintf(wrong, sizeof(wrong), "A probe has no option `%s`: it converts nothing.",
                       shown);
    }
    if (p->wrong[0] == '\0') {
        (void)text_copy(p->wrong, sizeof(p->wrong), wrong);
    }
}

/* False: answered. */
static bool is_framed_well(struct http_request *r, const char *fid)
{
    if (fid != NULL && http_request_has_body(r)) {
        http_reply_problem(r, PROBLEM_BAD_REQUEST,
                           "Send a file, or name one that is here by fid; not both.");
        return false;
    }
    if (fid == NULL && receive_is_form(r)) {
        http_reply_problem(r, PROBLEM_UNSUPPORTED_TYPE,
                           "The body is the file itself here (curl --data-binary or -T).");
        return false;
    }
    return true;
}

void probe_begin(struct http_request *r, void *ctx)
{
    struct gateway *g = ctx;
    const char *fid = http_request_query(r, "fid");
    struct intake *intake = is_framed_well(r, fid)
                                ? receive_begin(r, g, g->settings->max_upload_bytes)
                                : NULL;
    if (intake == NULL) {
        return;
    }
    struct probe *p = xcalloc(1, sizeof(*p));
    p->gateway = g;
    p->intake = intake;
    p->fid = fid;
    intake_job(intake)->kind = JOB_PROBE;
    http_request_set_state(r, p);
    http_request_each_query(r, set_label, p);
    const char *filename = http_request_header(r, "X-Unreel-Filename");
    if (filename != NULL) {
        set_label(p, "filename", filename);
    }
    if (p->wrong[0] != '\0') {
        /* Known before the body: the client is spared sending it. */
        log_info("probe refused: %s", p->wrong);
        p->is_answered = true;
        http_reply_problem(r, PROBLEM_INVALID_OPTION, "%s", p->wrong);
    }
}

enum err probe_data(struct http_request *r, void *ctx, const void *bytes, size_t len,
                    struct error *e)
{
    (void)ctx;
    struct probe *p = http_request_state(r);
    enum err rc = intake_write(p->intake, bytes, len, e);
    p->is_too_large = p->is_too_large || rc == ERR_TOO_BIG;
    return rc;
}

/* The caller's own job that has the file, by its id or the file's. */
static enum err find_source(struct gateway *g, const char *fid, const char *owner,
                            struct job *ret_job, struct error *e)
{
    enum err rc = jobs_get(g->jobs, fid, owner, ret_job, e);
    if (rc != ERR_NOT_FOUND) {
        return rc;
    }
    struct job job;
    rc = jobs_get_by_video(g->jobs, fid, &job, e);
    if (rc == OK && strcmp(job.owner, owner) != 0) {
        return err_set(e, ERR_NOT_FOUND, "the file is another user's");
    }
    if (rc == OK) {
        *ret_job = job;
    }
    return rc;
}

/* False: answered. The job has a file of another's, as a retry has. */
static bool take_uploaded(struct http_request *r, struct probe *p)
{
    struct gateway *g = p->gateway;
    struct job *job = intake_job(p->intake);
    struct job source;
    struct error e = { 0 };
    if (find_source(g, p->fid, job->owner, &source, &e) != OK) {
        reply_store_error(r, &e);
        return false;
    }
    struct blob_stat stat;
    enum err rc = blobs_stat(g->videos, source.video_fid, &stat, &e);
    if (rc == ERR_NOT_FOUND) {
        http_reply_problem(r, PROBLEM_SOURCE_MISSING, "The uploaded file is no longer here.");
        return false;
    }
    if (rc != OK) {
        reply_store_error(r, &e);
        return false;
    }
    job->size_bytes = source.size_bytes;
    (void)text_copy(job->sha256, sizeof(job->sha256), source.sha256);
    (void)text_copy(job->filename, sizeof(job->filename), source.filename);
    (void)text_copy(job->video_fid, sizeof(job->video_fid), source.video_fid);
    /* Not to look at: it goes with the last job that has it. */
    (void)text_copy(job->cover_fid, sizeof(job->cover_fid), source.cover_fid);
    return true;
}

/* False: answered. */
static bool take_body(struct http_request *r, struct probe *p)
{
    struct error e = { 0 };
    enum err rc = http_request_body_error(r, &e);
    if (rc == OK && intake_size(p->intake) == 0) {
        http_reply_problem(r, PROBLEM_EMPTY_UPLOAD,
                           "The file is empty; send one, or name one that is here by fid.");
        return false;
    }
    rc = rc == OK ? intake_commit(p->intake, &e) : rc;
    if (p->is_too_large) {
        receive_reply_too_large(r, p->gateway);
    } else if (rc != OK) {
        reply_store_error(r, &e);
    }
    return rc == OK;
}

static int64_t wait_of(struct http_request *r, const struct gateway *g)
{
    int64_t max_s = g->settings->max_wait_s;
    int64_t wait_s = headers_wait_s(http_request_header(r, "Prefer"), max_s);
    if (wait_s >= 0) {
        submit_tell_wait(r, wait_s);
        return wait_s;
    }
    return default_wait_s < max_s ? default_wait_s : max_s;
}

static void reply_ended(struct http_request *r, const struct job *job)
{
    char link[64];
    (void)snprintf(link, sizeof(link), "</v1/jobs/%s>; rel=\"related\"", job->id);
    http_reply_header(r, "Link", link);
    if (job->state == JOB_SUCCEEDED) {
        http_reply_json(r, 200, job_input_to_json(&job->input));
    } else if (job->state == JOB_FAILED) {
        http_reply_problem(r, job->error.problem, "%s", job->error.detail);
    } else {
        http_reply_problem(r, PROBLEM_NOT_FOUND, "The probe was cancelled.");
    }
}

static void answer(struct http_request *r, struct probe *p)
{
    struct gateway *g = p->gateway;
    struct job *job = intake_job(p->intake);
    struct error e = { 0 };
    if (submit_job(g, job, &e) != OK && submit_look_again(g, p->intake) != OK) {
        reply_store_error(r, &e);
        return;
    }
    intake_accept(p->intake);
    int64_t wait_s = wait_of(r, g);
    submit_wait(r, g, job, wait_s);
    if (!job_is_final(job)) {
        reply_job(r, 202, job);
        return;
    }
    reply_ended(r, job);
    /* A webhook is sent from the record. */
    enum err rc = job->webhook_url[0] == '\0' ? job_remove(g, job, &e) : OK;
    if (rc != OK && rc != ERR_NOT_FOUND) {
        log_failure(LOG_LEVEL_WARN, err_name(e.code),
                    "a probe that was answered stays as a job: %s", e.text);
    }
}

void probe_handle(struct http_request *r, void *ctx)
{
    (void)ctx;
    struct probe *p = http_request_state(r);
    p->is_answered = true;
    log_context_job(intake_job(p->intake)->id);
    if (p->fid != NULL ? take_uploaded(r, p) : take_body(r, p)) {
        answer(r, p);
    }
}

void probe_done(struct http_request *r, void *ctx)
{
    (void)ctx;
    struct probe *p = http_request_state(r);
    if (p == NULL) {
        return;
    }
    if (!p->is_answered) {
        log_warn("probe broken off by the client after %lld bytes; nothing is kept",
                 (long long)intake_size(p->intake));
    }
    intake_free(p->intake);
    free(p);
    http_request_set_state(r, NULL);
}
