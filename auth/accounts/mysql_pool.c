#include "accounts/mysql_pool.h"

#include <errmsg.h>
#include <mysqld_error.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/url.h"

#include "core/banned.h"

#define CONNECT_TIMEOUT_S 5
#define IO_TIMEOUT_S 10
#define ACQUIRE_TIMEOUT_S 10
#define DATABASE_MAX 64

enum tls { TLS_OFF, TLS_REQUIRE, TLS_VERIFY };

struct mysql_pool {
    struct url *url;
    const char *database; /* inside url->path */
    enum tls tls;
    char *tls_ca; /* may be NULL */

    pthread_mutex_t lock;
    pthread_cond_t released;
    unsigned max;
    unsigned in_use;
    unsigned idle_count;
    MYSQL **idle;
};

/* ---- the URL ---- */

static bool is_database_name(const char *name)
{
    const size_t len = strnlen(name, DATABASE_MAX + 1);
    return len > 0 && len <= DATABASE_MAX &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == len;
}

/* An option that is not known would be a security setting that is silently not applied. */
static enum err check_options(const char *query, struct error *e)
{
    static const char *const known[] = { "tls=", "tls_ca=" };
    const char *p = query;
    while (p != NULL && *p != '\0') {
        bool is_known = false;
        for (size_t i = 0; i < ARRAY_LEN(known); i++) {
            is_known = is_known || strncmp(p, known[i], strlen(known[i])) == 0;
        }
        if (!is_known) {
            return err_set(e, ERR_INVALID, "unknown option in the mysql URL: %.*s",
                           (int)strcspn(p, "=&"), p);
        }
        p = strchr(p, '&');
        p = p == NULL ? NULL : p + 1;
    }
    return OK;
}

static enum err read_options(struct mysql_pool *pool, struct error *e)
{
    const enum err code = check_options(pool->url->query, e);
    if (code != OK) {
        return code;
    }
    AUTO(mem_free) char *tls = url_query_value(pool->url, "tls");
    pool->tls_ca = url_query_value(pool->url, "tls_ca");
    if (tls == NULL || strcmp(tls, "off") == 0) {
        pool->tls = TLS_OFF;
    } else if (strcmp(tls, "require") == 0) {
        pool->tls = TLS_REQUIRE;
    } else if (strcmp(tls, "verify") == 0) {
        pool->tls = TLS_VERIFY;
    } else {
        return err_set(e, ERR_INVALID, "the mysql URL's tls is off, require or verify");
    }
    return OK;
}

static pthread_once_t library_once = PTHREAD_ONCE_INIT;
static bool is_library_ready;

static void init_library(void)
{
    is_library_ready = mysql_library_init(0, NULL, NULL) == 0;
}

enum err mysql_pool_open(const char *url, unsigned max_connections, struct mysql_pool **ret_pool,
                         struct error *e)
{
    pthread_once(&library_once, init_library);
    if (!is_library_ready) {
        return err_set(e, ERR_FAULT, "the MySQL library does not start");
    }
    AUTO(mysql_pool_close) struct mysql_pool *pool = xcalloc(1, sizeof(*pool));
    pthread_mutex_init(&pool->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&pool->released, &attr);
    pthread_condattr_destroy(&attr);
    pool->max = max_connections;
    pool->idle = xcalloc(max_connections, sizeof(MYSQL *));
    enum err code = url_parse(url, &pool->url, e);
    if (code != OK) {
        return code;
    }
    if (pool->url->host == NULL || pool->url->path[0] != '/' ||
        !is_database_name(pool->url->path + 1)) {
        return err_set(e, ERR_INVALID,
                       "the accounts URL is not of the form mysql://user:password@host/database");
    }
    pool->database = pool->url->path + 1;
    code = read_options(pool, e);
    if (code == OK) {
        *ret_pool = TAKE(pool);
    }
    return code;
}

void mysql_pool_close(struct mysql_pool *pool)
{
    if (pool == NULL) {
        return;
    }
    for (unsigned i = 0; i < pool->idle_count; i++) {
        mysql_close(pool->idle[i]);
    }
    free(pool->idle);
    pthread_cond_destroy(&pool->released);
    pthread_mutex_destroy(&pool->lock);
    if (pool->url != NULL && pool->url->password != NULL) {
        mem_wipe(pool->url->password, strlen(pool->url->password));
    }
    url_free(pool->url);
    free(pool->tls_ca);
    free(pool);
}

/* ---- connections ---- */

enum err mysql_error_code(unsigned number)
{
    switch (number) {
    case ER_DUP_ENTRY:
    case ER_DUP_ENTRY_WITH_KEY_NAME:
        return ERR_EXISTS;
    case ER_DATA_TOO_LONG:
        return ERR_INVALID;
    case ER_LOCK_WAIT_TIMEOUT:
    case ER_LOCK_DEADLOCK:
    case ER_CON_COUNT_ERROR:
    case ER_TOO_MANY_USER_CONNECTIONS:
    case ER_OPTION_PREVENTS_STATEMENT: /* the server is read-only: a standby */
    case ER_NO_SUCH_TABLE:             /* the schema is behind */
    case ER_BAD_FIELD_ERROR:
    case ER_BAD_DB_ERROR:
        return ERR_BUSY;
    default:
        return mysql_is_lost(number) ? ERR_BUSY : ERR_FAULT;
    }
}

bool mysql_is_lost(unsigned number)
{
    return (number >= CR_MIN_ERROR && number <= CR_MAX_ERROR) || number == ER_SERVER_SHUTDOWN ||
           number == ER_CONNECTION_KILLED || number == ER_QUERY_INTERRUPTED ||
           number == ER_NEW_ABORTING_CONNECTION;
}

