#include <string.h>

#include "core/clock.h"
#include "core/text.h"
#include "queue/queue_topic.h"
#include "queue/queue_wake.h"
#include "queue/sqlite_queue.h"
#include "core/banned.h"

#define EVENTS_KEPT 1000

struct sqlite_subscription {
    struct queue_subscription base;
    struct sqlite_queue *queue;
    struct queue_wake *wake;
    char pattern[QUEUE_NAME_MAX];
    int64_t last_seq;
};

static enum err store_event(sqlite3 *conn, const char *routing_key, const void *body, size_t len,
                            struct error *e)
{
    int64_t changes = 0;
    enum err err = sqlite_db_exec(conn, "BEGIN IMMEDIATE", e);

    if (err != OK) {
        return err;
    }
    err = sqlite_queue_run(conn, &changes, e,
                           "INSERT INTO queue_events (routing_key, body) VALUES (?1, ?2)", "tb",
                           routing_key, body, len);
    if (err == OK) {
        err = sqlite_queue_run(conn, &changes, e, "DELETE FROM queue_events WHERE seq <= ?1", "i",
                               (int64_t)sqlite3_last_insert_rowid(conn) - EVENTS_KEPT);
    }
    return sqlite_queue_end(conn, err, e);
}

enum err sqlite_queue_publish_event(struct queue *base, const char *routing_key, const void *body,
                                    size_t len, const char *traceparent, struct error *e)
{
    struct sqlite_queue *q = sqlite_queue_of(base);
    sqlite3 *conn = NULL;

    (void)traceparent; /* subscribers are our own, and read the body */
    enum err err = sqlite_queue_acquire(q, SQLITE_QUEUE_FAST, &conn, e);

    if (err != OK) {
        return err == ERR_BUSY ? OK : err;
    }
    err = store_event(conn, routing_key, body, len, e);
    sqlite_queue_release(q, conn);
    if (err == OK) {
        queue_wake_touch(q->events_wake_path);
    }
    return err == ERR_BUSY ? OK : err;
}

void sqlite_queue_unsubscribe(struct queue_subscription *base)
{
    struct sqlite_subscription *s = CONTAINER_OF(base, struct sqlite_subscription, base);

    queue_wake_close(s->wake);
    free(s);
}

/* A subscriber begins behind the last event there is. */
static enum err find_end(struct sqlite_subscription *s, struct error *e)
{
    sqlite3 *conn = NULL;
    enum err err = sqlite_queue_acquire(s->queue, SQLITE_QUEUE_FAST, &conn, e);

    if (err != OK) {
        return err;
    }
    err = sqlite_queue_number(conn, &s->last_seq, e, "SELECT max(seq) FROM queue_events", "");
    sqlite_queue_release(s->queue, conn);
    return err;
}

enum err sqlite_queue_subscribe(struct queue *q, const char *pattern,
                                struct queue_subscription **ret_subscription, struct error *e)
{
    struct sqlite_subscription *s = xcalloc(1, sizeof(*s));
    enum err err;

    s->base.ops = &queue_sqlite;
    s->queue = sqlite_queue_of(q);
    (void)text_copy(s->pattern, sizeof(s->pattern), pattern);
    err = queue_wake_open(s->queue->events_wake_path, &s->wake, e);
    if (err == OK) {
        err = find_end(s, e);
    }
    if (err != OK) {
        sqlite_queue_unsubscribe(&s->base);
        return err;
    }
    *ret_subscription = &s->base;
    return OK;
}

/* *ret_body is NULL when there is no further event that matches. */
static enum err read_on(struct sqlite_subscription *s, sqlite3 *conn, char ret_key[QUEUE_NAME_MAX],
                        char **ret_body, size_t *ret_len, struct error *e)
{
    AUTO(sqlite_queue_finalize) sqlite3_stmt *row = NULL;
    bool has_row = true;
    enum err err = sqlite_queue_query(
        conn, &row, e,
        "SELECT seq, routing_key, body FROM queue_events WHERE seq > ?1"
        " ORDER BY seq",
        "i", s->last_seq);

    while (err == OK && has_row && *ret_body == NULL) {
        err = sqlite_queue_step(row, &has_row, e);
        if (err == OK && has_row) {
            const char *key = (const char *)sqlite3_column_text(row, 1);
            const void *body = sqlite3_column_blob(row, 2);

            s->last_seq = sqlite3_column_int64(row, 0);
            if (queue_topic_matches(s->pattern, key)) {
                *ret_len = (size_t)sqlite3_column_bytes(row, 2);
                *ret_body = xmalloc(*ret_len + 1);
                memcpy(*ret_body, *ret_len > 0 ? body : "", *ret_len);
                (*ret_body)[*ret_len] = '\0';
                (void)text_copy(ret_key, QUEUE_NAME_MAX, key);
            }
        }
    }
    return err;
}

enum err sqlite_queue_next_event(struct queue_subscription *base, int64_t timeout_ms,
                                 char ret_routing_key[QUEUE_NAME_MAX], char **ret_body,
                                 size_t *ret_len, struct error *e)
{
    struct sqlite_subscription *s = CONTAINER_OF(base, struct sqlite_subscription, base);
    int64_t deadline_ms = clock_mono_ms() + timeout_ms;
    char *body = NULL;

    for (;;) {
        sqlite3 *conn = NULL;
        enum err err = sqlite_queue_acquire(s->queue, SQLITE_QUEUE_FAST, &conn, e);
        int64_t left_ms;

        if (err != OK) {
            return err;
        }
        err = read_on(s, conn, ret_routing_key, &body, ret_len, e);
        sqlite_queue_release(s->queue, conn);
        if (err != OK) {
            free(body);
            return err;
        }
        if (body != NULL) {
            *ret_body = body;
            return OK;
        }
        left_ms = deadline_ms - clock_mono_ms();
        if (left_ms <= 0) {
            return err_set(e, ERR_TIMEOUT, "no event");
        }
        queue_wake_wait(s->wake, left_ms < SQLITE_QUEUE_LOOK_MS ? left_ms : SQLITE_QUEUE_LOOK_MS);
    }
}
