/* A job that is given back: whatever breaks between its record and its messages, it is nobody's
 * failure, and whoever runs it next keeps it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attempt.h"
#include "core/clock.h"
#include "core/text.h"
#include "jobs/message.h"
#include "pipeline/pipeline.h"
#include "service/service.h"

#define LEASE_MS 60000

struct fixture {
    char folder[64];
    struct converter converter;
    struct converter_settings settings;
    struct job job;
};

static enum err finish_fails; /* OK: it does not */
static enum err put_fails;
static int attempts; /* that were run */

enum err __real_queue_finish(struct queue_message *m, enum queue_verdict verdict, struct error *e);
enum err __wrap_queue_finish(struct queue_message *m, enum queue_verdict verdict, struct error *e);
enum err __real_queue_put(struct queue *q, const char *name, const void *body, size_t len,
                          const char *traceparent, struct error *e);
enum err __wrap_queue_put(struct queue *q, const char *name, const void *body, size_t len,
                          const char *traceparent, struct error *e);

/* The broker never gets it: the message comes again. */
enum err __wrap_queue_finish(struct queue_message *m, enum queue_verdict verdict, struct error *e)
{
    if (finish_fails == OK) {
        return __real_queue_finish(m, verdict, e);
    }
    queue_message_free(m);
    return err_set(e, finish_fails, "the message was lost with its connection");
}

enum err __wrap_queue_put(struct queue *q, const char *name, const void *body, size_t len,
                          const char *traceparent, struct error *e)
{
    return put_fails == OK ? __real_queue_put(q, name, body, len, traceparent, e)
                           : err_set(e, put_fails, "the broker is away");
}

bool __wrap_service_is_draining(const struct service *s);

bool __wrap_service_is_draining(const struct service *s)
{
    (void)s;
    return true;
}

/* Stands for the one that runs the engine: it is drained at once. */
enum attempt_result attempt_run(struct converter *c, struct job *job, struct queue_message *message)
{
    (void)message;
    attempts++;
    assert_int_equal(jobs_give_back(c->jobs, job, clock_wall_ms(), false, NULL), OK);
    return ATTEMPT_GIVE_BACK;
}

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));
    struct converter *c = &f->converter;
    (void)text_copy(f->folder, sizeof(f->folder), "/tmp/unreel-converter-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    AUTO(mem_free) char *jobs_url = xasprintf("sqlite:%s/jobs.db", f->folder);
    AUTO(mem_free) char *queue_url = xasprintf("sqlite:%s/queue.db", f->folder);
    f->settings.lease_s = LEASE_MS / 1000;
    c->settings = &f->settings;
    assert_int_equal(jobs_open(jobs_url, 2, &c->jobs, NULL), OK);
    assert_int_equal(queue_open(queue_url, &c->queue, NULL), OK);
    assert_int_equal(queue_consume(c->queue, JOB_QUEUE_VIDEO, 2, &c->consumer, NULL), OK);
    job_init(&f->job, "ann@example.org");
    (void)text_copy(f->job.video_fid, sizeof(f->job.video_fid), f->job.id);
    assert_int_equal(jobs_create(c->jobs, &f->job, NULL), OK);
    assert_int_equal(pipeline_publish(c->jobs, c->queue, &f->job, NULL), OK);
    finish_fails = OK;
    put_fails = OK;
    attempts = 0;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    queue_consumer_close(f->converter.consumer);
    queue_close(f->converter.queue);
    jobs_close(f->converter.jobs);
    AUTO(mem_free) char *command = xasprintf("rm -r %s", f->folder);
    assert_int_equal(system(command), 0);
    free(f);
    return 0;
}

static struct queue_message *take(struct fixture *f)
{
    struct queue_message *message = NULL;
    assert_int_equal(queue_take(f->converter.consumer, 5000, &message, NULL), OK);
    return message;
}

