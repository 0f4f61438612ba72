/* Schema, connections and URLs. */
#include "accounts_contract.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "accounts/mysql_pool.h"

void test_migrate_twice(void **state)
{
    struct fixture *f = *state;
    int applied = -1;
    assert_int_equal(accounts_migrate(f->url, &applied, NULL), OK);
    if (is_mysql()) {
        assert_true(applied > 0);
    }
    assert_int_equal(accounts_migrate(f->url, &applied, NULL), OK);
    assert_int_equal(applied, 0);
    assert_int_equal(open_accounts(f), OK);
    assert_int_equal(accounts_check(f->a, NULL), OK);
    assert_int_equal(accounts_add(f->a, "ann@example.org", HASH, false, NULL, NULL), OK);
    assert_int_equal(accounts_migrate(f->url, &applied, NULL), OK);
    struct account found;
    assert_int_equal(accounts_find(f->a, "ann@example.org", &found, NULL), OK);
}

void test_migrate_in_four_processes(void **state)
{
    struct fixture *f = *state;
    pid_t children[4];
    for (size_t i = 0; i < ARRAY_LEN(children); i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0) {
            struct error e = { 0 };
            const enum err code = accounts_migrate(f->url, NULL, &e);
            if (code != OK) {
                (void)fprintf(stderr, "migrate: %s\n", e.text);
            }
            _exit(code == OK ? 0 : 1);
        }
    }
    int failed = 0;
    for (size_t i = 0; i < ARRAY_LEN(children); i++) {
        int status = 0;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        failed += status == 0 ? 0 : 1;
    }
    assert_int_equal(failed, 0);
    assert_int_equal(open_accounts(f), OK);
    assert_int_equal(accounts_check(f->a, NULL), OK);
}

void test_schema_behind(void **state)
{
    struct fixture *f = *state;
    if (!is_mysql()) {
        skip(); /* opening applies the migrations */
    }
    assert_int_equal(open_accounts(f), OK);
    struct error e = { 0 };
    assert_int_equal(accounts_check(f->a, &e), ERR_BUSY); /* no database yet */
    run_sql(f, "SELECT 1");                               /* makes the database */
    assert_int_equal(accounts_check(f->a, &e), ERR_BUSY);
    assert_non_null(strstr(e.text, "run unreel-auth migrate"));
    struct account none;
    assert_int_equal(accounts_find(f->a, "ann@example.org", &none, NULL), ERR_BUSY);
    assert_int_equal(accounts_migrate(f->url, NULL, NULL), OK);
    assert_int_equal(accounts_check(f->a, NULL), OK);
    assert_int_equal(accounts_find(f->a, "ann@example.org", &none, NULL), ERR_NOT_FOUND);
    run_sql(f, "DELETE FROM schema_migrations");
    assert_int_equal(accounts_check(f->a, &e), ERR_BUSY);
    assert_non_null(strstr(e.text, "run unreel-auth migrate"));
    /* A migration that was broken off before it was noted is done again. */
    assert_int_equal(accounts_migrate(f->url, NULL, NULL), OK);
    assert_int_equal(accounts_check(f->a, NULL), OK);
}

/* Ends every connection to the case's database but its own. */
static int kill_connections(struct fixture *f)
{
    AUTO(mysql_pool_close) struct mysql_pool *pool = NULL;
    MYSQL *conn = NULL;
    assert_int_equal(mysql_pool_open(f->url, 1, &pool, NULL), OK);
    assert_int_equal(mysql_pool_connect_for_ddl(pool, &conn, NULL), OK);
    assert_int_equal(mysql_query(conn, "SELECT id FROM information_schema.processlist "
                                       "WHERE db = DATABASE() AND id <> CONNECTION_ID()"),
                     0);
    MYSQL_RES *result = mysql_store_result(conn);
    assert_non_null(result);
    int killed = 0;
    for (MYSQL_ROW row = mysql_fetch_row(result); row != NULL; row = mysql_fetch_row(result)) {
        char sql[64];
        (void)snprintf(sql, sizeof(sql), "KILL %s", row[0]);
        killed += mysql_query(conn, sql) == 0 ? 1 : 0;
    }
    mysql_free_result(result);
    mysql_close(conn);
    return killed;
}

static void *find_often(void *arg)
{
    struct race *race = arg;
    for (int i = 0; i < 10; i++) {
        struct account found;
        const enum err code = accounts_find(race->a, "ann@example.org", &found, NULL);
        if (code != OK) {
            atomic_fetch_add(&race->wrong, 1);
        }
    }
    return NULL;
}

void test_reconnect(void **state)
{
    struct fixture *f = *state;
    if (!is_mysql()) {
        skip(); /* there is no server that could drop a connection */
    }
    assert_int_equal(accounts_add(f->a, "ann@example.org", HASH, false, NULL, NULL), OK);
    struct race race = { .a = f->a };
    run_threads(find_often, &race); /* fills the pool */
    assert_true(kill_connections(f) > 0);
    run_threads(find_often, &race);
    assert_int_equal(atomic_load(&race.wrong), 0);

    /* In a transaction, and in a change. */
    assert_true(kill_connections(f) > 0);
    const struct signing_key first = key_of(1, "one");
    assert_int_equal(accounts_add_key(f->a, &first, 0, NULL), OK);
    assert_true(kill_connections(f) > 0);
    const struct signing_key second = key_of(2, "two");
    assert_int_equal(accounts_add_key(f->a, &second, 5000, NULL), OK);
    assert_true(kill_connections(f) > 0);
    assert_int_equal(accounts_check(f->a, NULL), OK);
}

void test_server_away(void **state)
{
    (void)state;
    if (!is_mysql()) {
        skip();
    }
    struct accounts *a = NULL;
    struct error e = { 0 };
    assert_int_equal(accounts_open("mysql://u:secret@127.0.0.1:1/unreel", 2, &a, &e), OK);
    assert_int_equal(accounts_check(a, &e), ERR_BUSY);
    assert_null(strstr(e.text, "secret"));
    struct account none;
    assert_int_equal(accounts_find(a, "ann@example.org", &none, &e), ERR_BUSY);
    accounts_close(a);
    assert_int_equal(accounts_migrate("mysql://u:secret@127.0.0.1:1/unreel", NULL, &e), ERR_BUSY);
}

void test_urls(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "postgres://host/db",
        "mysql://host",
        "mysql://host/",
        "mysql://host/a/b",
        "mysql://host/a`b",
        "mysql://host/db?tls=maybe",
        "mysql://host/db?ssl=true",
        "mysql://host/db?tls=require&x=1",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct accounts *a = NULL;
        struct error e = { 0 };
        if (accounts_open(bad[i], 1, &a, &e) != ERR_INVALID) {
            fail_msg("%s was opened", bad[i]);
        }
    }
    static const char *const good[] = { "mysql://host/db", "mysql://u:p@host:3307/db?tls=require",
                                        "mysql://host/db?tls=verify&tls_ca=/etc/ssl/ca.pem" };
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        struct accounts *a = NULL;
        assert_int_equal(accounts_open(good[i], 1, &a, NULL), OK);
        accounts_close(a);
    }
}

void test_sqlite_file_is_private(void **state)
{
    const struct fixture *f = *state;
    if (is_mysql()) {
        skip();
    }
    struct stat st;
    assert_int_equal(stat(f->url + strlen("sqlite:"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600); /* it holds private keys */
}
