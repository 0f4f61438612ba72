/* What a killed process left half-written, and what no record names, goes; all else stays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/text.h"
#include "gateway.h"
#include "sweeper.h"

#define HOUR_MS (3600 * 1000LL)

static const char *const bucket_names[] = { "videos", "mp3s" };
static const atomic_bool go_on = false;

struct fixture {
    char folder[64];
    struct gateway_settings settings;
    struct gateway gateway;
    struct blobs *buckets[2];
    struct sweep sweep;
    char late_id[ID_SIZE];
};

enum file_state { HALF, WHOLE, FOREIGN };

static int set_up(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));
    (void)snprintf(f->folder, sizeof(f->folder), "/tmp/unreel-sweeper-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    AUTO(mem_free) char *url = xasprintf("file:%s", f->folder);
    f->settings.orphan_age_s = 86400;
    f->gateway.settings = &f->settings;
    for (size_t i = 0; i < ARRAY_LEN(f->buckets); i++) {
        assert_int_equal(blobs_open(url, bucket_names[i], 4, &f->buckets[i], NULL), OK);
    }
    f->gateway.videos = f->buckets[0];
    f->gateway.mp3s = f->buckets[1];
    AUTO(mem_free) char *jobs_url = xasprintf("sqlite:%s/jobs.db", f->folder);
    assert_int_equal(jobs_open(jobs_url, 4, &f->gateway.jobs, NULL), OK);
    f->sweep = (struct sweep){ .age_ms = 24 * HOUR_MS, .is_stopping = &go_on };
    metric_register(&metric_orphans_removed);
    metric_register(&metric_orphans_left);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    blobs_close(f->gateway.videos);
    blobs_close(f->gateway.mp3s);
    jobs_close(f->gateway.jobs);
    AUTO(mem_free) char *command = xasprintf("rm -r %s", f->folder);
    assert_int_equal(system(command), 0);
    free(f);
    return 0;
}

static void set_age(struct fixture *f, size_t bucket, const char *name, int hours)
{
    AUTO(mem_free) char *path = xasprintf("%s/%s/%s", f->folder, bucket_names[bucket], name);
    struct timespec at = { .tv_sec = (clock_wall_ms() - hours * HOUR_MS) / 1000 };
    const struct timespec times[] = { at, at };
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

/* A blob that was committed that many hours ago, or else written to for the last time. */
static void leave(struct fixture *f, size_t bucket, enum file_state state, int hours,
                  char ret_id[ID_SIZE])
{
    struct blob_meta meta = { .owner = "ann@example.org", .filename = "a", .content_type = "" };
    struct blob_writer *w = NULL;
    id_new(ret_id);
    assert_int_equal(blobs_create(f->buckets[bucket], ret_id, &meta, &w, NULL), OK);
    assert_int_equal(blob_write(w, "half", 4, NULL), OK);
    AUTO(mem_free) char *part = xasprintf("%s.part", ret_id);
    AUTO(mem_free) char *json = xasprintf("%s.json", ret_id);
    if (state == HALF) {
        assert_int_equal(blob_suspend(w, NULL), OK);
        set_age(f, bucket, part, hours);
        return;
    }
    assert_int_equal(blob_commit(w, NULL, NULL), OK);
    set_age(f, bucket, ret_id, 1000); /* the data is old, the commit need not be */
    set_age(f, bucket, json, hours);
    if (state == FOREIGN) {
        AUTO(mem_free) char *path = xasprintf("%s/%s/%s", f->folder, bucket_names[bucket], json);
        assert_int_equal(unlink(path), 0);
    }
}

static bool is_there(struct fixture *f, size_t bucket, const char *id)
{
    struct blob_stat st;
    enum err rc = blobs_stat(f->buckets[bucket], id, &st, NULL);
    assert_true(rc == OK || rc == ERR_NOT_FOUND);
    return rc == OK;
}

/* As a converter ends a job, or a gateway answers with another's MP3s and dies half-way. */
static void name_mp3s(struct fixture *f, struct job *job, char fids[2][ID_SIZE], bool is_shared)
{
    job_init(job, "ann@example.org");
    job->output_count = 2;
    memcpy(job->outputs[0].fid, fids[0], ID_SIZE);
    memcpy(job->outputs[1].fid, fids[1], ID_SIZE);
    if (is_shared) {
        id_new(job->same_as);
        assert_int_equal(jobs_create(f->gateway.jobs, job, NULL), OK);
        return;
    }
    struct job claimed;
    assert_int_equal(jobs_create(f->gateway.jobs, job, NULL), OK);
    assert_int_equal(jobs_claim(f->gateway.jobs, job->id, 60000, "", false, &claimed, NULL), OK);
    claimed.state = JOB_SUCCEEDED;
    claimed.output_count = job->output_count;
    memcpy(claimed.outputs, job->outputs, sizeof(claimed.outputs));
    memcpy(claimed.mp3_fid, fids[0], ID_SIZE);
    assert_int_equal(jobs_finish(f->gateway.jobs, &claimed, NULL), OK);
    *job = claimed;
}

