/* What an engine of the queue implements. Only files of this folder include it. */
#ifndef UNREEL_QUEUE_QUEUE_IMPL_H
#define UNREEL_QUEUE_QUEUE_IMPL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/trace.h"
#include "queue/queue.h"

/* All slots are mandatory. Arguments were checked by queue.c: names are in queue_names, sizes are
 * within their limits, traceparent is never NULL. Engines are thread-safe at this boundary. */
struct queue_ops {
    const char *const *schemes; /* NULL-terminated */
    const char *system;         /* messaging.system of its spans */

    enum err (*open)(const char *url, struct queue **ret_queue, struct error *e);
    void (*close)(struct queue *q);
    enum err (*check)(struct queue *q, struct error *e);
    enum err (*put)(struct queue *q, const char *name, const void *body, size_t len,
                    const char *traceparent, char ret_id[QUEUE_ID_SIZE], struct error *e);

    enum err (*consume)(struct queue *q, const char *name, unsigned prefetch,
                        struct queue_consumer **ret_consumer, struct error *e);
    void (*consumer_cancel)(struct queue_consumer *c);
    void (*consumer_close)(struct queue_consumer *c);
    enum err (*take)(struct queue_consumer *c, int64_t timeout_ms,
                     struct queue_message **ret_message, struct error *e);
    enum err (*extend)(struct queue_message *m, struct error *e);
    enum err (*finish)(struct queue_message *m, enum queue_verdict verdict, struct error *e);
    void (*message_free)(struct queue_message *m);

    enum err (*publish_event)(struct queue *q, const char *routing_key, const void *body,
                              size_t len, const char *traceparent, struct error *e);
    enum err (*subscribe)(struct queue *q, const char *pattern,
                          struct queue_subscription **ret_subscription, struct error *e);
    enum err (*next_event)(struct queue_subscription *s, int64_t timeout_ms,
                           char ret_routing_key[QUEUE_NAME_MAX], char **ret_body, size_t *ret_len,
                           struct error *e);
    void (*unsubscribe)(struct queue_subscription *s);

    enum err (*list_dead)(struct queue *q, const char *name, struct queue_dead *ret_dead,
                          size_t max, size_t *ret_count, struct error *e);
    enum err (*requeue_dead)(struct queue *q, const char *name, size_t *ret_count, struct error *e);
    enum err (*purge_dead)(struct queue *q, const char *name, size_t *ret_count, struct error *e);
    enum err (*depth)(struct queue *q, const char *name, int64_t *ret_count,
                      int64_t *ret_dead_count, struct error *e);
};

struct queue {
    const struct queue_ops *ops;
};

struct queue_consumer {
    const struct queue_ops *ops;
};

struct queue_subscription {
    const struct queue_ops *ops;
};

struct queue_message {
    const struct queue_ops *ops;
    char *body; /* NUL-terminated */
    size_t body_len;
    bool is_redelivered;
    char traceparent[TRACEPARENT_SIZE]; /* "" when it carries none */
    char id[QUEUE_ID_SIZE];             /* "" when it carries none */
};

/* Consumers hold this many unfinished messages at most. */
#define QUEUE_PREFETCH_MAX 1000

#define QUEUE_COUNT 2
/* The queues there are. */
extern const char *const queue_names[QUEUE_COUNT];
/* The index of a name that is known to be in queue_names. */
size_t queue_name_index(const char *name);

/* Copies the first bytes of a body as text, for queue_dead.body. */
void queue_dead_set_body(struct queue_dead *dead, const void *body, size_t len);

extern const struct queue_ops queue_amqp;
extern const struct queue_ops queue_sqlite;

#endif
