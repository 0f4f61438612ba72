#include "queue/queue.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "core/text.h"
#include "core/url.h"
#include "queue/queue_impl.h"
#include "queue/queue_topic.h"
#include "core/banned.h"

const char *const queue_names[QUEUE_COUNT] = { "video", "mp3" };

static const struct queue_ops *const engines[] = { &queue_amqp, &queue_sqlite };

static const struct queue_ops *engine_of(const char *url)
{
    for (size_t i = 0; i < ARRAY_LEN(engines); i++) {
        for (const char *const *scheme = engines[i]->schemes; *scheme != NULL; scheme++) {
            if (url_has_scheme(url, *scheme)) {
                return engines[i];
            }
        }
    }
    return NULL;
}

static enum err check_name(const char *name, struct error *e)
{
    for (size_t i = 0; i < QUEUE_COUNT; i++) {
        if (strcmp(queue_names[i], name) == 0) {
            return OK;
        }
    }
    return err_set(e, ERR_NOT_FOUND, "there is no queue %.40s", name);
}

static enum err check_size(size_t len, struct error *e)
{
    if (len > QUEUE_BODY_MAX) {
        return err_set(e, ERR_TOO_BIG, "a message of %zu bytes is over the limit of %d", len,
                       QUEUE_BODY_MAX);
    }
    return OK;
}

size_t queue_name_index(const char *name)
{
    size_t i = 0;

    while (i < QUEUE_COUNT - 1 && strcmp(queue_names[i], name) != 0) {
        i++;
    }
    assert(strcmp(queue_names[i], name) == 0);
    return i;
}

void queue_dead_set_body(struct queue_dead *dead, const void *body, size_t len)
{
    char *text = xstrndup(len > 0 ? body : "", len);

    (void)text_copy(dead->body, sizeof(dead->body), text);
    free(text);
}

enum err queue_open(const char *url, struct queue **ret_queue, struct error *e)
{
    const struct queue_ops *engine = engine_of(url);

    if (engine == NULL) {
        return err_set(e, ERR_INVALID, "the queue's URL must begin with amqp:, amqps: or sqlite:");
    }
    return engine->open(url, ret_queue, e);
}

void queue_close(struct queue *q)
{
    if (q != NULL) {
        q->ops->close(q);
    }
}

enum err queue_check(struct queue *q, struct error *e)
{
    return q->ops->check(q, e);
}

/* ---- spans: semantic conventions for messaging, with RabbitMQ's names ---- */

static void describe(struct span *s, const struct queue_ops *ops, const char *operation,
                     const char *type, const char *destination, const char *routing_key)
{
    span_text(s, "messaging.system", ops->system);
    span_text(s, "messaging.operation.name", operation);
    span_text(s, "messaging.operation.type", type);
    span_text(s, "messaging.destination.name", destination);
    span_text(s, "messaging.rabbitmq.destination.routing_key", routing_key);
}

/* NULL as traceparent: nothing is recorded, and the message carries none. */
static void begin_publish(struct span *s, const struct queue *q, const char *traceparent,
                          const char *destination, const char *routing_key)
{
    char name[SPAN_NAME_SIZE];

    span_none(s);
    if (traceparent != NULL) {
        (void)snprintf(name, sizeof(name), "publish %s", destination);
        span_begin(s, SPAN_PRODUCER, traceparent, name);
        describe(s, q->ops, "publish", "send", destination, routing_key);
    }
}

static void end_publish(struct span *s, enum err err, const char *id, const struct error *e)
{
    if (err != OK) {
        span_fail(s, err_name(err), e->text);
    } else if (id[0] != '\0') {
        span_text(s, "messaging.message.id", id);
    }
    span_end(s);
}

void queue_begin_span(struct span *s, const char *name, const struct queue_message *m,
                      const char *traceparent)
{
    char span_name[SPAN_NAME_SIZE];
    const char *parent = trace_is_valid(m->traceparent) ? m->traceparent : traceparent;

    (void)snprintf(span_name, sizeof(span_name), "process %s", name);
    span_begin(s, SPAN_CONSUMER, parent, span_name);
    describe(s, m->ops, "process", "process", name, name);
    if (m->id[0] != '\0') {
        span_text(s, "messaging.message.id", m->id);
    }
    if (m->is_redelivered) {
        span_int(s, "unreel.message.redelivered", 1);
    }
}

static enum err put(struct queue *q, const char *name, const void *body, size_t len,
                    const char *traceparent, struct error *e)
{
    struct span span;
    struct error why = { 0 };
    char id[QUEUE_ID_SIZE] = "";

    begin_publish(&span, q, traceparent, name, name);
    enum err err = q->ops->put(q, name, body, len, span_traceparent(&span), id, &why);
    end_publish(&span, err, id, &why);
    return err == OK ? OK : err_set(e, err, "%s", why.text);
}

