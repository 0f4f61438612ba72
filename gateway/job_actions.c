/* Cancel, retry and delete. */
#include <string.h>

#include "core/log.h"
#include "core/text.h"
#include "relay.h"
#include "reuse.h"
#include "routes.h"
#include "submit.h"

#include "core/banned.h"

void job_cancel_handle(struct http_request *r, void *ctx)
{
    struct gateway *g = ctx;
    struct job job;
    struct error e = { 0 };
    enum err rc = jobs_cancel(g->jobs, http_request_segment(r, "id"), http_request_user(r), &job,
                              &e);
    if (rc == ERR_EXISTS) {
        http_reply_problem(r, PROBLEM_NOT_CANCELLABLE, "The job has ended already.");
        return;
    }
    if (rc != OK) {
        reply_store_error(r, &e);
        return;
    }
    log_context_job(job.id);
    log_info("job cancelled by its owner");
    relay_publish(g->relay, &job);
    reply_job(r, 202, &job);
}

void job_retry_handle(struct http_request *r, void *ctx)
{
    struct gateway *g = ctx;
    struct job old;
    struct error e = { 0 };
    if (jobs_get(g->jobs, http_request_segment(r, "id"), http_request_user(r), &old, &e) != OK) {
        reply_store_error(r, &e);
        return;
    }
    if (old.state != JOB_FAILED && old.state != JOB_CANCELLED) {
        http_reply_problem(r, PROBLEM_NOT_RETRYABLE,
                           "Only a failed or cancelled job can be retried.");
        return;
    }
    struct blob_stat stat;
    enum err rc = blobs_stat(g->videos, old.video_fid, &stat, &e);
    if (rc == ERR_NOT_FOUND) {
        http_reply_problem(r, PROBLEM_SOURCE_MISSING, "The uploaded file is no longer here.");
        return;
    }
    if (rc != OK) {
        reply_store_error(r, &e);
        return;
    }
    struct job job;
    job_init(&job, old.owner);
    job.kind = old.kind;
    job.request = old.request;
    job.size_bytes = old.size_bytes;
    (void)text_copy(job.tag, sizeof(job.tag), old.tag);
    (void)text_copy(job.filename, sizeof(job.filename), old.filename);
    (void)text_copy(job.sha256, sizeof(job.sha256), old.sha256);
    (void)text_copy(job.video_fid, sizeof(job.video_fid), old.video_fid);
    (void)text_copy(job.cover_fid, sizeof(job.cover_fid), old.cover_fid);
    (void)text_copy(job.retry_of, sizeof(job.retry_of), old.id);
    (void)text_copy(job.webhook_url, sizeof(job.webhook_url), old.webhook_url);
    (void)text_copy(job.traceparent, sizeof(job.traceparent), http_request_traceparent(r));
    (void)text_copy(job.user_id, sizeof(job.user_id), http_request_user_id(r));
    log_context_job(job.id);
    if (submit_job(g, &job, &e) != OK) {
        reply_store_error(r, &e);
        return;
    }
    reply_job(r, 202, &job);
}

/* "" is none. */
static void remove_file(struct blobs *bucket, const char *id)
{
    if (id[0] == '\0') {
        return;
    }
    struct error e = { 0 };
    enum err rc = blobs_remove(bucket, id, &e);
    if (rc != OK && rc != ERR_NOT_FOUND) {
        log_failure(LOG_LEVEL_ERROR, err_name(e.code), "file %s could not be removed: %s", id,
                    e.text);
    }
}

enum err job_remove(struct gateway *g, const struct job *job, struct error *e)
{
    enum err rc = jobs_remove(g->jobs, job->id, job->owner, e);
    if (rc != OK) {
        return rc;
    }
    reuse_remove_outputs(g, job);
    /* A retry or a probe shares its source and its cover with another job. */
    struct job other;
    if (jobs_get_by_video(g->jobs, job->video_fid, &other, NULL) == ERR_NOT_FOUND) {
        remove_file(g->videos, job->video_fid);
        remove_file(g->videos, job->cover_fid);
    }
    return OK;
}

void job_delete_handle(struct http_request *r, void *ctx)
{
    struct gateway *g = ctx;
    const char *id = http_request_segment(r, "id");
    const char *owner = http_request_user(r);
    struct job job;
    struct error e = { 0 };
    /* Ended first, so that no attempt can finish behind our back. */
    enum err rc = jobs_cancel(g->jobs, id, owner, &job, &e);
    if (rc == OK || rc == ERR_EXISTS) {
        rc = jobs_get(g->jobs, id, owner, &job, &e);
    }
    if (rc == OK) {
        log_context_job(id);
        rc = job_remove(g, &job, &e);
    }
    if (rc != OK) {
        reply_store_error(r, &e);
        return;
    }
    log_info("job and files deleted by their owner");
    http_reply_empty(r, 204);
}
