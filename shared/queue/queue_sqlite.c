#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/text.h"
#include "core/url.h"
#include "queue/queue_wake.h"
#include "queue/sqlite_queue.h"
#include "core/banned.h"

#define VISIBILITY_MS 30000

/* Generated from sql/sqlite/queue. */
extern const char *const queue_migrations[];

struct sqlite_queue *sqlite_queue_of(struct queue *q)
{
    return CONTAINER_OF(q, struct sqlite_queue, base);
}

static void sqlite_close(struct queue *base)
{
    struct sqlite_queue *q = sqlite_queue_of(base);

    sqlite_db_close(q->db);
    for (size_t i = 0; i < QUEUE_COUNT; i++) {
        free(q->wake_paths[i]);
    }
    free(q->events_wake_path);
    free(q);
}

/* `visibility_ms=` in the query, mostly for tests. */
static enum err read_options(struct sqlite_queue *q, char *query, struct error *e)
{
    const struct url url = { .query = query };
    AUTO(mem_free) char *visibility = url_query_value(&url, "visibility_ms");

    q->visibility_ms = VISIBILITY_MS;
    if (visibility != NULL && text_to_int64(visibility, 10, 3600000, &q->visibility_ms) != OK) {
        return err_set(e, ERR_INVALID, "visibility_ms must be between 10 and 3600000");
    }
    return OK;
}

static enum err sqlite_open(const char *url, struct queue **ret_queue, struct error *e)
{
    struct sqlite_queue *q = xcalloc(1, sizeof(*q));
    AUTO(mem_free) char *file_url = xstrdup(url);
    char *query = strchr(file_url, '?');
    enum err err = OK;

    q->base.ops = &queue_sqlite;
    q->visibility_ms = VISIBILITY_MS;
    if (query != NULL) {
        *query = '\0';
        err = read_options(q, query + 1, e);
    }
    if (err == OK) {
        err = sqlite_db_open(file_url, "queue", queue_migrations, &q->db, e);
    }
    if (err != OK) {
        sqlite_close(&q->base);
        return err;
    }
    for (size_t i = 0; i < QUEUE_COUNT; i++) {
        q->wake_paths[i] = xasprintf("%s-wake.%s", sqlite_db_path(q->db), queue_names[i]);
    }
    q->events_wake_path = xasprintf("%s-wake.events", sqlite_db_path(q->db));
    *ret_queue = &q->base;
    return OK;
}

static enum err sqlite_number(struct queue *base, const char *sql, const char *name,
                              int64_t *ret_number, struct error *e)
{
    struct sqlite_queue *q = sqlite_queue_of(base);
    sqlite3 *conn = NULL;
    enum err err = sqlite_queue_acquire(q, SQLITE_QUEUE_FAST, &conn, e);

    if (err != OK) {
        return err;
    }
    err = sqlite_queue_number(conn, ret_number, e, sql, "t", name);
    sqlite_queue_release(q, conn);
    return err;
}

static enum err sqlite_check(struct queue *base, struct error *e)
{
    int64_t number = 0;

    return sqlite_number(base, "SELECT EXISTS (SELECT 1 FROM queue_messages WHERE queue = ?1)",
                         queue_names[0], &number, e);
}

static enum err sqlite_depth(struct queue *base, const char *name, int64_t *ret_count,
                             int64_t *ret_dead_count, struct error *e)
{
    int64_t count = 0;
    int64_t dead_count = 0;
    enum err err = sqlite_number(
        base, "SELECT count(*) FROM queue_messages WHERE queue = ?1 AND dead_reason IS NULL", name,
        &count, e);

    if (err == OK) {
        err = sqlite_number(
            base,
            "SELECT count(*) FROM queue_messages WHERE queue = ?1 AND dead_reason IS NOT NULL",
            name, &dead_count, e);
    }
    if (err == OK) {
        *ret_count = count;
        *ret_dead_count = dead_count;
    }
    return err;
}

static enum err sqlite_put(struct queue *base, const char *name, const void *body, size_t len,
                           const char *traceparent, char ret_id[QUEUE_ID_SIZE], struct error *e)
{
    struct sqlite_queue *q = sqlite_queue_of(base);
    sqlite3 *conn = NULL;
    int64_t changes = 0;
    enum err err = sqlite_queue_acquire(q, SQLITE_QUEUE_DURABLE, &conn, e);

    if (err != OK) {
        return err;
    }
    err = sqlite_queue_run(conn, &changes, e,
                           "INSERT INTO queue_messages (queue, body, traceparent, visible_at)"
                           " VALUES (?1, ?2, ?3, ?4)",
                           "tbti", name, body, len, traceparent, clock_wall_ms());
    if (err == OK) {
        (void)snprintf(ret_id, QUEUE_ID_SIZE, "%lld", (long long)sqlite3_last_insert_rowid(conn));
    }
    sqlite_queue_release(q, conn);
    if (err == OK) {
        queue_wake_touch(q->wake_paths[queue_name_index(name)]);
    }
    return err;
}

static const char *const schemes[] = { "sqlite", NULL };

const struct queue_ops queue_sqlite = {
    .schemes = schemes,
    .system = "sqlite",
    .open = sqlite_open,
    .close = sqlite_close,
    .check = sqlite_check,
    .put = sqlite_put,
    .consume = sqlite_queue_consume,
    .consumer_cancel = sqlite_queue_consumer_cancel,
    .consumer_close = sqlite_queue_consumer_close,
    .take = sqlite_queue_take,
    .extend = sqlite_queue_extend,
    .finish = sqlite_queue_finish,
    .message_free = sqlite_queue_message_free,
    .publish_event = sqlite_queue_publish_event,
    .subscribe = sqlite_queue_subscribe,
    .next_event = sqlite_queue_next_event,
    .unsubscribe = sqlite_queue_unsubscribe,
    .list_dead = sqlite_queue_list_dead,
    .requeue_dead = sqlite_queue_requeue_dead,
    .purge_dead = sqlite_queue_purge_dead,
    .depth = sqlite_depth,
};