/* Two old files that have a record, so that as many without one may go. */
static void leave_named(struct fixture *f, size_t bucket)
{
    struct job job;
    char fids[2][ID_SIZE];
    leave(f, bucket, WHOLE, 25, fids[0]);
    leave(f, bucket, WHOLE, 25, fids[1]);
    if (bucket == 1) {
        name_mp3s(f, &job, fids, true);
        return;
    }
    job_init(&job, "ann@example.org");
    memcpy(job.video_fid, fids[0], ID_SIZE);
    memcpy(job.cover_fid, fids[1], ID_SIZE);
    assert_int_equal(jobs_create(f->gateway.jobs, &job, NULL), OK);
}

static void test_what_is_old_and_nobodys_goes(void **state)
{
    struct fixture *f = *state;

    static const struct {
        size_t bucket;
        enum file_state state;
        int hours;
        bool stays;
    } cases[] = {
        { 0, HALF, 25, false },  { 0, HALF, 23, true },    { 1, HALF, 25, false },
        { 1, HALF, 23, true },   { 0, WHOLE, 25, false },  { 0, WHOLE, 23, true },
        { 1, WHOLE, 25, false }, { 1, WHOLE, 23, true },   { 0, FOREIGN, 25, true },
        { 1, WHOLE, 25, false }, { 1, FOREIGN, 25, true },
    };

    char ids[ARRAY_LEN(cases)][ID_SIZE];
    int64_t videos = metric_get(&metric_orphans_removed, 0);
    int64_t mp3s = metric_get(&metric_orphans_removed, 1);
    leave_named(f, 0);
    leave_named(f, 1);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        leave(f, cases[i].bucket, cases[i].state, cases[i].hours, ids[i]);
    }
    assert_int_equal(sweeper_sweep(&f->gateway, &f->sweep), 5);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (is_there(f, cases[i].bucket, ids[i]) != cases[i].stays) {
            fail_msg("case %zu %s", i, cases[i].stays ? "is gone" : "is still there");
        }
    }
    assert_int_equal(metric_get(&metric_orphans_removed, 0), videos + 2);
    assert_int_equal(metric_get(&metric_orphans_removed, 1), mp3s + 3);
    assert_int_equal(sweeper_sweep(&f->gateway, &f->sweep), 0);
}

/* Old files are kept as long as one record names them, by whichever of its members. */
static void test_what_a_record_names_stays(void **state)
{
    struct fixture *f = *state;
    char uploads[2][ID_SIZE];
    char made[2][ID_SIZE];
    char shared[2][ID_SIZE];
    struct job jobs[4];
    leave_named(f, 0);
    for (int i = 0; i < 2; i++) {
        leave(f, 0, WHOLE, 1000, uploads[i]);
        leave(f, 1, WHOLE, 1000, made[i]);
        leave(f, 1, WHOLE, 1000, shared[i]);
    }
    for (size_t i = 0; i < 2; i++) { /* an upload, and a retry that shares its files */
        job_init(&jobs[i], "ann@example.org");
        memcpy(jobs[i].video_fid, uploads[0], ID_SIZE);
        memcpy(jobs[i].cover_fid, uploads[1], ID_SIZE);
        assert_int_equal(jobs_create(f->gateway.jobs, &jobs[i], NULL), OK);
    }
    name_mp3s(f, &jobs[2], made, false);
    name_mp3s(f, &jobs[3], shared, true);
    assert_int_equal(sweeper_sweep(&f->gateway, &f->sweep), 0);
    assert_int_equal(jobs_remove(f->gateway.jobs, jobs[0].id, NULL, NULL), OK);
    assert_int_equal(sweeper_sweep(&f->gateway, &f->sweep), 0);

    /* Records go, as when somebody dies before he removes their files. */
    static const size_t removed[] = { 1, 2 };
    char(*const gone[])[ID_SIZE] = { uploads, made };
    for (size_t i = 0; i < ARRAY_LEN(removed); i++) {
        const struct job *job = &jobs[removed[i]];
        assert_int_equal(jobs_remove(f->gateway.jobs, job->id, NULL, NULL), OK);
        assert_int_equal(sweeper_sweep(&f->gateway, &f->sweep), 2);
        assert_false(is_there(f, i, gone[i][0]) || is_there(f, i, gone[i][1]));
        assert_true(is_there(f, 1, shared[0]) && is_there(f, 1, shared[1]));
    }
}

/* A job store that is empty, or that knows fewer than half of the files, may be the wrong one. */
static void test_a_wrong_job_store_costs_nothing(void **state)
{
    struct fixture *f = *state;
    char ids[3][ID_SIZE];
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        leave(f, 1, WHOLE, 25, ids[i]);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(sweeper_sweep(&f->gateway, &f->sweep), 0);
        assert_int_equal(metric_get(&metric_orphans_left, 1), ARRAY_LEN(ids));
        leave_named(f, 1);
    }
    assert_int_equal(sweeper_sweep(&f->gateway, &f->sweep), ARRAY_LEN(ids));
    assert_int_equal(metric_get(&metric_orphans_left, 1), 0);
}

