#include "queue/rabbit_metrics.h"

#include "core/banned.h"

enum confirm { CONFIRM_ACK, CONFIRM_RETURNED, CONFIRM_NACK, CONFIRM_TIMEOUT, CONFIRM_LOST };

static const char *const confirm_results[] = {
    [CONFIRM_ACK] = "ack",         [CONFIRM_RETURNED] = "returned", [CONFIRM_NACK] = "nack",
    [CONFIRM_TIMEOUT] = "timeout", [CONFIRM_LOST] = "lost",         NULL
};
static const char *const connections[RABBIT_CONNECTIONS + 1] = { "publisher", "consumer", NULL };

static struct metric confirms_total = {
    .name = "unreel_amqp_confirms_total",
    .help = "Publishes by the broker's answer.",
    .type = METRIC_COUNTER,
    .label = "result",
    .values = confirm_results,
};

static struct metric returns_total = {
    .name = "unreel_amqp_returns_total",
    .help = "Messages that the broker returned: their queue was not there.",
    .type = METRIC_COUNTER,
};

static struct metric reconnects_total = {
    .name = "unreel_amqp_reconnects_total",
    .help = "Connections made after the first one.",
    .type = METRIC_COUNTER,
    .label = "connection",
    .values = connections,
};

static struct metric up_gauges[RABBIT_CONNECTIONS] = {
    [RABBIT_PUBLISHER] = { .name = "unreel_amqp_connection_up",
                           .help = "Whether the publishing connection stands.",
                           .type = METRIC_GAUGE },
    [RABBIT_CONSUMER] = { .name = "unreel_amqp_consumer_up",
                          .help = "Whether the consuming connection stands.",
                          .type = METRIC_GAUGE },
};

static atomic_bool has_been_up[RABBIT_CONNECTIONS];

void rabbit_metrics_register(void)
{
    metric_register(&up_gauges[RABBIT_PUBLISHER]);
    metric_register(&reconnects_total);
    metric_register(&confirms_total);
    metric_register(&returns_total);
}

void rabbit_metrics_register_consumer(void)
{
    metric_register(&up_gauges[RABBIT_CONSUMER]);
}

void rabbit_metrics_up(enum rabbit_connection which, bool is_up)
{
    metric_set(&up_gauges[which], 0, is_up);
    if (is_up && atomic_exchange(&has_been_up[which], true)) {
        metric_add(&reconnects_total, which, 1);
    }
}

static enum confirm confirm_of(enum err result)
{
    switch (result) {
    case OK:
        return CONFIRM_ACK;
    case ERR_NOT_FOUND:
        return CONFIRM_RETURNED;
    case ERR_CONFLICT:
        return CONFIRM_NACK;
    case ERR_TIMEOUT:
        return CONFIRM_TIMEOUT;
    default:
        return CONFIRM_LOST;
    }
}

void rabbit_metrics_publish(enum err result)
{
    metric_add(&confirms_total, confirm_of(result), 1);
    if (result == ERR_NOT_FOUND) {
        metric_add(&returns_total, 0, 1);
    }
}