static void set_options(const struct mysql_pool *pool, MYSQL *conn)
{
    const unsigned connect_s = CONNECT_TIMEOUT_S;
    const unsigned io_s = IO_TIMEOUT_S;
    const unsigned off = 0;
    const my_bool yes = 1;
    mysql_options(conn, MYSQL_OPT_CONNECT_TIMEOUT, &connect_s);
    mysql_options(conn, MYSQL_OPT_READ_TIMEOUT, &io_s);
    mysql_options(conn, MYSQL_OPT_WRITE_TIMEOUT, &io_s);
    mysql_options(conn, MYSQL_OPT_LOCAL_INFILE, &off);
    mysql_options(conn, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    mysql_options(conn, MYSQL_INIT_COMMAND, "SET SESSION sql_mode = 'TRADITIONAL'");
    if (pool->tls_ca != NULL) {
        mysql_options(conn, MYSQL_OPT_SSL_CA, pool->tls_ca);
    }
    if (pool->tls != TLS_OFF) {
        mysql_options(conn, MYSQL_OPT_SSL_ENFORCE, &yes);
    }
    if (pool->tls == TLS_VERIFY) {
        mysql_options(conn, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &yes);
    }
}

/* Changes that leave a row as it was count too (CLIENT_FOUND_ROWS): "none" then means that there
 * is none. */
static MYSQL *connect_to(const struct mysql_pool *pool, const char *database, unsigned long flags,
                         unsigned *ret_number, struct error *e)
{
    MYSQL *conn = mysql_init(NULL);
    if (conn == NULL) {
        *ret_number = CR_OUT_OF_MEMORY;
        (void)err_set(e, ERR_FAULT, "out of memory");
        return NULL;
    }
    set_options(pool, conn);
    const struct url *url = pool->url;
    if (mysql_real_connect(conn, url->host, url->user, url->password, database,
                           url->port == 0 ? 3306 : (unsigned)url->port, NULL,
                           CLIENT_FOUND_ROWS | flags) != NULL) {
        return conn;
    }
    *ret_number = mysql_errno(conn);
    /* Whatever the reason is, nothing is wrong with the request: it may work later. */
    (void)err_set(e, ERR_BUSY, "connect to MySQL: %.180s (%u)", mysql_error(conn), *ret_number);
    mysql_close(conn);
    return NULL;
}

/* Waits for the right to one more connection. *ret_conn: one that idled, or NULL. */
static enum err take_slot(struct mysql_pool *pool, MYSQL **ret_conn, struct error *e)
{
    struct timespec deadline;
    clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_sec += ACQUIRE_TIMEOUT_S;
    pthread_mutex_lock(&pool->lock);
    int rc = 0;
    while (pool->in_use == pool->max && rc == 0) {
        rc = pthread_cond_timedwait(&pool->released, &pool->lock, &deadline);
    }
    const bool is_free = pool->in_use < pool->max;
    if (is_free) {
        pool->in_use++;
        *ret_conn = NULL;
        if (pool->idle_count > 0) {
            pool->idle_count--;
            *ret_conn = pool->idle[pool->idle_count];
        }
    }
    pthread_mutex_unlock(&pool->lock);
    return is_free ? OK : err_set(e, ERR_BUSY, "all connections to MySQL are in use");
}

enum err mysql_pool_acquire(struct mysql_pool *pool, MYSQL **ret_conn, bool *ret_is_fresh,
                            struct error *e)
{
    MYSQL *conn = NULL;
    const enum err code = take_slot(pool, &conn, e);
    if (code != OK) {
        return code;
    }
    const bool is_fresh = conn == NULL;
    if (is_fresh) {
        unsigned number = 0;
        conn = connect_to(pool, pool->database, 0, &number, e);
    }
    if (conn == NULL) {
        mysql_pool_release(pool, NULL, true);
        return ERR_BUSY;
    }
    *ret_conn = conn;
    *ret_is_fresh = is_fresh;
    return OK;
}

void mysql_pool_release(struct mysql_pool *pool, MYSQL *conn, bool is_broken)
{
    if (conn != NULL && is_broken) {
        mysql_close(conn);
        conn = NULL;
    }
    pthread_mutex_lock(&pool->lock);
    pool->in_use--;
    if (conn != NULL) {
        pool->idle[pool->idle_count] = conn;
        pool->idle_count++;
    }
    pthread_cond_signal(&pool->released);
    pthread_mutex_unlock(&pool->lock);
}

enum err mysql_pool_connect_for_ddl(struct mysql_pool *pool, MYSQL **ret_conn, struct error *e)
{
    unsigned number = 0;
    MYSQL *conn = connect_to(pool, pool->database, CLIENT_MULTI_STATEMENTS, &number, e);
    if (conn == NULL && number == ER_BAD_DB_ERROR) {
        conn = connect_to(pool, NULL, CLIENT_MULTI_STATEMENTS, &number, e);
        if (conn == NULL) {
            return ERR_BUSY;
        }
        char sql[160]; /* the name has no character that could end the quotes */
        (void)snprintf(sql, sizeof(sql), "CREATE DATABASE IF NOT EXISTS `%s` CHARACTER SET utf8mb4",
                       pool->database);
        if (mysql_query(conn, sql) != 0 || mysql_select_db(conn, pool->database) != 0) {
            (void)err_set(e, ERR_FAULT, "make the database %s: %.150s", pool->database,
                          mysql_error(conn));
            mysql_close(conn);
            return ERR_FAULT;
        }
    }
    if (conn == NULL) {
        return ERR_BUSY;
    }
    *ret_conn = conn;
    return OK;
}
