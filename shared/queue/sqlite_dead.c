#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/text.h"
#include "queue/queue_wake.h"
#include "queue/sqlite_queue.h"
#include "core/banned.h"

static void read_dead(sqlite3_stmt *row, struct queue_dead *dead)
{
    const char *reason = (const char *)sqlite3_column_text(row, 1);
    const void *body = sqlite3_column_blob(row, 3);

    memset(dead, 0, sizeof(*dead));
    (void)snprintf(dead->id, sizeof(dead->id), "%" PRId64, (int64_t)sqlite3_column_int64(row, 0));
    (void)text_copy(dead->reason, sizeof(dead->reason), reason);
    dead->died_at_ms = sqlite3_column_int64(row, 2);
    queue_dead_set_body(dead, body, (size_t)sqlite3_column_bytes(row, 3));
}

static enum err list_rows(sqlite3 *conn, const char *name, struct queue_dead *ret_dead, size_t max,
                          size_t *ret_count, struct error *e)
{
    AUTO(sqlite_queue_finalize) sqlite3_stmt *row = NULL;
    size_t count = 0;
    bool has_row = true;
    enum err err = sqlite_queue_query(
        conn, &row, e,
        "SELECT id, dead_reason, died_at, body FROM queue_messages"
        " WHERE queue = ?1 AND dead_reason IS NOT NULL ORDER BY id LIMIT ?2",
        "ti", name, max > INT32_MAX ? (int64_t)INT32_MAX : (int64_t)max);

    while (err == OK && has_row) {
        err = sqlite_queue_step(row, &has_row, e);
        if (err == OK && has_row) {
            read_dead(row, &ret_dead[count]);
            count++;
        }
    }
    if (err == OK) {
        *ret_count = count;
    }
    return err;
}

enum err sqlite_queue_list_dead(struct queue *base, const char *name, struct queue_dead *ret_dead,
                                size_t max, size_t *ret_count, struct error *e)
{
    struct sqlite_queue *q = sqlite_queue_of(base);
    sqlite3 *conn = NULL;
    enum err err = sqlite_queue_acquire(q, SQLITE_QUEUE_FAST, &conn, e);

    if (err != OK) {
        return err;
    }
    err = list_rows(conn, name, ret_dead, max, ret_count, e);
    sqlite_queue_release(q, conn);
    return err;
}

enum err sqlite_queue_requeue_dead(struct queue *base, const char *name, size_t *ret_count,
                                   struct error *e)
{
    struct sqlite_queue *q = sqlite_queue_of(base);
    sqlite3 *conn = NULL;
    int64_t changes = 0;
    enum err err = sqlite_queue_acquire(q, SQLITE_QUEUE_DURABLE, &conn, e);

    if (err != OK) {
        return err;
    }
    err = sqlite_queue_run(
        conn, &changes, e,
        "UPDATE queue_messages SET dead_reason = NULL, died_at = NULL, lease = NULL,"
        " deliveries = 0, visible_at = ?2 WHERE queue = ?1 AND dead_reason IS NOT NULL",
        "ti", name, clock_wall_ms());
    sqlite_queue_release(q, conn);
    if (err == OK) {
        *ret_count = (size_t)changes;
        queue_wake_touch(q->wake_paths[queue_name_index(name)]);
    }
    return err;
}

enum err sqlite_queue_purge_dead(struct queue *base, const char *name, size_t *ret_count,
                                 struct error *e)
{
    struct sqlite_queue *q = sqlite_queue_of(base);
    sqlite3 *conn = NULL;
    int64_t changes = 0;
    enum err err = sqlite_queue_acquire(q, SQLITE_QUEUE_DURABLE, &conn, e);

    if (err != OK) {
        return err;
    }
    err = sqlite_queue_run(conn, &changes, e,
                           "DELETE FROM queue_messages WHERE queue = ?1"
                           " AND dead_reason IS NOT NULL",
                           "t", name);
    sqlite_queue_release(q, conn);
    if (err == OK) {
        *ret_count = (size_t)changes;
    }
    return err;
}
