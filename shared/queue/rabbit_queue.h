/* The parts of the RabbitMQ engine. Only queue_amqp.c and rabbit_*.c include it. */
#ifndef UNREEL_QUEUE_RABBIT_QUEUE_H
#define UNREEL_QUEUE_RABBIT_QUEUE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "queue/queue_impl.h"
#include "queue/rabbit_conn.h"

struct rabbit_queue {
    struct queue base;
    struct rabbit_settings *settings;
    _Atomic int64_t in_hand[QUEUE_COUNT]; /* delivered to our consumers and not finished */

    /* Serves the publishing connection while nobody publishes, and rebuilds it. */
    pthread_t keeper;
    int stop_fd;

    pthread_mutex_t lock;
    /* The publishing connection and how it fares; guarded by the lock. */
    struct rabbit_conn *conn;
    int failures;            /* connects that failed since the last that did not */
    int64_t last_failure_ms; /* monotonic */
    int64_t down_since_ms;
    struct error last_error;
};

struct rabbit_queue *rabbit_queue_of(struct queue *q);

/* When to connect again after `failures` failures in a row that began at down_since_ms. */
int64_t rabbit_backoff_ms(int failures, int64_t down_since_ms);

/* rabbit_publish.c */
struct rabbit_outgoing {
    const char *id; /* NULL: a new one */
    const void *body;
    size_t len;
    const char *traceparent;
    const char *dead_reason; /* NULL but for a dead letter; needs died_at_ms */
    int64_t died_at_ms;
};

/* Puts the main channel into confirm mode. */
enum err rabbit_confirm_select(struct rabbit_conn *c, struct error *e) MUST_CHECK;
/* Publishes to a queue and waits for the broker's confirm. ERR_NOT_FOUND: there is no such queue;
 * ERR_CONFLICT: the broker refused it or takes none now; ERR_TIMEOUT and ERR_BUSY: the connection
 * is to be dropped. */
enum err rabbit_publish(struct rabbit_conn *c, amqp_bytes_t queue_name,
                        const struct rabbit_outgoing *out, struct error *e) MUST_CHECK;
/* The same on the publishing connection, made if need be; a missing queue is declared again.
 * suffix: "" or ".dead". Returns OK or ERR_BUSY. */
enum err rabbit_queue_publish(struct rabbit_queue *q, size_t index, const char *suffix,
                              const struct rabbit_outgoing *out, struct error *e) MUST_CHECK;
/* With the lock held: connects unless it is connected or has just failed to. */
enum err rabbit_queue_connect(struct rabbit_queue *q, struct error *e) MUST_CHECK;
/* With the lock held. */
void rabbit_queue_disconnect(struct rabbit_queue *q);
/* Gives up after the timeout: others may hold the lock for as long as a confirm may take. */
bool rabbit_queue_lock(struct rabbit_queue *q, int64_t timeout_ms);
/* The thread function of the keeper; data is the struct rabbit_queue. */
void *rabbit_queue_keep(void *data);

/* rabbit_consume.c, rabbit_take.c */
enum err rabbit_queue_consume(struct queue *q, const char *name, unsigned prefetch,
                              struct queue_consumer **ret_consumer, struct error *e);
void rabbit_queue_consumer_cancel(struct queue_consumer *c);
void rabbit_queue_consumer_close(struct queue_consumer *c);
enum err rabbit_queue_take(struct queue_consumer *c, int64_t timeout_ms,
                           struct queue_message **ret_message, struct error *e);
enum err rabbit_queue_extend(struct queue_message *m, struct error *e);
enum err rabbit_queue_finish(struct queue_message *m, enum queue_verdict verdict, struct error *e);
void rabbit_queue_message_free(struct queue_message *m);

/* rabbit_events.c */
enum err rabbit_queue_publish_event(struct queue *q, const char *routing_key, const void *body,
                                    size_t len, const char *traceparent, struct error *e);
enum err rabbit_queue_subscribe(struct queue *q, const char *pattern,
                                struct queue_subscription **ret_subscription, struct error *e);
enum err rabbit_queue_next_event(struct queue_subscription *s, int64_t timeout_ms,
                                 char ret_routing_key[QUEUE_NAME_MAX], char **ret_body,
                                 size_t *ret_len, struct error *e);
void rabbit_queue_unsubscribe(struct queue_subscription *s);

/* rabbit_dead.c */
enum err rabbit_queue_list_dead(struct queue *q, const char *name, struct queue_dead *ret_dead,
                                size_t max, size_t *ret_count, struct error *e);
enum err rabbit_queue_requeue_dead(struct queue *q, const char *name, size_t *ret_count,
                                   struct error *e);
enum err rabbit_queue_purge_dead(struct queue *q, const char *name, size_t *ret_count,
                                 struct error *e);

#endif
