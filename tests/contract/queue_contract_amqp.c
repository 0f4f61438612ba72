/* What only a broker can do to us. The cases use a second, raw connection. */
#include "queue_contract.h"

#include <amqp.h>
#include <amqp_tcp_socket.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/url.h"

struct raw {
    amqp_connection_state_t state;
    char *prefix;
};

static struct raw raw_open(const char *url_text)
{
    struct raw raw = { .state = amqp_new_connection() };
    AUTO(url_free) struct url *url = NULL;
    assert_ok(url_parse(url_text, &url, NULL));
    raw.prefix = url_query_value(url, "prefix");
    const char *vhost = strlen(url->path) > 1 ? url->path + 1 : "/";
    amqp_socket_t *socket = amqp_tcp_socket_new(raw.state);
    assert_int_equal(
        amqp_socket_open(socket, url->host, url->port != 0 ? url->port : AMQP_PROTOCOL_PORT),
        AMQP_STATUS_OK);
    assert_int_equal(amqp_login(raw.state, vhost, 0, AMQP_DEFAULT_FRAME_SIZE, 0,
                                AMQP_SASL_METHOD_PLAIN, url->user, url->password)
                         .reply_type,
                     AMQP_RESPONSE_NORMAL);
    assert_non_null(amqp_channel_open(raw.state, 1));
    return raw;
}

static void raw_close(struct raw *raw)
{
    (void)amqp_connection_close(raw->state, AMQP_REPLY_SUCCESS);
    (void)amqp_destroy_connection(raw->state);
    free(raw->prefix);
}

static void raw_delete(struct raw *raw, const char *name)
{
    char *full = xasprintf("%s%s", raw->prefix, name);

    assert_non_null(amqp_queue_delete(raw->state, 1, amqp_cstring_bytes(full), 0, 0));
    free(full);
}

static void raw_declare_classic(struct raw *raw, const char *name)
{
    char *full = xasprintf("%s%s", raw->prefix, name);

    assert_non_null(
        amqp_queue_declare(raw->state, 1, amqp_cstring_bytes(full), 0, 1, 0, 0, amqp_empty_table));
    free(full);
}

static void raw_publish(struct raw *raw, const char *name, char *body, size_t len)
{
    char *full = xasprintf("%s%s", raw->prefix, name);
    const amqp_bytes_t bytes = { .len = len, .bytes = body };

    assert_int_equal(amqp_basic_publish(raw->state, 1, amqp_empty_bytes, amqp_cstring_bytes(full),
                                        0, 0, NULL, bytes),
                     AMQP_STATUS_OK);
    free(full);
}

void amqp_remove_all(const char *url)
{
    struct raw raw = raw_open(url);
    char *exchange = xasprintf("%sunreel.events", raw.prefix);

    raw_delete(&raw, "video");
    raw_delete(&raw, "mp3");
    raw_delete(&raw, "video.dead");
    raw_delete(&raw, "mp3.dead");
    assert_non_null(amqp_exchange_delete(raw.state, 1, amqp_cstring_bytes(exchange), 0));
    free(exchange);
    raw_close(&raw);
}

static void a_deleted_queue_is_declared_again(void **state)
{
    (void)state;
    struct raw raw = raw_open(queue_url);
    struct queue_consumer *c = consume("video", 2);
    put("video", "before");
    struct queue_message *m = take(c);
    raw_delete(&raw, "video");
    put("video", "after");
    put("video", "after too");
    take_and_finish(c, "after", QUEUE_DONE);
    take_and_finish(c, "after too", QUEUE_DONE);
    /* What was in hand is gone with the old queue. */
    assert_err(ERR_CONFLICT, queue_extend(m, NULL));
    assert_err(ERR_CONFLICT, queue_finish(m, QUEUE_DONE, NULL));
    queue_consumer_close(c);
    raw_close(&raw);
}

static void a_queue_without_consumers_is_declared_again(void **state)
{
    (void)state;
    struct raw raw = raw_open(queue_url);
    put("mp3", "lost with its queue");
    raw_delete(&raw, "mp3");
    put("mp3", "kept");
    struct queue_consumer *c = consume("mp3", 1);
    take_and_finish(c, "kept", QUEUE_DONE);
    queue_consumer_close(c);
    raw_close(&raw);
}

/* People make the queues by hand, as the Python tutorial tells them. */
static int open_foreign_queue(void **state)
{
    if (open_queue(state) != 0) {
        return -1;
    }
    /* Declared by us; make it theirs, and start again. */
    assert_ok(queue_check(queue, NULL));
    queue_close(queue);
    struct raw raw = raw_open(queue_url);
    raw_delete(&raw, "video");
    raw_declare_classic(&raw, "video");
    raw_close(&raw);
    return queue_open(queue_url, &queue, NULL) == OK ? 0 : -1;
}

