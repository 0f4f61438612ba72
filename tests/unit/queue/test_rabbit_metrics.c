/* What is counted of the broker's answers and of connections. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "core/buf.h"
#include "core/mem.h"
#include "queue/rabbit_metrics.h"

static void assert_line(const char *line)
{
    AUTO(buf_release) struct buf text;
    buf_init(&text, 65536);
    assert_int_equal(metrics_render(&text), OK);
    if (strstr(text.data, line) == NULL) {
        fail_msg("no \"%s\" in %s", line, text.data);
    }
}

static void test_answers(void **state)
{
    static const enum err results[] = {
        OK, OK, ERR_NOT_FOUND, ERR_CONFLICT, ERR_TIMEOUT, ERR_BUSY
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(results); i++) {
        rabbit_metrics_publish(results[i]);
    }
    assert_line("\nunreel_amqp_confirms_total{result=\"ack\"} 2\n");
    assert_line("\nunreel_amqp_confirms_total{result=\"returned\"} 1\n");
    assert_line("\nunreel_amqp_confirms_total{result=\"nack\"} 1\n");
    assert_line("\nunreel_amqp_confirms_total{result=\"timeout\"} 1\n");
    assert_line("\nunreel_amqp_confirms_total{result=\"lost\"} 1\n");
    assert_line("\nunreel_amqp_returns_total 1\n");
}

static void test_connections(void **state)
{
    (void)state;
    rabbit_metrics_up(RABBIT_PUBLISHER, false); /* the first try may fail: that is no reconnect */
    rabbit_metrics_up(RABBIT_PUBLISHER, true);
    rabbit_metrics_up(RABBIT_CONSUMER, true);
    assert_line("\nunreel_amqp_connection_up 1\n");
    assert_line("\nunreel_amqp_consumer_up 1\n");
    assert_line("\nunreel_amqp_reconnects_total{connection=\"publisher\"} 0\n");
    rabbit_metrics_up(RABBIT_PUBLISHER, false);
    assert_line("\nunreel_amqp_connection_up 0\n");
    rabbit_metrics_up(RABBIT_PUBLISHER, true);
    assert_line("\nunreel_amqp_reconnects_total{connection=\"publisher\"} 1\n");
    assert_line("\nunreel_amqp_reconnects_total{connection=\"consumer\"} 0\n");
}

static int set_up(void **state)
{
    (void)state;
    rabbit_metrics_register();
    rabbit_metrics_register_consumer();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_connections),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
