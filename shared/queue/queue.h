/* Durable messages and events. Engines: RabbitMQ quorum queues (amqp://, amqps://) and SQLite
 * (sqlite:).
 *
 * At least once: a message that was taken and not finished comes again when its consumer is gone.
 * Thread-safe, but for a struct queue_message, which belongs to the thread that took it. */
#ifndef UNREEL_QUEUE_QUEUE_H
#define UNREEL_QUEUE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/mem.h"
#include "core/span.h"

#define QUEUE_BODY_MAX 16384
#define QUEUE_NAME_MAX 64
#define QUEUE_ID_SIZE 64
#define QUEUE_EVENTS "unreel.events"
#define QUEUE_DELIVERY_LIMIT                                                                       \
    5 /* deliveries without a finish before a message is dead-lettered: this + 1 */

struct queue;
struct queue_consumer;
struct queue_message;
struct queue_subscription;

/* Does not need the server to be up: calls return ERR_BUSY until it is, reconnecting with back-off.
 * Queues "video" and "mp3" with their dead-letter queues ("video.dead", "mp3.dead") and the topic
 * exchange "unreel.events" are declared on connecting.  A `prefix=NAME` option
 * in the URL's query is put before the names of queues and the exchange, so that several
 * installations (or test runs) can share a broker; callers never see it. */
enum err queue_open(const char *url, struct queue **ret_queue, struct error *e) MUST_CHECK;
/* All consumers and subscriptions must be closed. NULL is fine. */
void queue_close(struct queue *q);
DEFINE_AUTO(struct queue *, queue_close)
enum err queue_check(struct queue *q, struct error *e) MUST_CHECK;

/* Returns OK only when the message is durable (mandatory, persistent, confirmed | committed).
 * ERR_BUSY: it may or may not be there: put again later. A queue that somebody deleted is declared
 * again. ERR_TOO_BIG over QUEUE_BODY_MAX. traceparent: what the message is part of, unless the
 * thread's current span is; its span is what the message carries. NULL: part of no trace. */
enum err queue_put(struct queue *q, const char *name, const void *body, size_t len,
                   const char *traceparent, struct error *e) MUST_CHECK;

/* A consumer holds up to `prefetch` unfinished messages; up to that many threads may take from it.
 * Heartbeats go on by themselves (T5): a thread of the consumer owns the connection. */
enum err queue_consume(struct queue *q, const char *name, unsigned prefetch,
                       struct queue_consumer **ret_consumer, struct error *e) MUST_CHECK;
/* Stops new deliveries; messages in hand can still be finished. Wakes takers, which get
 * ERR_CANCELLED from then on. */
void queue_consumer_cancel(struct queue_consumer *c);
/* Every message must have been finished or freed; what was not finished is redelivered. NULL is
 * fine. */
void queue_consumer_close(struct queue_consumer *c);

/* Waits for a message. ERR_TIMEOUT: none came; ERR_CANCELLED: the consumer was cancelled; ERR_BUSY:
 * the connection is down (it is being rebuilt; the call has waited timeout_ms or a back-off). The
 * caller owns *ret_message until queue_finish or queue_message_free. */
enum err queue_take(struct queue_consumer *c, int64_t timeout_ms,
                    struct queue_message **ret_message, struct error *e) MUST_CHECK;
const void *queue_message_body(const struct queue_message *m, size_t *ret_len);
/* True when it may have been delivered before: its former consumer is gone. */
bool queue_message_is_redelivered(const struct queue_message *m);
/* The same when it is redelivered; "" when it carries none. Lives as long as the message. */
const char *queue_message_id(const struct queue_message *m);
/* Begins the span of handling a message that came from queue `name`, a child of what put it there;
 * of `traceparent`, what its body says, when the message does not tell. */
void queue_begin_span(struct span *s, const char *name, const struct queue_message *m,
                      const char *traceparent);
/* Keeps the message taken: to be called at least every 10 s while working. ERR_CONFLICT: it was
 * lost (connection or visibility), somebody else may have it. Cheap and non-blocking for AMQP. */
enum err queue_extend(struct queue_message *m, struct error *e) MUST_CHECK;

enum queue_verdict {
    QUEUE_DONE,  /* remove it */
    QUEUE_RETRY, /* deliver it again soon; counts towards the delivery limit */
    QUEUE_DEAD   /* dead-letter it */
};
/* Frees m in any case. ERR_CONFLICT / ERR_BUSY: the verdict may not have reached the broker; it
 * will come again. */
enum err queue_finish(struct queue_message *m, enum queue_verdict verdict,
                      struct error *e) MUST_CHECK;
/* Frees without a verdict, as after ERR_CONFLICT. One that is still in hand goes back to the queue
 * at once, as with QUEUE_RETRY. NULL is fine. */
void queue_message_free(struct queue_message *m);

/* Events: best effort, not stored for absent subscribers. routing_key: "job.running". Drops the
 * event (OK) when the broker is slow. traceparent as with queue_put; subscribers of other makes see
 * it, with RabbitMQ. */
enum err queue_publish_event(struct queue *q, const char *routing_key, const void *body, size_t len,
                             const char *traceparent, struct error *e);
/* pattern as of a topic exchange: "job.#", "job.*". One thread per subscription. */
enum err queue_subscribe(struct queue *q, const char *pattern,
                         struct queue_subscription **ret_subscription, struct error *e) MUST_CHECK;
/* ERR_TIMEOUT when none came. The caller frees *ret_body. routing_key is copied. */
enum err queue_next_event(struct queue_subscription *s, int64_t timeout_ms,
                          char ret_routing_key[QUEUE_NAME_MAX], char **ret_body, size_t *ret_len,
                          struct error *e) MUST_CHECK;
void queue_unsubscribe(struct queue_subscription *s);

/* The dead letters of a queue, for operators. */
struct queue_dead {
    char id[64]; /* for requeue; valid until the queue changes */
    char reason[64];
    int64_t died_at_ms; /* 0 when unknown */
    char body[512];     /* the first bytes, as text */
};
enum err queue_list_dead(struct queue *q, const char *name, struct queue_dead *ret_dead, size_t max,
                         size_t *ret_count, struct error *e) MUST_CHECK;
/* Puts all dead letters of the queue back into it. */
enum err queue_requeue_dead(struct queue *q, const char *name, size_t *ret_count,
                            struct error *e) MUST_CHECK;
enum err queue_purge_dead(struct queue *q, const char *name, size_t *ret_count,
                          struct error *e) MUST_CHECK;
/* For metrics: messages that wait or are in hand (another process's are not counted with
 * RabbitMQ), and dead letters. */
enum err queue_depth(struct queue *q, const char *name, int64_t *ret_count, int64_t *ret_dead_count,
                     struct error *e) MUST_CHECK;

#endif
