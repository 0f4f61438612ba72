/* One SQLite file: a pool of connections and its migrations. Wraps sqlite3 for jobs, queue and
 * accounts.
 *
 * Connections run in WAL mode with synchronous=FULL, foreign keys and a busy timeout. A connection
 * is used by one thread at a time: acquire it, use it, release it; acquire blocks while all are in
 * use. */
#ifndef UNREEL_DB_SQLITE_DB_H
#define UNREEL_DB_SQLITE_DB_H

#include "core/error.h"
#include "core/mem.h"

struct sqlite3;
struct sqlite_db;

/* Opens "sqlite:PATH" (the file is made, mode 0600; its folder must exist) and applies the
 * migrations that `component` lacks, each in a transaction of its own; safe when several processes
 * start at once. Several components may share a file. `migrations` is a NULL-terminated list
 * (cmake/embed.cmake). */
enum err sqlite_db_open(const char *url, const char *component, const char *const *migrations,
                        struct sqlite_db **ret_db, struct error *e) MUST_CHECK;
/* All connections must have been released. NULL is fine. */
void sqlite_db_close(struct sqlite_db *db);
DEFINE_AUTO(struct sqlite_db *, sqlite_db_close)

/* Blocks until a connection is free (ERR_BUSY after 10 s). */
enum err sqlite_db_acquire(struct sqlite_db *db, struct sqlite3 **ret_conn,
                           struct error *e) MUST_CHECK;
void sqlite_db_release(struct sqlite_db *db, struct sqlite3 *conn);
/* The path of the file; valid while db is open. */
const char *sqlite_db_path(const struct sqlite_db *db);

/* Maps the connection's last error (or the result code rc) to an err and a text. */
enum err sqlite_db_error(struct sqlite3 *conn, int rc, const char *what, struct error *e);
/* Runs statements without parameters or rows ("BEGIN IMMEDIATE", "COMMIT", ...). */
enum err sqlite_db_exec(struct sqlite3 *conn, const char *sql, struct error *e) MUST_CHECK;

#endif
