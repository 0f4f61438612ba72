#include "db/sqlite_db.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "core/clock.h"
#include "core/banned.h"

#define CONNECTIONS_MAX 8
#define BUSY_TIMEOUT_MS 10000
#define ACQUIRE_TIMEOUT_MS 10000
#define WAL_RETRY_MS 10

struct sqlite_db {
    char *path;
    pthread_mutex_t lock;
    pthread_cond_t freed;
    struct sqlite3 *idle[CONNECTIONS_MAX];
    size_t idle_count;
    size_t open_count; /* idle ones and those in use */
};

enum err sqlite_db_error(struct sqlite3 *conn, int rc, const char *what, struct error *e)
{
    int extended = rc;
    const char *text = sqlite3_errstr(rc);
    /* The connection remembers its last failure, which may be of another call than rc's. */
    if (conn != NULL && (sqlite3_extended_errcode(conn) & 0xff) == (rc & 0xff)) {
        extended = sqlite3_extended_errcode(conn);
        text = sqlite3_errmsg(conn);
    }
    enum err code = ERR_FAULT;
    switch (extended & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_FULL:
        code = ERR_BUSY;
        break;
    case SQLITE_CONSTRAINT:
        if (extended == SQLITE_CONSTRAINT_UNIQUE || extended == SQLITE_CONSTRAINT_PRIMARYKEY) {
            code = ERR_EXISTS;
        }
        break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        code = ERR_CORRUPT;
        break;
    case SQLITE_TOOBIG:
        code = ERR_TOO_BIG;
        break;
    case SQLITE_INTERRUPT:
        code = ERR_CANCELLED;
        break;
    default:
        break;
    }
    return err_set(e, code, "%s: %s", what, text);
}

enum err sqlite_db_exec(struct sqlite3 *conn, const char *sql, struct error *e)
{
    int rc = sqlite3_exec(conn, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? OK : sqlite_db_error(conn, rc, "sqlite", e);
}

static int set_wal(struct sqlite3 *conn)
{
    struct sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(conn, "PRAGMA journal_mode = WAL", -1, &stmt, NULL);
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(stmt);
    }
    if (rc == SQLITE_ROW) {
        const char *mode = (const char *)sqlite3_column_text(stmt, 0);
        rc = mode != NULL && strcmp(mode, "wal") == 0 ? SQLITE_OK : SQLITE_CANTOPEN;
    }
    int finalized = sqlite3_finalize(stmt);
    return rc == SQLITE_OK ? finalized : rc;
}

/* Several processes may switch a fresh file to WAL at once; SQLite answers "busy" to the later ones
 * without waiting for its busy timeout. */
static enum err enter_wal(struct sqlite3 *conn, struct error *e)
{
    int64_t deadline_ms = clock_mono_ms() + BUSY_TIMEOUT_MS;
    int rc = set_wal(conn);
    while ((rc & 0xff) == SQLITE_BUSY && clock_mono_ms() < deadline_ms) {
        clock_sleep_ms(WAL_RETRY_MS);
        rc = set_wal(conn);
    }
    return rc == SQLITE_OK ? OK : sqlite_db_error(conn, rc, "sqlite journal_mode=WAL", e);
}

static enum err connect_file(const char *path, struct sqlite3 **ret_conn, struct error *e)
{
    struct sqlite3 *conn = NULL;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
    int rc = sqlite3_open_v2(path, &conn, flags, NULL);
    enum err err = OK;
    if (rc != SQLITE_OK) {
        err = sqlite_db_error(conn, rc, path, e);
        goto out;
    }
    (void)sqlite3_extended_result_codes(conn, 1);
    (void)sqlite3_busy_timeout(conn, BUSY_TIMEOUT_MS);
    err = enter_wal(conn, e);
    if (err == OK) {
        err = sqlite_db_exec(conn,
                             "PRAGMA synchronous = FULL;"
                             "PRAGMA foreign_keys = ON;"
                             "PRAGMA trusted_schema = OFF;"
                             "PRAGMA journal_size_limit = 67108864;",
                             e);
    }
out:
    if (err != OK) {
        (void)sqlite3_close_v2(conn);
        return err;
    }
    *ret_conn = conn;
    return OK;
}

