/* Putting, taking and finishing. */
#include "queue_contract.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/text.h"

#define TRACE_ID "0af7651916cd43dd8448eb211c80319c"
#define TRACEPARENT "00-" TRACE_ID "-b7ad6b7169203331-01"

/* That handling the message is part of the trace: by the message, or by `traceparent` if it tells
 * none. */
static void assert_in_trace(const struct queue_message *m, const char *traceparent)
{
    char trace_id[TRACE_ID_SIZE];
    struct span span;
    queue_begin_span(&span, "video", m, traceparent);
    trace_read_id(span_traceparent(&span), trace_id);
    span_end(&span);
    assert_string_equal(trace_id, TRACE_ID);
}

static void a_message_is_taken_and_finished(void **state)
{
    (void)state;
    struct queue_consumer *c = consume("video", 1);
    put("video", "{\"version\":1}");
    struct queue_message *m = take(c);
    assert_body(m, "{\"version\":1}");
    assert_false(queue_message_is_redelivered(m));
    assert_in_trace(m, TRACEPARENT);
    assert_ok(queue_extend(m, NULL));
    assert_ok(queue_finish(m, QUEUE_DONE, NULL));
    assert_empty(c);
    queue_consumer_close(c);
    c = consume("video", 1);
    assert_empty(c);
    queue_consumer_close(c);
}

static void a_put_before_the_consumer_is_kept(void **state)
{
    (void)state;
    put("mp3", "early");
    struct queue_consumer *c = consume("mp3", 1);
    take_and_finish(c, "early", QUEUE_DONE);
    queue_consumer_close(c);
}

static void queues_are_apart(void **state)
{
    (void)state;
    struct queue_consumer *c = consume("mp3", 1);
    put("video", "not for mp3");
    assert_empty(c);
    queue_consumer_close(c);
}

static void messages_come_in_order(void **state)
{
    (void)state;
    struct queue_consumer *c = consume("video", 1);
    char body[16];
    for (int i = 0; i < 20; i++) {
        (void)snprintf(body, sizeof(body), "%d", i);
        put("video", body);
    }
    for (int i = 0; i < 20; i++) {
        (void)snprintf(body, sizeof(body), "%d", i);
        take_and_finish(c, body, QUEUE_DONE);
    }
    queue_consumer_close(c);
}

static void the_traceparent_travels(void **state)
{
    (void)state;
    struct queue_consumer *c = consume("video", 1);
    assert_ok(queue_put(queue, "video", "x", 1, TRACEPARENT, NULL));
    struct queue_message *m = take(c);
    assert_in_trace(m, "");
    assert_ok(queue_finish(m, QUEUE_DONE, NULL));
    queue_consumer_close(c);
}

static void sizes_are_limited(void **state)
{
    (void)state;
    struct queue_consumer *c = consume("video", 1);
    char *body = xmalloc(QUEUE_BODY_MAX + 1);
    size_t len = 1;
    memset(body, 'x', QUEUE_BODY_MAX + 1);
    assert_err(ERR_TOO_BIG, queue_put(queue, "video", body, QUEUE_BODY_MAX + 1, NULL, NULL));
    assert_err(ERR_TOO_BIG,
               queue_publish_event(queue, "job.running", body, QUEUE_BODY_MAX + 1, NULL, NULL));
    assert_ok(queue_put(queue, "video", body, QUEUE_BODY_MAX, NULL, NULL));
    assert_ok(queue_put(queue, "video", NULL, 0, NULL, NULL));
    struct queue_message *m = take(c);
    assert_memory_equal(queue_message_body(m, &len), body, QUEUE_BODY_MAX);
    assert_int_equal(len, QUEUE_BODY_MAX);
    assert_ok(queue_finish(m, QUEUE_DONE, NULL));
    m = take(c);
    (void)queue_message_body(m, &len);
    assert_int_equal(len, 0);
    assert_ok(queue_finish(m, QUEUE_DONE, NULL));
    queue_consumer_close(c);
    free(body);
}

