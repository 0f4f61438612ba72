/* What the RabbitMQ engine counts. */
#ifndef UNREEL_QUEUE_RABBIT_METRICS_H
#define UNREEL_QUEUE_RABBIT_METRICS_H

#include "core/error.h"
#include "core/metrics.h"

enum rabbit_connection { RABBIT_PUBLISHER, RABBIT_CONSUMER, RABBIT_CONNECTIONS };

/* At start: for a process that publishes; and, in addition, for one that consumes. */
void rabbit_metrics_register(void);
void rabbit_metrics_register_consumer(void);

/* A connection was made, or is gone. */
void rabbit_metrics_up(enum rabbit_connection which, bool is_up);
/* What became of a publish: the result of rabbit_publish. */
void rabbit_metrics_publish(enum err result);

#endif
