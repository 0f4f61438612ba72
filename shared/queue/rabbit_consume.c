#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "queue/rabbit_consumer.h"
#include "queue/rabbit_metrics.h"
#include "core/banned.h"

#define CONSUMER_TAG "unreel"

static void count_in_hand(struct rabbit_consumer *c, int64_t change)
{
    (void)atomic_fetch_add(&c->queue->in_hand[c->name_index], change);
}

/* With the lock held. Ends a verdict; v may be gone afterwards. */
static void end_verdict(struct rabbit_verdict *v, enum err result)
{
    if (v->is_detached) {
        free(v);
        return;
    }
    v->result = result;
    v->is_done = true;
}

static void end_verdicts(struct rabbit_verdict *list, enum err result)
{
    while (list != NULL) {
        struct rabbit_verdict *next = list->next;

        end_verdict(list, result);
        list = next;
    }
}

/* With the lock held. */
static struct rabbit_verdict *take_verdicts(struct rabbit_consumer *c)
{
    struct rabbit_verdict *list = c->verdicts;

    c->verdicts = NULL;
    c->verdicts_end = &c->verdicts;
    return list;
}

/* With the lock held. */
static struct rabbit_message *take_all_ready(struct rabbit_consumer *c)
{
    struct rabbit_message *list = c->ready;

    c->ready = NULL;
    c->ready_end = &c->ready;
    return list;
}

/* The connection is gone, and with it all that was delivered on it. */
static void lose_connection(struct rabbit_consumer *c, const struct error *reason)
{
    struct rabbit_message *ready;

    rabbit_conn_drop(c->conn);
    c->conn = NULL;
    rabbit_metrics_up(RABBIT_CONSUMER, false);
    rabbit_incoming_reset(&c->incoming);
    c->has_sent_cancel = false;
    (void)pthread_mutex_lock(&c->lock);
    c->generation++;
    c->is_connected = false;
    c->last_error = *reason;
    count_in_hand(c, -(int64_t)c->unfinished);
    c->unfinished = 0;
    end_verdicts(take_verdicts(c), ERR_CONFLICT);
    ready = take_all_ready(c);
    rabbit_consumer_notify(c);
    (void)pthread_mutex_unlock(&c->lock);
    while (ready != NULL) {
        struct rabbit_message *next = ready->next;

        rabbit_message_release(ready);
        ready = next;
    }
}

static enum err start_consuming(struct rabbit_consumer *c, struct rabbit_conn *conn,
                                struct error *e)
{
    char name[RABBIT_NAME_SIZE];
    enum err err = rabbit_topology_declare(conn, e);

    if (err != OK) {
        return err;
    }
    (void)amqp_basic_qos(conn->state, RABBIT_CHANNEL_MAIN, 0, (uint16_t)c->prefetch, 0);
    err = rabbit_check_last(conn, "basic.qos", e);
    if (err != OK) {
        return err;
    }
    (void)amqp_basic_consume(conn->state, RABBIT_CHANNEL_MAIN,
                             rabbit_name(name, conn->settings, queue_names[c->name_index], ""),
                             amqp_cstring_bytes(CONSUMER_TAG), 0, 0, 0, amqp_empty_table);
    return rabbit_check_last(conn, "basic.consume", e);
}

static void connect_consumer(struct rabbit_consumer *c)
{
    AUTO(rabbit_conn_drop) struct rabbit_conn *conn = NULL;
    struct error error = { 0 };
    enum err err = rabbit_conn_open(c->queue->settings, "unreel consumer", &conn, &error);

    if (err == OK) {
        err = start_consuming(c, conn, &error);
    }
    (void)pthread_mutex_lock(&c->lock);
    c->has_tried = true;
    c->is_connected = err == OK;
    if (err == OK) {
        c->is_foreign = conn->is_foreign[c->name_index];
        c->conn = TAKE(conn);
        c->failures = 0;
    } else {
        c->last_error = error;
        c->down_since_ms = c->failures == 0 ? clock_mono_ms() : c->down_since_ms;
        c->failures++;
    }
    rabbit_consumer_notify(c);
    (void)pthread_mutex_unlock(&c->lock);
    rabbit_metrics_up(RABBIT_CONSUMER, err == OK);
}