static void unknown_names_are_refused(void **state)
{
    (void)state;
    struct queue_consumer *c = NULL;
    struct queue *other = NULL;
    int64_t count;
    assert_err(ERR_NOT_FOUND, queue_put(queue, "audio", "x", 1, NULL, NULL));
    assert_err(ERR_NOT_FOUND, queue_consume(queue, "video.dead", 1, &c, NULL));
    assert_err(ERR_NOT_FOUND, queue_depth(queue, "", &count, &count, NULL));
    assert_err(ERR_INVALID, queue_consume(queue, "video", 0, &c, NULL));
    assert_err(ERR_INVALID, queue_open("kafka://host/", &other, NULL));
}

static void what_is_not_finished_comes_again(void **state)
{
    (void)state;
    struct queue_consumer *c = consume("video", 2);
    put("video", "again");
    char id[QUEUE_ID_SIZE];
    struct queue_message *m = take(c);
    (void)text_copy(id, sizeof(id), queue_message_id(m));
    queue_message_free(m);
    queue_consumer_close(c);
    put("video", "another");
    c = consume("video", 2);
    m = take(c);
    struct queue_message *another = take(c);
    assert_body(m, "again");
    assert_true(queue_message_is_redelivered(m));
    assert_true(id[0] != '\0');
    assert_string_equal(queue_message_id(m), id);
    assert_string_not_equal(queue_message_id(another), id);
    assert_ok(queue_finish(another, QUEUE_DONE, NULL));
    assert_ok(queue_finish(m, QUEUE_DONE, NULL));
    queue_consumer_close(c);
}

static void retry_delivers_again(void **state)
{
    (void)state;
    struct queue_consumer *c = consume("video", 1);
    put("video", "retry me");
    take_and_finish(c, "retry me", QUEUE_RETRY);
    struct queue_message *m = take(c);
    assert_true(queue_message_is_redelivered(m));
    assert_ok(queue_finish(m, QUEUE_DONE, NULL));
    assert_empty(c);
    queue_consumer_close(c);
}

static void prefetch_bounds_what_is_in_hand(void **state)
{
    (void)state;
    struct queue_consumer *c = consume("video", 2);
    put("video", "1");
    put("video", "2");
    put("video", "3");
    struct queue_message *first = take(c);
    struct queue_message *second = take(c);
    assert_empty(c);
    assert_ok(queue_finish(first, QUEUE_DONE, NULL));
    take_and_finish(c, "3", QUEUE_DONE);
    assert_ok(queue_finish(second, QUEUE_DONE, NULL));
    queue_consumer_close(c);
}

/* A taker above the prefetch waits for a slot, and gets it at once. */
static void *finish_later(void *message)
{
    (void)usleep(200000);
    return queue_finish(message, QUEUE_DONE, NULL) == OK ? message : NULL;
}

static void a_free_slot_wakes_a_taker(void **state)
{
    (void)state;
    struct queue_consumer *c = consume("video", 1);
    pthread_t thread;
    void *result = NULL;
    put("video", "1");
    put("video", "2");
    struct queue_message *first = take(c);
    int64_t began_ms = clock_mono_ms();
    assert_int_equal(pthread_create(&thread, NULL, finish_later, first), 0);
    struct queue_message *second = take(c);
    assert_in_range(clock_mono_ms() - began_ms, 150, 2000);
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_ptr_equal(result, first);
    assert_ok(queue_finish(second, QUEUE_DONE, NULL));
    queue_consumer_close(c);
}

#define SHARED_COUNT 200
static _Atomic int seen[SHARED_COUNT];
static _Atomic int seen_count;

