#include "core/clock.h"
#include "queue/rabbit_conn.h"
#include "core/banned.h"

#define ARGUMENTS_MAX 6
#define NOT_FOUND 404
#define PRECONDITION_FAILED 406
/* RabbitMQ tells the consumers of a deleted queue after some 30 ms. One that is declared again
 * sooner keeps its former consumers, and swallows as many messages as these had got before. */
#define DELETED_PAUSE_MS 500
/* Listing dead letters returns them to their queue, which newer brokers count: without an own limit
 * RabbitMQ 4 drops them after 20 looks. */
#define DEAD_DELIVERY_LIMIT 1000000000

struct arguments {
    amqp_table_entry_t entries[ARGUMENTS_MAX];
    int count;
};

static void add_text(struct arguments *a, const char *key, amqp_bytes_t value)
{
    amqp_table_entry_t *entry = &a->entries[a->count++];

    entry->key = amqp_cstring_bytes(key);
    entry->value.kind = AMQP_FIELD_KIND_UTF8;
    entry->value.value.bytes = value;
}

static void add_number(struct arguments *a, const char *key, int32_t value)
{
    amqp_table_entry_t *entry = &a->entries[a->count++];

    entry->key = amqp_cstring_bytes(key);
    entry->value.kind = AMQP_FIELD_KIND_I32;
    entry->value.value.i32 = value;
}

static amqp_rpc_reply_t declare_once(struct rabbit_conn *c, amqp_bytes_t name, bool is_passive,
                                     struct arguments *arguments, int64_t *ret_count)
{
    const amqp_table_t table = { .num_entries = arguments->count, .entries = arguments->entries };
    const amqp_queue_declare_ok_t *ok = amqp_queue_declare(c->state, RABBIT_CHANNEL_TOPOLOGY, name,
                                                           is_passive ? 1 : 0, 1, 0, 0,
                                                           is_passive ? amqp_empty_table : table);

    if (ok != NULL) {
        *ret_count = ok->message_count;
    }
    return amqp_get_rpc_reply(c->state);
}

/* A channel that the broker has closed can be opened again. */
static enum err reopen_channel(struct rabbit_conn *c, struct error *e)
{
    amqp_channel_close_ok_t close_ok = { 0 };
    enum err err = rabbit_check_status(amqp_send_method(c->state, RABBIT_CHANNEL_TOPOLOGY,
                                                        AMQP_CHANNEL_CLOSE_OK_METHOD, &close_ok),
                                       "channel", e);

    return err == OK ? rabbit_conn_open_channel(c, RABBIT_CHANNEL_TOPOLOGY, e) : err;
}

/* A queue that somebody made with other arguments is used as it is: people make "video" and "mp3"
 * by hand for the Python tutorial. */
static enum err declare(struct rabbit_conn *c, amqp_bytes_t name, struct arguments *arguments,
                        bool *ret_is_foreign, int64_t *ret_count, struct error *e)
{
    amqp_rpc_reply_t reply = declare_once(c, name, false, arguments, ret_count);
    int code = rabbit_reply_code(reply);
    enum err err = rabbit_check_reply(reply, "declare", e);

    *ret_is_foreign = code == PRECONDITION_FAILED;
    if (code != PRECONDITION_FAILED) {
        return err;
    }
    err = reopen_channel(c, e);
    if (err != OK) {
        return err;
    }
    return rabbit_check_reply(declare_once(c, name, true, arguments, ret_count), "declare", e);
}

static enum err declare_dead(struct rabbit_conn *c, size_t index, int64_t *ret_count,
                             struct error *e)
{
    char name[RABBIT_NAME_SIZE];
    struct arguments arguments = { .count = 0 };
    bool is_foreign = false;

    add_text(&arguments, "x-queue-type", amqp_cstring_bytes("quorum"));
    add_number(&arguments, "x-delivery-limit", DEAD_DELIVERY_LIMIT);
    return declare(c, rabbit_name(name, c->settings, queue_names[index], ".dead"), &arguments,
                   &is_foreign, ret_count, e);
}

