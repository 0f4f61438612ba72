#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "queue/rabbit_consumer.h"
#include "queue/rabbit_metrics.h"
#include "core/banned.h"

/* queue_consume waits this long for the first connection, so that a take right after it does not
 * find the broker missing that is just being greeted. */
#define FIRST_CONNECT_MS 5000

static struct rabbit_consumer *consumer_of(struct queue_consumer *c)
{
    return CONTAINER_OF(c, struct rabbit_consumer, base);
}

static struct rabbit_message *message_of(struct queue_message *m)
{
    return CONTAINER_OF(m, struct rabbit_message, base);
}

void rabbit_consumer_wake(struct rabbit_consumer *c)
{
    uint64_t one = 1;
    ssize_t written = write(c->wake_fd, &one, sizeof(one));

    (void)written; /* a counter that is full wakes just as well */
}

void rabbit_consumer_notify(struct rabbit_consumer *c)
{
    (void)pthread_cond_broadcast(&c->changed);
}

void rabbit_message_release(struct rabbit_message *m)
{
    free(m->base.body);
    free(m);
}

/* With the lock held. False when the deadline has passed. */
static bool wait_until(struct rabbit_consumer *c, int64_t deadline_ms)
{
    struct timespec until = { .tv_sec = deadline_ms / 1000,
                              .tv_nsec = (deadline_ms % 1000) * 1000000 };

    return pthread_cond_timedwait(&c->changed, &c->lock, &until) != ETIMEDOUT;
}

static void consumer_free(struct rabbit_consumer *c)
{
    if (c->wake_fd >= 0) {
        (void)close(c->wake_fd);
    }
    (void)pthread_cond_destroy(&c->changed);
    (void)pthread_mutex_destroy(&c->lock);
    free(c);
}

static struct rabbit_consumer *consumer_new(struct queue *q, const char *name, unsigned prefetch)
{
    struct rabbit_consumer *c = xcalloc(1, sizeof(*c));
    pthread_condattr_t attr;

    c->base.ops = &queue_amqp;
    c->queue = rabbit_queue_of(q);
    c->name_index = queue_name_index(name);
    c->prefetch = prefetch;
    c->ready_end = &c->ready;
    c->verdicts_end = &c->verdicts;
    (void)pthread_mutex_init(&c->lock, NULL);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&c->changed, &attr);
    (void)pthread_condattr_destroy(&attr);
    c->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return c;
}

enum err rabbit_queue_consume(struct queue *q, const char *name, unsigned prefetch,
                              struct queue_consumer **ret_consumer, struct error *e)
{
    rabbit_metrics_register_consumer();
    struct rabbit_consumer *c = consumer_new(q, name, prefetch);
    int64_t deadline_ms = clock_mono_ms() + FIRST_CONNECT_MS;
    int rc;

    if (c->wake_fd < 0) {
        rc = errno;
        consumer_free(c);
        return err_set_errno(e, ERR_FAULT, rc, "eventfd");
    }
    rc = pthread_create(&c->thread, NULL, rabbit_consumer_run, c);
    if (rc != 0) {
        consumer_free(c);
        return err_set_errno(e, ERR_FAULT, rc, "thread of a consumer");
    }
    (void)pthread_mutex_lock(&c->lock);
    while (!c->has_tried && wait_until(c, deadline_ms)) {
    }
    (void)pthread_mutex_unlock(&c->lock);
    *ret_consumer = &c->base;
    return OK;
}

void rabbit_queue_consumer_cancel(struct queue_consumer *base)
{
    struct rabbit_consumer *c = consumer_of(base);

    (void)pthread_mutex_lock(&c->lock);
    c->is_cancelled = true;
    rabbit_consumer_notify(c);
    (void)pthread_mutex_unlock(&c->lock);
    rabbit_consumer_wake(c);
}

void rabbit_queue_consumer_close(struct queue_consumer *base)
{
    struct rabbit_consumer *c = consumer_of(base);

    (void)pthread_mutex_lock(&c->lock);
    c->is_cancelled = true;
    c->is_stopping = true;
    rabbit_consumer_notify(c);
    (void)pthread_mutex_unlock(&c->lock);
    rabbit_consumer_wake(c);
    (void)pthread_join(c->thread, NULL);
    consumer_free(c);
}

/* With the lock held. */
static struct rabbit_message *pop_ready(struct rabbit_consumer *c)
{
    struct rabbit_message *m = c->ready;

    if (m != NULL) {
        c->ready = m->next;
        if (c->ready == NULL) {
            c->ready_end = &c->ready;
        }
        m->next = NULL;
    }
    return m;
}

/* With the lock held. */
static enum err take_locked(struct rabbit_consumer *c, int64_t deadline_ms,
                            struct rabbit_message **ret_message, struct error *e)
{
    bool is_late = false;

    for (;;) {
        if (c->is_cancelled) {
            return err_set(e, ERR_CANCELLED, "the consumer was cancelled");
        }
        *ret_message = pop_ready(c);
        if (*ret_message != NULL) {
            return OK;
        }
        if (is_late) {
            return c->is_connected ? err_set(e, ERR_TIMEOUT, "no message")
                                   : err_set(e, ERR_BUSY, "%s", c->last_error.text);
        }
        is_late = !wait_until(c, deadline_ms);
    }
}