/* Sleeps until the socket or a caller has something, for service_ms at most. */
static void wait_for_work(struct rabbit_consumer *c, int64_t timeout_ms)
{
    struct pollfd fds[] = { { .fd = c->wake_fd, .events = POLLIN },
                            { .fd = -1, .events = POLLIN } };
    uint64_t count;

    if (c->conn != NULL) {
        fds[1].fd = amqp_get_sockfd(c->conn->state);
        if (rabbit_conn_has_input(c->conn)) {
            timeout_ms = 0;
        }
    }
    if (poll(fds, ARRAY_LEN(fds), (int)timeout_ms) > 0 && fds[0].revents != 0) {
        ssize_t got = read(c->wake_fd, &count, sizeof(count));

        (void)got; /* what it stands for is looked up under the lock */
    }
}

static void deliver(struct rabbit_consumer *c)
{
    struct rabbit_message *m = xcalloc(1, sizeof(*m));

    m->base.ops = &queue_amqp;
    m->base.body = TAKE(c->incoming.body);
    m->base.body_len = c->incoming.body_len;
    m->base.is_redelivered = c->incoming.is_redelivered;
    memcpy(m->base.traceparent, c->incoming.traceparent, sizeof(m->base.traceparent));
    memcpy(m->base.id, c->incoming.id, sizeof(m->base.id));
    m->consumer = c;
    m->delivery_tag = c->incoming.delivery_tag;
    count_in_hand(c, 1);
    (void)pthread_mutex_lock(&c->lock);
    m->generation = c->generation;
    c->unfinished++;
    *c->ready_end = m;
    c->ready_end = &m->next;
    rabbit_consumer_notify(c);
    (void)pthread_mutex_unlock(&c->lock);
}

/* Reads all that has come. ERR_NOT_FOUND: our queue was deleted. It is declared again with the next
 * connection, as after any other loss. */
static enum err read_frames(struct rabbit_consumer *c, struct error *e)
{
    enum err err = OK;

    while (err == OK) {
        amqp_frame_t frame;

        err = rabbit_conn_next(c->conn, 0, &frame, e);
        if (err == OK && frame.frame_type == AMQP_FRAME_METHOD &&
            frame.payload.method.id == AMQP_BASIC_CANCEL_METHOD) {
            return err_set(e, ERR_NOT_FOUND, "rabbitmq: the queue was deleted");
        }
        if (err == OK && rabbit_incoming_feed(&c->incoming, &frame)) {
            if (c->incoming.method == AMQP_BASIC_DELIVER_METHOD) {
                deliver(c);
            }
            rabbit_incoming_reset(&c->incoming);
        }
    }
    return err == ERR_TIMEOUT ? OK : err;
}

static enum err send_answer(struct rabbit_consumer *c, enum rabbit_answer answer,
                            uint64_t delivery_tag, struct error *e)
{
    int status;

    if (answer == RABBIT_ACK) {
        status = amqp_basic_ack(c->conn->state, RABBIT_CHANNEL_MAIN, delivery_tag, 0);
    } else {
        /* Never basic.nack: from RabbitMQ 4.3 on it does not count towards the delivery limit. */
        status = amqp_basic_reject(c->conn->state, RABBIT_CHANNEL_MAIN, delivery_tag,
                                   answer == RABBIT_REJECT_BACK ? 1 : 0);
    }
    return rabbit_check_status(status, "ack", e);
}

/* An ack that was sent need not have arrived: on a channel that the broker has closed meanwhile it
 * goes nowhere. A call that is answered after it proves that the channel still lived. */
static enum err send_barrier(struct rabbit_consumer *c, struct error *e)
{
    (void)amqp_basic_qos(c->conn->state, RABBIT_CHANNEL_MAIN, 0, (uint16_t)c->prefetch, 0);
    return rabbit_check_last(c->conn, "ack", e);
}

static enum err send_verdicts(struct rabbit_consumer *c, struct error *e)
{
    struct rabbit_verdict *list;
    enum err err = OK;
    unsigned count = 0;

