#include "relay.h"

#include <pthread.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "jobs/message.h"
#include "pipeline/pipeline.h"

#include "core/banned.h"

#define PENDING_MAX 64 /* jobs in the fast lane; the scan takes what does not fit */
#define SCAN_MAX 50    /* jobs of one kind per scan */

static const int64_t scan_every_ms = 5000;
static const int64_t scan_pause_ms = 100; /* between two scans while there is more to do */
static const int64_t count_every_ms = 30000;
static const int64_t publish_grace_ms = 5000; /* the gateway that took the upload is at it */
static const int64_t announce_grace_ms = 5000;

struct relay {
    struct gateway *gateway;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool is_stopping;
    struct job *pending; /* ring of PENDING_MAX */
    size_t first, count;
    int64_t next_count_ms; /* monotonic */
    /* So that a change is logged once. */
    bool broker_is_down;
    struct error unread; /* why a record could not be read */
};

static void note_broker(struct relay *relay, enum err rc, const struct error *e)
{
    bool is_down = rc != OK;
    if (is_down && !relay->broker_is_down) {
        log_failure(LOG_LEVEL_WARN, err_name(rc), "messages wait for the broker: %s", e->text);
    } else if (!is_down && relay->broker_is_down) {
        log_info("the broker takes messages again");
    }
    relay->broker_is_down = is_down;
}

/* Readiness tells about a store that is down, but not about a record that cannot be read. */
static void note_outbox(struct relay *relay, const struct error *e)
{
    if (e->code == ERR_CORRUPT && strcmp(e->text, relay->unread.text) != 0) {
        log_failure(LOG_LEVEL_ERROR, err_name(e->code),
                    "the outbox passes over a record that cannot be read: %s", e->text);
    }
    relay->unread = *e;
}

static enum err publish(struct relay *relay, struct job *job)
{
    size_t which = job_is_final(job) ? 1 : 0;
    struct error e = { 0 };
    enum err rc = pipeline_publish(relay->gateway->jobs, relay->gateway->queue, job, &e);
    note_broker(relay, rc, &e);
    metric_add(rc == OK ? &metric_outbox_published : &metric_outbox_failures, which, 1);
    return rc;
}

/* Publishes until the broker refuses; the rest waits for the next scan. */
static void publish_all(struct relay *relay, struct job *jobs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        job_log_context(&jobs[i]);
        enum err rc = publish(relay, &jobs[i]);
        log_context(NULL, NULL);
        if (rc != OK) {
            return;
        }
    }
}

static void recover_lost(struct relay *relay, struct job *job)
{
    const struct gateway_settings *settings = relay->gateway->settings;
    struct error e = { 0 };
    int64_t run_at_ms = clock_wall_ms() + clock_backoff_ms(job->failures + 1, 2000, 60000);
    job_log_context(job);
    enum err rc = jobs_recover(relay->gateway->jobs, job, (int)settings->max_failures, run_at_ms,
                               &e);
    if (rc == OK) {
        metric_add(&metric_jobs_recovered, job->state == JOB_FAILED ? 1 : 0, 1);
        log_warn("the worker of attempt %d is gone; the job is %s", job->attempt,
                 job_state_name(job->state));
    } else if (rc != ERR_CONFLICT && rc != ERR_NOT_FOUND) {
        log_failure(LOG_LEVEL_WARN, err_name(rc), "a lost job could not be taken back: %s", e.text);
    }
    log_context(NULL, NULL);
}

/* How long the next scan can wait for what falls due at `due_ms`, by the wall clock. */
static int64_t scan_delay_ms(const struct relay *relay, int64_t due_ms)
{
    int64_t delay_ms = due_ms - clock_wall_ms();
    if (relay->broker_is_down || delay_ms > scan_every_ms) {
        return scan_every_ms;
    }
    return delay_ms < scan_pause_ms ? scan_pause_ms : delay_ms;
}

static int64_t age_s(int64_t since_ms)
{
    int64_t age_ms = since_ms > 0 ? clock_wall_ms() - since_ms : 0;
    return age_ms > 0 ? age_ms / 1000 : 0;
}

static void count_backlog(const struct gateway *g)
{
    struct jobs_backlog backlog;
    if (jobs_backlog(g->jobs, &backlog, NULL) == OK) {
        metric_set(&metric_outbox_pending, 0, backlog.outbox_count);
        metric_set(&metric_outbox_oldest_age, 0, age_s(backlog.outbox_oldest_ms));
        metric_set(&metric_queued_oldest_age, 0, age_s(backlog.queued_oldest_ms));
    }
}

/* For the metrics. Reads the whole index of states, so it is not for every scan. */
static void count_all(struct relay *relay)
{
    static const char *const queues[] = { JOB_QUEUE_VIDEO, JOB_QUEUE_MP3 }; /* as the values */
    const struct gateway *g = relay->gateway;
    int64_t now_ms = clock_mono_ms();
    if (now_ms < relay->next_count_ms) {
        return;
    }
    relay->next_count_ms = now_ms + count_every_ms;
    int64_t counts[JOB_STATE_MAX];
    if (jobs_count(g->jobs, counts, NULL) == OK) {
        for (size_t i = 0; i < JOB_STATE_MAX; i++) {
            metric_set(&metric_jobs, i, counts[i]);
        }
    }
    count_backlog(g);
    for (size_t i = 0; i < ARRAY_LEN(queues); i++) {
        int64_t waiting = 0;
        int64_t dead = 0;
        if (queue_depth(g->queue, queues[i], &waiting, &dead, NULL) == OK) {
            metric_set(&metric_queue_messages, i, waiting);
            metric_set(&metric_queue_dead, i, dead);
        }
    }
}

