#include "accounts/mysql_pool.h"

#include <string.h>

#include "core/banned.h"

/* Where the driver writes lengths and flags of the columns. */
struct column_state {
    unsigned long len;
    my_bool is_null;
    my_bool is_cut;
};

struct statement {
    MYSQL_BIND params[ACCOUNTS_PARAMS_MAX];
    MYSQL_BIND columns[ACCOUNTS_COLUMNS_MAX];
    struct column_state states[ACCOUNTS_COLUMNS_MAX];
};

static void fill_params(struct statement *s, const struct accounts_query *q)
{
    for (size_t i = 0; i < q->param_count; i++) {
        /* The driver only reads parameters, but says char * and void *. */
        union {
            const void *in;
            void *out;
        } value;

        MYSQL_BIND *bind = &s->params[i];
        if (q->params[i].text != NULL) {
            value.in = q->params[i].text;
            bind->buffer_type = MYSQL_TYPE_STRING;
            bind->buffer_length = strlen(q->params[i].text);
        } else {
            value.in = &q->params[i].number;
            bind->buffer_type = MYSQL_TYPE_LONGLONG;
        }
        bind->buffer = value.out;
    }
}

static void fill_columns(struct statement *s, const struct accounts_query *q)
{
    for (size_t i = 0; i < q->column_count; i++) {
        MYSQL_BIND *bind = &s->columns[i];
        if (q->columns[i].text != NULL) {
            bind->buffer_type = MYSQL_TYPE_STRING;
            bind->buffer = q->columns[i].text;
            bind->buffer_length = q->columns[i].size - 1;
        } else {
            bind->buffer_type = MYSQL_TYPE_LONGLONG;
            bind->buffer = q->columns[i].number;
        }
        bind->length = &s->states[i].len;
        bind->is_null = &s->states[i].is_null;
        bind->error = &s->states[i].is_cut;
    }
}

/* Ends the texts of a row that was fetched. False when one of them did not fit. */
static bool finish_row(struct statement *s, const struct accounts_query *q)
{
    for (size_t i = 0; i < q->column_count; i++) {
        const struct accounts_column *column = &q->columns[i];
        if (s->states[i].is_null) {
            return false;
        }
        if (column->text != NULL) {
            if (s->states[i].len >= column->size) {
                return false;
            }
            column->text[s->states[i].len] = '\0';
        }
    }
    return true;
}

static enum err driver_error(MYSQL_STMT *stmt, struct mysql_outcome *outcome, struct error *e)
{
    outcome->number = mysql_stmt_errno(stmt);
    const enum err code = mysql_error_code(outcome->number);
    return err_set(e, code, "MySQL: %.200s (%u)", mysql_stmt_error(stmt), outcome->number);
}

static enum err read_rows(MYSQL_STMT *stmt, struct statement *s, const struct accounts_query *q,
                          struct mysql_outcome *outcome, struct error *e)
{
    if (mysql_stmt_bind_result(stmt, s->columns) != 0 || mysql_stmt_store_result(stmt) != 0) {
        return driver_error(stmt, outcome, e);
    }
    int rc = mysql_stmt_fetch(stmt);
    while (rc == 0) {
        if (!finish_row(s, q)) {
            return err_set(e, ERR_CORRUPT, "a row of the accounts does not fit");
        }
        q->row(q->ctx);
        rc = mysql_stmt_fetch(stmt);
    }
    if (rc == MYSQL_DATA_TRUNCATED) {
        return err_set(e, ERR_CORRUPT, "a row of the accounts does not fit");
    }
    return rc == MYSQL_NO_DATA ? OK : driver_error(stmt, outcome, e);
}

static enum err run(MYSQL_STMT *stmt, struct statement *s, const struct accounts_query *q,
                    struct mysql_outcome *outcome, struct error *e)
{
    if (mysql_stmt_prepare(stmt, q->sql, strlen(q->sql)) != 0) {
        return driver_error(stmt, outcome, e);
    }
    fill_params(s, q);
    if (q->param_count > 0 && mysql_stmt_bind_param(stmt, s->params) != 0) {
        return driver_error(stmt, outcome, e);
    }
    outcome->was_sent = true;
    if (mysql_stmt_execute(stmt) != 0) {
        return driver_error(stmt, outcome, e);
    }
    if (q->column_count > 0) {
        fill_columns(s, q);
        return read_rows(stmt, s, q, outcome, e);
    }
    if (q->if_none != OK && mysql_stmt_affected_rows(stmt) == 0) {
        return err_set(e, q->if_none, "%s", err_text(q->if_none));
    }
    return OK;
}

enum err mysql_statement_run(MYSQL *conn, const struct accounts_query *q,
                             struct mysql_outcome *ret_outcome, struct error *e)
{
    *ret_outcome = (struct mysql_outcome){ 0 };
    MYSQL_STMT *stmt = mysql_stmt_init(conn);
    if (stmt == NULL) {
        return err_set(e, ERR_FAULT, "out of memory");
    }
    struct statement s;
    memset(&s, 0, sizeof(s));
    const enum err code = run(stmt, &s, q, ret_outcome, e);
    mysql_stmt_close(stmt);
    return code;
}