/* Makes the file without opening it: closing a descriptor of our own would drop the POSIX locks
 * that another connection of this process holds on the same file. */
static enum err make_file(const char *path, struct error *e)
{
    if (mknod(path, S_IFREG | 0600, 0) == 0 || errno == EEXIST) {
        return OK;
    }
    return err_set_errno(e, ERR_FAULT, errno, "cannot make %s", path);
}

static enum err run_int(struct sqlite3 *conn, const char *sql, const char *component,
                        int64_t version, int64_t *ret_value, struct error *e)
{
    struct sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(conn, sql, -1, &stmt, NULL);
    if (rc == SQLITE_OK) {
        rc = sqlite3_bind_text(stmt, 1, component, -1, SQLITE_STATIC);
    }
    if (rc == SQLITE_OK && sqlite3_bind_parameter_count(stmt) > 1) {
        rc = sqlite3_bind_int64(stmt, 2, version);
    }
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(stmt);
    }
    enum err err = OK;
    if (rc == SQLITE_ROW) {
        *ret_value = sqlite3_column_int64(stmt, 0);
    } else if (rc != SQLITE_DONE) {
        err = sqlite_db_error(conn, rc, "sqlite schema_migrations", e);
    }
    (void)sqlite3_finalize(stmt);
    return err;
}

static enum err applied_version(struct sqlite3 *conn, const char *component, int64_t *ret_version,
                                struct error *e)
{
    return run_int(conn,
                   "SELECT coalesce(max(version), 0) FROM schema_migrations WHERE component = ?1",
                   component, 0, ret_version, e);
}

/* Inside a transaction: applies migration `version` unless another process just did. */
static enum err apply_locked(struct sqlite3 *conn, const char *component, int64_t version,
                             const char *sql, struct error *e)
{
    int64_t applied = 0;
    enum err err = applied_version(conn, component, &applied, e);
    if (err != OK || applied >= version) {
        return err;
    }
    err = sqlite_db_exec(conn, sql, e);
    if (err != OK) {
        return err;
    }
    return run_int(conn,
                   "INSERT INTO schema_migrations (component, version, applied_at)"
                   " VALUES (?1, ?2, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))",
                   component, version, &applied, e);
}

static enum err apply(struct sqlite3 *conn, const char *component, int64_t version, const char *sql,
                      struct error *e)
{
    enum err err = sqlite_db_exec(conn, "BEGIN IMMEDIATE", e);
    if (err != OK) {
        return err;
    }
    err = apply_locked(conn, component, version, sql, e);
    if (err == OK) {
        err = sqlite_db_exec(conn, "COMMIT", e);
    }
    if (err != OK && sqlite3_get_autocommit(conn) == 0) {
        (void)sqlite3_exec(conn, "ROLLBACK", NULL, NULL, NULL);
    }
    return err;
}

static enum err migrate(struct sqlite3 *conn, const char *component, const char *const *migrations,
                        struct error *e)
{
    enum err err = sqlite_db_exec(conn,
                                  "CREATE TABLE IF NOT EXISTS schema_migrations ("
                                  " component TEXT NOT NULL,"
                                  " version INTEGER NOT NULL,"
                                  " applied_at TEXT NOT NULL,"
                                  " PRIMARY KEY (component, version)) WITHOUT ROWID",
                                  e);
    int64_t applied = 0;
    if (err == OK) {
        err = applied_version(conn, component, &applied, e);
    }
    int64_t known = 0;
    while (err == OK && migrations[known] != NULL) {
        known++;
        if (known > applied) {
            err = apply(conn, component, known, migrations[known - 1], e);
        }
    }
    if (err == OK && applied > known) {
        return err_set(e, ERR_INVALID,
                       "the tables of %s are at version %lld; this program knows up to %lld",
                       component, (long long)applied, (long long)known);
    }
    return err;
}

