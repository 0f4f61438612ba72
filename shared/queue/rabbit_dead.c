#include <stdio.h>
#include <string.h>

#include "core/text.h"
#include "queue/rabbit_incoming.h"
#include "queue/rabbit_queue.h"
#include "core/banned.h"

static enum err open_conn(struct rabbit_queue *q, struct rabbit_conn **ret_conn, struct error *e)
{
    enum err err = rabbit_conn_open(q->settings, "unreel dead letters", ret_conn, e);

    return err == OK ? rabbit_topology_declare(*ret_conn, e) : err;
}

/* Takes the first message without acknowledging it. ERR_NOT_FOUND: there is none. On OK the caller
 * destroys *ret_message. */
static enum err get(struct rabbit_conn *c, const char *name, amqp_message_t *ret_message,
                    uint64_t *ret_delivery_tag, struct error *e)
{
    char dead_name[RABBIT_NAME_SIZE];
    amqp_rpc_reply_t reply;
    enum err err;

    amqp_maybe_release_buffers(c->state);
    reply = amqp_basic_get(c->state, RABBIT_CHANNEL_MAIN,
                           rabbit_name(dead_name, c->settings, name, ".dead"), 0);
    err = rabbit_check_reply(reply, "basic.get", e);
    if (err != OK) {
        return err;
    }
    if (reply.reply.id == AMQP_BASIC_GET_EMPTY_METHOD) {
        return ERR_NOT_FOUND;
    }
    *ret_delivery_tag = ((const amqp_basic_get_ok_t *)reply.reply.decoded)->delivery_tag;
    return rabbit_check_reply(amqp_read_message(c->state, RABBIT_CHANNEL_MAIN, ret_message, 0),
                              "basic.get", e);
}

static const amqp_field_value_t *header(const amqp_message_t *m, const char *key)
{
    if ((m->properties._flags & AMQP_BASIC_HEADERS_FLAG) == 0) {
        return NULL;
    }
    return rabbit_table_find(&m->properties.headers, key);
}

/* The newest entry of x-death: why and when it came here, as the broker wrote it. */
static void read_x_death(const amqp_field_value_t *deaths, struct queue_dead *dead)
{
    const amqp_table_t *death;
    const amqp_field_value_t *value;

    if (deaths->kind != AMQP_FIELD_KIND_ARRAY || deaths->value.array.num_entries < 1 ||
        deaths->value.array.entries[0].kind != AMQP_FIELD_KIND_TABLE) {
        return;
    }
    death = &deaths->value.array.entries[0].value.table;
    value = rabbit_table_find(death, "reason");
    if (value != NULL && value->kind == AMQP_FIELD_KIND_UTF8) {
        (void)rabbit_bytes_text(dead->reason, sizeof(dead->reason), value->value.bytes);
    }
    value = rabbit_table_find(death, "time");
    if (value != NULL && value->kind == AMQP_FIELD_KIND_TIMESTAMP) {
        dead->died_at_ms = (int64_t)value->value.u64 * 1000;
    }
}

static void read_dead(const amqp_message_t *m, size_t index, struct queue_dead *dead)
{
    const amqp_field_value_t *deaths = header(m, "x-death");
    const amqp_field_value_t *reason = header(m, "x-unreel-reason");
    const amqp_field_value_t *died_at = header(m, "x-unreel-died-at-ms");

    memset(dead, 0, sizeof(*dead));
    if ((m->properties._flags & AMQP_BASIC_MESSAGE_ID_FLAG) != 0) {
        (void)rabbit_bytes_text(dead->id, sizeof(dead->id), m->properties.message_id);
    } else {
        (void)snprintf(dead->id, sizeof(dead->id), "#%zu", index + 1);
    }
    (void)text_copy(dead->reason, sizeof(dead->reason), "unknown");
    if (deaths != NULL) {
        read_x_death(deaths, dead);
    }
    if (reason != NULL && reason->kind == AMQP_FIELD_KIND_UTF8) {
        (void)rabbit_bytes_text(dead->reason, sizeof(dead->reason), reason->value.bytes);
    }
    if (died_at != NULL && died_at->kind == AMQP_FIELD_KIND_I64) {
        dead->died_at_ms = died_at->value.i64;
    }
    queue_dead_set_body(dead, m->body.bytes, m->body.len);
}