static enum err declare_live(struct rabbit_conn *c, size_t index, int64_t *ret_count,
                             struct error *e)
{
    char name[RABBIT_NAME_SIZE];
    char dead_name[RABBIT_NAME_SIZE];
    struct arguments arguments = { .count = 0 };

    add_text(&arguments, "x-queue-type", amqp_cstring_bytes("quorum"));
    add_number(&arguments, "x-delivery-limit", QUEUE_DELIVERY_LIMIT);
    add_text(&arguments, "x-dead-letter-exchange", amqp_cstring_bytes(""));
    add_text(&arguments, "x-dead-letter-routing-key",
             rabbit_name(dead_name, c->settings, queue_names[index], ".dead"));
    add_text(&arguments, "x-dead-letter-strategy", amqp_cstring_bytes("at-least-once"));
    /* Without this the broker silently falls back to at-most-once dead-lettering. */
    add_text(&arguments, "x-overflow", amqp_cstring_bytes("reject-publish"));
    return declare(c, rabbit_name(name, c->settings, queue_names[index], ""), &arguments,
                   &c->is_foreign[index], ret_count, e);
}

static enum err declare_exchange(struct rabbit_conn *c, struct error *e)
{
    char name[RABBIT_NAME_SIZE];

    (void)amqp_exchange_declare(c->state, RABBIT_CHANNEL_TOPOLOGY,
                                rabbit_exchange_name(name, c->settings),
                                amqp_cstring_bytes("topic"), 0, 1, 0, 0, amqp_empty_table);
    return rabbit_check_last(c, "declare of the events exchange", e);
}

static enum err close_channel(struct rabbit_conn *c, enum err err, struct error *e)
{
    if (err != OK) {
        return err;
    }
    return rabbit_check_reply(
        amqp_channel_close(c->state, RABBIT_CHANNEL_TOPOLOGY, AMQP_REPLY_SUCCESS), "channel", e);
}

static enum err declare_all(struct rabbit_conn *c, struct error *e)
{
    int64_t count = 0;
    enum err err = OK;

    for (size_t i = 0; i < QUEUE_COUNT && err == OK; i++) {
        /* The dead-letter queue first: a queue must never be without one. */
        err = declare_dead(c, i, &count, e);
        if (err == OK) {
            err = declare_live(c, i, &count, e);
        }
    }
    return err == OK ? declare_exchange(c, e) : err;
}

enum err rabbit_topology_declare(struct rabbit_conn *c, struct error *e)
{
    enum err err = rabbit_conn_open_channel(c, RABBIT_CHANNEL_TOPOLOGY, e);

    if (err == OK) {
        err = declare_all(c, e);
    }
    return close_channel(c, err, e);
}

void rabbit_topology_pause(void)
{
    clock_sleep_ms(DELETED_PAUSE_MS);
}

enum err rabbit_topology_count(struct rabbit_conn *c, size_t index, bool is_dead,
                               int64_t *ret_count, struct error *e)
{
    char name[RABBIT_NAME_SIZE];
    struct arguments none = { .count = 0 };
    amqp_rpc_reply_t reply;
    int code;
    enum err err = rabbit_conn_open_channel(c, RABBIT_CHANNEL_TOPOLOGY, e);

    if (err != OK) {
        return err;
    }
    reply = declare_once(c,
                         rabbit_name(name, c->settings, queue_names[index], is_dead ? ".dead" : ""),
                         true, &none, ret_count);
    code = rabbit_reply_code(reply);
    err = rabbit_check_reply(reply, "count", e);
    if (code == NOT_FOUND) {
        err = reopen_channel(c, e);
        if (err == OK) {
            rabbit_topology_pause();
            err = declare_all(c, e);
            *ret_count = 0;
        }
    }
    return close_channel(c, err, e);
}