static struct sqlite_db *new_db(const char *path)
{
    struct sqlite_db *db = xcalloc(1, sizeof(*db));
    db->path = xstrdup(path);
    (void)pthread_mutex_init(&db->lock, NULL);
    pthread_condattr_t attr;
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&db->freed, &attr);
    (void)pthread_condattr_destroy(&attr);
    return db;
}

enum err sqlite_db_open(const char *url, const char *component, const char *const *migrations,
                        struct sqlite_db **ret_db, struct error *e)
{
    static const char scheme[] = "sqlite:";
    if (strncmp(url, scheme, sizeof(scheme) - 1) != 0 || url[sizeof(scheme) - 1] == '\0' ||
        url[sizeof(scheme) - 1] == ':') {
        return err_set(e, ERR_INVALID, "the URL of a SQLite file is sqlite:PATH");
    }
    char path[PATH_MAX];
    if ((size_t)snprintf(path, sizeof(path), "%s", url + sizeof(scheme) - 1) >= sizeof(path)) {
        return err_set(e, ERR_INVALID, "the path of a SQLite file is too long");
    }
    enum err err = make_file(path, e);
    if (err != OK) {
        return err;
    }
    AUTO(sqlite_db_close) struct sqlite_db *db = new_db(path);
    err = connect_file(path, &db->idle[0], e);
    if (err != OK) {
        return err;
    }
    db->idle_count = 1;
    db->open_count = 1;
    err = migrate(db->idle[0], component, migrations, e);
    if (err != OK) {
        return err;
    }
    *ret_db = TAKE(db);
    return OK;
}

void sqlite_db_close(struct sqlite_db *db)
{
    if (db == NULL) {
        return;
    }
    for (size_t i = 0; i < db->idle_count; i++) {
        (void)sqlite3_close_v2(db->idle[i]);
    }
    (void)pthread_cond_destroy(&db->freed);
    (void)pthread_mutex_destroy(&db->lock);
    free(db->path);
    free(db);
}

static struct timespec deadline_after_ms(int64_t ms)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += (time_t)(ms / 1000);
    return t;
}

enum err sqlite_db_acquire(struct sqlite_db *db, struct sqlite3 **ret_conn, struct error *e)
{
    struct timespec deadline = deadline_after_ms(ACQUIRE_TIMEOUT_MS);
    (void)pthread_mutex_lock(&db->lock);
    int waited = 0;
    while (db->idle_count == 0 && db->open_count == CONNECTIONS_MAX && waited == 0) {
        waited = pthread_cond_timedwait(&db->freed, &db->lock, &deadline);
    }
    if (db->idle_count > 0) {
        *ret_conn = db->idle[--db->idle_count];
        (void)pthread_mutex_unlock(&db->lock);
        return OK;
    }
    if (db->open_count == CONNECTIONS_MAX) {
        (void)pthread_mutex_unlock(&db->lock);
        return err_set(e, ERR_BUSY, "no free connection to %s", db->path);
    }
    db->open_count++;
    (void)pthread_mutex_unlock(&db->lock);

    enum err err = connect_file(db->path, ret_conn, e);
    if (err != OK) {
        (void)pthread_mutex_lock(&db->lock);
        db->open_count--;
        (void)pthread_cond_signal(&db->freed);
        (void)pthread_mutex_unlock(&db->lock);
    }
    return err;
}

void sqlite_db_release(struct sqlite_db *db, struct sqlite3 *conn)
{
    if (sqlite3_get_autocommit(conn) == 0) {
        (void)sqlite3_exec(conn, "ROLLBACK", NULL, NULL, NULL);
    }
    (void)pthread_mutex_lock(&db->lock);
    db->idle[db->idle_count++] = conn;
    (void)pthread_cond_signal(&db->freed);
    (void)pthread_mutex_unlock(&db->lock);
}

const char *sqlite_db_path(const struct sqlite_db *db)
{
    return db->path;
}