static void assert_waiting(struct fixture *f, int expected)
{
    int64_t count = 0;
    int64_t dead_count = 0;
    assert_int_equal(queue_depth(f->converter.queue, JOB_QUEUE_VIDEO, &count, &dead_count, NULL),
                     OK);
    assert_int_equal(count, expected);
    assert_int_equal(dead_count, 0);
}

static struct job reload(struct fixture *f)
{
    struct job now;
    assert_int_equal(jobs_get(f->converter.jobs, f->job.id, NULL, &now, NULL), OK);
    return now;
}

static void assert_given_back(struct fixture *f, bool published)
{
    struct job now = reload(f);
    assert_int_equal(now.state, JOB_QUEUED);
    assert_int_equal(now.published, published);
    assert_int_equal(now.attempt, 0);
    assert_int_equal(now.failures, 0);
}

static void test_new_message_for_the_old_one(void **state)
{
    struct fixture *f = *state;
    worker_handle(&f->converter, take(f));
    assert_given_back(f, true);
    assert_waiting(f, 1);
    struct queue_message *message = take(f);
    assert_false(queue_message_is_redelivered(message));
    worker_handle(&f->converter, message);
    assert_int_equal(attempts, 2);
}

/* The old message comes again; with a new one beside it two converters would have the job. */
static void test_ack_that_fails_leaves_one_message(void **state)
{
    struct fixture *f = *state;
    finish_fails = ERR_CONFLICT;
    worker_handle(&f->converter, take(f));
    finish_fails = OK;
    assert_given_back(f, false);
    assert_waiting(f, 1);
    struct queue_message *again = take(f);
    assert_true(queue_message_is_redelivered(again));
    worker_handle(&f->converter, again);
    assert_int_equal(attempts, 2);
    assert_given_back(f, true);
    assert_waiting(f, 1);
}

/* The relay was quicker than the broker, and another converter is at work. */
static void test_old_message_does_not_take_over(void **state)
{
    struct fixture *f = *state;
    finish_fails = ERR_CONFLICT;
    worker_handle(&f->converter, take(f));
    finish_fails = OK;
    struct job job = reload(f);
    assert_int_equal(pipeline_publish(f->converter.jobs, f->converter.queue, &job, NULL), OK);
    struct queue_message *old = take(f);
    struct queue_message *relays = take(f);
    assert_true(queue_message_is_redelivered(old));
    assert_false(queue_message_is_redelivered(relays));
    assert_int_equal(jobs_claim(f->converter.jobs, job.id, LEASE_MS, queue_message_id(relays),
                                false, &job, NULL),
                     OK);
    worker_handle(&f->converter, old);
    struct job now = reload(f);
    assert_int_equal(attempts, 1);
    assert_int_equal(now.state, JOB_RUNNING);
    assert_int_equal(now.attempt, 1);
    assert_int_equal(now.failures, 0);
    assert_int_equal(now.rev, job.rev);
    queue_message_free(relays);
    assert_waiting(f, 1);
}

/* The record is the outbox: a gateway's relay sends the message. */
static void test_publish_that_fails_is_the_relays(void **state)
{
    struct fixture *f = *state;
    put_fails = ERR_BUSY;
    worker_handle(&f->converter, take(f));
    assert_given_back(f, false);
    assert_waiting(f, 0);
    struct jobs_due_query query = { .kind = JOBS_DUE_PUBLISH, .limit = 1 };
    struct job due;
    size_t count = 0;
    int64_t next_ms = 0;
    clock_sleep_ms(3);
    assert_int_equal(jobs_due(f->converter.jobs, &query, &due, &count, &next_ms, NULL), OK);
    assert_int_equal(count, 1);
    assert_string_equal(due.id, f->job.id);
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_new_message_for_the_old_one),
        CASE(test_ack_that_fails_leaves_one_message),
        CASE(test_old_message_does_not_take_over),
        CASE(test_publish_that_fails_is_the_relays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
