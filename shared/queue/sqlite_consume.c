#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/clock.h"
#include "core/id.h"
#include "core/text.h"
#include "queue/queue_wake.h"
#include "queue/sqlite_queue.h"
#include "core/banned.h"

struct sqlite_consumer {
    struct queue_consumer base;
    struct sqlite_queue *queue;
    size_t name_index;
    unsigned prefetch;
    struct queue_wake *wake; /* waited on by one taker at a time, the leader */

    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* Guarded by the lock. */
    uint64_t changes;
    unsigned in_hand; /* taken and not finished, and claims under way */
    bool has_leader;
    bool is_cancelled;
};

struct sqlite_message {
    struct queue_message base;
    struct sqlite_consumer *consumer;
    int64_t id;
    char lease[ID_SIZE];
};

static const char *name_of(const struct sqlite_consumer *c)
{
    return queue_names[c->name_index];
}

static void notify(struct sqlite_consumer *c)
{
    c->changes++;
    (void)pthread_cond_broadcast(&c->changed);
}

enum err sqlite_queue_consume(struct queue *q, const char *name, unsigned prefetch,
                              struct queue_consumer **ret_consumer, struct error *e)
{
    struct sqlite_consumer *c = xcalloc(1, sizeof(*c));
    pthread_condattr_t attr;
    enum err err;

    c->base.ops = &queue_sqlite;
    c->queue = sqlite_queue_of(q);
    c->name_index = queue_name_index(name);
    c->prefetch = prefetch;
    (void)pthread_mutex_init(&c->lock, NULL);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&c->changed, &attr);
    (void)pthread_condattr_destroy(&attr);
    err = queue_wake_open(c->queue->wake_paths[c->name_index], &c->wake, e);
    if (err != OK) {
        sqlite_queue_consumer_close(&c->base);
        return err;
    }
    *ret_consumer = &c->base;
    return OK;
}

void sqlite_queue_consumer_cancel(struct queue_consumer *base)
{
    struct sqlite_consumer *c = CONTAINER_OF(base, struct sqlite_consumer, base);

    (void)pthread_mutex_lock(&c->lock);
    c->is_cancelled = true;
    notify(c);
    (void)pthread_mutex_unlock(&c->lock);
    queue_wake_interrupt(c->wake);
}

void sqlite_queue_consumer_close(struct queue_consumer *base)
{
    struct sqlite_consumer *c = CONTAINER_OF(base, struct sqlite_consumer, base);

    queue_wake_close(c->wake);
    (void)pthread_cond_destroy(&c->changed);
    (void)pthread_mutex_destroy(&c->lock);
    free(c);
}

/* How long to wait before the next look; 0 when a message is due. */
static enum err wait_until_due(const struct sqlite_consumer *c, sqlite3 *conn, int64_t *ret_wait_ms,
                               struct error *e)
{
    int64_t due_ms = 0;
    int64_t now_ms = clock_wall_ms();
    enum err err = sqlite_queue_number(conn, &due_ms, e,
                                       "SELECT min(visible_at) FROM queue_messages"
                                       " WHERE queue = ?1 AND dead_reason IS NULL",
                                       "t", name_of(c));

    if (err != OK) {
        return err;
    }
    if (due_ms == 0) {
        *ret_wait_ms = SQLITE_QUEUE_LOOK_MS;
    } else if (due_ms <= now_ms || due_ms > now_ms + 2 * c->queue->visibility_ms) {
        *ret_wait_ms = 0;
    } else {
        *ret_wait_ms = due_ms - now_ms < SQLITE_QUEUE_LOOK_MS ? due_ms - now_ms
                                                              : SQLITE_QUEUE_LOOK_MS;
    }
    return OK;
}

/* The oldest message that is due. One that is invisible for longer than anybody hides it comes from
 * before the clock was set back, and is due too. */
static enum err find_due(const struct sqlite_consumer *c, sqlite3 *conn, struct sqlite_message *m,
                         int64_t *ret_deliveries, bool *ret_found, struct error *e)
{
    AUTO(sqlite_queue_finalize) sqlite3_stmt *row = NULL;
    int64_t now_ms = clock_wall_ms();
    enum err err = sqlite_queue_query(
        conn, &row, e,
        "SELECT id, deliveries, traceparent, body FROM queue_messages"
        " WHERE queue = ?1 AND dead_reason IS NULL"
        " AND (visible_at <= ?2 OR visible_at > ?3) ORDER BY id LIMIT 1",
        "tii", name_of(c), now_ms, now_ms + 2 * c->queue->visibility_ms);

    if (err == OK) {
        err = sqlite_queue_step(row, ret_found, e);
    }
    if (err != OK || !*ret_found) {
        return err;
    }
    const char *traceparent = (const char *)sqlite3_column_text(row, 2);
    const void *body = sqlite3_column_blob(row, 3);

    m->id = sqlite3_column_int64(row, 0);
    (void)snprintf(m->base.id, sizeof(m->base.id), "%lld", (long long)m->id);
    *ret_deliveries = sqlite3_column_int64(row, 1);
    if (!text_copy(m->base.traceparent, sizeof(m->base.traceparent), traceparent)) {
        m->base.traceparent[0] = '\0';
    }
    free(m->base.body);
    m->base.body_len = (size_t)sqlite3_column_bytes(row, 3);
    m->base.body = xmalloc(m->base.body_len + 1);
    memcpy(m->base.body, m->base.body_len > 0 ? body : "", m->base.body_len);
    m->base.body[m->base.body_len] = '\0';
    return OK;
}