enum err rabbit_queue_take(struct queue_consumer *base, int64_t timeout_ms,
                           struct queue_message **ret_message, struct error *e)
{
    struct rabbit_consumer *c = consumer_of(base);
    int64_t deadline_ms = clock_mono_ms() + timeout_ms;
    struct rabbit_message *m = NULL;
    enum err err;

    (void)pthread_mutex_lock(&c->lock);
    err = take_locked(c, deadline_ms, &m, e);
    (void)pthread_mutex_unlock(&c->lock);
    if (err == OK) {
        *ret_message = &m->base;
    }
    return err;
}

/* With the lock held. */
static enum err check_in_hand(const struct rabbit_message *m, struct error *e)
{
    const struct rabbit_consumer *c = m->consumer;

    if (m->generation == c->generation && c->is_connected) {
        return OK;
    }
    return err_set(e, ERR_CONFLICT, "the message was lost with its connection");
}

enum err rabbit_queue_extend(struct queue_message *base, struct error *e)
{
    struct rabbit_message *m = message_of(base);
    enum err err;

    (void)pthread_mutex_lock(&m->consumer->lock);
    err = check_in_hand(m, e);
    (void)pthread_mutex_unlock(&m->consumer->lock);
    return err;
}

/* With the lock held. */
static void push_verdict(struct rabbit_consumer *c, struct rabbit_verdict *v,
                         const struct rabbit_message *m, enum rabbit_answer answer)
{
    v->answer = answer;
    v->generation = m->generation;
    v->delivery_tag = m->delivery_tag;
    *c->verdicts_end = v;
    c->verdicts_end = &v->next;
    rabbit_consumer_wake(c);
}

static enum err answer_and_wait(struct rabbit_message *m, enum rabbit_answer answer,
                                struct error *e)
{
    struct rabbit_consumer *c = m->consumer;
    struct rabbit_verdict v = { 0 };
    enum err err;

    (void)pthread_mutex_lock(&c->lock);
    err = check_in_hand(m, e);
    if (err == OK) {
        push_verdict(c, &v, m, answer);
        while (!v.is_done) {
            (void)pthread_cond_wait(&c->changed, &c->lock);
        }
        err = v.result;
        if (err != OK) {
            (void)err_set(e, err, "the verdict may not have reached rabbitmq: %s",
                          c->last_error.text);
        }
    }
    (void)pthread_mutex_unlock(&c->lock);
    return err;
}

/* A queue that we did not make has no dead-letter queue of ours, so the message is put there by
 * hand; a failure between the two steps leaves it in both. */
static enum err bury_by_hand(struct rabbit_message *m, struct error *e)
{
    const struct rabbit_outgoing out = { .body = m->base.body,
                                         .len = m->base.body_len,
                                         .traceparent = m->base.traceparent,
                                         .dead_reason = "rejected",
                                         .died_at_ms = clock_wall_ms() };
    enum err err = rabbit_queue_publish(m->consumer->queue, m->consumer->name_index, ".dead", &out,
                                        e);

    return err == OK ? answer_and_wait(m, RABBIT_ACK, e) : err;
}

static enum err bury(struct rabbit_message *m, struct error *e)
{
    struct rabbit_consumer *c = m->consumer;
    bool is_foreign;
    enum err err;

    (void)pthread_mutex_lock(&c->lock);
    is_foreign = c->is_foreign;
    err = check_in_hand(m, e);
    (void)pthread_mutex_unlock(&c->lock);
    if (err != OK) {
        return err;
    }
    return is_foreign ? bury_by_hand(m, e) : answer_and_wait(m, RABBIT_REJECT, e);
}

enum err rabbit_queue_finish(struct queue_message *base, enum queue_verdict verdict,
                             struct error *e)
{
    struct rabbit_message *m = message_of(base);
    enum err err;

    switch (verdict) {
    case QUEUE_DONE:
        err = answer_and_wait(m, RABBIT_ACK, e);
        break;
    case QUEUE_RETRY:
        err = answer_and_wait(m, RABBIT_REJECT_BACK, e);
        break;
    case QUEUE_DEAD:
        err = bury(m, e);
        break;
    default:
        err = err_set(e, ERR_INVALID, "no such verdict");
        break;
    }
    if (err == ERR_BUSY) {
        /* Not answered (the dead-letter queue took no message): give it back. */
        rabbit_queue_message_free(base);
    } else {
        rabbit_message_release(m);
    }
    return err;
}

void rabbit_queue_message_free(struct queue_message *base)
{
    struct rabbit_message *m = message_of(base);
    struct rabbit_consumer *c = m->consumer;

    (void)pthread_mutex_lock(&c->lock);
    if (check_in_hand(m, NULL) == OK) {
        struct rabbit_verdict *v = xcalloc(1, sizeof(*v));

        v->is_detached = true;
        push_verdict(c, v, m, RABBIT_REJECT_BACK);
    }
    (void)pthread_mutex_unlock(&c->lock);
    rabbit_message_release(m);
}
