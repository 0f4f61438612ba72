/* The outbox's relay: that what waits in the records reaches the queue, whatever the clock does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "gateway.h"
#include "relay.h"

#define HOUR_MS (3600 * 1000LL)

static _Atomic int64_t clock_is_off_ms;

int64_t __real_clock_wall_ms(void);
int64_t __wrap_clock_wall_ms(void);

int64_t __wrap_clock_wall_ms(void)
{
    return __real_clock_wall_ms() + atomic_load(&clock_is_off_ms);
}

static _Atomic int scans, counts;
static atomic_bool finds_nothing; /* as a relay that gets nothing done */

enum err __real_jobs_due(struct jobs *s, const struct jobs_due_query *query, struct job *ret_jobs,
                         size_t *ret_count, int64_t *ret_next_ms, struct error *e);
enum err __wrap_jobs_due(struct jobs *s, const struct jobs_due_query *query, struct job *ret_jobs,
                         size_t *ret_count, int64_t *ret_next_ms, struct error *e);
enum err __real_jobs_count(struct jobs *s, int64_t ret_counts[JOB_STATE_MAX], struct error *e);
enum err __wrap_jobs_count(struct jobs *s, int64_t ret_counts[JOB_STATE_MAX], struct error *e);

enum err __wrap_jobs_due(struct jobs *s, const struct jobs_due_query *query, struct job *ret_jobs,
                         size_t *ret_count, int64_t *ret_next_ms, struct error *e)
{
    atomic_fetch_add(&scans, query->kind == JOBS_DUE_PUBLISH ? 1 : 0);
    if (atomic_load(&finds_nothing)) {
        *ret_count = 0;
        *ret_next_ms = INT64_MAX;
        return OK;
    }
    return __real_jobs_due(s, query, ret_jobs, ret_count, ret_next_ms, e);
}

enum err __wrap_jobs_count(struct jobs *s, int64_t ret_counts[JOB_STATE_MAX], struct error *e)
{
    atomic_fetch_add(&counts, 1);
    return __real_jobs_count(s, ret_counts, e);
}

struct fixture {
    char folder[64];
    struct gateway_settings settings;
    struct gateway gateway;
    struct queue_consumer *consumer;
};

static int set_up(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));
    (void)snprintf(f->folder, sizeof(f->folder), "/tmp/unreel-relay-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    AUTO(mem_free) char *jobs_url = xasprintf("sqlite:%s/jobs.db", f->folder);
    AUTO(mem_free) char *queue_url = xasprintf("sqlite:%s/queue.db", f->folder);
    f->settings.republish_after_s = 900;
    f->settings.max_failures = 5;
    f->gateway.settings = &f->settings;
    assert_int_equal(jobs_open(jobs_url, 4, &f->gateway.jobs, NULL), OK);
    assert_int_equal(queue_open(queue_url, &f->gateway.queue, NULL), OK);
    assert_int_equal(queue_consume(f->gateway.queue, "video", 10, &f->consumer, NULL), OK);
    atomic_store(&scans, 0);
    atomic_store(&counts, 0);
    assert_int_equal(relay_start(&f->gateway, &f->gateway.relay, NULL), OK);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    relay_stop(f->gateway.relay);
    queue_consumer_close(f->consumer);
    queue_close(f->gateway.queue);
    jobs_close(f->gateway.jobs);
    AUTO(mem_free) char *command = xasprintf("rm -r %s", f->folder);
    assert_int_equal(system(command), 0);
    free(f);
    atomic_store(&clock_is_off_ms, 0);
    return 0;
}

/* A record that waits since a minute ago, as a gateway leaves it that died before its publish. */
static void leave_behind(struct fixture *f, struct job *ret_job)
{
    job_init(ret_job, "ann@example.org");
    ret_job->queued_at_ms -= 60000;
    assert_int_equal(jobs_create(f->gateway.jobs, ret_job, NULL), OK);
}

static void expect_message(struct fixture *f, const struct job *j)
{
    struct queue_message *m = NULL;
    size_t len = 0;
    assert_int_equal(queue_take(f->consumer, 12000, &m, NULL), OK);
    assert_non_null(strstr(queue_message_body(m, &len), j->id));
    assert_int_equal(queue_finish(m, QUEUE_DONE, NULL), OK);
}

static void test_scan_finds_what_was_left_behind(void **state)
{
    struct fixture *f = *state;
    struct job j;
    leave_behind(f, &j);
    expect_message(f, &j);
}

static void test_clock_is_set_back(void **state)
{
    struct fixture *f = *state;
    struct job j;
    leave_behind(f, &j);
    expect_message(f, &j);
    atomic_store(&clock_is_off_ms, -HOUR_MS);
    leave_behind(f, &j);
    expect_message(f, &j);
}

/* Counting reads the whole index of states, so it is not for every scan. */
static void test_jobs_are_counted_less_often_than_scanned(void **state)
{
    struct fixture *f = *state;
    int64_t began_ms = clock_mono_ms();
    while (atomic_load(&scans) < 3 && clock_mono_ms() - began_ms < 20000) {
        struct job j;
        leave_behind(f, &j);
        expect_message(f, &j);
    }
    assert_true(atomic_load(&scans) >= 3);
    assert_int_equal(atomic_load(&counts), 1);
}

static void dead_letter(struct fixture *f)
{
    struct queue_message *m = NULL;
    assert_int_equal(queue_put(f->gateway.queue, "video", "{}", 2, NULL, NULL), OK);
    assert_int_equal(queue_take(f->consumer, 12000, &m, NULL), OK);
    assert_int_equal(queue_finish(m, QUEUE_DEAD, NULL), OK);
}

static void test_what_waits_is_counted(void **state)
{
    struct fixture *f = *state;
    struct job j;
    relay_stop(f->gateway.relay);
    atomic_store(&finds_nothing, true);
    leave_behind(f, &j);
    dead_letter(f);
    assert_int_equal(queue_put(f->gateway.queue, "mp3", "{}", 2, NULL, NULL), OK);
    gateway_metrics_register(NULL, 0);
    assert_int_equal(relay_start(&f->gateway, &f->gateway.relay, NULL), OK);
    /* The last thing that is counted. */
    for (int i = 0; i < 1000 && metric_get(&metric_queue_messages, 1) == 0; i++) {
        (void)usleep(10000);
    }
    atomic_store(&finds_nothing, false);
    assert_int_equal(metric_get(&metric_outbox_pending, 0), 1);
    assert_in_range(metric_get(&metric_outbox_oldest_age, 0), 60, 80);
    assert_in_range(metric_get(&metric_queued_oldest_age, 0), 60, 80);
    assert_int_equal(metric_get(&metric_queue_messages, 0), 0);
    assert_int_equal(metric_get(&metric_queue_dead, 0), 1);
    assert_int_equal(metric_get(&metric_queue_messages, 1), 1);
    assert_int_equal(metric_get(&metric_queue_dead, 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_scan_finds_what_was_left_behind, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_clock_is_set_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_waits_is_counted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_jobs_are_counted_less_often_than_scanned, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
