#include "accounts/accounts_mysql.h"

#include <mysqld_error.h>

#include "accounts/accounts_impl.h"
#include "accounts/mysql_pool.h"

#include "core/banned.h"

struct mysql_accounts {
    struct accounts base;
    struct mysql_pool *pool;
};

static enum err open_mysql(const char *url, unsigned max_parallel, struct accounts **ret_accounts,
                           struct error *e)
{
    struct mysql_pool *pool = NULL;
    const enum err code = mysql_pool_open(url, max_parallel, &pool, e);
    if (code != OK) {
        return code;
    }
    struct mysql_accounts *a = xcalloc(1, sizeof(*a));
    a->base.ops = &accounts_mysql;
    a->pool = pool;
    *ret_accounts = &a->base;
    return OK;
}

static void close_mysql(struct accounts *base)
{
    struct mysql_accounts *a = CONTAINER_OF(base, struct mysql_accounts, base);
    mysql_pool_close(a->pool);
    free(a);
}

/* A command without parameters or rows. */
static enum err command(MYSQL *conn, const char *sql, struct mysql_outcome *outcome,
                        struct error *e)
{
    if (mysql_query(conn, sql) == 0) {
        return OK;
    }
    outcome->number = mysql_errno(conn);
    return err_set(e, mysql_error_code(outcome->number), "MySQL: %.200s (%u)", mysql_error(conn),
                   outcome->number);
}

static enum err run_transaction(MYSQL *conn, const struct accounts_query *queries, size_t count,
                                struct mysql_outcome *outcome, struct error *e)
{
    *outcome = (struct mysql_outcome){ 0 };
    enum err code = command(conn, "START TRANSACTION", outcome, e);
    if (code != OK) {
        return code;
    }
    for (size_t i = 0; i < count && code == OK; i++) {
        code = mysql_statement_run(conn, &queries[i], outcome, e);
    }
    outcome->was_sent = true;
    if (code == OK) {
        return command(conn, "COMMIT", outcome, e);
    }
    if (!mysql_is_lost(outcome->number)) {
        struct mysql_outcome rollback = { 0 };
        struct error ignored;
        if (command(conn, "ROLLBACK", &rollback, &ignored) != OK) {
            outcome->number = rollback.number;
        }
    }
    return code;
}

static enum err run_on_pool(struct mysql_pool *pool, const struct accounts_query *queries,
                            size_t count, unsigned *ret_number, struct error *e)
{
    for (;;) {
        MYSQL *conn = NULL;
        bool is_fresh = false;
        enum err code = mysql_pool_acquire(pool, &conn, &is_fresh, e);
        if (code != OK) {
            return code;
        }
        struct mysql_outcome outcome = { 0 };
        code = count == 1 ? mysql_statement_run(conn, queries, &outcome, e)
                          : run_transaction(conn, queries, count, &outcome, e);
        const bool is_lost = mysql_is_lost(outcome.number);
        mysql_pool_release(pool, conn, is_lost);
        /* The server may have closed a connection while it idled. Nothing was executed then, so the
         * next one is tried, down to a fresh one. */
        if (!is_lost || is_fresh || outcome.was_sent) {
            *ret_number = outcome.number;
            return code;
        }
    }
}

static enum err run_mysql(struct accounts *base, const struct accounts_query *queries, size_t count,
                          struct error *e)
{
    unsigned number = 0;
    return run_on_pool(CONTAINER_OF(base, struct mysql_accounts, base)->pool, queries, count,
                       &number, e);
}

static void ignore_row(void *ctx)
{
    (void)ctx;
}

static enum err check_mysql(struct accounts *base, struct error *e)
{
    struct mysql_pool *pool = CONTAINER_OF(base, struct mysql_accounts, base)->pool;
    int64_t version = 0;
    const struct accounts_column column = { NULL, 0, &version };
    const struct accounts_query query = {
        .sql = "SELECT COALESCE(MAX(version), 0) FROM schema_migrations "
               "WHERE component = 'accounts'",
        .columns = &column,
        .column_count = 1,
        .row = ignore_row,
    };
    unsigned number = 0;
    const enum err code = run_on_pool(pool, &query, 1, &number, e);
    /* Before the first migration there is no such table: version 0. */
    if (code != OK && number != ER_NO_SUCH_TABLE) {
        return code;
    }
    const int newest = accounts_mysql_newest();
    if (version < newest) {
        return err_set(e, ERR_BUSY, "the schema is behind (%lld of %d): run unreel-auth migrate",
                       (long long)version, newest);
    }
    return OK;
}

const struct accounts_ops accounts_mysql = {
    .scheme = "mysql",
    .open = open_mysql,
    .close = close_mysql,
    .check = check_mysql,
    .migrate = accounts_mysql_migrate,
    .run = run_mysql,
};
