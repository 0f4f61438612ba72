#include "pipeline/pipeline.h"

#include <string.h>

#include "jobs/message.h"

#include "core/banned.h"

void pipeline_event(struct queue *queue, const struct job *job, const char *what)
{
    AUTO(mem_free) char *body = job_event_body(job);
    AUTO(mem_free)
    char *key = xasprintf("job.%s", what != NULL ? what : job_state_name(job->state));
    /* Progress comes twice a second: it is no part of the trace. */
    const char *traceparent = what == NULL ? job->traceparent : NULL;
    (void)queue_publish_event(queue, key, body, strlen(body), traceparent, NULL);
}

/* Whoever takes from "mp3" looks for an MP3, or sends notices: a probe has neither. */
static bool is_queued(const struct job *job)
{
    return !job_is_final(job) || job->kind != JOB_PROBE || job->webhook_url[0] != '\0';
}

static enum err put_message(struct queue *queue, const struct job *job, struct error *e)
{
    bool is_final = job_is_final(job);
    AUTO(mem_free) char *body = is_final ? job_message_mp3(job) : job_message_video(job);
    return queue_put(queue, is_final ? JOB_QUEUE_MP3 : JOB_QUEUE_VIDEO, body, strlen(body),
                     job->traceparent, e);
}

enum err pipeline_publish(struct jobs *jobs, struct queue *queue, struct job *job, struct error *e)
{
    bool is_final = job_is_final(job);
    enum err rc = is_queued(job) ? put_message(queue, job, e) : OK;
    if (rc != OK) {
        return rc;
    }
    pipeline_event(queue, job, NULL);
    /* Whoever changed the record meanwhile knows more than we do; what stays unmarked is told
     * again. */
    rc = is_final ? jobs_mark_announced(jobs, job, NULL) : jobs_mark_published(jobs, job, NULL);
    (void)rc;
    return OK;
}
