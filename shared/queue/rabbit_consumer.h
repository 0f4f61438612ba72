/* A consumer of the RabbitMQ engine: a thread that owns a connection, and the callers' side.
 *
 * Only the thread touches the connection. It puts deliveries into `ready`, from where takers get
 * them; finishers put verdicts into `verdicts` and wait until the thread has sent them. A
 * generation is the life of one connection: what was delivered in an earlier one is lost. */
#ifndef UNREEL_QUEUE_RABBIT_CONSUMER_H
#define UNREEL_QUEUE_RABBIT_CONSUMER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "queue/rabbit_incoming.h"
#include "queue/rabbit_queue.h"

struct rabbit_message {
    struct queue_message base;
    struct rabbit_consumer *consumer;
    uint64_t generation;
    uint64_t delivery_tag;
    struct rabbit_message *next;
};

enum rabbit_answer {
    RABBIT_ACK,
    RABBIT_REJECT,     /* to the dead-letter queue */
    RABBIT_REJECT_BACK /* to the queue again; counts as a delivery */
};

struct rabbit_verdict {
    enum rabbit_answer answer;
    uint64_t generation;
    uint64_t delivery_tag;
    bool is_detached; /* on the heap; nobody waits for it */
    bool is_done;
    enum err result;
    struct rabbit_verdict *next;
};

struct rabbit_consumer {
    struct queue_consumer base;
    struct rabbit_queue *queue;
    size_t name_index;
    unsigned prefetch;
    int wake_fd; /* tells the thread that something changed */
    pthread_t thread;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* Guarded by the lock. */
    uint64_t generation;
    bool is_connected;
    bool has_tried;  /* the first attempt to connect has ended */
    bool is_foreign; /* the queue has no dead-letter queue of its own */
    bool is_cancelled;
    bool is_stopping;
    unsigned unfinished; /* delivered in this generation, and no verdict sent */
    struct rabbit_message *ready;
    struct rabbit_message **ready_end;
    struct rabbit_verdict *verdicts;
    struct rabbit_verdict **verdicts_end;
    struct error last_error;

    /* The thread's own. */
    struct rabbit_conn *conn;
    struct rabbit_incoming incoming;
    bool has_sent_cancel;
    int failures;
    int64_t down_since_ms;
};

/* The thread function; data is the struct rabbit_consumer. */
void *rabbit_consumer_run(void *data);
void rabbit_consumer_wake(struct rabbit_consumer *c);
/* With the lock held. */
void rabbit_consumer_notify(struct rabbit_consumer *c);
void rabbit_message_release(struct rabbit_message *m);

#endif
