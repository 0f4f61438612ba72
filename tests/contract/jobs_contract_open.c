/* Opening: what only one engine can show. Runs first, before any thread exists, because it forks.
 */
#include "jobs_contract.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

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

int run_open_cases(char *folder)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test_prestate(test_processes_open_a_fresh_file_at_once, folder),
        cmocka_unit_test(test_open_refuses),
        cmocka_unit_test(test_server_down_is_busy),
    };
    return cmocka_run_group_tests_name("jobs open", cases, NULL, NULL);
}
