#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/id.h"
#include "queue/rabbit_incoming.h"
#include "queue/rabbit_metrics.h"
#include "queue/rabbit_queue.h"
#include "core/banned.h"

#define CONFIRM_TIMEOUT_MS 15000
#define DELIVERY_PERSISTENT 2
#define HEADERS_MAX 3
/* Callers may try again at once and often; the broker is bothered this often at most. */
#define CONNECT_PAUSE_MS 500

enum err rabbit_confirm_select(struct rabbit_conn *c, struct error *e)
{
    (void)amqp_confirm_select(c->state, RABBIT_CHANNEL_MAIN);
    return rabbit_check_last(c, "confirm.select", e);
}

static amqp_table_entry_t text_header(const char *key, const char *value)
{
    amqp_table_entry_t entry = { .key = amqp_cstring_bytes(key) };

    entry.value.kind = AMQP_FIELD_KIND_UTF8;
    entry.value.value.bytes = amqp_cstring_bytes(value);
    return entry;
}

static enum err send(struct rabbit_conn *c, amqp_bytes_t queue_name,
                     const struct rabbit_outgoing *out, struct error *e)
{
    char id[ID_SIZE];
    amqp_table_entry_t headers[HEADERS_MAX];
    int header_count = 0;
    amqp_basic_properties_t properties = { 0 };
    int status;

    if (out->id == NULL) {
        id_new(id);
    }
    if (out->traceparent[0] != '\0') {
        headers[header_count++] = text_header("traceparent", out->traceparent);
    }
    if (out->dead_reason != NULL) {
        amqp_table_entry_t died_at = { .key = amqp_cstring_bytes("x-unreel-died-at-ms") };

        died_at.value.kind = AMQP_FIELD_KIND_I64;
        died_at.value.value.i64 = out->died_at_ms;
        headers[header_count++] = text_header("x-unreel-reason", out->dead_reason);
        headers[header_count++] = died_at;
    }
    properties._flags = AMQP_BASIC_CONTENT_TYPE_FLAG | AMQP_BASIC_DELIVERY_MODE_FLAG |
                        AMQP_BASIC_MESSAGE_ID_FLAG | AMQP_BASIC_HEADERS_FLAG;
    properties.content_type = amqp_cstring_bytes("application/json");
    properties.delivery_mode = DELIVERY_PERSISTENT;
    properties.message_id = amqp_cstring_bytes(out->id != NULL ? out->id : id);
    properties.headers.num_entries = header_count;
    properties.headers.entries = headers;
    status = amqp_basic_publish(c->state, RABBIT_CHANNEL_MAIN, amqp_empty_bytes, queue_name, 1, 0,
                                &properties, rabbit_bytes(out->body, out->len));
    return rabbit_check_status(status, "publish", e);
}

/* What a frame says about the publish that waits. ERR_TIMEOUT: nothing; it may be a late answer to
 * an earlier one that was given up. */
static enum err read_confirm(const struct rabbit_conn *c, const amqp_frame_t *frame,
                             struct error *e)
{
    const amqp_method_t *method = &frame->payload.method;

    if (frame->frame_type != AMQP_FRAME_METHOD) {
        return ERR_TIMEOUT;
    }
    if (method->id == AMQP_CONNECTION_BLOCKED_METHOD) {
        return err_set(e, ERR_CONFLICT, "rabbitmq takes no messages now: memory or disk alarm");
    }
    if (method->id == AMQP_BASIC_ACK_METHOD) {
        const amqp_basic_ack_t *ack = method->decoded;

        return ack->delivery_tag >= c->published ? OK : ERR_TIMEOUT;
    }
    if (method->id == AMQP_BASIC_NACK_METHOD) {
        const amqp_basic_nack_t *nack = method->decoded;

        return nack->delivery_tag < c->published
                   ? ERR_TIMEOUT
                   : err_set(e, ERR_CONFLICT, "rabbitmq refused the message");
    }
    return ERR_TIMEOUT;
}

/* A message that cannot be routed is returned first and confirmed then. */
static enum err wait_for_confirm(struct rabbit_conn *c, struct error *e)
{
    struct rabbit_incoming returned = { 0 };
    int64_t deadline_ms = clock_mono_ms() + CONFIRM_TIMEOUT_MS;
    bool is_returned = false;
    enum err err = ERR_TIMEOUT;

    while (err == ERR_TIMEOUT) {
        int64_t left_ms = deadline_ms - clock_mono_ms();
        amqp_frame_t frame;

        if (left_ms <= 0) {
            err = err_set(e, ERR_TIMEOUT, "rabbitmq did not confirm within %d ms",
                          CONFIRM_TIMEOUT_MS);
            break;
        }
        err = rabbit_conn_next(c, left_ms, &frame, e);
        if (err == OK) {
            is_returned = rabbit_incoming_feed(&returned, &frame) || is_returned;
            err = read_confirm(c, &frame, e);
        }
    }
    rabbit_incoming_reset(&returned);
    if (err == OK && is_returned) {
        return err_set(e, ERR_NOT_FOUND, "rabbitmq has no such queue");
    }
    return err;
}

enum err rabbit_publish(struct rabbit_conn *c, amqp_bytes_t queue_name,
                        const struct rabbit_outgoing *out, struct error *e)
{
    enum err err = send(c, queue_name, out, e);

    if (err != OK) {
        return err;
    }
    c->published++;
    err = wait_for_confirm(c, e);
    rabbit_metrics_publish(err);
    return err;
}

void rabbit_queue_disconnect(struct rabbit_queue *q)
{
    rabbit_conn_drop(q->conn);
    q->conn = NULL;
    rabbit_metrics_up(RABBIT_PUBLISHER, false);
}

