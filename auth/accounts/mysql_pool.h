/* Connections to MySQL or MariaDB: a pool, and one statement run on a connection. Wraps
 * MariaDB Connector/C for accounts. */
#ifndef UNREEL_ACCOUNTS_MYSQL_POOL_H
#define UNREEL_ACCOUNTS_MYSQL_POOL_H

#include <mysql.h>
#include <stdbool.h>

#include "accounts/accounts_impl.h"
#include "core/error.h"
#include "core/mem.h"

struct mysql_pool;

/* Parses the URL; connects later. */
enum err mysql_pool_open(const char *url, unsigned max_connections, struct mysql_pool **ret_pool,
                         struct error *e) MUST_CHECK;
void mysql_pool_close(struct mysql_pool *pool);
DEFINE_AUTO(struct mysql_pool *, mysql_pool_close)

/* A connection for one thread: one that idled, or a new one. ERR_BUSY after 10 s while all are in
 * use, or when the server is away. *ret_is_fresh: it was just made, so that a lost connection is
 * news. */
enum err mysql_pool_acquire(struct mysql_pool *pool, MYSQL **ret_conn, bool *ret_is_fresh,
                            struct error *e) MUST_CHECK;
/* is_broken: close it instead of keeping it. */
void mysql_pool_release(struct mysql_pool *pool, MYSQL *conn, bool is_broken);

/* A connection outside the pool, for migrations: allows several statements in one text. Makes the
 * database when it is missing. mysql_close it. */
enum err mysql_pool_connect_for_ddl(struct mysql_pool *pool, MYSQL **ret_conn,
                                    struct error *e) MUST_CHECK;

/* What the error number of a failed call means. */
enum err mysql_error_code(unsigned number);
/* Whether the connection is of no use after this error. */
bool mysql_is_lost(unsigned number);

/* Prepares and runs one query. *ret_number: the error number of the driver, 0 when it did not
 * fail; *ret_was_sent: the statement may have been executed. */
struct mysql_outcome {
    unsigned number;
    bool was_sent;
};
enum err mysql_statement_run(MYSQL *conn, const struct accounts_query *q,
                             struct mysql_outcome *ret_outcome, struct error *e) MUST_CHECK;

#endif
