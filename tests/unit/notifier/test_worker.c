/* The scan for notices that fell due: that it comes again, whatever is done to the clock. And what
 * is told of a message that could not be handled. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/text.h"
#include "jobs/message.h"
#include "notifier.h"

static struct notifier notifier;
static _Atomic int64_t deadline_ms; /* of the poller's wait, in whatever clock it is */

int __real_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex,
                                  const struct timespec *deadline);
int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex,
                                  const struct timespec *deadline);

int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex,
                                  const struct timespec *deadline)
{
    if (cond == &notifier.wake) {
        atomic_store(&deadline_ms, (int64_t)deadline->tv_sec * 1000 + deadline->tv_nsec / 1000000);
    }
    return __real_pthread_cond_timedwait(cond, mutex, deadline);
}

/* Stands for the one that mails: nothing is due here. */
void notices_send(struct notifier *n, struct job *job)
{
    (void)n;
    fail_msg("job %s has no notice", job->id);
}

enum err __wrap_jobs_get(struct jobs *s, const char *id, const char *owner, struct job *ret_job,
                         struct error *e);

enum err __wrap_jobs_get(struct jobs *s, const char *id, const char *owner, struct job *ret_job,
                         struct error *e)
{
    (void)s;
    (void)owner;
    (void)ret_job;
    return err_set(e, ERR_CORRUPT, "the record of %s is damaged", id);
}

static char folder[] = "/tmp/unreel-notifier-XXXXXX";

static int setup(void **state)
{
    static const struct notifier_settings settings = { .slots = 1 };
    (void)state;
    notifier = (struct notifier){ .settings = &settings };
    (void)text_copy(folder, sizeof(folder), "/tmp/unreel-notifier-XXXXXX");
    assert_non_null(mkdtemp(folder));
    AUTO(mem_free) char *jobs_url = xasprintf("sqlite:%s/jobs.db", folder);
    AUTO(mem_free) char *queue_url = xasprintf("sqlite:%s/queue.db", folder);
    assert_int_equal(jobs_open(jobs_url, 4, &notifier.jobs, NULL), OK);
    assert_int_equal(queue_open(queue_url, &notifier.queue, NULL), OK);
    assert_int_equal(queue_consume(notifier.queue, "mp3", 1, &notifier.consumer, NULL), OK);
    return 0;
}

static void stop(void)
{
    queue_consumer_cancel(notifier.consumer);
    notifier_threads_join(&notifier);
}

static int teardown(void **state)
{
    (void)state;
    queue_consumer_close(notifier.consumer);
    queue_close(notifier.queue);
    jobs_close(notifier.jobs);
    AUTO(mem_free) char *command = xasprintf("rm -r %s", folder);
    assert_int_equal(system(command), 0);
    return 0;
}

/* Waits are by the clock that nobody can set. */
static void test_scan_does_not_hang_on_the_wall_clock(void **state)
{
    (void)state;
    assert_int_equal(notifier_threads_start(&notifier, NULL), OK);
    int64_t began_ms = clock_mono_ms();
    while (atomic_load(&deadline_ms) == 0 && clock_mono_ms() - began_ms < 10000) {
        clock_sleep_ms(10);
    }
    int64_t left_ms = atomic_load(&deadline_ms) - clock_mono_ms();
    stop();
    assert_in_range(left_ms, 1, 31000);
}

static atomic_int handled, failed; /* spans */

static void record(void *ctx, const struct span *s)
{
    (void)ctx;
    if (strcmp(s->name, "process mp3") == 0) {
        atomic_fetch_add(&failed, s->is_failed && strstr(s->detail, "damaged") != NULL ? 1 : 0);
        atomic_fetch_add(&handled, 1);
    }
}

static void test_span_of_what_failed_says_so(void **state)
{
    (void)state;
    struct job job;
    job_init(&job, "ann@example.org");
    job.state = JOB_FAILED;
    (void)text_copy(job.video_fid, sizeof(job.video_fid), job.id);
    AUTO(mem_free) char *body = job_message_mp3(&job);
    span_record_to(record, NULL, 100);
    assert_int_equal(queue_put(notifier.queue, "mp3", body, strlen(body), NULL, NULL), OK);
    assert_int_equal(notifier_threads_start(&notifier, NULL), OK);
    int64_t began_ms = clock_mono_ms();
    while (atomic_load(&handled) == 0 && clock_mono_ms() - began_ms < 10000) {
        clock_sleep_ms(10);
    }
    stop();
    span_record_to(NULL, NULL, 0);
    assert_true(atomic_load(&handled) > 0);
    assert_int_equal(atomic_load(&failed), atomic_load(&handled));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_scan_does_not_hang_on_the_wall_clock, setup, teardown),
        cmocka_unit_test_setup_teardown(test_span_of_what_failed_says_so, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