enum err queue_put(struct queue *q, const char *name, const void *body, size_t len,
                   const char *traceparent, struct error *e)
{
    enum err err = check_name(name, e);

    if (err == OK) {
        err = check_size(len, e);
    }
    if (err != OK) {
        return err;
    }
    return put(q, name, body, len, traceparent, e);
}

enum err queue_consume(struct queue *q, const char *name, unsigned prefetch,
                       struct queue_consumer **ret_consumer, struct error *e)
{
    enum err err = check_name(name, e);

    if (err != OK) {
        return err;
    }
    if (prefetch < 1 || prefetch > QUEUE_PREFETCH_MAX) {
        return err_set(e, ERR_INVALID, "prefetch must be between 1 and %d", QUEUE_PREFETCH_MAX);
    }
    return q->ops->consume(q, name, prefetch, ret_consumer, e);
}

void queue_consumer_cancel(struct queue_consumer *c)
{
    c->ops->consumer_cancel(c);
}

void queue_consumer_close(struct queue_consumer *c)
{
    if (c != NULL) {
        c->ops->consumer_close(c);
    }
}

enum err queue_take(struct queue_consumer *c, int64_t timeout_ms,
                    struct queue_message **ret_message, struct error *e)
{
    return c->ops->take(c, timeout_ms < 0 ? 0 : timeout_ms, ret_message, e);
}

const void *queue_message_body(const struct queue_message *m, size_t *ret_len)
{
    *ret_len = m->body_len;
    return m->body;
}

bool queue_message_is_redelivered(const struct queue_message *m)
{
    return m->is_redelivered;
}

const char *queue_message_id(const struct queue_message *m)
{
    return m->id;
}

enum err queue_extend(struct queue_message *m, struct error *e)
{
    return m->ops->extend(m, e);
}

enum err queue_finish(struct queue_message *m, enum queue_verdict verdict, struct error *e)
{
    return m->ops->finish(m, verdict, e);
}

void queue_message_free(struct queue_message *m)
{
    if (m != NULL) {
        m->ops->message_free(m);
    }
}

static enum err publish_event(struct queue *q, const char *routing_key, const void *body,
                              size_t len, const char *traceparent, struct error *e)
{
    struct span span;
    struct error why = { 0 };
    char destination[SPAN_NAME_SIZE];

    (void)snprintf(destination, sizeof(destination), QUEUE_EVENTS ":%s", routing_key);
    begin_publish(&span, q, traceparent, destination, routing_key);
    enum err err = q->ops->publish_event(q, routing_key, body, len, span_traceparent(&span), &why);
    end_publish(&span, err, "", &why);
    return err == OK ? OK : err_set(e, err, "%s", why.text);
}

enum err queue_publish_event(struct queue *q, const char *routing_key, const void *body, size_t len,
                             const char *traceparent, struct error *e)
{
    enum err err = check_size(len, e);

    if (err != OK) {
        return err;
    }
    if (!queue_topic_is_key(routing_key)) {
        return err_set(e, ERR_INVALID, "not a routing key: %.64s", routing_key);
    }
    return publish_event(q, routing_key, body, len, traceparent, e);
}

enum err queue_subscribe(struct queue *q, const char *pattern,
                         struct queue_subscription **ret_subscription, struct error *e)
{
    if (pattern[0] == '\0' || strlen(pattern) >= QUEUE_NAME_MAX) {
        return err_set(e, ERR_INVALID, "not a pattern for routing keys: %.64s", pattern);
    }
    return q->ops->subscribe(q, pattern, ret_subscription, e);
}

enum err queue_next_event(struct queue_subscription *s, int64_t timeout_ms,
                          char ret_routing_key[QUEUE_NAME_MAX], char **ret_body, size_t *ret_len,
                          struct error *e)
{
    return s->ops->next_event(s, timeout_ms < 0 ? 0 : timeout_ms, ret_routing_key, ret_body,
                              ret_len, e);
}

void queue_unsubscribe(struct queue_subscription *s)
{
    if (s != NULL) {
        s->ops->unsubscribe(s);
    }
}

enum err queue_list_dead(struct queue *q, const char *name, struct queue_dead *ret_dead, size_t max,
                         size_t *ret_count, struct error *e)
{
    enum err err = check_name(name, e);

    return err != OK ? err : q->ops->list_dead(q, name, ret_dead, max, ret_count, e);
}

enum err queue_requeue_dead(struct queue *q, const char *name, size_t *ret_count, struct error *e)
{
    enum err err = check_name(name, e);

    return err != OK ? err : q->ops->requeue_dead(q, name, ret_count, e);
}

enum err queue_purge_dead(struct queue *q, const char *name, size_t *ret_count, struct error *e)
{
    enum err err = check_name(name, e);

    return err != OK ? err : q->ops->purge_dead(q, name, ret_count, e);
}

enum err queue_depth(struct queue *q, const char *name, int64_t *ret_count, int64_t *ret_dead_count,
                     struct error *e)
{
    enum err err = check_name(name, e);

    return err != OK ? err : q->ops->depth(q, name, ret_count, ret_dead_count, e);
}
