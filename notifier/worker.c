/* Two ways to a notice: a message on "mp3", which is quick, and the records themselves, which
 * cannot be lost. */
#include <string.h>
#include <time.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/text.h"
#include "jobs/message.h"
#include "notifier.h"
#include "pipeline/pipeline.h"

#include "core/banned.h"

#define DUE_MAX 20

static const int take_timeout_ms = 1000;
static const int64_t poll_min_ms = 1000;
static const int64_t poll_max_ms = 30000;
static const int64_t notice_grace_ms = 10000; /* the message is on its way */

static bool is_stopping(struct notifier *n)
{
    (void)pthread_mutex_lock(&n->lock);
    bool stopping = n->is_stopping;
    (void)pthread_mutex_unlock(&n->lock);
    return stopping;
}

/* The tutorial's gateway and converter made this MP3 between them: it gets a record, so that it can
 * be mailed and downloaded. */
static enum err adopt(struct notifier *n, const struct job_message *message, struct job *ret_job,
                      struct error *e)
{
    struct job job;
    job_init(&job, message->username);
    (void)text_copy(job.id, sizeof(job.id), message->video_fid);
    (void)text_copy(job.video_fid, sizeof(job.video_fid), message->video_fid);
    (void)text_copy(job.filename, sizeof(job.filename), "upload");
    job.published = true;
    enum err rc = jobs_create(n->jobs, &job, e);
    if (rc == OK || rc == ERR_EXISTS) {
        rc = jobs_finish_foreign(n->jobs, job.id, message->mp3_fid, ret_job, e);
    }
    return rc;
}

/* The message that announces it is the one in hand. */
static void mark_foreign(struct notifier *n, struct job *job)
{
    pipeline_event(n->queue, job, NULL);
    if (jobs_mark_announced(n->jobs, job, NULL) != OK) {
        log_debug("the announced mark was set by another");
    }
}

/* The job that the message speaks of. A foreign converter does not know our records: its message
 * (which may be ours with its mp3_fid filled in) ends the record here. */
static enum err find_job(struct notifier *n, const struct job_message *message, struct job *ret_job,
                         struct error *e)
{
    bool has_mp3 = message->mp3_fid[0] != '\0';
    enum err rc = message->job_id[0] != '\0'
                      ? jobs_get(n->jobs, message->job_id, NULL, ret_job, e)
                      : jobs_get_by_video(n->jobs, message->video_fid, ret_job, e);
    if (rc == ERR_NOT_FOUND && has_mp3 && message->version == 0) {
        rc = adopt(n, message, ret_job, e);
    } else if (rc == OK && !job_is_final(ret_job) && has_mp3) {
        rc = jobs_finish_foreign(n->jobs, ret_job->id, message->mp3_fid, ret_job, e);
    } else {
        return rc;
    }
    if (rc == OK) {
        log_info("a foreign converter finished the job");
        mark_foreign(n, ret_job);
    }
    /* Somebody ended it in between: it is ended, which is all that matters here. */
    return rc == ERR_EXISTS ? jobs_get(n->jobs, ret_job->id, NULL, ret_job, e) : rc;
}

/* The store is away, which is no fault of the message: it stays in hand until the store is back.
 * Given back it would come again at once, and after a few rounds the broker would call it dead. */
static enum err find_patiently(struct notifier *n, const struct job_message *content,
                               struct queue_message *message, struct job *ret_job, struct error *e)
{
    for (bool has_waited = false;; has_waited = true) {
        enum err rc = find_job(n, content, ret_job, e);
        if ((rc != ERR_BUSY && rc != ERR_TIMEOUT) || is_stopping(n)) {
            return rc;
        }
        if (!has_waited) {
            log_failure(LOG_LEVEL_WARN, err_name(e->code), "the message waits for the store: %s",
                        e->text);
        }
        clock_sleep_ms(1000);
        if (queue_extend(message, NULL) != OK) {
            return rc;
        }
    }
}

static enum queue_verdict handle_content(struct notifier *n, const struct job_message *content,
                                         struct queue_message *message, struct span *span)
{
    struct job job;
    struct error e = { 0 };
    enum err rc = find_patiently(n, content, message, &job, &e);
    if (rc == ERR_NOT_FOUND) {
        log_info("the job was deleted; message dropped");
        return QUEUE_DONE;
    }
    if (rc != OK) {
        log_failure(LOG_LEVEL_ERROR, err_name(rc), "the job of a message cannot be read: %s",
                    e.text);
        span_fail(span, err_name(rc), e.text);
        clock_sleep_ms(1000);
        return QUEUE_RETRY;
    }
    if (!job_is_final(&job)) {
        log_info("the job has not ended; message dropped");
        return QUEUE_DONE;
    }
    log_context_user(job.user_id);
    log_context_attempt(job.attempt);
    notices_send(n, &job);
    return QUEUE_DONE;
}

