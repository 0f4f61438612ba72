#include <stdarg.h>

#include "queue/sqlite_queue.h"
#include "core/banned.h"

enum err sqlite_queue_acquire(struct sqlite_queue *q, enum sqlite_queue_commit commit,
                              sqlite3 **ret_conn, struct error *e)
{
    sqlite3 *conn = NULL;
    enum err err = sqlite_db_acquire(q->db, &conn, e);

    if (err != OK) {
        return err;
    }
    err = sqlite_db_exec(conn,
                         commit == SQLITE_QUEUE_DURABLE ? "PRAGMA synchronous = FULL"
                                                        : "PRAGMA synchronous = NORMAL",
                         e);
    if (err != OK) {
        sqlite_db_release(q->db, conn);
        return err;
    }
    *ret_conn = conn;
    return OK;
}

void sqlite_queue_release(struct sqlite_queue *q, sqlite3 *conn)
{
    sqlite_db_release(q->db, conn);
}

static int bind(sqlite3_stmt *stmt, const char *types, va_list args)
{
    int rc = SQLITE_OK;

    for (int i = 0; types[i] != '\0' && rc == SQLITE_OK; i++) {
        const void *blob;

        switch (types[i]) {
        case 't':
            rc = sqlite3_bind_text(stmt, i + 1, va_arg(args, const char *), -1, SQLITE_STATIC);
            break;
        case 'i':
            rc = sqlite3_bind_int64(stmt, i + 1, va_arg(args, int64_t));
            break;
        case 'b':
            /* An empty blob may come as NULL, which would be bound as an SQL NULL. */
            blob = va_arg(args, const void *);
            rc = sqlite3_bind_blob64(stmt, i + 1, blob == NULL ? "" : blob, va_arg(args, size_t),
                                     SQLITE_STATIC);
            break;
        default:
            rc = SQLITE_MISUSE;
            break;
        }
    }
    return rc;
}

static enum err query(sqlite3 *conn, sqlite3_stmt **ret_stmt, struct error *e, const char *sql,
                      const char *types, va_list args)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(conn, sql, -1, &stmt, NULL);

    if (rc == SQLITE_OK) {
        rc = bind(stmt, types, args);
    }
    if (rc != SQLITE_OK) {
        enum err err = sqlite_db_error(conn, rc, "queue", e);

        sqlite_queue_finalize(stmt);
        return err;
    }
    *ret_stmt = stmt;
    return OK;
}

enum err sqlite_queue_query(sqlite3 *conn, sqlite3_stmt **ret_stmt, struct error *e,
                            const char *sql, const char *types, ...)
{
    va_list args;

    va_start(args, types);
    enum err err = query(conn, ret_stmt, e, sql, types, args);
    va_end(args);
    return err;
}

enum err sqlite_queue_step(sqlite3_stmt *stmt, bool *ret_has_row, struct error *e)
{
    int rc = sqlite3_step(stmt);

    if (rc != SQLITE_ROW && rc != SQLITE_DONE) {
        return sqlite_db_error(sqlite3_db_handle(stmt), rc, "queue", e);
    }
    *ret_has_row = rc == SQLITE_ROW;
    return OK;
}

enum err sqlite_queue_run(sqlite3 *conn, int64_t *ret_changes, struct error *e, const char *sql,
                          const char *types, ...)
{
    AUTO(sqlite_queue_finalize) sqlite3_stmt *stmt = NULL;
    bool has_row = false;
    va_list args;

    va_start(args, types);
    enum err err = query(conn, &stmt, e, sql, types, args);
    va_end(args);
    if (err == OK) {
        err = sqlite_queue_step(stmt, &has_row, e);
    }
    if (err == OK) {
        *ret_changes = sqlite3_changes64(conn);
    }
    return err;
}

enum err sqlite_queue_number(sqlite3 *conn, int64_t *ret_number, struct error *e, const char *sql,
                             const char *types, ...)
{
    AUTO(sqlite_queue_finalize) sqlite3_stmt *stmt = NULL;
    bool has_row = false;
    va_list args;

    va_start(args, types);
    enum err err = query(conn, &stmt, e, sql, types, args);
    va_end(args);
    if (err == OK) {
        err = sqlite_queue_step(stmt, &has_row, e);
    }
    if (err == OK) {
        *ret_number = has_row ? sqlite3_column_int64(stmt, 0) : 0;
    }
    return err;
}

enum err sqlite_queue_end(sqlite3 *conn, enum err err, struct error *e)
{
    if (err == OK) {
        err = sqlite_db_exec(conn, "COMMIT", e);
    }
    if (err != OK && sqlite3_get_autocommit(conn) == 0) {
        enum err ignored = sqlite_db_exec(conn, "ROLLBACK", NULL);

        (void)ignored; /* the first failure is the one to report */
    }
    return err;
}
