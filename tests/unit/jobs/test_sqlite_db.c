#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "db/sqlite_db.h"

#define assert_err(expected, call) assert_string_equal(err_name(expected), err_name(call))
#define assert_ok(call) assert_err(OK, call)

static const char *const two[] = { "CREATE TABLE a (x INTEGER PRIMARY KEY, y UNIQUE);",
                                   "CREATE TABLE b (x REFERENCES a); INSERT INTO a VALUES (1, 1);",
                                   NULL };
static const char *const three[] = {
    "CREATE TABLE a (x INTEGER PRIMARY KEY, y UNIQUE);",
    "CREATE TABLE b (x REFERENCES a); INSERT INTO a VALUES (1, 1);",
    "CREATE TABLE c (x); CREATE TABLE a (x);", NULL
};
static const char *const other[] = { "CREATE TABLE other (x);", NULL };

static char folder[] = "/tmp/unreel-sqlite-XXXXXX";
static char url[64];

static int make_file(void **state)
{
    (void)state;
    (void)snprintf(url, sizeof(url), "sqlite:%s/x.db", folder);
    return 0;
}

static int remove_file(void **state)
{
    (void)state;
    static const char *const suffixes[] = { "", "-wal", "-shm" };
    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        char path[96];
        (void)snprintf(path, sizeof(path), "%s%s", url + strlen("sqlite:"), suffixes[i]);
        (void)unlink(path);
    }
    return 0;
}