static void handle(struct notifier *n, struct queue_message *message)
{
    struct error e = { 0 };
    size_t len = 0;
    const void *body = queue_message_body(message, &len);
    struct job_message content;
    enum queue_verdict verdict = QUEUE_DEAD;
    if (job_message_parse(body, len, &content, &e) != OK) {
        log_failure(LOG_LEVEL_ERROR, err_name(e.code),
                    "a message on %s cannot be read and is dead-lettered: %s", JOB_QUEUE_MP3,
                    e.text);
    } else {
        const char *id = content.job_id[0] != '\0' ? content.job_id : content.video_fid;
        char trace_id[TRACE_ID_SIZE];
        struct span span;
        queue_begin_span(&span, JOB_QUEUE_MP3, message, content.traceparent);
        trace_read_id(span_traceparent(&span), trace_id);
        log_context(trace_id, id);
        span_text(&span, "unreel.job.id", id);
        verdict = handle_content(n, &content, message, &span);
        span_end(&span);
    }
    if (queue_finish(message, verdict, &e) != OK) {
        log_failure(LOG_LEVEL_WARN, err_name(e.code),
                    "the broker did not take the verdict; the message will come again: %s", e.text);
    }
    log_context(NULL, NULL);
}

static void *take_messages(void *arg)
{
    struct notifier *n = arg;
    for (;;) {
        struct queue_message *message = NULL;
        enum err rc = queue_take(n->consumer, take_timeout_ms, &message, NULL);
        if (rc == ERR_CANCELLED) {
            return NULL;
        }
        if (rc == OK) {
            atomic_fetch_add(&n->busy, 1);
            handle(n, message);
            atomic_fetch_sub(&n->busy, 1);
        }
    }
}

/* Sends what fell due; returns how long the next look can wait. What is left when the
 * service drains stays due: each one may take a receiver's whole time limit. */
static int64_t send_due(struct notifier *n, struct job *jobs)
{
    struct jobs_due_query query = { .kind = JOBS_DUE_NOTICE,
                                    .grace_ms = notice_grace_ms,
                                    .limit = DUE_MAX };
    size_t count = 0;
    int64_t next_ms = INT64_MAX;
    if (jobs_due(n->jobs, &query, jobs, &count, &next_ms, NULL) != OK) {
        return poll_max_ms; /* readiness tells about the store */
    }
    atomic_fetch_add(&n->busy, 1);
    for (size_t i = 0; i < count && !is_stopping(n); i++) {
        job_log_context(&jobs[i]);
        notices_send(n, &jobs[i]);
        log_context(NULL, NULL);
    }
    atomic_fetch_sub(&n->busy, 1);
    int64_t delay_ms = next_ms - clock_wall_ms();
    /* Notices made by other processes meanwhile come by message; the scan is their safety net. */
    if (delay_ms > poll_max_ms) {
        return poll_max_ms;
    }
    return delay_ms < poll_min_ms ? poll_min_ms : delay_ms;
}

static void *poll_records(void *arg)
{
    struct notifier *n = arg;
    struct job *jobs = xcalloc(DUE_MAX, sizeof(*jobs));
    (void)pthread_mutex_lock(&n->lock);
    while (!n->is_stopping) {
        (void)pthread_mutex_unlock(&n->lock);
        int64_t delay_ms = send_due(n, jobs);
        int64_t until_ms = clock_mono_ms() + delay_ms;
        struct timespec until = { .tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000 };
        (void)pthread_mutex_lock(&n->lock);
        if (!n->is_stopping && !n->was_put_off) {
            (void)pthread_cond_timedwait(&n->wake, &n->lock, &until);
        }
        n->was_put_off = false;
    }
    (void)pthread_mutex_unlock(&n->lock);
    free(jobs);
    return NULL;
}

enum err notifier_threads_start(struct notifier *n, struct error *e)
{
    (void)pthread_mutex_init(&n->lock, NULL);
    /* A clock that is set back must not stop the scan. */
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&n->wake, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    int wanted = (int)n->settings->slots + 1;
    n->threads = xcalloc((size_t)wanted, sizeof(*n->threads));
    while (n->thread_count < wanted) {
        void *(*body)(void *) = n->thread_count == wanted - 1 ? poll_records : take_messages;
        int rc = pthread_create(&n->threads[n->thread_count], NULL, body, n);
        if (rc != 0) {
            return err_set_errno(e, ERR_FAULT, rc, "start a thread");
        }
        n->thread_count++;
    }
    return OK;
}

void notifier_put_off(struct notifier *n)
{
    (void)pthread_mutex_lock(&n->lock);
    n->was_put_off = true;
    (void)pthread_cond_signal(&n->wake);
    (void)pthread_mutex_unlock(&n->lock);
}

void notifier_threads_stop(struct notifier *n)
{
    (void)pthread_mutex_lock(&n->lock);
    n->is_stopping = true;
    (void)pthread_cond_signal(&n->wake);
    (void)pthread_mutex_unlock(&n->lock);
}

void notifier_threads_join(struct notifier *n)
{
    if (n->threads == NULL) {
        return;
    }
    notifier_threads_stop(n);
    for (int i = 0; i < n->thread_count; i++) {
        (void)pthread_join(n->threads[i], NULL);
    }
    (void)pthread_mutex_destroy(&n->lock);
    (void)pthread_cond_destroy(&n->wake);
    free(n->threads);
    n->threads = NULL;
}
