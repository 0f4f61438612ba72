/* What the RabbitMQ engine does without a broker: URLs, frames, back-off. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/clock.h"
#include "queue/rabbit_incoming.h"
#include "queue/rabbit_queue.h"

static const struct {
    const char *url;
    bool is_tls;
    const char *host;
    int port;
    const char *user;
    const char *password;
    const char *vhost;
    const char *prefix;
    int heartbeat_s;
} good_urls[] = {
    { "amqp://broker", false, "broker", 5672, "guest", "guest", "/", "", 10 },
    { "amqp://broker/", false, "broker", 5672, "guest", "guest", "/", "", 10 },
    { "amqp://broker/%2F", false, "broker", 5672, "guest", "guest", "/", "", 10 },
    { "amqp://broker/unreel", false, "broker", 5672, "guest", "guest", "unreel", "", 10 },
    { "amqp://ann:p%40ss@broker:5673/", false, "broker", 5673, "ann", "p@ss", "/", "", 10 },
    { "amqps://broker/", true, "broker", 5671, "guest", "guest", "/", "", 10 },
    { "amqp://broker/?prefix=a.&heartbeat=2", false, "broker", 5672, "guest", "guest", "/", "a.",
      2 },
};

static void urls_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good_urls); i++) {
        struct rabbit_settings *s = NULL;
        assert_int_equal(rabbit_settings_parse(good_urls[i].url, &s, NULL), OK);
        assert_int_equal(s->is_tls, good_urls[i].is_tls);
        assert_string_equal(s->host, good_urls[i].host);
        assert_int_equal(s->port, good_urls[i].port);
        assert_string_equal(s->user, good_urls[i].user);
        assert_string_equal(s->password, good_urls[i].password);
        assert_string_equal(s->vhost, good_urls[i].vhost);
        assert_string_equal(s->prefix, good_urls[i].prefix);
        assert_int_equal(s->heartbeat_s, good_urls[i].heartbeat_s);
        rabbit_settings_free(s);
    }
}

static void wrong_urls_are_refused(void **state)
{
    (void)state;
    static const char *const urls[] = { "amqp:", "amqp://", "amqp://h/?heartbeat=0",
                                        "amqp://h/?heartbeat=601" };
    for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
        struct rabbit_settings *s = NULL;
        assert_int_equal(rabbit_settings_parse(urls[i], &s, NULL), ERR_INVALID);
    }
    struct rabbit_settings *none = NULL;
    char *url = xasprintf("amqp://h/?prefix=%065d", 0);
    assert_int_equal(rabbit_settings_parse(url, &none, NULL), ERR_INVALID);
    free(url);
}

static void names_carry_the_prefix(void **state)
{
    (void)state;
    struct rabbit_settings *s = NULL;
    char name[RABBIT_NAME_SIZE];
    assert_int_equal(rabbit_settings_parse("amqp://h/?prefix=t.", &s, NULL), OK);
    (void)rabbit_name(name, s, "video", ".dead");
    assert_string_equal(name, "t.video.dead");
    (void)rabbit_exchange_name(name, s);
    assert_string_equal(name, "t.unreel.events");
    rabbit_settings_free(s);
}

static bool feed_deliver(struct rabbit_incoming *in)
{
    amqp_basic_deliver_t deliver = { .delivery_tag = 7, .redelivered = 1 };
    amqp_frame_t frame = { .frame_type = AMQP_FRAME_METHOD };

    deliver.routing_key = amqp_cstring_bytes("job.running");
    frame.payload.method.id = AMQP_BASIC_DELIVER_METHOD;
    frame.payload.method.decoded = &deliver;
    return rabbit_incoming_feed(in, &frame);
}

static bool feed_header(struct rabbit_incoming *in, uint64_t size, const char *traceparent)
{
    amqp_basic_properties_t properties = { 0 };
    amqp_table_entry_t header = { .key = amqp_cstring_bytes("traceparent") };
    amqp_frame_t frame = { .frame_type = AMQP_FRAME_HEADER };

    if (traceparent != NULL) {
        header.value.kind = AMQP_FIELD_KIND_UTF8;
        header.value.value.bytes = amqp_cstring_bytes(traceparent);
        properties._flags = AMQP_BASIC_HEADERS_FLAG;
        properties.headers.num_entries = 1;
        properties.headers.entries = &header;
    }
    frame.payload.properties.body_size = size;
    frame.payload.properties.decoded = &properties;
    return rabbit_incoming_feed(in, &frame);
}

static bool feed_body(struct rabbit_incoming *in, const char *data, size_t len)
{
    amqp_frame_t frame = { .frame_type = AMQP_FRAME_BODY };

    frame.payload.body_fragment = rabbit_bytes(data, len);
    return rabbit_incoming_feed(in, &frame);
}

static void frames_become_a_message(void **state)
{
    (void)state;
    struct rabbit_incoming in = { 0 };
    assert_false(feed_deliver(&in));
    assert_false(feed_header(&in, 6, "00-trace"));
    assert_false(feed_body(&in, "abc", 3));
    assert_true(feed_body(&in, "def", 3));
    assert_int_equal(in.delivery_tag, 7);
    assert_true(in.is_redelivered);
    assert_string_equal(in.routing_key, "job.running");
    assert_string_equal(in.traceparent, "00-trace");
    assert_string_equal(in.body, "abcdef");
    assert_int_equal(in.body_len, 6);
    rabbit_incoming_reset(&in);
}

static void an_empty_body_needs_no_body_frame(void **state)
{
    (void)state;
    struct rabbit_incoming in = { 0 };
    (void)feed_deliver(&in);
    assert_true(feed_header(&in, 0, NULL));
    assert_string_equal(in.body, "");
    assert_string_equal(in.traceparent, "");
    rabbit_incoming_reset(&in);
}

static void stray_frames_are_ignored(void **state)
{
    (void)state;
    struct rabbit_incoming in = { 0 };
    assert_false(feed_body(&in, "abc", 3));
    assert_false(feed_header(&in, 0, NULL));
    (void)feed_deliver(&in);
    assert_false(feed_body(&in, "abc", 3));
    (void)feed_header(&in, 3, NULL);
    /* A delivery that breaks off is forgotten when the next begins. */
    (void)feed_deliver(&in);
    (void)feed_header(&in, 2, NULL);
    assert_true(feed_body(&in, "more than was announced", 23));
    assert_string_equal(in.body, "mo");
    rabbit_incoming_reset(&in);
}

