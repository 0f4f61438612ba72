#include <sqlite3.h>
#include <string.h>

#include "accounts/accounts_impl.h"
#include "core/text.h"
#include "db/sqlite_db.h"

#include "core/banned.h"

extern const char *const accounts_sqlite_migrations[];

struct sqlite_accounts {
    struct accounts base;
    struct sqlite_db *db;
};

static struct sqlite_db *db_of(struct accounts *a)
{
    return CONTAINER_OF(a, struct sqlite_accounts, base)->db;
}

static enum err open_sqlite(const char *url, unsigned max_parallel, struct accounts **ret_accounts,
                            struct error *e)
{
    (void)max_parallel; /* the pool has its own size, and its acquire waits */
    struct sqlite_db *db = NULL;
    const enum err code = sqlite_db_open(url, "accounts", accounts_sqlite_migrations, &db, e);
    if (code != OK) {
        return code;
    }
    struct sqlite_accounts *a = xcalloc(1, sizeof(*a));
    a->base.ops = &accounts_sqlite;
    a->db = db;
    *ret_accounts = &a->base;
    return OK;
}

static void close_sqlite(struct accounts *base)
{
    struct sqlite_accounts *a = CONTAINER_OF(base, struct sqlite_accounts, base);
    sqlite_db_close(a->db);
    free(a);
}

static enum err migrate_sqlite(const char *url, int *ret_applied, struct error *e)
{
    /* Opening does it; how many were needed is not told. */
    struct accounts *a = NULL;
    const enum err code = open_sqlite(url, 1, &a, e);
    if (code == OK) {
        close_sqlite(a);
        *ret_applied = 0;
    }
    return code;
}

static int bind(sqlite3_stmt *stmt, const struct accounts_query *q)
{
    int rc = SQLITE_OK;
    for (size_t i = 0; i < q->param_count && rc == SQLITE_OK; i++) {
        const struct accounts_value *value = &q->params[i];
        rc = value->text == NULL
                 ? sqlite3_bind_int64(stmt, (int)i + 1, value->number)
                 : sqlite3_bind_text(stmt, (int)i + 1, value->text, -1, SQLITE_STATIC);
    }
    return rc;
}

static enum err read_row(sqlite3_stmt *stmt, const struct accounts_query *q, struct error *e)
{
    for (size_t i = 0; i < q->column_count; i++) {
        const struct accounts_column *column = &q->columns[i];
        if (column->text == NULL) {
            *column->number = sqlite3_column_int64(stmt, (int)i);
            continue;
        }
        const unsigned char *text = sqlite3_column_text(stmt, (int)i);
        if (text == NULL || !text_copy(column->text, column->size, (const char *)text)) {
            return err_set(e, ERR_CORRUPT, "column %zu of the accounts does not fit", i);
        }
    }
    q->row(q->ctx);
    return OK;
}

static enum err run_one(sqlite3 *conn, const struct accounts_query *q, struct error *e)
{
    sqlite3_stmt *stmt = NULL;
    enum err code = OK;
    int rc = sqlite3_prepare_v2(conn, q->sql, -1, &stmt, NULL);
    if (rc == SQLITE_OK) {
        rc = bind(stmt, q);
    }
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(stmt);
    }
    while (rc == SQLITE_ROW && code == OK) {
        code = read_row(stmt, q, e);
        rc = sqlite3_step(stmt);
    }
    if (code == OK && rc != SQLITE_DONE) {
        code = sqlite_db_error(conn, rc, "accounts", e);
    }
    sqlite3_finalize(stmt);
    if (code == OK && q->if_none != OK && sqlite3_changes(conn) == 0) {
        code = err_set(e, q->if_none, "%s", err_text(q->if_none));
    }
    return code;
}

static enum err run_all(sqlite3 *conn, const struct accounts_query *queries, size_t count,
                        struct error *e)
{
    enum err code = sqlite_db_exec(conn, "BEGIN IMMEDIATE", e);
    if (code != OK) {
        return code;
    }
    for (size_t i = 0; i < count && code == OK; i++) {
        code = run_one(conn, &queries[i], e);
    }
    if (code == OK) {
        code = sqlite_db_exec(conn, "COMMIT", e);
    }
    if (code != OK && sqlite3_get_autocommit(conn) == 0) {
        struct error ignored;
        (void)!sqlite_db_exec(conn, "ROLLBACK", &ignored);
    }
    return code;
}

static enum err run_sqlite(struct accounts *a, const struct accounts_query *queries, size_t count,
                           struct error *e)
{
    sqlite3 *conn = NULL;
    enum err code = sqlite_db_acquire(db_of(a), &conn, e);
    if (code != OK) {
        return code;
    }
    code = count == 1 ? run_one(conn, queries, e) : run_all(conn, queries, count, e);
    sqlite_db_release(db_of(a), conn);
    return code;
}

static void ignore_row(void *ctx)
{
    (void)ctx;
}

static enum err check_sqlite(struct accounts *a, struct error *e)
{
    int64_t one = 0;
    const struct accounts_column column = { NULL, 0, &one };
    const struct accounts_query query = {
        .sql = "SELECT COUNT(*) FROM signing_keys",
        .columns = &column,
        .column_count = 1,
        .row = ignore_row,
    };
    return run_sqlite(a, &query, 1, e);
}

const struct accounts_ops accounts_sqlite = {
    .scheme = "sqlite",
    .open = open_sqlite,
    .close = close_sqlite,
    .check = check_sqlite,
    .migrate = migrate_sqlite,
    .run = run_sqlite,
};
