/* What an engine of accounts.h implements: it runs SQL. The statements are the same for all engines
 * and live with the verbs. */
#ifndef UNREEL_ACCOUNTS_ACCOUNTS_IMPL_H
#define UNREEL_ACCOUNTS_ACCOUNTS_IMPL_H

#include <stddef.h>
#include <stdint.h>

#include "accounts/accounts.h"
#include "core/error.h"

/* A parameter: a text, or a number when text is NULL. */
struct accounts_value {
    const char *text;
    int64_t number;
};

/* Where a column of a row goes: into a text of `size` bytes, or into a number when text is NULL. */
struct accounts_column {
    char *text;
    size_t size;
    int64_t *number;
};

#define ACCOUNTS_COLUMNS_MAX 8
#define ACCOUNTS_PARAMS_MAX 8

struct accounts_query {
    const char *sql;
    const struct accounts_value *params;
    size_t param_count;
    const struct accounts_column *columns; /* filled before each call of row */
    size_t column_count;
    void (*row)(void *ctx);
    void *ctx;
    /* When not OK: the error for a change that touched no row. */
    enum err if_none;
};

struct accounts {
    const struct accounts_ops *ops;
};

struct accounts_ops {
    const char *scheme;
    enum err (*open)(const char *url, unsigned max_parallel, struct accounts **ret_accounts,
                     struct error *e);
    void (*close)(struct accounts *a);
    enum err (*check)(struct accounts *a, struct error *e);
    enum err (*migrate)(const char *url, int *ret_applied, struct error *e);
    /* Runs the queries, in one transaction when there are several. ERR_EXISTS for a broken unique
     * key. Rows may be seen twice when the engine starts again: row must stand it. */
    enum err (*run)(struct accounts *a, const struct accounts_query *queries, size_t count,
                    struct error *e);
};

extern const struct accounts_ops accounts_mysql;
extern const struct accounts_ops accounts_sqlite;

#endif
