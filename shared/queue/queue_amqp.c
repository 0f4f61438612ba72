#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/id.h"
#include "queue/rabbit_metrics.h"
#include "queue/rabbit_queue.h"
#include "core/banned.h"

/* A look at the broker's state must not wait for a put that waits for its confirm. */
#define CHECK_LOCK_TIMEOUT_MS 2000

struct rabbit_queue *rabbit_queue_of(struct queue *q)
{
    return CONTAINER_OF(q, struct rabbit_queue, base);
}

static void free_queue(struct rabbit_queue *q)
{
    rabbit_conn_close(q->conn);
    rabbit_settings_free(q->settings);
    if (q->stop_fd >= 0) {
        (void)close(q->stop_fd);
    }
    (void)pthread_mutex_destroy(&q->lock);
    free(q);
}

static enum err rabbit_open(const char *url, struct queue **ret_queue, struct error *e)
{
    struct rabbit_queue *q;
    struct rabbit_settings *settings = NULL;
    enum err err = rabbit_settings_parse(url, &settings, e);
    int rc;

    if (err != OK) {
        return err;
    }
    rabbit_metrics_register();
    q = xcalloc(1, sizeof(*q));
    q->base.ops = &queue_amqp;
    q->settings = settings;
    (void)pthread_mutex_init(&q->lock, NULL);
    q->stop_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    rc = q->stop_fd < 0 ? errno : pthread_create(&q->keeper, NULL, rabbit_queue_keep, q);
    if (rc != 0) {
        free_queue(q);
        return err_set_errno(e, ERR_FAULT, rc, "thread of the publisher");
    }
    *ret_queue = &q->base;
    return OK;
}

static void rabbit_close(struct queue *base)
{
    struct rabbit_queue *q = rabbit_queue_of(base);
    uint64_t one = 1;
    ssize_t written = write(q->stop_fd, &one, sizeof(one));

    (void)written; /* an eventfd at zero takes a one */
    (void)pthread_join(q->keeper, NULL);
    free_queue(q);
}

/* On the publishing connection; drops it after a failure. */
static enum err count_on_publisher(struct rabbit_queue *q, size_t index, bool is_dead,
                                   int64_t *ret_count, struct error *e)
{
    enum err err;

    if (!rabbit_queue_lock(q, CHECK_LOCK_TIMEOUT_MS)) {
        return err_set(e, ERR_BUSY, "rabbitmq is slow: a publish waits for its confirm");
    }
    err = rabbit_queue_connect(q, e);
    if (err == OK) {
        err = rabbit_topology_count(q->conn, index, is_dead, ret_count, e);
        if (err != OK) {
            rabbit_queue_disconnect(q);
        }
    }
    (void)pthread_mutex_unlock(&q->lock);
    return err;
}

/* OK with a text when a queue is not as we would have made it. */
static void note_foreign(struct rabbit_queue *q, struct error *e)
{
    if (!rabbit_queue_lock(q, CHECK_LOCK_TIMEOUT_MS)) {
        return;
    }
    for (size_t i = 0; i < QUEUE_COUNT && q->conn != NULL; i++) {
        if (q->conn->is_foreign[i]) {
            (void)err_set(e, OK,
                          "queue %s%s was made with other arguments than ours; it is used as it is:"
                          " no delivery limit, no dead-lettering by the broker",
                          q->settings->prefix, queue_names[i]);
        }
    }
    (void)pthread_mutex_unlock(&q->lock);
}

static enum err rabbit_check(struct queue *base, struct error *e)
{
    struct rabbit_queue *q = rabbit_queue_of(base);
    int64_t count = 0;
    enum err err = count_on_publisher(q, 0, false, &count, e);

    if (err == OK) {
        note_foreign(q, e);
    }
    return err;
}

static enum err rabbit_put(struct queue *base, const char *name, const void *body, size_t len,
                           const char *traceparent, char ret_id[QUEUE_ID_SIZE], struct error *e)
{
    const struct rabbit_outgoing out = {
        .id = ret_id, .body = body, .len = len, .traceparent = traceparent
    };

    id_new(ret_id);

    return rabbit_queue_publish(rabbit_queue_of(base), queue_name_index(name), "", &out, e);
}

/* The broker tells how many wait; those in hand it tells its management plugin only, so the ones in
 * the hands of this process are added. */
static enum err rabbit_depth(struct queue *base, const char *name, int64_t *ret_count,
                             int64_t *ret_dead_count, struct error *e)
{
    struct rabbit_queue *q = rabbit_queue_of(base);
    size_t index = queue_name_index(name);
    int64_t waiting = 0;
    int64_t dead_count = 0;
    enum err err = count_on_publisher(q, index, false, &waiting, e);

    if (err == OK) {
        err = count_on_publisher(q, index, true, &dead_count, e);
    }
    if (err == OK) {
        *ret_count = waiting + atomic_load(&q->in_hand[index]);
        *ret_dead_count = dead_count;
    }
    return err;
}

static const char *const schemes[] = { "amqp", "amqps", NULL };

const struct queue_ops queue_amqp = {
    .schemes = schemes,
    .system = "rabbitmq",
    .open = rabbit_open,
    .close = rabbit_close,
    .check = rabbit_check,
    .put = rabbit_put,
    .consume = rabbit_queue_consume,
    .consumer_cancel = rabbit_queue_consumer_cancel,
    .consumer_close = rabbit_queue_consumer_close,
    .take = rabbit_queue_take,
    .extend = rabbit_queue_extend,
    .finish = rabbit_queue_finish,
    .message_free = rabbit_queue_message_free,
    .publish_event = rabbit_queue_publish_event,
    .subscribe = rabbit_queue_subscribe,
    .next_event = rabbit_queue_next_event,
    .unsubscribe = rabbit_queue_unsubscribe,
    .list_dead = rabbit_queue_list_dead,
    .requeue_dead = rabbit_queue_requeue_dead,
    .purge_dead = rabbit_queue_purge_dead,
    .depth = rabbit_depth,
};
