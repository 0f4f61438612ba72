#include <poll.h>
#include <string.h>

#include "core/clock.h"
#include "core/text.h"
#include "queue/rabbit_incoming.h"
#include "queue/rabbit_queue.h"
#include "core/banned.h"

/* A publisher of events waits this long for others that use its connection. */
#define LOCK_TIMEOUT_MS 100
/* What a subscriber that does not keep up leaves at the broker; older events are dropped. */
#define BACKLOG_MAX 1000
#define DELIVERY_TRANSIENT 1

struct rabbit_subscription {
    struct queue_subscription base;
    struct rabbit_queue *queue;
    char pattern[QUEUE_NAME_MAX];
    struct rabbit_conn *conn; /* NULL while the broker is away */
    struct rabbit_incoming incoming;
    struct error last_error;
    int failures;
    int64_t down_since_ms;
    int64_t next_try_ms;
};

/* A socket that takes nothing now belongs to a broker that is slow. */
static bool has_room(const struct rabbit_conn *c)
{
    struct pollfd fd = { .fd = amqp_get_sockfd(c->state), .events = POLLOUT };

    return poll(&fd, 1, 0) == 1 && (fd.revents & POLLOUT) != 0;
}

static amqp_table_entry_t text_argument(const char *key, const char *value)
{
    amqp_table_entry_t entry = { .key = amqp_cstring_bytes(key) };

    entry.value.kind = AMQP_FIELD_KIND_UTF8;
    entry.value.value.bytes = amqp_cstring_bytes(value);
    return entry;
}

static void publish_locked(struct rabbit_queue *q, const char *routing_key, const void *body,
                           size_t len, const char *traceparent)
{
    char exchange[RABBIT_NAME_SIZE];
    amqp_basic_properties_t properties = { 0 };
    amqp_table_entry_t header = text_argument("traceparent", traceparent);

    /* While the broker is away only the keeper and puts, which must, try to reach it. */
    if (q->conn == NULL && (q->failures > 0 || rabbit_queue_connect(q, NULL) != OK)) {
        return;
    }
    if (q->conn->is_blocked || !has_room(q->conn)) {
        return;
    }
    properties._flags = AMQP_BASIC_CONTENT_TYPE_FLAG | AMQP_BASIC_DELIVERY_MODE_FLAG;
    properties.content_type = amqp_cstring_bytes("application/json");
    properties.delivery_mode = DELIVERY_TRANSIENT;
    if (traceparent[0] != '\0') {
        properties._flags |= AMQP_BASIC_HEADERS_FLAG;
        properties.headers.num_entries = 1;
        properties.headers.entries = &header;
    }
    if (amqp_basic_publish(q->conn->state, RABBIT_CHANNEL_EVENTS,
                           rabbit_exchange_name(exchange, q->settings),
                           amqp_cstring_bytes(routing_key), 0, 0, &properties,
                           rabbit_bytes(body, len)) != AMQP_STATUS_OK) {
        rabbit_queue_disconnect(q);
    }
}

enum err rabbit_queue_publish_event(struct queue *base, const char *routing_key, const void *body,
                                    size_t len, const char *traceparent, struct error *e)
{
    struct rabbit_queue *q = rabbit_queue_of(base);

    (void)e; /* an event that cannot be sent is dropped */
    if (rabbit_queue_lock(q, LOCK_TIMEOUT_MS)) {
        publish_locked(q, routing_key, body, len, traceparent);
        (void)pthread_mutex_unlock(&q->lock);
    }
    return OK;
}

/* A queue of our own that lives as long as the connection. */
static enum err bind_queue(const struct rabbit_subscription *s, struct rabbit_conn *c,
                           struct error *e)
{
    char exchange[RABBIT_NAME_SIZE];
    char name[RABBIT_NAME_SIZE];
    amqp_table_entry_t entries[2];
    const amqp_table_t arguments = { .num_entries = 2, .entries = entries };
    const amqp_queue_declare_ok_t *queue;
    amqp_bytes_t queue_name;
    enum err err;

    entries[0] = text_argument("x-overflow", "drop-head");
    entries[1] = text_argument("x-max-length", "");
    entries[1].value.kind = AMQP_FIELD_KIND_I32;
    entries[1].value.value.i32 = BACKLOG_MAX;
    queue = amqp_queue_declare(c->state, RABBIT_CHANNEL_MAIN, amqp_empty_bytes, 0, 0, 1, 1,
                               arguments);
    err = rabbit_check_last(c, "queue for events", e);
    if (err != OK) {
        return err;
    }
    queue_name = amqp_cstring_bytes(rabbit_bytes_text(name, sizeof(name), queue->queue));
    (void)amqp_queue_bind(c->state, RABBIT_CHANNEL_MAIN, queue_name,
                          rabbit_exchange_name(exchange, c->settings),
                          amqp_cstring_bytes(s->pattern), amqp_empty_table);
    err = rabbit_check_last(c, "bind", e);
    if (err != OK) {
        return err;
    }
    (void)amqp_basic_consume(c->state, RABBIT_CHANNEL_MAIN, queue_name, amqp_empty_bytes, 0, 1, 1,
                             amqp_empty_table);
    return rabbit_check_last(c, "basic.consume", e);
}