static enum err bury(sqlite3 *conn, int64_t id, const char *reason, struct error *e)
{
    int64_t changes = 0;

    return sqlite_queue_run(conn, &changes, e,
                            "UPDATE queue_messages SET dead_reason = ?2, died_at = ?3, lease = NULL"
                            " WHERE id = ?1",
                            "iti", id, reason, clock_wall_ms());
}

/* Inside a transaction: leases the first message that is due to m. */
static enum err lease_due(const struct sqlite_consumer *c, sqlite3 *conn, struct sqlite_message *m,
                          bool *ret_found, struct error *e)
{
    int64_t deliveries = 0;
    int64_t changes = 0;
    enum err err = find_due(c, conn, m, &deliveries, ret_found, e);

    while (err == OK && *ret_found && deliveries > QUEUE_DELIVERY_LIMIT) {
        err = bury(conn, m->id, "delivery_limit", e);
        if (err == OK) {
            err = find_due(c, conn, m, &deliveries, ret_found, e);
        }
    }
    if (err != OK || !*ret_found) {
        return err;
    }
    id_new(m->lease);
    m->base.is_redelivered = deliveries > 0;
    return sqlite_queue_run(conn, &changes, e,
                            "UPDATE queue_messages SET lease = ?2, visible_at = ?3,"
                            " deliveries = deliveries + 1 WHERE id = ?1",
                            "iti", m->id, m->lease, clock_wall_ms() + c->queue->visibility_ms);
}

/* Takes the write lock only when a plain look has found something. */
static enum err claim_on(const struct sqlite_consumer *c, sqlite3 *conn, struct sqlite_message *m,
                         bool *ret_found, int64_t *ret_wait_ms, struct error *e)
{
    enum err err = wait_until_due(c, conn, ret_wait_ms, e);

    if (err != OK || *ret_wait_ms > 0) {
        return err;
    }
    err = sqlite_db_exec(conn, "BEGIN IMMEDIATE", e);
    if (err != OK) {
        return err;
    }
    err = lease_due(c, conn, m, ret_found, e);
    return sqlite_queue_end(conn, err, e);
}

/* *ret_message stays NULL when nothing is due; then *ret_wait_ms says when to look again. */
static enum err claim(struct sqlite_consumer *c, struct sqlite_message **ret_message,
                      int64_t *ret_wait_ms, struct error *e)
{
    struct sqlite_message *m;
    sqlite3 *conn = NULL;
    bool found = false;
    enum err err = sqlite_queue_acquire(c->queue, SQLITE_QUEUE_FAST, &conn, e);

    if (err != OK) {
        return err;
    }
    m = xcalloc(1, sizeof(*m));
    m->base.ops = &queue_sqlite;
    m->consumer = c;
    err = claim_on(c, conn, m, &found, ret_wait_ms, e);
    sqlite_queue_release(c->queue, conn);
    if (err != OK || !found) {
        free(m->base.body);
        free(m);
        return err;
    }
    *ret_message = m;
    return OK;
}