static int64_t query_int(struct sqlite3 *conn, const char *sql)
{
    struct sqlite3_stmt *stmt = NULL;
    assert_int_equal(sqlite3_prepare_v2(conn, sql, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    int64_t value = sqlite3_column_int64(stmt, 0);
    (void)sqlite3_finalize(stmt);
    return value;
}

static void test_settings(void **state)
{
    (void)state;
    struct sqlite_db *db = NULL;
    struct sqlite3 *conn = NULL;
    struct stat st;
    assert_ok(sqlite_db_open(url, "x", two, &db, NULL));
    assert_int_equal(stat(sqlite_db_path(db), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_ok(sqlite_db_acquire(db, &conn, NULL));
    assert_int_equal(query_int(conn, "PRAGMA synchronous"), 2);
    assert_int_equal(query_int(conn, "PRAGMA foreign_keys"), 1);
    assert_int_equal(query_int(conn, "PRAGMA busy_timeout"), 10000);
    assert_int_equal(
        query_int(conn, "SELECT (SELECT journal_mode FROM pragma_journal_mode) = 'wal'"), 1);
    sqlite_db_release(db, conn);
    sqlite_db_close(db);
    sqlite_db_close(NULL);
}

static void test_migrations(void **state)
{
    (void)state;
    struct sqlite_db *db = NULL;
    struct sqlite_db *again = NULL;
    struct sqlite3 *conn = NULL;
    struct error e;
    assert_ok(sqlite_db_open(url, "x", two, &db, NULL));
    assert_ok(sqlite_db_open(url, "x", two, &again, NULL));
    sqlite_db_close(again);
    again = NULL;
    assert_ok(sqlite_db_open(url, "other", other, &again, NULL));
    sqlite_db_close(again);
    again = NULL;
    /* The third one fails in its middle: nothing of it stays. */
    assert_err(ERR_FAULT, sqlite_db_open(url, "x", three, &again, &e));
    assert_null(again);
    assert_ok(sqlite_db_acquire(db, &conn, NULL));
    assert_int_equal(query_int(conn, "SELECT count(*) FROM schema_migrations"), 3);
    assert_int_equal(query_int(conn, "SELECT count(*) FROM sqlite_master WHERE name = 'c'"), 0);
    assert_int_equal(query_int(conn, "SELECT count(*) FROM a"), 1);
    sqlite_db_release(db, conn);
    sqlite_db_close(db);
    assert_err(ERR_INVALID, sqlite_db_open(url, "x", other, &again, &e));
    assert_non_null(strstr(e.text, "version 2"));
}

static void test_errors(void **state)
{
    (void)state;

    static const struct {
        const char *sql;
        enum err expected;
    } rows[] = {
        { "INSERT INTO a VALUES (2, 2)", OK },
        { "INSERT INTO a VALUES (2, 3)", ERR_EXISTS },
        { "INSERT INTO a VALUES (3, 2)", ERR_EXISTS },
        { "INSERT INTO b VALUES (99)", ERR_FAULT },
        { "SELEC", ERR_FAULT },
    };
    struct sqlite_db *db = NULL;
    struct sqlite3 *conn = NULL;
    assert_ok(sqlite_db_open(url, "x", two, &db, NULL));
    assert_ok(sqlite_db_acquire(db, &conn, NULL));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct error e;
        assert_err(rows[i].expected, sqlite_db_exec(conn, rows[i].sql, &e));
    }
    assert_err(ERR_BUSY, sqlite_db_error(NULL, SQLITE_BUSY, "x", NULL));
    assert_err(ERR_BUSY, sqlite_db_error(conn, SQLITE_BUSY, "x", NULL));
    assert_err(ERR_CORRUPT, sqlite_db_error(NULL, SQLITE_NOTADB, "x", NULL));
    assert_err(ERR_EXISTS, sqlite_db_error(NULL, SQLITE_CONSTRAINT_UNIQUE, "x", NULL));
    sqlite_db_release(db, conn);
    sqlite_db_close(db);
}

static void test_not_a_database(void **state)
{
    (void)state;
    FILE *file = fopen(url + strlen("sqlite:"), "w");
    assert_non_null(file);
    for (int i = 0; i < 1000; i++) {
        assert_true(fputs("this is no database\n", file) >= 0);
    }
    assert_int_equal(fclose(file), 0);
    struct sqlite_db *db = NULL;
    assert_err(ERR_CORRUPT, sqlite_db_open(url, "x", two, &db, NULL));
    assert_null(db);
}

/* A transaction that was left open does not leak into the next user's work. */
static void test_release_rolls_back(void **state)
{
    (void)state;
    struct sqlite_db *db = NULL;
    struct sqlite3 *conn = NULL;
    assert_ok(sqlite_db_open(url, "x", two, &db, NULL));
    assert_ok(sqlite_db_acquire(db, &conn, NULL));
    assert_ok(sqlite_db_exec(conn, "BEGIN IMMEDIATE; INSERT INTO a VALUES (5, 5)", NULL));
    sqlite_db_release(db, conn);
    assert_ok(sqlite_db_acquire(db, &conn, NULL));
    assert_int_equal(query_int(conn, "SELECT count(*) FROM a WHERE x = 5"), 0);
    sqlite_db_release(db, conn);
    sqlite_db_close(db);
}

static struct sqlite_db *shared;

static void *add_ten(void *arg)
{
    (void)arg;
    static _Thread_local int failed;
    for (int i = 0; i < 10; i++) {
        struct sqlite3 *conn = NULL;
        if (sqlite_db_acquire(shared, &conn, NULL) != OK) {
            failed++;
            continue;
        }
        if (sqlite_db_exec(conn, "INSERT INTO other VALUES (1)", NULL) != OK) {
            failed++;
        }
        sqlite_db_release(shared, conn);
    }
    return failed == 0 ? NULL : &shared;
}

/* More threads than connections: they take turns. */
static void test_threads_take_turns(void **state)
{
    (void)state;
    pthread_t threads[20];
    assert_ok(sqlite_db_open(url, "other", other, &shared, NULL));
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, add_ten, NULL), 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        void *result = NULL;
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_null(result);
    }
    struct sqlite3 *conn = NULL;
    assert_ok(sqlite_db_acquire(shared, &conn, NULL));
    assert_int_equal(query_int(conn, "SELECT count(*) FROM other"), 200);
    sqlite_db_release(shared, conn);
    sqlite_db_close(shared);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, make_file, remove_file)

int main(void)
{
    if (mkdtemp(folder) == NULL) {
        return 1;
    }
    const struct CMUnitTest tests[] = {
        CASE(test_settings),       CASE(test_migrations),         CASE(test_errors),
        CASE(test_not_a_database), CASE(test_release_rolls_back), CASE(test_threads_take_turns),
    };
    int failed = cmocka_run_group_tests_name("sqlite_db", tests, NULL, NULL);
    return rmdir(folder) != 0 || failed != 0;
}