static void a_long_body_is_cut(void **state)
{
    (void)state;
    struct rabbit_incoming in = { 0 };
    static char data[QUEUE_BODY_MAX];
    memset(data, 'x', sizeof(data));
    (void)feed_deliver(&in);
    (void)feed_header(&in, 2 * sizeof(data) + 5, NULL);
    assert_false(feed_body(&in, data, sizeof(data)));
    assert_false(feed_body(&in, data, sizeof(data)));
    assert_true(feed_body(&in, data, 5));
    assert_int_equal(in.body_len, QUEUE_BODY_MAX);
    assert_int_equal(strlen(in.body), QUEUE_BODY_MAX);
    rabbit_incoming_reset(&in);
}

static void a_traceparent_that_is_none_is_dropped(void **state)
{
    (void)state;
    struct rabbit_incoming in = { 0 };
    (void)feed_deliver(&in);
    (void)feed_header(&in, 0, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-and-more");
    assert_string_equal(in.traceparent, "");
    rabbit_incoming_reset(&in);
}

/* Consuming again within 35 s of a restart rests on these bounds. */
static void the_back_off_is_bounded(void **state)
{
    (void)state;
    for (int failures = 0; failures < 200; failures++) {
        assert_in_range(rabbit_backoff_ms(failures, clock_mono_ms()), 100, 5100);
        assert_in_range(rabbit_backoff_ms(failures, clock_mono_ms() - 61000), 100, 30100);
    }
}

int __real_clock_gettime(clockid_t id, struct timespec *ret_now);
int __wrap_clock_gettime(clockid_t id, struct timespec *ret_now);
static int wall_is_off_s; /* the wall clock is set back by so much as soon as it was read */

int __wrap_clock_gettime(clockid_t id, struct timespec *ret_now)
{
    int result = __real_clock_gettime(id, ret_now);
    ret_now->tv_sec += id == CLOCK_REALTIME ? wall_is_off_s : 0;
    return result;
}

static void a_lock_s_limit_is_no_wall_clock_s(void **state)
{
    struct rabbit_queue q = { .lock = PTHREAD_MUTEX_INITIALIZER };

    (void)state;
    assert_true(rabbit_queue_lock(&q, 100));
    wall_is_off_s = 5;
    int64_t begun_ms = clock_mono_ms();
    assert_false(rabbit_queue_lock(&q, 100));
    assert_in_range(clock_mono_ms() - begun_ms, 100, 3000);
    wall_is_off_s = 0;
    assert_int_equal(pthread_mutex_unlock(&q.lock), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lock_s_limit_is_no_wall_clock_s),
        cmocka_unit_test(urls_are_read),
        cmocka_unit_test(wrong_urls_are_refused),
        cmocka_unit_test(names_carry_the_prefix),
        cmocka_unit_test(frames_become_a_message),
        cmocka_unit_test(an_empty_body_needs_no_body_frame),
        cmocka_unit_test(stray_frames_are_ignored),
        cmocka_unit_test(a_long_body_is_cut),
        cmocka_unit_test(a_traceparent_that_is_none_is_dropped),
        cmocka_unit_test(the_back_off_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
