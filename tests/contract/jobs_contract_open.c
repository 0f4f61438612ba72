/* Opening: what only one engine can show. Runs first, before any thread exists, because it forks.
 */
#include "jobs_contract.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "db/sqlite_db.h"

extern const char *const jobs_sqlite_migrations[];

static void test_open_refuses(void **state)
{
    (void)state;

    static const struct {
        const char *url;
        enum err expected;
    } rows[] = {
        { "", ERR_INVALID },
        { "mysql://x", ERR_INVALID },
        { "sqlite:", ERR_INVALID },
        { "sqlite::memory:", ERR_INVALID },
        { "sqlite:/nonexistent/folder/jobs.db", ERR_FAULT },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct jobs *s = NULL;
        struct error e;
        assert_err(rows[i].expected, jobs_open(rows[i].url, 1, &s, &e));
        assert_null(s);
    }
}

static void test_server_down_is_busy(void **state)
{
    (void)state;
    struct jobs *s = NULL;
    struct job j;
    job_init(&j, OWNER);
    assert_ok(jobs_open("mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=200", 1, &s, NULL));
    assert_err(ERR_BUSY, jobs_check(s, NULL));
    assert_err(ERR_BUSY, jobs_create(s, &j, NULL));
    assert_err(ERR_BUSY, jobs_get(s, j.id, NULL, &j, NULL));
    jobs_close(s);
}

static int open_in_a_child(const char *url)
{
    struct jobs *s = NULL;
    struct job j;
    job_init(&j, OWNER);
    struct error e;
    if (jobs_open(url, 1, &s, &e) != OK || jobs_create(s, &j, &e) != OK) {
        (void)fprintf(stderr, "child: %s\n", e.text);
        return 1;
    }
    jobs_close(s);
    return 0;
}

static void test_processes_open_a_fresh_file_at_once(void **state)
{
    const char *folder = *state;
    for (int round = 0; round < 5; round++) {
        char url[256];
        (void)snprintf(url, sizeof(url), "sqlite:%s/fresh%d.db", folder, round);
        pid_t children[4];
        for (size_t i = 0; i < ARRAY_LEN(children); i++) {
            children[i] = fork();
            assert_true(children[i] >= 0);
            if (children[i] == 0) {
                _exit(open_in_a_child(url));
            }
        }
        for (size_t i = 0; i < ARRAY_LEN(children); i++) {
            int status = 0;
            assert_int_equal(waitpid(children[i], &status, 0), children[i]);
            assert_int_equal(status, 0);
        }
        struct jobs *s = NULL;
        int64_t counts[JOB_STATE_MAX];
        assert_ok(jobs_open(url, 1, &s, NULL));
        assert_ok(jobs_count(s, counts, NULL));
        assert_int_equal(counts[JOB_QUEUED], ARRAY_LEN(children));
        jobs_close(s);
        struct stat st;
        assert_int_equal(stat(url + strlen("sqlite:"), &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
    }
}

static void insert_old(struct sqlite3 *conn, const struct job *j)
{
    json_auto_t *record = job_to_record(j);
    (void)json_object_del(record, "same_as");
    AUTO(mem_free) char *text = json_dumps(record, JSON_COMPACT);
    AUTO(mem_free)
    char *sql = xasprintf("INSERT INTO jobs VALUES ('%s', '%s', '', 'succeeded', '', '%s', '%s',"
                          " 1, '', 0, '', 0, 1, '%s');"
                          "INSERT INTO job_mp3s VALUES ('%s', '%s')",
                          j->id, j->owner, j->video_fid, j->mp3_fid, text, j->outputs[1].fid,
                          j->id);
    assert_ok(sqlite_db_exec(conn, sql, NULL));
}

/* A file from before MP3s were shared: its jobs are found by their content, their outputs, and the
 * picture that came with them. */
static void test_an_old_file_is_migrated(void **state)
{
    char url[256];
    (void)snprintf(url, sizeof(url), "sqlite:%s/old.db", (const char *)*state);
    const char *const old[] = { jobs_sqlite_migrations[0], jobs_sqlite_migrations[1], NULL };
    struct job j;
    job_init(&j, OWNER);
    j.rev = 1;
    j.state = JOB_SUCCEEDED;
    j.output_count = 2;
    id_new(j.outputs[0].fid);
    id_new(j.outputs[1].fid);
    id_new(j.cover_fid);
    memcpy(j.video_fid, j.id, ID_SIZE);
    memcpy(j.mp3_fid, j.outputs[0].fid, ID_SIZE);
    (void)text_copy(j.sha256, sizeof(j.sha256), "00ff");

    struct sqlite_db *db = NULL;
    struct sqlite3 *conn = NULL;
    assert_ok(sqlite_db_open(url, "jobs", old, &db, NULL));
    assert_ok(sqlite_db_acquire(db, &conn, NULL));
    insert_old(conn, &j);
    sqlite_db_release(db, conn);
    sqlite_db_close(db);

    struct jobs *s = NULL;
    struct job got;
    struct job again;
    job_init(&again, OWNER);
    (void)text_copy(again.sha256, sizeof(again.sha256), "00ff");
    assert_ok(jobs_open(url, 1, &s, NULL));
    assert_ok(jobs_find_same(s, &again, &got, NULL));
    assert_same(&j, &got);
    assert_ok(jobs_get_by_upload(s, j.cover_fid, &got, NULL));
    assert_same(&j, &got);
    assert_ok(jobs_create_same(s, &again, &got, NULL));
    assert_int_equal(again.state, JOB_SUCCEEDED);
    assert_ok(jobs_remove(s, j.id, OWNER, NULL));
    assert_ok(jobs_get_by_mp3(s, j.outputs[1].fid, OWNER, &got, NULL));
    assert_string_equal(got.id, again.id);
    jobs_close(s);
}

int run_open_cases(char *folder)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test_prestate(test_processes_open_a_fresh_file_at_once, folder),
        cmocka_unit_test(test_open_refuses),
        cmocka_unit_test_prestate(test_an_old_file_is_migrated, folder),
        cmocka_unit_test(test_server_down_is_busy),
    };
    return cmocka_run_group_tests_name("jobs open", cases, NULL, NULL);
}
