#include "accounts/accounts_mysql.h"

#include <stdio.h>
#include <string.h>

#include "accounts/mysql_pool.h"
#include "core/clock.h"

#include "core/banned.h"

#define LOCK_TIMEOUT_S 60

/* The lock is the server's, not the database's: its name tells the databases apart. */
#define LOCK_NAME "CONCAT('unreel_', SHA1(DATABASE()))"

int accounts_mysql_newest(void)
{
    int count = 0;
    while (accounts_mysql_migrations[count] != NULL) {
        count++;
    }
    return count;
}

static enum err driver_error(MYSQL *conn, const char *what, struct error *e)
{
    const unsigned number = mysql_errno(conn);
    return err_set(e, mysql_error_code(number), "%s: %.180s (%u)", what, mysql_error(conn), number);
}

/* Runs all statements of the text and drops their results. */
static enum err run_script(MYSQL *conn, const char *sql, const char *what, struct error *e)
{
    if (mysql_query(conn, sql) != 0) {
        return driver_error(conn, what, e);
    }
    int rc = 0;
    while (rc == 0) {
        MYSQL_RES *result = mysql_store_result(conn);
        if (result != NULL) {
            mysql_free_result(result);
        }
        rc = mysql_next_result(conn);
    }
    return rc < 0 ? OK : driver_error(conn, what, e);
}

/* The one number that the statement gives; 0 for NULL. */
static enum err query_number(MYSQL *conn, const char *sql, const char *what, int64_t *ret_number,
                             struct error *e)
{
    struct mysql_outcome outcome;
    int64_t number = 0;
    const struct accounts_column column = { NULL, 0, &number };
    void (*const row)(void *) = mem_free; /* there is nothing to do with a row */
    const struct accounts_query query = {
        .sql = sql, .columns = &column, .column_count = 1, .row = row, .ctx = NULL
    };
    struct error cause = { 0 };
    const enum err code = mysql_statement_run(conn, &query, &outcome, &cause);
    if (code != OK) {
        return err_set(e, code, "%s: %.200s", what, cause.text);
    }
    *ret_number = number;
    return OK;
}

static enum err apply_missing(MYSQL *conn, int *ret_applied, struct error *e)
{
    enum err code = run_script(conn,
                               "CREATE TABLE IF NOT EXISTS schema_migrations ("
                               "component VARCHAR(32) CHARACTER SET ascii NOT NULL, "
                               "version INT NOT NULL, applied_at BIGINT NOT NULL, "
                               "PRIMARY KEY (component, version)) ENGINE = InnoDB",
                               "make schema_migrations", e);
    int64_t version = 0;
    if (code == OK) {
        code = query_number(conn,
                            "SELECT COALESCE(MAX(version), 0) FROM schema_migrations "
                            "WHERE component = 'accounts'",
                            "read schema_migrations", &version, e);
    }
    const int newest = accounts_mysql_newest();
    int applied = 0;
    for (int64_t next = version + 1; code == OK && next <= newest; next++) {
        char what[64];
        (void)snprintf(what, sizeof(what), "migration %d of accounts", (int)next);
        code = run_script(conn, accounts_mysql_migrations[next - 1], what, e);
        char sql[160];
        (void)snprintf(sql, sizeof(sql),
                       "INSERT INTO schema_migrations (component, version, applied_at) "
                       "VALUES ('accounts', %d, %lld)",
                       (int)next, (long long)clock_wall_ms());
        if (code == OK) {
            code = run_script(conn, sql, what, e);
            applied++;
        }
    }
    if (code == OK) {
        *ret_applied = applied;
    }
    return code;
}

enum err accounts_mysql_migrate(const char *url, int *ret_applied, struct error *e)
{
    AUTO(mysql_pool_close) struct mysql_pool *pool = NULL;
    enum err code = mysql_pool_open(url, 1, &pool, e);
    if (code != OK) {
        return code;
    }
    MYSQL *conn = NULL;
    code = mysql_pool_connect_for_ddl(pool, &conn, e);
    if (code != OK) {
        return code;
    }
    /* Another one may be at it, and its statements may take longer than ours wait for an answer. */
    int64_t is_locked = 0;
    for (int waited_s = 0; code == OK && is_locked != 1 && waited_s < LOCK_TIMEOUT_S;
         waited_s += 5) {
        code = query_number(conn, "SELECT COALESCE(GET_LOCK(" LOCK_NAME ", 5), 0)",
                            "wait for another migration", &is_locked, e);
    }
    if (code == OK && is_locked != 1) {
        code = err_set(e, ERR_BUSY, "another migration holds the lock for %d s", LOCK_TIMEOUT_S);
    }
    if (code == OK) {
        code = apply_missing(conn, ret_applied, e);
    }
    mysql_close(conn); /* gives the lock back */
    return code;
}