/* One look at everything due. Returns how long the next one can wait. */
static int64_t scan(struct relay *relay, struct job *found)
{
    struct gateway *g = relay->gateway;
    const struct jobs_due_query queries[] = {
        { .kind = JOBS_DUE_LOST, .limit = SCAN_MAX },
        { .kind = JOBS_DUE_PUBLISH,
          .grace_ms = publish_grace_ms,
          .republish_after_ms = g->settings->republish_after_s * 1000,
          .limit = SCAN_MAX },
        { .kind = JOBS_DUE_ANNOUNCE, .grace_ms = announce_grace_ms, .limit = SCAN_MAX },
    };
    int64_t next_ms = INT64_MAX;
    struct error unread = { 0 };
    for (size_t q = 0; q < ARRAY_LEN(queries); q++) {
        size_t count = 0;
        int64_t due_ms = INT64_MAX;
        if (jobs_due(g->jobs, &queries[q], found, &count, &due_ms, &unread) != OK) {
            continue;
        }
        if (queries[q].kind == JOBS_DUE_LOST) {
            for (size_t i = 0; i < count; i++) {
                recover_lost(relay, &found[i]);
            }
        } else {
            publish_all(relay, found, count);
        }
        next_ms = due_ms < next_ms ? due_ms : next_ms;
    }
    note_outbox(relay, &unread);
    count_all(relay);
    return scan_delay_ms(relay, next_ms);
}

/* Takes the pending jobs out of the ring. */
static size_t take_pending(struct relay *relay, struct job *taken, size_t max)
{
    size_t count = 0;
    while (relay->count > 0 && count < max) {
        taken[count++] = relay->pending[relay->first];
        relay->first = (relay->first + 1) % PENDING_MAX;
        relay->count--;
    }
    return count;
}

/* Waits until there is something pending, the time has come, or the relay stops. Called with the
 * lock held. */
static void wait_for_work(struct relay *relay, int64_t until_mono_ms)
{
    struct timespec deadline = { .tv_sec = until_mono_ms / 1000,
                                 .tv_nsec = until_mono_ms % 1000 * 1000000 };
    while (!relay->is_stopping && relay->count == 0) {
        if (pthread_cond_timedwait(&relay->wake, &relay->lock, &deadline) != 0) {
            break;
        }
    }
}

static void *run(void *arg)
{
    struct relay *relay = arg;
    struct job *jobs = xcalloc(SCAN_MAX, sizeof(*jobs));
    int64_t next_scan_ms = 0; /* monotonic: a clock that is set back must not stop the outbox */
    (void)pthread_mutex_lock(&relay->lock);
    while (!relay->is_stopping) {
        size_t count = take_pending(relay, jobs, SCAN_MAX);
        (void)pthread_mutex_unlock(&relay->lock);
        publish_all(relay, jobs, count);
        if (clock_mono_ms() >= next_scan_ms) {
            int64_t delay_ms = scan(relay, jobs);
            next_scan_ms = clock_mono_ms() + delay_ms;
        }
        (void)pthread_mutex_lock(&relay->lock);
        wait_for_work(relay, next_scan_ms);
    }
    (void)pthread_mutex_unlock(&relay->lock);
    free(jobs);
    return NULL;
}

enum err relay_start(struct gateway *g, struct relay **ret_relay, struct error *e)
{
    struct relay *relay = xcalloc(1, sizeof(*relay));
    relay->gateway = g;
    relay->pending = xcalloc(PENDING_MAX, sizeof(*relay->pending));
    (void)pthread_mutex_init(&relay->lock, NULL);
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&relay->wake, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    int rc = pthread_create(&relay->thread, NULL, run, relay);
    if (rc != 0) {
        free(relay->pending);
        free(relay);
        return err_set_errno(e, ERR_FAULT, rc, "start the relay's thread");
    }
    *ret_relay = relay;
    return OK;
}

void relay_publish(struct relay *relay, const struct job *job)
{
    (void)pthread_mutex_lock(&relay->lock);
    if (relay->count < PENDING_MAX) {
        relay->pending[(relay->first + relay->count) % PENDING_MAX] = *job;
        relay->count++;
        (void)pthread_cond_signal(&relay->wake);
    }
    (void)pthread_mutex_unlock(&relay->lock);
}

void relay_stop(struct relay *relay)
{
    if (relay == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&relay->lock);
    relay->is_stopping = true;
    (void)pthread_cond_signal(&relay->wake);
    (void)pthread_mutex_unlock(&relay->lock);
    (void)pthread_join(relay->thread, NULL);
    (void)pthread_mutex_destroy(&relay->lock);
    (void)pthread_cond_destroy(&relay->wake);
    free(relay->pending);
    free(relay);
}
