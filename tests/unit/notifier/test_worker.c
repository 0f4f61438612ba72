/* The scan for notices that fell due: that it comes again, whatever is done to the clock. */
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

/* Waits are by the clock that nobody can set. */
static void test_scan_does_not_hang_on_the_wall_clock(void **state)
{
    (void)state;
    char folder[] = "/tmp/unreel-notifier-XXXXXX";
    assert_non_null(mkdtemp(folder));
    AUTO(mem_free) char *jobs_url = xasprintf("sqlite:%s/jobs.db", folder);
    AUTO(mem_free) char *queue_url = xasprintf("sqlite:%s/queue.db", folder);
    const struct notifier_settings settings = { .slots = 1 };
    notifier.settings = &settings;
    assert_int_equal(jobs_open(jobs_url, 4, &notifier.jobs, NULL), OK);
    assert_int_equal(queue_open(queue_url, &notifier.queue, NULL), OK);
    assert_int_equal(queue_consume(notifier.queue, "mp3", 1, &notifier.consumer, NULL), OK);
    assert_int_equal(notifier_threads_start(&notifier, NULL), OK);
    int64_t began_ms = clock_mono_ms();
    while (atomic_load(&deadline_ms) == 0 && clock_mono_ms() - began_ms < 10000) {
        clock_sleep_ms(10);
    }
    int64_t left_ms = atomic_load(&deadline_ms) - clock_mono_ms();
    queue_consumer_cancel(notifier.consumer);
    notifier_threads_join(&notifier);
    queue_consumer_close(notifier.consumer);
    queue_close(notifier.queue);
    jobs_close(notifier.jobs);
    AUTO(mem_free) char *command = xasprintf("rm -r %s", folder);
    assert_int_equal(system(command), 0);
    assert_in_range(left_ms, 1, 31000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scan_does_not_hang_on_the_wall_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