/* The job store cannot be asked: a file without an answer is kept. */
static void test_no_answer_removes_nothing(void **state)
{
    struct fixture *f = *state;
    struct jobs *away = NULL;
    char id[ID_SIZE];
    leave(f, 0, WHOLE, 25, id);
    leave_named(f, 0);
    struct jobs *here = f->gateway.jobs;
    assert_int_equal(
        jobs_open("mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=200", 1, &away, NULL), OK);
    f->gateway.jobs = away;
    assert_int_equal(sweeper_sweep(&f->gateway, &f->sweep), 0);
    f->gateway.jobs = here;
    jobs_close(away);
    assert_true(is_there(f, 0, id));
    assert_int_equal(sweeper_sweep(&f->gateway, &f->sweep), 1);
}

/* A machine slept between the commit and the record, or its clock was set right. */
static void *name_it_late(void *arg)
{
    struct fixture *f = arg;
    struct job job;
    char fids[2][ID_SIZE];
    clock_sleep_ms(500);
    memcpy(fids[0], f->late_id, ID_SIZE);
    id_new(fids[1]);
    name_mp3s(f, &job, fids, false);
    return NULL;
}

static void test_a_record_that_comes_late_is_seen(void **state)
{
    struct fixture *f = *state;
    char other[ID_SIZE];
    pthread_t thread;
    leave_named(f, 1);
    leave(f, 1, WHOLE, 25, f->late_id);
    leave(f, 1, WHOLE, 25, other);
    f->sweep.pause_ms = 2000;
    assert_int_equal(pthread_create(&thread, NULL, name_it_late, f), 0);
    assert_int_equal(sweeper_sweep(&f->gateway, &f->sweep), 1);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(is_there(f, 1, f->late_id));
    assert_false(is_there(f, 1, other));
    assert_int_equal(metric_get(&metric_orphans_left, 1), 0);
}

/* More than fit one page: a look goes on until all were listed. */
static void test_many_files(void **state)
{
    struct fixture *f = *state;
    char id[ID_SIZE];
    for (int i = 0; i < 10; i++) {
        leave_named(f, 0);
    }
    for (int i = 0; i < 1100; i++) {
        id_new(id);
        AUTO(mem_free) char *path = xasprintf("%s/videos/%s", f->folder, id);
        int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        assert_int_equal(close(fd), 0);
    }
    char strays[20][ID_SIZE];
    for (size_t i = 0; i < ARRAY_LEN(strays); i++) {
        leave(f, 0, WHOLE, 25, strays[i]);
    }
    assert_int_equal(sweeper_sweep(&f->gateway, &f->sweep), ARRAY_LEN(strays));
    assert_string_equal(f->sweep.cursors[0], "");
}

static void test_stops_when_told(void **state)
{
    struct fixture *f = *state;
    const atomic_bool stop = true;
    char id[ID_SIZE];
    leave(f, 0, HALF, 25, id);
    f->sweep.is_stopping = &stop;
    assert_int_equal(sweeper_sweep(&f->gateway, &f->sweep), 0);
    assert_true(is_there(f, 0, id));
}

/* What cannot be removed (here a folder, which is no blob) holds up nothing else. */
static void test_a_removal_fails(void **state)
{
    struct fixture *f = *state;
    char id[ID_SIZE];
    char others[2][ID_SIZE];
    id_new(id);
    AUTO(mem_free) char *name = xasprintf("%s.part", id);
    AUTO(mem_free) char *path = xasprintf("%s/videos/%s", f->folder, name);
    assert_int_equal(mkdir(path, 0700), 0);
    set_age(f, 0, name, 1000);
    leave(f, 0, HALF, 25, others[0]);
    leave(f, 1, HALF, 25, others[1]);
    assert_int_equal(sweeper_sweep(&f->gateway, &f->sweep), 2);
    assert_false(is_there(f, 0, others[0]));
    assert_false(is_there(f, 1, others[1]));
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(metric_get(&metric_orphans_left, 0), 1);
    assert_int_equal(metric_get(&metric_orphans_left, 1), 0);
}

/* The thread looks after half a minute, and ends at once when asked to before. */
static void test_thread_ends_at_once(void **state)
{
    struct fixture *f = *state;
    char id[ID_SIZE];
    int64_t began_ms = clock_mono_ms();
    leave(f, 0, HALF, 25, id);
    assert_int_equal(sweeper_start(&f->gateway, &f->gateway.sweeper, NULL), OK);
    sweeper_stop(f->gateway.sweeper);
    sweeper_stop(NULL);
    assert_true(clock_mono_ms() - began_ms < 10000);
    assert_true(is_there(f, 0, id));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_is_old_and_nobodys_goes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_a_record_names_stays, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_wrong_job_store_costs_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_answer_removes_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_record_that_comes_late_is_seen, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stops_when_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_removal_fails, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_thread_ends_at_once, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