    (void)pthread_mutex_lock(&c->lock);
    list = take_verdicts(c);
    (void)pthread_mutex_unlock(&c->lock);
    if (list == NULL) {
        return OK;
    }
    /* Verdicts of an earlier generation cannot be here: losing it ended them. */
    for (struct rabbit_verdict *v = list; v != NULL && err == OK; v = v->next) {
        err = send_answer(c, v->answer, v->delivery_tag, e);
        count++;
    }
    if (err == OK) {
        err = send_barrier(c, e);
    }
    (void)pthread_mutex_lock(&c->lock);
    if (err == OK) {
        c->unfinished -= count;
        count_in_hand(c, -(int64_t)count);
    } else {
        c->last_error = e != NULL ? *e : c->last_error;
    }
    end_verdicts(list, err == OK ? OK : ERR_CONFLICT);
    rabbit_consumer_notify(c);
    (void)pthread_mutex_unlock(&c->lock);
    return err;
}

/* After a cancel: gives back what nobody took. basic.nack, for it is nobody's failure and need not
 * count. */
static enum err return_ready(struct rabbit_consumer *c, struct error *e)
{
    struct rabbit_message *ready;
    enum err err = OK;

    (void)pthread_mutex_lock(&c->lock);
    ready = take_all_ready(c);
    (void)pthread_mutex_unlock(&c->lock);
    while (ready != NULL) {
        struct rabbit_message *next = ready->next;

        if (err == OK) {
            err = rabbit_check_status(
                amqp_basic_nack(c->conn->state, RABBIT_CHANNEL_MAIN, ready->delivery_tag, 0, 1),
                "nack", e);
            (void)pthread_mutex_lock(&c->lock);
            c->unfinished--;
            (void)pthread_mutex_unlock(&c->lock);
            count_in_hand(c, -1);
        }
        rabbit_message_release(ready);
        ready = next;
    }
    return err;
}

static enum err apply_cancel(struct rabbit_consumer *c, struct error *e)
{
    enum err err;

    if (!c->has_sent_cancel) {
        (void)amqp_basic_cancel(c->conn->state, RABBIT_CHANNEL_MAIN,
                                amqp_cstring_bytes(CONSUMER_TAG));
        err = rabbit_check_last(c->conn, "basic.cancel", e);
        if (err != OK) {
            return err;
        }
        c->has_sent_cancel = true;
        /* What was delivered before the answer is still to be read. */
        err = read_frames(c, e);
        if (err != OK) {
            return err;
        }
    }
    return return_ready(c, e);
}

static void read_state(struct rabbit_consumer *c, bool *ret_is_cancelled, bool *ret_is_stopping)
{
    (void)pthread_mutex_lock(&c->lock);
    *ret_is_cancelled = c->is_cancelled;
    *ret_is_stopping = c->is_stopping;
    (void)pthread_mutex_unlock(&c->lock);
}

static void serve(struct rabbit_consumer *c)
{
    struct error error = { 0 };
    bool is_cancelled = false;
    bool is_stopping = false;
    enum err err = read_frames(c, &error);

    read_state(c, &is_cancelled, &is_stopping);
    /* First the cancel: what is given back must not be delivered to us again. */
    if (err == OK && is_cancelled) {
        err = apply_cancel(c, &error);
    }
    if (err == OK) {
        err = send_verdicts(c, &error);
    }
    if (err != OK) {
        lose_connection(c, &error);
    }
    if (err == ERR_NOT_FOUND) {
        rabbit_topology_pause();
    }
}

void *rabbit_consumer_run(void *data)
{
    struct rabbit_consumer *c = data;
    const struct error closing = { .code = ERR_CANCELLED, .text = "the consumer is closed" };
    bool is_cancelled = false;
    bool is_stopping = false;

    while (!is_stopping) {
        int64_t wait_ms = rabbit_conn_service_ms(c->queue->settings);

        /* A cancelled consumer that has lost its connection needs no other. */
        if (c->conn == NULL && !is_cancelled) {
            connect_consumer(c);
            if (c->conn == NULL) {
                wait_ms = rabbit_backoff_ms(c->failures, c->down_since_ms);
            }
        }
        wait_for_work(c, wait_ms);
        if (c->conn != NULL) {
            serve(c);
        }
        read_state(c, &is_cancelled, &is_stopping);
    }
    /* Verdicts that nobody waits for may still be there. */
    if (c->conn != NULL) {
        serve(c);
    }
    rabbit_conn_close(c->conn);
    c->conn = NULL;
    lose_connection(c, &closing);
    return NULL;
}