static void connect_subscription(struct rabbit_subscription *s)
{
    AUTO(rabbit_conn_drop) struct rabbit_conn *c = NULL;
    enum err err = rabbit_conn_open(s->queue->settings, "unreel events", &c, &s->last_error);

    if (err == OK) {
        err = rabbit_topology_declare(c, &s->last_error);
    }
    if (err == OK) {
        err = bind_queue(s, c, &s->last_error);
    }
    if (err == OK) {
        s->failures = 0;
        s->conn = TAKE(c);
        return;
    }
    s->down_since_ms = s->failures == 0 ? clock_mono_ms() : s->down_since_ms;
    s->failures++;
    s->next_try_ms = clock_mono_ms() + rabbit_backoff_ms(s->failures, s->down_since_ms);
}

enum err rabbit_queue_subscribe(struct queue *q, const char *pattern,
                                struct queue_subscription **ret_subscription, struct error *e)
{
    struct rabbit_subscription *s = xcalloc(1, sizeof(*s));

    (void)e; /* a broker that is away now is tried again by next_event */
    s->base.ops = &queue_amqp;
    s->queue = rabbit_queue_of(q);
    (void)text_copy(s->pattern, sizeof(s->pattern), pattern);
    connect_subscription(s);
    *ret_subscription = &s->base;
    return OK;
}

void rabbit_queue_unsubscribe(struct queue_subscription *base)
{
    struct rabbit_subscription *s = CONTAINER_OF(base, struct rabbit_subscription, base);

    rabbit_conn_close(s->conn);
    rabbit_incoming_reset(&s->incoming);
    free(s);
}

/* ERR_TIMEOUT: no whole message yet. */
static enum err read_frame(struct rabbit_subscription *s, int64_t timeout_ms)
{
    amqp_frame_t frame;
    enum err err = rabbit_conn_next(s->conn, timeout_ms, &frame, &s->last_error);

    if (err == OK && frame.frame_type == AMQP_FRAME_METHOD &&
        frame.payload.method.id == AMQP_BASIC_CANCEL_METHOD) {
        err = err_set(&s->last_error, ERR_BUSY, "rabbitmq: the queue for events was deleted");
    }
    if (err == OK) {
        return rabbit_incoming_feed(&s->incoming, &frame) ? OK : ERR_TIMEOUT;
    }
    if (err != ERR_TIMEOUT) {
        rabbit_conn_drop(s->conn);
        s->conn = NULL;
        rabbit_incoming_reset(&s->incoming);
        s->next_try_ms = clock_mono_ms();
    }
    return ERR_TIMEOUT;
}

/* One step of at most timeout_ms, but for a connect. */
static enum err step(struct rabbit_subscription *s, int64_t timeout_ms)
{
    int64_t pause_ms;

    if (s->conn != NULL) {
        return read_frame(s, timeout_ms);
    }
    pause_ms = s->next_try_ms - clock_mono_ms();
    if (pause_ms > 0) {
        clock_sleep_ms(pause_ms < timeout_ms ? pause_ms : timeout_ms);
    } else {
        connect_subscription(s);
    }
    return ERR_TIMEOUT;
}

enum err rabbit_queue_next_event(struct queue_subscription *base, int64_t timeout_ms,
                                 char ret_routing_key[QUEUE_NAME_MAX], char **ret_body,
                                 size_t *ret_len, struct error *e)
{
    struct rabbit_subscription *s = CONTAINER_OF(base, struct rabbit_subscription, base);
    int64_t deadline_ms = clock_mono_ms() + timeout_ms;
    int64_t left_ms = timeout_ms;

    for (;;) {
        if (step(s, left_ms) == OK) {
            *ret_body = TAKE(s->incoming.body);
            *ret_len = s->incoming.body_len;
            memcpy(ret_routing_key, s->incoming.routing_key, QUEUE_NAME_MAX);
            rabbit_incoming_reset(&s->incoming);
            return OK;
        }
        left_ms = deadline_ms - clock_mono_ms();
        if (left_ms <= 0) {
            return s->conn != NULL ? err_set(e, ERR_TIMEOUT, "no event")
                                   : err_set(e, ERR_BUSY, "%s", s->last_error.text);
        }
    }
}
