/* From a message to a claim, and from an ended attempt to its announcement. */
#include "worker.h"

#include <pthread.h>
#include <string.h>

#include "attempt.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/text.h"
#include "jobs/message.h"
#include "pipeline/pipeline.h"
#include "service/service.h"

#include "core/banned.h"

struct worker {
    pthread_t thread;
};

static const int take_timeout_ms = 1000;

/* A job that the Python tutorial's gateway made has a file and a message, but no record: it gets
 * one now. */
static enum err adopt(struct converter *c, const struct job_message *message, struct error *e)
{
    struct blob_stat stat;
    enum err rc = blobs_stat(c->videos, message->video_fid, &stat, e);
    if (rc != OK) {
        return rc;
    }
    struct job job;
    job_init(&job, message->username);
    (void)text_copy(job.id, sizeof(job.id), message->video_fid);
    (void)text_copy(job.video_fid, sizeof(job.video_fid), message->video_fid);
    (void)text_copy(job.traceparent, sizeof(job.traceparent), message->traceparent);
    (void)text_copy(job.sha256, sizeof(job.sha256), stat.sha256);
    text_clean_filename(job.filename, sizeof(job.filename), stat.filename);
    job.request = message->request;
    job.size_bytes = stat.size_bytes;
    job.published = true;
    job.published_at_ms = clock_wall_ms();
    rc = jobs_create(c->jobs, &job, e);
    return rc == ERR_EXISTS ? OK : rc;
}

static enum err claim(struct converter *c, const struct job_message *content,
                      const struct queue_message *message, struct job *ret_job, struct error *e)
{
    const char *id = content->job_id[0] != '\0' ? content->job_id : content->video_fid;
    const char *message_id = queue_message_id(message);
    bool redelivered = queue_message_is_redelivered(message);
    int64_t lease_ms = c->settings->lease_s * 1000;
    enum err rc = jobs_claim(c->jobs, id, lease_ms, message_id, redelivered, ret_job, e);
    if (rc == ERR_NOT_FOUND && content->version == 0) {
        rc = adopt(c, content, e);
        if (rc == OK) {
            log_info("a job without a record was adopted");
            rc = jobs_claim(c->jobs, id, lease_ms, message_id, redelivered, ret_job, e);
        }
    }
    return rc;
}

/* The store is away, which is no fault of the message: it stays in hand until the store is back.
 * Given back it would come again at once, and after a few rounds the broker would call it dead.
 * False when there is nothing to wait for any more. */
static bool wait_for_store(struct converter *c, struct queue_message *message, enum err rc)
{
    if ((rc != ERR_BUSY && rc != ERR_TIMEOUT) || service_is_draining(c->service)) {
        return false;
    }
    clock_sleep_ms(1000);
    return queue_extend(message, NULL) == OK;
}

/* Claims the job, waiting for the store while it is away. On OK the converter is busy until
 * run_claimed has ended. */
static enum err claim_patiently(struct converter *c, const struct job_message *content,
                                struct queue_message *message, struct job *ret_job, struct error *e)
{
    for (bool has_waited = false;; has_waited = true) {
        atomic_fetch_add(&c->busy, 1);
        enum err rc = claim(c, content, message, ret_job, e);
        if (rc == OK) {
            return OK;
        }
        atomic_fetch_sub(&c->busy, 1);
        if (!has_waited && (rc == ERR_BUSY || rc == ERR_TIMEOUT)) {
            log_failure(LOG_LEVEL_WARN, err_name(rc), "the message waits for the store: %s",
                        e->text);
        }
        if (!wait_for_store(c, message, rc)) {
            return rc;
        }
    }
}

/* Tells of the job's end, or that it waits again. What fails here is done again by the gateway's
 * outbox. */
static void announce(struct converter *c, struct job *job)
{
    struct error e = { 0 };
    if (pipeline_publish(c->jobs, c->queue, job, &e) != OK) {
        log_failure(LOG_LEVEL_WARN, err_name(e.code), "the job will be announced later: %s",
                    e.text);
    }
}

/* A message that is returned counts towards its delivery limit, and is marked as that of a worker
 * who was lost. A job that was given back has lost nobody: it gets a new message. */
static enum queue_verdict run_claimed(struct converter *c, struct job *job,
                                      struct queue_message *message, bool *ret_is_given_back)
{
    metric_add(&metric_jobs_in_flight, 0, 1);
    log_context_user(job->user_id);
    log_context_attempt(job->attempt);
    converter_metrics_claimed(job);
    log_info("attempt %d of %lld bytes", job->attempt, (long long)job->size_bytes);
    enum attempt_result result = attempt_run(c, job, message);
    converter_metrics_count(result, job);
    if (result == ATTEMPT_ENDED) {
        announce(c, job);
    }
    metric_add(&metric_jobs_in_flight, 0, -1);
    atomic_fetch_sub(&c->busy, 1);
    *ret_is_given_back = result == ATTEMPT_GIVE_BACK && job->state == JOB_QUEUED;
    return result == ATTEMPT_GIVE_BACK && !*ret_is_given_back ? QUEUE_RETRY : QUEUE_DONE;
}

