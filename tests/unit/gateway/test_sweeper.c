/* What a killed process left half-written goes; what is young or whole stays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
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
};

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
    AUTO(mem_free) char *command = xasprintf("rm -r %s", f->folder);
    assert_int_equal(system(command), 0);
    free(f);
    return 0;
}

/* A blob that was written to that many hours ago, for the last time. */
static void leave(struct fixture *f, size_t bucket, bool is_committed, int hours,
                  char ret_id[ID_SIZE])
{
    struct blob_meta meta = { .owner = "ann@example.org", .filename = "a", .content_type = "" };
    struct blob_writer *w = NULL;
    id_new(ret_id);
    assert_int_equal(blobs_create(f->buckets[bucket], ret_id, &meta, &w, NULL), OK);
    assert_int_equal(blob_write(w, "half", 4, NULL), OK);
    if (is_committed) {
        assert_int_equal(blob_commit(w, NULL, NULL), OK);
    } else {
        assert_int_equal(blob_suspend(w, NULL), OK);
    }
    AUTO(mem_free)
    char *path = xasprintf("%s/%s/%s%s", f->folder, bucket_names[bucket], ret_id,
                           is_committed ? "" : ".part");
    struct timespec at = { .tv_sec = (clock_wall_ms() - hours * HOUR_MS) / 1000 };
    const struct timespec times[] = { at, at };
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static bool is_there(struct fixture *f, size_t bucket, const char *id)
{
    struct blob_stat st;
    enum err rc = blobs_stat(f->buckets[bucket], id, &st, NULL);
    assert_true(rc == OK || rc == ERR_NOT_FOUND);
    return rc == OK;
}

static void test_old_and_unfinished_goes(void **state)
{
    struct fixture *f = *state;

    static const struct {
        size_t bucket;
        bool is_committed;
        int hours;
        bool stays;
    } cases[] = {
        { 0, false, 25, false }, { 0, false, 23, true }, { 0, true, 25, true },
        { 1, false, 25, false }, { 1, false, 23, true }, { 1, true, 25, true },
    };

    char ids[ARRAY_LEN(cases)][ID_SIZE];
    int64_t videos = metric_get(&metric_orphans_removed, 0);
    int64_t mp3s = metric_get(&metric_orphans_removed, 1);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        leave(f, cases[i].bucket, cases[i].is_committed, cases[i].hours, ids[i]);
    }
    assert_int_equal(sweeper_sweep(&f->gateway, 24 * HOUR_MS, &go_on), 2);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (is_there(f, cases[i].bucket, ids[i]) != cases[i].stays) {
            fail_msg("case %zu %s", i, cases[i].stays ? "is gone" : "is still there");
        }
    }
    assert_int_equal(metric_get(&metric_orphans_removed, 0), videos + 1);
    assert_int_equal(metric_get(&metric_orphans_removed, 1), mp3s + 1);
    assert_int_equal(sweeper_sweep(&f->gateway, 24 * HOUR_MS, &go_on), 0);
}

static void test_stops_when_told(void **state)
{
    struct fixture *f = *state;
    const atomic_bool stop = true;
    char id[ID_SIZE];
    leave(f, 0, false, 25, id);
    assert_int_equal(sweeper_sweep(&f->gateway, 24 * HOUR_MS, &stop), 0);
    assert_true(is_there(f, 0, id));
}

/* What cannot be removed (here a folder, which is no blob) holds up nothing else. */
static void test_a_removal_fails(void **state)
{
    struct fixture *f = *state;
    char id[ID_SIZE];
    char others[2][ID_SIZE];
    id_new(id);
    AUTO(mem_free) char *path = xasprintf("%s/videos/%s.part", f->folder, id);
    struct timespec at = { .tv_sec = 1 };
    const struct timespec times[] = { at, at };
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    leave(f, 0, false, 25, others[0]);
    leave(f, 1, false, 25, others[1]);
    assert_int_equal(sweeper_sweep(&f->gateway, 24 * HOUR_MS, &go_on), 2);
    assert_false(is_there(f, 0, others[0]));
    assert_false(is_there(f, 1, others[1]));
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(metric_get(&metric_orphans_left, 0), 1);
    assert_int_equal(metric_get(&metric_orphans_left, 1), 0);
}

/* The thread looks after a minute, and ends at once when asked to before. */
static void test_thread_ends_at_once(void **state)
{
    struct fixture *f = *state;
    char id[ID_SIZE];
    int64_t began_ms = clock_mono_ms();
    leave(f, 0, false, 25, id);
    assert_int_equal(sweeper_start(&f->gateway, &f->gateway.sweeper, NULL), OK);
    sweeper_stop(f->gateway.sweeper);
    sweeper_stop(NULL);
    assert_true(clock_mono_ms() - began_ms < 10000);
    assert_true(is_there(f, 0, id));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_old_and_unfinished_goes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stops_when_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_removal_fails, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_thread_ends_at_once, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
