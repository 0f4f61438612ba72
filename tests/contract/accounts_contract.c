/* The contract of auth/accounts/accounts.h: the same cases on SQLite always, and on MySQL when
 * UNREEL_TEST_MYSQL_URL (mysql://user:password@host:port/) names a server. Each case has a fresh
 * database. */
#include "accounts_contract.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "accounts/mysql_pool.h"
#include "core/id.h"
#include "core/text.h"

static const char *server_url; /* NULL: the cases run on SQLite */

bool is_mysql(void)
{
    return server_url != NULL;
}

/* ---- a database for each case ---- */

static int set_up_empty(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));
    char id[ID_SIZE];
    id_new(id);
    if (is_mysql()) {
        const size_t len = strlen(server_url);
        (void)snprintf(f->url, sizeof(f->url), "%s%sunreel_test_%s", server_url,
                       server_url[len - 1] == '/' ? "" : "/", id);
    } else {
        (void)text_copy(f->folder, sizeof(f->folder), "/tmp/unreel-accounts-XXXXXX");
        assert_non_null(mkdtemp(f->folder));
        (void)snprintf(f->url, sizeof(f->url), "sqlite:%s/accounts.db", f->folder);
    }
    *state = f;
    return 0;
}

enum err open_accounts(struct fixture *f)
{
    return accounts_open(f->url, THREADS, &f->a, NULL);
}

static int set_up(void **state)
{
    (void)set_up_empty(state);
    struct fixture *f = *state;
    struct error e = { 0 };
    if (accounts_migrate(f->url, NULL, &e) != OK || open_accounts(f) != OK) {
        (void)fprintf(stderr, "no database: %s\n", e.text);
        return 1;
    }
    return 0;
}

/* Runs a statement on a connection of its own. */
void run_sql(struct fixture *f, const char *sql)
{
    AUTO(mysql_pool_close) struct mysql_pool *pool = NULL;
    MYSQL *conn = NULL;
    assert_int_equal(mysql_pool_open(f->url, 1, &pool, NULL), OK);
    assert_int_equal(mysql_pool_connect_for_ddl(pool, &conn, NULL), OK);
    if (mysql_query(conn, sql) != 0) {
        fail_msg("%s: %s", sql, mysql_error(conn));
    }
    mysql_close(conn);
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    accounts_close(f->a);
    if (is_mysql()) {
        char sql[128];
        (void)snprintf(sql, sizeof(sql), "DROP DATABASE %s", strrchr(f->url, '/') + 1);
        run_sql(f, sql);
    } else {
        static const char *const names[] = { "accounts.db", "accounts.db-wal", "accounts.db-shm" };
        for (size_t i = 0; i < ARRAY_LEN(names); i++) {
            char path[128];
            (void)snprintf(path, sizeof(path), "%s/%s", f->folder, names[i]);
            (void)unlink(path);
        }
        assert_int_equal(rmdir(f->folder), 0);
    }
    free(f);
    return 0;
}

void run_threads(void *(*work)(void *), void *arg)
{
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, work, arg), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define CASE_EMPTY(name) cmocka_unit_test_setup_teardown(name, set_up_empty, tear_down)

static int run_cases(const char *engine)
{
    const struct CMUnitTest tests[] = {
        CASE(test_add_and_find),
        CASE(test_codes),
        CASE(test_update),
        CASE(test_list),
        CASE(test_longest_texts),
        CASE(test_unique_under_threads),
        CASE(test_keys),
        CASE(test_keys_under_threads),
        CASE(test_throttle),
        CASE(test_throttle_under_threads),
        CASE(test_reconnect),
        CASE(test_sqlite_file_is_private),
        CASE_EMPTY(test_migrate_twice),
        CASE_EMPTY(test_migrate_in_four_processes),
        CASE_EMPTY(test_schema_behind),
        cmocka_unit_test(test_server_away),
        cmocka_unit_test(test_urls),
    };
    printf("accounts contract on %s\n", engine);
    (void)fflush(stdout);
    return cmocka_run_group_tests_name(engine, tests, NULL, NULL);
}

int main(void)
{
    int failed = run_cases("sqlite");
    server_url = getenv("UNREEL_TEST_MYSQL_URL");
    if (server_url != NULL && server_url[0] != '\0') {
        failed += run_cases("mysql");
    } else {
        printf("SKIPPED accounts contract on mysql: UNREEL_TEST_MYSQL_URL is not set\n");
    }
    return failed;
}