static void *share(void *consumer)
{
    while (atomic_load(&seen_count) < SHARED_COUNT) {
        struct queue_message *m = NULL;
        enum err err = queue_take(consumer, 200, &m, NULL);
        if (err == OK) {
            size_t len;
            int i = ((const int *)queue_message_body(m, &len))[0];
            (void)atomic_fetch_add(&seen[i], 1);
            (void)atomic_fetch_add(&seen_count, 1);
            err = queue_finish(m, QUEUE_DONE, NULL);
        }
        if (err != OK && err != ERR_TIMEOUT) {
            (void)fprintf(stderr, "share: %s\n", err_name(err));
            return consumer;
        }
    }
    return NULL;
}

static void *put_half(void *first)
{
    for (int i = *(int *)first; i < SHARED_COUNT; i += 2) {
        if (queue_put(queue, "video", &i, sizeof(i), NULL, NULL) != OK) {
            return first;
        }
    }
    return NULL;
}

static void consumers_share_and_each_message_comes_once(void **state)
{
    (void)state;
    struct queue_consumer *consumers[] = { consume("video", 4), consume("video", 2) };
    pthread_t takers[5];
    pthread_t putters[2];
    int firsts[] = { 0, 1 };
    void *result = NULL;
    memset(seen, 0, sizeof(seen));
    atomic_store(&seen_count, 0);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(pthread_create(&takers[i], NULL, share, consumers[i < 4 ? 0 : 1]), 0);
    }
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&putters[i], NULL, put_half, &firsts[i]), 0);
    }
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(putters[i], &result), 0);
        assert_null(result);
    }
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(pthread_join(takers[i], &result), 0);
        assert_null(result);
    }
    for (int i = 0; i < SHARED_COUNT; i++) {
        assert_int_equal(atomic_load(&seen[i]), 1);
    }
    assert_empty(consumers[0]);
    queue_consumer_close(consumers[0]);
    queue_consumer_close(consumers[1]);
}

/* Longer than the visibility of SQLite; with RabbitMQ heartbeats have to go on by themselves. */
static void work_may_take_long(void **state)
{
    (void)state;
    struct queue_consumer *c = consume("video", 1);
    struct queue_consumer *other = consume("video", 1);
    put("video", "long");
    struct queue_message *m = take(c);
    if (is_amqp) {
        (void)sleep(7);
    } else {
        for (int i = 0; i < 12; i++) {
            (void)usleep(200000);
            assert_ok(queue_extend(m, NULL));
        }
    }
    assert_empty(other);
    assert_ok(queue_extend(m, NULL));
    assert_ok(queue_finish(m, QUEUE_DONE, NULL));
    (void)usleep((useconds_t)lost_after_ms * 1000);
    assert_empty(other);
    queue_consumer_close(other);
    queue_consumer_close(c);
}

static void an_idle_publisher_still_publishes(void **state)
{
    (void)state;
    put("video", "before");
    (void)sleep(is_amqp ? 7 : 1);
    put("video", "after");
    struct queue_consumer *c = consume("video", 1);
    take_and_finish(c, "before", QUEUE_DONE);
    take_and_finish(c, "after", QUEUE_DONE);
    queue_consumer_close(c);
}

struct waiting_taker {
    struct queue_consumer *consumer;
    enum err err;
    int64_t waited_ms;
};

static void *wait_in_take(void *data)
{
    struct waiting_taker *t = data;
    struct queue_message *m = NULL;
    int64_t began_ms = clock_mono_ms();

    t->err = queue_take(t->consumer, 20000, &m, NULL);
    t->waited_ms = clock_mono_ms() - began_ms;
    return NULL;
}

static void cancel_wakes_takers(void **state)
{
    (void)state;
    struct queue_consumer *c = consume("video", 3);
    put("video", "in hand");
    struct queue_message *m = take(c);
    struct waiting_taker takers[2] = { { .consumer = c }, { .consumer = c } };
    pthread_t threads[2];
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, wait_in_take, &takers[i]), 0);
    }
    (void)usleep(200000);
    queue_consumer_cancel(c);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_err(ERR_CANCELLED, takers[i].err);
        assert_in_range(takers[i].waited_ms, 0, 3000);
    }
    /* What is put now is for others, and what is in hand can still be finished. */
    put("video", "for others");
    struct queue_message *none = NULL;
    assert_err(ERR_CANCELLED, queue_take(c, 300, &none, NULL));
    struct queue_consumer *other = consume("video", 1);
    take_and_finish(other, "for others", QUEUE_DONE);
    assert_ok(queue_extend(m, NULL));
    assert_ok(queue_finish(m, QUEUE_DONE, NULL));
    queue_consumer_close(c);
    assert_empty(other);
    queue_consumer_close(other);
}