/* What to tell the broker about a message whose job could not be claimed. */
static enum queue_verdict verdict_without_claim(struct converter *c, enum err rc, struct job *job,
                                                const struct job_message *message,
                                                const struct error *e)
{
    switch (rc) {
    case ERR_EXISTS:
        log_info("the job has ended already; message dropped");
        if (!job->announced) {
            announce(c, job);
        }
        return QUEUE_DONE;
    case ERR_CONFLICT:
        log_info("the job runs elsewhere or is not due; message dropped");
        return QUEUE_DONE;
    case ERR_NOT_FOUND:
        if (message->version == 0) {
            log_error("a message names a file that is not there; dead-lettered");
            return QUEUE_DEAD;
        }
        log_info("the job was deleted; message dropped");
        return QUEUE_DONE;
    default:
        log_failure(LOG_LEVEL_ERROR, err_name(rc), "the job could not be claimed: %s", e->text);
        /* Not a hot loop. */
        clock_sleep_ms(1000);
        return QUEUE_RETRY;
    }
}

/* What an attempt was and came to. */
static void describe_attempt(struct span *s, const struct job *job)
{
    span_int(s, "unreel.job.attempt", job->attempt);
    span_text(s, "unreel.job.state", job_state_name(job->state));
    if (job->error.problem != PROBLEM_NONE) {
        span_fail(s, problem_info(job->error.problem)->slug, job->error.detail);
    }
}

static enum queue_verdict handle_content(struct converter *c, struct job_message *content,
                                         struct queue_message *message, struct job *job,
                                         bool *ret_is_given_back)
{
    const char *id = content->job_id[0] != '\0' ? content->job_id : content->video_fid;
    char trace_id[TRACE_ID_SIZE];
    struct span span;
    struct error e = { 0 };
    queue_begin_span(&span, JOB_QUEUE_VIDEO, message, content->traceparent);
    (void)text_copy(content->traceparent, sizeof(content->traceparent), span_traceparent(&span));
    trace_read_id(content->traceparent, trace_id);
    log_context(trace_id, id);
    span_text(&span, "unreel.job.id", id);
    enum err rc = claim_patiently(c, content, message, job, &e);
    enum queue_verdict verdict = rc == OK ? run_claimed(c, job, message, ret_is_given_back)
                                          : verdict_without_claim(c, rc, job, content, &e);
    if (rc == OK) {
        describe_attempt(&span, job);
    } else if (rc != ERR_EXISTS && rc != ERR_CONFLICT && rc != ERR_NOT_FOUND) {
        span_fail(&span, err_name(rc), e.text);
    }
    span_end(&span);
    return verdict;
}

void worker_handle(struct converter *c, struct queue_message *message)
{
    struct error e = { 0 };
    size_t len = 0;
    const void *body = queue_message_body(message, &len);
    struct job_message content;
    struct job job;
    bool is_given_back = false;
    enum queue_verdict verdict = QUEUE_DEAD;
    if (job_message_parse(body, len, &content, &e) != OK) {
        log_failure(LOG_LEVEL_ERROR, err_name(e.code),
                    "a message on %s cannot be read and is dead-lettered: %s", JOB_QUEUE_VIDEO,
                    e.text);
    } else {
        verdict = handle_content(c, &content, message, &job, &is_given_back);
    }
    if (queue_finish(message, verdict, &e) != OK) {
        log_failure(LOG_LEVEL_WARN, err_name(e.code),
                    "the broker did not take the verdict; the message will come again: %s", e.text);
    } else if (is_given_back) {
        /* Not before: of two messages for one job, the old one would take it from who has it by the
         * new one. */
        announce(c, &job);
    }
    log_context(NULL, NULL);
}

static void *run(void *arg)
{
    struct converter *c = arg;
    for (;;) {
        struct queue_message *message = NULL;
        struct error e = { 0 };
        enum err rc = queue_take(c->consumer, take_timeout_ms, &message, &e);
        if (rc == OK) {
            worker_handle(c, message);
        } else if (rc == ERR_CANCELLED) {
            return NULL;
        }
        /* TIMEOUT: nothing to do. BUSY: the consumer is connecting again; readiness tells. */
    }
}

enum err workers_start(struct converter *c, struct error *e)
{
    c->workers = xcalloc((size_t)c->settings->slots, sizeof(*c->workers));
    for (int64_t i = 0; i < c->settings->slots; i++) {
        int rc = pthread_create(&c->workers[i].thread, NULL, run, c);
        if (rc != 0) {
            return err_set_errno(e, ERR_FAULT, rc, "start a worker's thread");
        }
    }
    return OK;
}

void workers_join(struct converter *c)
{
    for (int64_t i = 0; c->workers != NULL && i < c->settings->slots; i++) {
        if (c->workers[i].thread != 0) {
            (void)pthread_join(c->workers[i].thread, NULL);
        }
    }
    free(c->workers);
    c->workers = NULL;
}
