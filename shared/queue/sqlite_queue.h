/* The parts of the SQLite engine. Only queue_sqlite.c and sqlite_*.c include it. */
#ifndef UNREEL_QUEUE_SQLITE_QUEUE_H
#define UNREEL_QUEUE_SQLITE_QUEUE_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "db/sqlite_db.h"
#include "queue/queue_impl.h"

/* Nobody waits longer than this without looking at the tables: the net for a process that died
 * between its COMMIT and its touch. */
#define SQLITE_QUEUE_LOOK_MS 5000

struct sqlite_queue {
    struct queue base;
    struct sqlite_db *db;
    int64_t visibility_ms; /* a taken message that is not extended comes again after this */
    char *wake_paths[QUEUE_COUNT];
    char *events_wake_path;
};

struct sqlite_queue *sqlite_queue_of(struct queue *q);

/* A connection whose commits survive a power cut, or one whose commits survive only the end of the
 * process and cost no fsync: losing a claim or a verdict merely delivers the message again. */
enum sqlite_queue_commit { SQLITE_QUEUE_DURABLE, SQLITE_QUEUE_FAST };
enum err sqlite_queue_acquire(struct sqlite_queue *q, enum sqlite_queue_commit commit,
                              sqlite3 **ret_conn, struct error *e) MUST_CHECK;
void sqlite_queue_release(struct sqlite_queue *q, sqlite3 *conn);

/* Prepares a statement and binds its parameters in order, one letter of `types` each: t const char
 * *, i int64_t, b const void * and size_t. Bound memory must stay until the statement is finalized.
 */
enum err sqlite_queue_query(sqlite3 *conn, sqlite3_stmt **ret_stmt, struct error *e,
                            const char *sql, const char *types, ...) MUST_CHECK;
enum err sqlite_queue_step(sqlite3_stmt *stmt, bool *ret_has_row, struct error *e) MUST_CHECK;
/* The same for a statement without rows; *ret_changes is the number of rows it changed. */
enum err sqlite_queue_run(sqlite3 *conn, int64_t *ret_changes, struct error *e, const char *sql,
                          const char *types, ...) MUST_CHECK;
/* The first column of the first row; 0 when there is none or it is NULL. */
enum err sqlite_queue_number(sqlite3 *conn, int64_t *ret_number, struct error *e, const char *sql,
                             const char *types, ...) MUST_CHECK;
/* COMMIT when err is OK, else ROLLBACK. Returns the first failure. */
enum err sqlite_queue_end(sqlite3 *conn, enum err err, struct error *e) MUST_CHECK;

static inline __attribute__((unused)) void sqlite_queue_finalize(sqlite3_stmt *stmt)
{
    (void)sqlite3_finalize(stmt); /* repeats the failure of the last step */
}
DEFINE_AUTO(sqlite3_stmt *, sqlite_queue_finalize)

/* sqlite_consume.c */
enum err sqlite_queue_consume(struct queue *q, const char *name, unsigned prefetch,
                              struct queue_consumer **ret_consumer, struct error *e);
void sqlite_queue_consumer_cancel(struct queue_consumer *c);
void sqlite_queue_consumer_close(struct queue_consumer *c);
enum err sqlite_queue_take(struct queue_consumer *c, int64_t timeout_ms,
                           struct queue_message **ret_message, struct error *e);
enum err sqlite_queue_extend(struct queue_message *m, struct error *e);
enum err sqlite_queue_finish(struct queue_message *m, enum queue_verdict verdict, struct error *e);
void sqlite_queue_message_free(struct queue_message *m);

/* sqlite_events.c */
enum err sqlite_queue_publish_event(struct queue *q, const char *routing_key, const void *body,
                                    size_t len, const char *traceparent, struct error *e);
enum err sqlite_queue_subscribe(struct queue *q, const char *pattern,
                                struct queue_subscription **ret_subscription, struct error *e);
enum err sqlite_queue_next_event(struct queue_subscription *s, int64_t timeout_ms,
                                 char ret_routing_key[QUEUE_NAME_MAX], char **ret_body,
                                 size_t *ret_len, struct error *e);
void sqlite_queue_unsubscribe(struct queue_subscription *s);

/* sqlite_dead.c */
enum err sqlite_queue_list_dead(struct queue *q, const char *name, struct queue_dead *ret_dead,
                                size_t max, size_t *ret_count, struct error *e);
enum err sqlite_queue_requeue_dead(struct queue *q, const char *name, size_t *ret_count,
                                   struct error *e);
enum err sqlite_queue_purge_dead(struct queue *q, const char *name, size_t *ret_count,
                                 struct error *e);

#endif