static enum err connect_publisher(struct rabbit_queue *q, struct error *e)
{
    AUTO(rabbit_conn_drop) struct rabbit_conn *c = NULL;
    enum err err = rabbit_conn_open(q->settings, "unreel publisher", &c, e);

    if (err == OK) {
        err = rabbit_topology_declare(c, e);
    }
    if (err == OK) {
        err = rabbit_confirm_select(c, e);
    }
    if (err == OK) {
        err = rabbit_conn_open_channel(c, RABBIT_CHANNEL_EVENTS, e);
    }
    if (err == OK) {
        q->conn = TAKE(c);
    }
    return err;
}

enum err rabbit_queue_connect(struct rabbit_queue *q, struct error *e)
{
    enum err err;

    if (q->conn != NULL) {
        return OK;
    }
    if (q->failures > 0 && clock_mono_ms() < q->last_failure_ms + CONNECT_PAUSE_MS) {
        return err_set(e, ERR_BUSY, "%s", q->last_error.text);
    }
    err = connect_publisher(q, &q->last_error);
    if (err == OK) {
        q->failures = 0;
        rabbit_metrics_up(RABBIT_PUBLISHER, true);
        return OK;
    }
    q->last_failure_ms = clock_mono_ms();
    if (q->failures == 0) {
        q->down_since_ms = q->last_failure_ms;
    }
    q->failures++;
    return err_set(e, ERR_BUSY, "%s", q->last_error.text);
}

/* Once on the connection there is. */
static enum err publish_declaring(struct rabbit_queue *q, size_t index, const char *suffix,
                                  const struct rabbit_outgoing *out, struct error *e)
{
    char name[RABBIT_NAME_SIZE];
    amqp_bytes_t queue_name = rabbit_name(name, q->settings, queue_names[index], suffix);
    enum err err;

    if (q->conn->is_blocked) {
        return err_set(e, ERR_CONFLICT, "rabbitmq takes no messages now: memory or disk alarm");
    }
    err = rabbit_publish(q->conn, queue_name, out, e);
    if (err == ERR_NOT_FOUND) {
        rabbit_topology_pause();
        err = rabbit_topology_declare(q->conn, e);
        if (err == OK) {
            err = rabbit_publish(q->conn, queue_name, out, e);
        }
    }
    return err;
}

static enum err publish_locked(struct rabbit_queue *q, size_t index, const char *suffix,
                               const struct rabbit_outgoing *out, struct error *e)
{
    bool was_connected = q->conn != NULL;
    enum err err = rabbit_queue_connect(q, e);

    if (err != OK) {
        return err;
    }
    err = publish_declaring(q, index, suffix, out, e);
    if (err == ERR_BUSY && was_connected) {
        /* The connection may have died while it was idle: that is not the caller's trouble. */
        rabbit_queue_disconnect(q);
        err = rabbit_queue_connect(q, e);
        if (err == OK) {
            err = publish_declaring(q, index, suffix, out, e);
        }
    }
    if (err == OK) {
        return OK;
    }
    if (err != ERR_CONFLICT) {
        rabbit_queue_disconnect(q);
    }
    if (e != NULL) {
        e->code = ERR_BUSY;
    }
    return ERR_BUSY;
}

enum err rabbit_queue_publish(struct rabbit_queue *q, size_t index, const char *suffix,
                              const struct rabbit_outgoing *out, struct error *e)
{
    enum err err;

    (void)pthread_mutex_lock(&q->lock);
    err = publish_locked(q, index, suffix, out, e);
    (void)pthread_mutex_unlock(&q->lock);
    return err;
}

bool rabbit_queue_lock(struct rabbit_queue *q, int64_t timeout_ms)
{
    int64_t end_ms = clock_mono_ms() + timeout_ms;

    /* pthread_mutex_timedlock goes by the wall clock, which may be set; ThreadSanitizer does not
     * know pthread_mutex_clocklock. */
    while (pthread_mutex_trylock(&q->lock) != 0) {
        if (clock_mono_ms() >= end_ms) {
            return false;
        }
        clock_sleep_ms(1);
    }
    return true;
}

/* With the lock held: reads what came, which sends and checks heartbeats too. */
static void serve(struct rabbit_queue *q)
{
    enum err err = OK;

    while (err == OK) {
        amqp_frame_t frame;

        err = rabbit_conn_next(q->conn, 0, &frame, NULL);
    }
    if (err != ERR_TIMEOUT) {
        rabbit_queue_disconnect(q);
    }
}

int64_t rabbit_backoff_ms(int failures, int64_t down_since_ms)
{
    bool is_fresh = clock_mono_ms() - down_since_ms < 60000;

    return 100 + clock_backoff_ms(failures < 1 ? 1 : failures, 500, is_fresh ? 5000 : 30000);
}

void *rabbit_queue_keep(void *data)
{
    struct rabbit_queue *q = data;
    struct pollfd stop = { .fd = q->stop_fd, .events = POLLIN };
    int64_t next_try_ms = 0;

    while (poll(&stop, 1, (int)rabbit_conn_service_ms(q->settings)) <= 0) {
        /* Whoever holds the lock is using the connection and so serves it. */
        if (pthread_mutex_trylock(&q->lock) != 0) {
            continue;
        }
        if (q->conn != NULL) {
            serve(q);
        }
        if (q->conn == NULL && clock_mono_ms() >= next_try_ms) {
            enum err err = rabbit_queue_connect(q, NULL);

            next_try_ms = err == OK
                              ? 0
                              : clock_mono_ms() + rabbit_backoff_ms(q->failures, q->down_since_ms);
        }
        (void)pthread_mutex_unlock(&q->lock);
    }
    return NULL;
}