static void wait_for_change(struct sqlite_consumer *c, int64_t ms)
{
    struct timespec until;

    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += (ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    (void)pthread_cond_timedwait(&c->changed, &c->lock, &until);
}

/* With the lock held. One taker, the leader, waits for the file to be touched and tells the others.
 * A taker that waits for a free slot only waits for the others: nothing that is put helps it. */
static void wait_for_work(struct sqlite_consumer *c, bool is_full, int64_t ms)
{
    if (is_full || c->has_leader) {
        wait_for_change(c, ms);
        return;
    }
    c->has_leader = true;
    (void)pthread_mutex_unlock(&c->lock);
    queue_wake_wait(c->wake, ms);
    (void)pthread_mutex_lock(&c->lock);
    c->has_leader = false;
    notify(c);
}

/* With the lock held; lets go of it while it claims. */
static enum err try_claim(struct sqlite_consumer *c, struct sqlite_message **ret_message,
                          int64_t *ret_wait_ms, struct error *e)
{
    enum err err;

    c->in_hand++;
    (void)pthread_mutex_unlock(&c->lock);
    err = claim(c, ret_message, ret_wait_ms, e);
    (void)pthread_mutex_lock(&c->lock);
    if (err != OK || *ret_message == NULL) {
        c->in_hand--;
    }
    return err;
}

enum err sqlite_queue_take(struct queue_consumer *base, int64_t timeout_ms,
                           struct queue_message **ret_message, struct error *e)
{
    struct sqlite_consumer *c = CONTAINER_OF(base, struct sqlite_consumer, base);
    int64_t deadline_ms = clock_mono_ms() + timeout_ms;
    struct sqlite_message *m = NULL;
    enum err err = OK;

    (void)pthread_mutex_lock(&c->lock);
    while (m == NULL && err == OK) {
        int64_t wait_ms = SQLITE_QUEUE_LOOK_MS;
        uint64_t seen = c->changes;
        bool is_full = c->in_hand >= c->prefetch;
        int64_t left_ms;

        if (c->is_cancelled) {
            err = err_set(e, ERR_CANCELLED, "the consumer was cancelled");
            break;
        }
        if (!is_full) {
            err = try_claim(c, &m, &wait_ms, e);
        }
        left_ms = deadline_ms - clock_mono_ms();
        if (m != NULL || err != OK) {
            break;
        }
        if (left_ms <= 0) {
            err = err_set(e, ERR_TIMEOUT, "no message");
        } else if (c->changes == seen) {
            wait_for_work(c, is_full, wait_ms < left_ms ? wait_ms : left_ms);
        }
    }
    (void)pthread_mutex_unlock(&c->lock);
    if (m != NULL) {
        *ret_message = &m->base;
    }
    return err;
}

static enum err lost(const struct sqlite_message *m, struct error *e)
{
    return err_set(e, ERR_CONFLICT, "message %lld was lost: its visibility ended",
                   (long long)m->id);
}

enum err sqlite_queue_extend(struct queue_message *base, struct error *e)
{
    struct sqlite_message *m = CONTAINER_OF(base, struct sqlite_message, base);
    struct sqlite_queue *q = m->consumer->queue;
    sqlite3 *conn = NULL;
    int64_t changes = 0;
    enum err err = sqlite_queue_acquire(q, SQLITE_QUEUE_FAST, &conn, e);

    if (err != OK) {
        return err;
    }
    err = sqlite_queue_run(conn, &changes, e,
                           "UPDATE queue_messages SET visible_at = ?3 WHERE id = ?1 AND lease = ?2",
                           "iti", m->id, m->lease, clock_wall_ms() + q->visibility_ms);
    sqlite_queue_release(q, conn);
    return err == OK && changes == 0 ? lost(m, e) : err;
}

static enum err apply_verdict(const struct sqlite_message *m, sqlite3 *conn,
                              enum queue_verdict verdict, int64_t *ret_changes, struct error *e)
{
    int64_t now_ms = clock_wall_ms();

    switch (verdict) {
    case QUEUE_DONE:
        return sqlite_queue_run(conn, ret_changes, e,
                                "DELETE FROM queue_messages WHERE id = ?1 AND lease = ?2", "it",
                                m->id, m->lease);
    case QUEUE_RETRY:
        return sqlite_queue_run(
            conn, ret_changes, e,
            "UPDATE queue_messages SET lease = NULL, visible_at = ?3,"
            " dead_reason = CASE WHEN deliveries > ?4 THEN 'delivery_limit' END,"
            " died_at = CASE WHEN deliveries > ?4 THEN ?3 END WHERE id = ?1 AND lease = ?2",
            "itii", m->id, m->lease, now_ms, (int64_t)QUEUE_DELIVERY_LIMIT);
    case QUEUE_DEAD:
        return sqlite_queue_run(conn, ret_changes, e,
                                "UPDATE queue_messages SET lease = NULL, dead_reason = 'rejected',"
                                " died_at = ?3 WHERE id = ?1 AND lease = ?2",
                                "iti", m->id, m->lease, now_ms);
    }
    return err_set(e, ERR_INVALID, "no such verdict");
}

static enum err finish(const struct sqlite_message *m, enum queue_verdict verdict, struct error *e)
{
    struct sqlite_queue *q = m->consumer->queue;
    sqlite3 *conn = NULL;
    int64_t changes = 0;
    enum err err = sqlite_queue_acquire(q, SQLITE_QUEUE_FAST, &conn, e);

    if (err != OK) {
        return err;
    }
    err = apply_verdict(m, conn, verdict, &changes, e);
    sqlite_queue_release(q, conn);
    if (err == OK && changes == 0) {
        return lost(m, e);
    }
    if (err == OK && verdict == QUEUE_RETRY) {
        queue_wake_touch(q->wake_paths[m->consumer->name_index]);
    }
    return err;
}

enum err sqlite_queue_finish(struct queue_message *base, enum queue_verdict verdict,
                             struct error *e)
{
    struct sqlite_message *m = CONTAINER_OF(base, struct sqlite_message, base);
    struct sqlite_consumer *c = m->consumer;
    enum err err = finish(m, verdict, e);

    (void)pthread_mutex_lock(&c->lock);
    c->in_hand--;
    notify(c);
    (void)pthread_mutex_unlock(&c->lock);
    free(m->base.body);
    free(m);
    return err;
}

void sqlite_queue_message_free(struct queue_message *m)
{
    /* Given back at once; should that fail, its visibility brings it back. */
    enum err err = sqlite_queue_finish(m, QUEUE_RETRY, NULL);

    (void)err;
}