/* Messages that were delivered ahead and not taken go to others at once. */
static void cancel_gives_back_what_was_not_taken(void **state)
{
    (void)state;
    struct queue_consumer *c = consume("video", 10);
    put("video", "1");
    put("video", "2");
    struct queue_message *m = take(c);
    (void)usleep(100000);
    queue_consumer_cancel(c);
    struct queue_consumer *other = consume("video", 10);
    take_and_finish(other, "2", QUEUE_DONE);
    assert_ok(queue_finish(m, QUEUE_DONE, NULL));
    queue_consumer_close(other);
    queue_consumer_close(c);
}

static void a_take_times_out_in_time(void **state)
{
    (void)state;
    struct queue_consumer *c = consume("video", 1);
    struct queue_message *m = NULL;
    int64_t began_ms = clock_mono_ms();
    assert_err(ERR_TIMEOUT, queue_take(c, 400, &m, NULL));
    assert_in_range(clock_mono_ms() - began_ms, 395, 1500);
    began_ms = clock_mono_ms();
    assert_err(ERR_TIMEOUT, queue_take(c, 0, &m, NULL));
    assert_in_range(clock_mono_ms() - began_ms, 0, 200);
    queue_consumer_close(c);
}

static void the_depth_counts_what_waits_and_what_is_in_hand(void **state)
{
    (void)state;
    struct queue_consumer *c = consume("video", 1);
    int64_t depth = -1;
    int64_t dead = -1;
    assert_ok(queue_check(queue, NULL));
    assert_ok(queue_depth(queue, "video", &depth, &dead, NULL));
    assert_int_equal(depth, 0);
    assert_int_equal(dead, 0);
    put("video", "1");
    put("video", "2");
    struct queue_message *m = take(c);
    /* The broker counts a little late. */
    for (int i = 0; i < 100 && depth != 2; i++) {
        (void)usleep(50000);
        assert_ok(queue_depth(queue, "video", &depth, &dead, NULL));
    }
    assert_int_equal(depth, 2);
    assert_ok(queue_finish(m, QUEUE_DONE, NULL));
    take_and_finish(c, "2", QUEUE_DEAD);
    for (int i = 0; i < 100 && (depth != 0 || dead != 1); i++) {
        (void)usleep(50000);
        assert_ok(queue_depth(queue, "video", &depth, &dead, NULL));
    }
    assert_int_equal(depth, 0);
    assert_int_equal(dead, 1);
    queue_consumer_close(c);
}

const struct CMUnitTest message_cases[] = {
    CASE(a_message_is_taken_and_finished),
    CASE(a_put_before_the_consumer_is_kept),
    CASE(queues_are_apart),
    CASE(messages_come_in_order),
    CASE(the_traceparent_travels),
    CASE(sizes_are_limited),
    CASE(unknown_names_are_refused),
    CASE(what_is_not_finished_comes_again),
    CASE(retry_delivers_again),
    CASE(prefetch_bounds_what_is_in_hand),
    CASE(a_free_slot_wakes_a_taker),
    CASE(consumers_share_and_each_message_comes_once),
    SLOW_CASE(work_may_take_long),
    SLOW_CASE(an_idle_publisher_still_publishes),
    CASE(cancel_wakes_takers),
    CASE(cancel_gives_back_what_was_not_taken),
    CASE(a_take_times_out_in_time),
    CASE(the_depth_counts_what_waits_and_what_is_in_hand),
};
const size_t message_case_count = ARRAY_LEN(message_cases);