static void a_queue_of_others_is_used_as_it_is(void **state)
{
    (void)state;
    struct error e = { 0 };
    struct queue_dead dead;
    size_t count = 0;
    assert_ok(queue_check(queue, &e));
    assert_non_null(strstr(e.text, "other arguments"));
    struct queue_consumer *c = consume("video", 1);
    put("video", "1");
    put("video", "2");
    take_and_finish(c, "1", QUEUE_RETRY);
    take_and_finish(c, "1", QUEUE_DEAD);
    take_and_finish(c, "2", QUEUE_DONE);
    wait_for_dead("video", 1, &dead);
    assert_string_equal(dead.body, "1");
    assert_string_equal(dead.reason, "rejected");
    assert_in_range(clock_wall_ms() - dead.died_at_ms, 0, 60000);
    (void)usleep(200000);
    assert_ok(queue_requeue_dead(queue, "video", &count, NULL));
    assert_int_equal(count, 1);
    take_and_finish(c, "1", QUEUE_DONE);
    queue_consumer_close(c);
}

static void a_huge_message_of_others_is_cut(void **state)
{
    (void)state;
    assert_ok(queue_check(queue, NULL));
    struct raw raw = raw_open(queue_url);
    struct queue_consumer *c = consume("video", 1);
    size_t len = 300000;
    char *body = xmalloc(len);
    memset(body, 'z', len);
    raw_publish(&raw, "video", body, len);
    struct queue_message *m = take(c);
    assert_memory_equal(queue_message_body(m, &len), body, QUEUE_BODY_MAX);
    assert_int_equal(len, QUEUE_BODY_MAX);
    assert_ok(queue_finish(m, QUEUE_DEAD, NULL));
    raw_publish(&raw, "video", body, 10);
    take_and_finish(c, "zzzzzzzzzz", QUEUE_DONE);
    free(body);
    queue_consumer_close(c);
    raw_close(&raw);
}

/* Calls fail at once, or after the time they were given, and nothing hangs. */
static void a_broker_that_is_away_is_busy(void **state)
{
    (void)state;
    struct queue *away = NULL;
    struct queue_consumer *c = NULL;
    struct queue_message *m = NULL;
    struct queue_subscription *s = NULL;
    int64_t depth = 0;
    size_t count = 0;
    struct error e = { 0 };
    char key[QUEUE_NAME_MAX];
    char *body = NULL;
    int64_t began_ms = clock_mono_ms();
    assert_ok(queue_open("amqp://ann:secret@127.0.0.1:1/", &away, NULL));
    assert_err(ERR_BUSY, queue_put(away, "video", "x", 1, NULL, &e));
    assert_null(strstr(e.text, "secret"));
    assert_err(ERR_BUSY, queue_check(away, NULL));
    assert_err(ERR_BUSY, queue_depth(away, "video", &depth, &depth, NULL));
    assert_err(ERR_BUSY, queue_purge_dead(away, "video", &count, NULL));
    assert_ok(queue_publish_event(away, "job.running", "x", 1, NULL, NULL));
    assert_ok(queue_consume(away, "video", 1, &c, NULL));
    assert_err(ERR_BUSY, queue_take(c, 100, &m, NULL));
    assert_ok(queue_subscribe(away, "#", &s, NULL));
    assert_err(ERR_BUSY, queue_next_event(s, 100, key, &body, &count, NULL));
    queue_unsubscribe(s);
    queue_consumer_close(c);
    queue_close(away);
    assert_in_range(clock_mono_ms() - began_ms, 0, 5000);
}

static void urls_are_checked(void **state)
{
    (void)state;
    struct queue *other = NULL;
    assert_err(ERR_INVALID, queue_open("amqp:", &other, NULL));
    assert_err(ERR_INVALID, queue_open("amqp://host/?heartbeat=0", &other, NULL));
    assert_err(ERR_INVALID, queue_open("amqp://host/?heartbeat=fast", &other, NULL));
}

const struct CMUnitTest amqp_cases[] = {
    CASE(a_deleted_queue_is_declared_again),
    CASE(a_queue_without_consumers_is_declared_again),
    cmocka_unit_test_setup_teardown(a_queue_of_others_is_used_as_it_is, open_foreign_queue,
                                    close_queue),
    CASE(a_huge_message_of_others_is_cut),
    cmocka_unit_test(a_broker_that_is_away_is_busy),
    cmocka_unit_test(urls_are_checked),
};
const size_t amqp_case_count = ARRAY_LEN(amqp_cases);