enum err rabbit_queue_list_dead(struct queue *q, const char *name, struct queue_dead *ret_dead,
                                size_t max, size_t *ret_count, struct error *e)
{
    struct rabbit_conn *c = NULL;
    size_t count = 0;
    enum err err = open_conn(rabbit_queue_of(q), &c, e);

    while (err == OK && count < max) {
        amqp_message_t message;
        uint64_t delivery_tag = 0;

        err = get(c, name, &message, &delivery_tag, e);
        if (err == OK) {
            read_dead(&message, count, &ret_dead[count]);
            amqp_destroy_message(&message);
            count++;
        }
    }
    /* What was not acknowledged returns to its place. */
    rabbit_conn_close(c);
    if (err != OK && err != ERR_NOT_FOUND) {
        return err;
    }
    *ret_count = count;
    return OK;
}

/* Puts one dead letter back: first there, then gone from here. */
static enum err requeue_one(struct rabbit_conn *c, const char *name, struct error *e)
{
    char queue_name[RABBIT_NAME_SIZE];
    char id[sizeof(((struct queue_dead *)NULL)->id)];
    char traceparent[TRACEPARENT_SIZE];
    amqp_message_t message;
    uint64_t delivery_tag = 0;
    enum err err = get(c, name, &message, &delivery_tag, e);

    if (err != OK) {
        return err;
    }
    struct rabbit_outgoing out = { .body = message.body.bytes,
                                   .len = message.body.len,
                                   .traceparent = traceparent };

    rabbit_read_traceparent(&message.properties, traceparent);
    if ((message.properties._flags & AMQP_BASIC_MESSAGE_ID_FLAG) != 0) {
        out.id = rabbit_bytes_text(id, sizeof(id), message.properties.message_id);
    }
    err = rabbit_publish(c, rabbit_name(queue_name, c->settings, name, ""), &out, e);
    amqp_destroy_message(&message);
    if (err == OK) {
        err = rabbit_check_status(amqp_basic_ack(c->state, RABBIT_CHANNEL_MAIN, delivery_tag, 0),
                                  "ack", e);
    }
    return err == OK ? OK : ERR_BUSY;
}

enum err rabbit_queue_requeue_dead(struct queue *q, const char *name, size_t *ret_count,
                                   struct error *e)
{
    struct rabbit_conn *c = NULL;
    size_t count = 0;
    int64_t waiting = 0;
    enum err err = open_conn(rabbit_queue_of(q), &c, e);

    if (err == OK) {
        err = rabbit_confirm_select(c, e);
    }
    if (err == OK) {
        err = rabbit_topology_count(c, queue_name_index(name), true, &waiting, e);
    }
    /* No more than there were: one that dies again at once must not go round for ever. */
    while (err == OK && (int64_t)count < waiting) {
        err = requeue_one(c, name, e);
        count += err == OK ? 1 : 0;
    }
    rabbit_conn_close(c);
    if (err != OK && err != ERR_NOT_FOUND) {
        return err;
    }
    *ret_count = count;
    return OK;
}

enum err rabbit_queue_purge_dead(struct queue *q, const char *name, size_t *ret_count,
                                 struct error *e)
{
    struct rabbit_conn *c = NULL;
    char dead_name[RABBIT_NAME_SIZE];
    size_t count = 0;
    enum err err = open_conn(rabbit_queue_of(q), &c, e);

    if (err == OK) {
        const amqp_queue_purge_ok_t *ok = amqp_queue_purge(
            c->state, RABBIT_CHANNEL_MAIN, rabbit_name(dead_name, c->settings, name, ".dead"));

        count = ok != NULL ? ok->message_count : 0;
        err = rabbit_check_last(c, "purge", e);
    }
    rabbit_conn_close(c);
    if (err == OK) {
        *ret_count = count;
    }
    return err;
}
