/* The outbox: what is due when, and the marks. */
#include "jobs_contract.h"

#include <string.h>

#include "jobs/jobs_impl.h"

#define DUE_MAX 10

static struct job due[DUE_MAX];
static size_t due_count;
static int64_t next_ms;

static void ask(enum jobs_due_kind kind, int64_t grace_ms, int64_t republish_after_ms, size_t limit)
{
    struct jobs_due_query query = { kind, grace_ms, republish_after_ms, limit };
    assert_ok(jobs_due(store, &query, due, &due_count, &next_ms, NULL));
}

static void assert_only(const struct job *j)
{
    assert_int_equal(due_count, 1);
    assert_string_equal(due[0].id, j->id);
    assert_int_equal(due[0].rev, j->rev);
}

static void test_nothing_is_due(void **state)
{
    (void)state;
    for (int kind = JOBS_DUE_PUBLISH; kind <= JOBS_DUE_NOTICE; kind++) {
        ask((enum jobs_due_kind)kind, 0, 1, DUE_MAX);
        assert_int_equal(due_count, 0);
        assert_true(next_ms == INT64_MAX);
    }
    struct jobs_due_query query = { .kind = JOBS_DUE_LOST };
    assert_err(ERR_INVALID, jobs_due(store, &query, due, &due_count, &next_ms, NULL));
    query.limit = 201;
    assert_err(ERR_INVALID, jobs_due(store, &query, due, &due_count, &next_ms, NULL));
}

static void test_publish(void **state)
{
    (void)state;
    struct job j = new_job(OWNER);
    ask(JOBS_DUE_PUBLISH, 0, 0, DUE_MAX);
    assert_only(&j);
    assert_true(next_ms == INT64_MAX);
    ask(JOBS_DUE_PUBLISH, 5000, 0, DUE_MAX);
    assert_int_equal(due_count, 0);
    assert_true(next_ms == j.queued_at_ms + 5000);

    struct job seen = j;
    assert_ok(jobs_mark_published(store, &j, NULL));
    assert_true(j.published);
    assert_err(ERR_CONFLICT, jobs_mark_published(store, &seen, NULL));
    ask(JOBS_DUE_PUBLISH, 0, 0, DUE_MAX);
    assert_int_equal(due_count, 0);
    assert_true(next_ms == INT64_MAX);
    ask(JOBS_DUE_PUBLISH, 0, 60000, DUE_MAX);
    assert_int_equal(due_count, 0);
    assert_true(next_ms == j.published_at_ms + 60000);
    clock_sleep_ms(3);
    ask(JOBS_DUE_PUBLISH, 60000, 1, DUE_MAX);
    assert_only(&j);
}

static void test_publish_again_after_give_back(void **state)
{
    (void)state;
    struct job j = new_running(LEASE_MS);
    ask(JOBS_DUE_PUBLISH, 0, 1, DUE_MAX);
    assert_int_equal(due_count, 0);
    int64_t run_at_ms = clock_wall_ms() + 60000;
    assert_ok(jobs_give_back(store, &j, run_at_ms, true, NULL));
    ask(JOBS_DUE_PUBLISH, 60000, 0, DUE_MAX);
    assert_int_equal(due_count, 0);
    assert_true(next_ms == run_at_ms);
    struct job due_now = new_running(LEASE_MS);
    assert_ok(jobs_give_back(store, &due_now, clock_wall_ms() + 200, false, NULL));
    clock_sleep_ms(250);
    ask(JOBS_DUE_PUBLISH, 60000, 0, DUE_MAX);
    assert_only(&due_now);
    assert_true(next_ms == run_at_ms);
}

static void test_give_back_to_be_run_at_once(void **state)
{
    (void)state;
    struct job j = new_running(LEASE_MS);
    int64_t now_ms = clock_wall_ms();
    assert_ok(jobs_give_back(store, &j, now_ms, false, NULL));
    ask(JOBS_DUE_PUBLISH, 0, 0, DUE_MAX);
    assert_only(&j);
    /* Whoever gave it back is at it. */
    ask(JOBS_DUE_PUBLISH, 60000, 0, DUE_MAX);
    assert_int_equal(due_count, 0);
    assert_true(next_ms == j.queued_at_ms + 60000 && j.queued_at_ms >= now_ms);
}

static void test_backlog(void **state)
{
    (void)state;
    struct jobs_backlog backlog = { 1, 1, 1 };
    assert_ok(jobs_backlog(store, &backlog, NULL));
    assert_int_equal(backlog.outbox_count, 0);
    assert_int_equal(backlog.outbox_oldest_ms, 0);
    assert_int_equal(backlog.queued_oldest_ms, 0);

    /* Its upload took so long that another one was queued before. */
    struct job slow;
    job_init(&slow, OWNER);
    slow.created_at_ms -= 60000;
    slow.queued_at_ms += 10000;
    assert_ok(jobs_create(store, &slow, NULL));
    struct job first = new_job(OWNER);
    clock_sleep_ms(3);
    struct job second = new_job(OWNER);
    struct job ended = new_ended(JOB_FAILED);
    struct job later = new_running(LEASE_MS);
    assert_ok(jobs_give_back(store, &later, clock_wall_ms() + 60000, true, NULL));
    assert_ok(jobs_backlog(store, &backlog, NULL));
    assert_int_equal(backlog.outbox_count, 3);
    assert_true(backlog.outbox_oldest_ms == first.queued_at_ms);
    assert_true(backlog.queued_oldest_ms == first.queued_at_ms);

    /* Published: no longer in the outbox, still waiting. */
    assert_ok(jobs_mark_published(store, &first, NULL));
    assert_ok(jobs_backlog(store, &backlog, NULL));
    assert_int_equal(backlog.outbox_count, 2);
    assert_true(backlog.outbox_oldest_ms == second.queued_at_ms);
    assert_true(backlog.queued_oldest_ms == first.queued_at_ms);

    assert_ok(jobs_mark_announced(store, &ended, NULL));
    assert_ok(jobs_remove(store, first.id, NULL, NULL));
    assert_ok(jobs_remove(store, second.id, NULL, NULL));
    assert_ok(jobs_remove(store, slow.id, NULL, NULL));
    assert_ok(jobs_backlog(store, &backlog, NULL));
    assert_int_equal(backlog.outbox_count, 0);
    assert_int_equal(backlog.queued_oldest_ms, 0); /* the last one waits for its next try */
}

static void test_lost(void **state)
{
    (void)state;
    struct job held = new_running(LEASE_MS);
    ask(JOBS_DUE_LOST, 0, 0, DUE_MAX);
    assert_int_equal(due_count, 0);
    assert_true(next_ms == held.lease_until_ms);
    struct job lost = new_running(1);
    clock_sleep_ms(3);
    ask(JOBS_DUE_LOST, 0, 0, DUE_MAX);
    assert_only(&lost);
    assert_true(next_ms == held.lease_until_ms);
    assert_ok(jobs_recover(store, &due[0], 3, 0, NULL));
    ask(JOBS_DUE_LOST, 0, 0, DUE_MAX);
    assert_int_equal(due_count, 0);
}

static void test_announce(void **state)
{
    (void)state;
    struct job j = new_ended(JOB_FAILED);
    ask(JOBS_DUE_ANNOUNCE, 5000, 0, DUE_MAX);
    assert_int_equal(due_count, 0);
    assert_true(next_ms == j.finished_at_ms + 5000);
    ask(JOBS_DUE_ANNOUNCE, 0, 0, DUE_MAX);
    assert_only(&j);
    assert_ok(jobs_mark_announced(store, &j, NULL));
    int64_t rev = j.rev;
    assert_ok(jobs_mark_announced(store, &j, NULL));
    assert_int_equal(j.rev, rev);
    ask(JOBS_DUE_ANNOUNCE, 0, 0, DUE_MAX);
    assert_int_equal(due_count, 0);
    assert_true(next_ms == INT64_MAX);
}

static void test_notice(void **state)
{
    (void)state;
    struct job j = new_ended(JOB_SUCCEEDED);
    ask(JOBS_DUE_NOTICE, 5000, 0, DUE_MAX);
    assert_int_equal(due_count, 0);
    assert_true(next_ms == j.finished_at_ms + 5000);
    ask(JOBS_DUE_NOTICE, 0, 0, DUE_MAX);
    assert_only(&j);

    j.email.attempts = 1;
    j.email.due_at_ms = clock_wall_ms() + 60000;
    assert_ok(jobs_mark_notices(store, &j, NULL));
    ask(JOBS_DUE_NOTICE, 0, 0, DUE_MAX);
    assert_int_equal(due_count, 0);
    assert_true(next_ms == j.email.due_at_ms);
    j.email.due_at_ms = j.finished_at_ms + 1;
    assert_ok(jobs_mark_notices(store, &j, NULL));
    clock_sleep_ms(3);
    ask(JOBS_DUE_NOTICE, 60000, 0, DUE_MAX); /* the grace is for first tries */
    assert_only(&j);

    j.email.sent_at_ms = clock_wall_ms();
    j.email.due_at_ms = 0;
    j.webhook.due_at_ms = clock_wall_ms() + 60000;
    assert_ok(jobs_mark_notices(store, &j, NULL));
    ask(JOBS_DUE_NOTICE, 0, 0, DUE_MAX);
    assert_int_equal(due_count, 0);
    assert_true(next_ms == j.webhook.due_at_ms);
    j.webhook.due_at_ms = 0;
    assert_ok(jobs_mark_notices(store, &j, NULL));
    ask(JOBS_DUE_NOTICE, 0, 0, DUE_MAX);
    assert_true(next_ms == INT64_MAX);
    assert_int_equal(reload(&j).email.attempts, 1);
}

/* The converter marks a job announced at the time when the notifier sends its mail. */
static void test_marks_do_not_trip_over_each_other(void **state)
{
    (void)state;
    struct job converters = new_ended(JOB_SUCCEEDED);
    struct job first = converters;
    struct job second = converters;
    assert_ok(jobs_mark_announced(store, &converters, NULL));
    first.email.sent_at_ms = 5;
    first.email.due_at_ms = 0;
    assert_ok(jobs_mark_notices(store, &first, NULL));
    struct job now = reload(&first);
    assert_true(now.announced);
    assert_int_equal(now.email.sent_at_ms, 5);
    second.email.sent_at_ms = 6;
    assert_err(ERR_CONFLICT, jobs_mark_notices(store, &second, NULL));
    assert_int_equal(reload(&first).email.sent_at_ms, 5);
}

static void test_oldest_first(void **state)
{
    (void)state;
    int64_t now_ms = clock_wall_ms();
    for (int i = 0; i < 6; i++) {
        struct job j;
        job_init(&j, OWNER);
        /* 3 1 4 0 5 2, some of them fresh and some delayed ones that have come due */
        static const int order[] = { 3, 1, 4, 0, 5, 2 };
        j.queued_at_ms = now_ms - 60000 + order[i] * 1000;
        j.run_at_ms = order[i] % 2 == 0 ? 0 : j.queued_at_ms + 1;
        (void)text_copy(j.tag, sizeof(j.tag), (char[]){ (char)('0' + order[i]), '\0' });
        assert_ok(jobs_create(store, &j, NULL));
    }
    ask(JOBS_DUE_PUBLISH, 0, 0, DUE_MAX);
    assert_int_equal(due_count, 6);
    for (size_t i = 0; i < due_count; i++) {
        assert_int_equal(due[i].tag[0], '0' + (int)i);
    }
    for (size_t limit = 1; limit <= 6; limit++) {
        ask(JOBS_DUE_PUBLISH, 0, 0, limit);
        assert_int_equal(due_count, limit);
        assert_int_equal(due[limit - 1].tag[0], '0' + (int)limit - 1);
        if (limit < 6) {
            assert_true(next_ms < now_ms); /* there are more: do not sleep */
        } else {
            assert_true(next_ms == INT64_MAX);
        }
    }
}

/* As a newer version or an operator's hand may leave one. */
static void test_unreadable_record_holds_up_no_other(void **state)
{
    (void)state;
    struct job bad;
    job_init(&bad, OWNER);
    bad.queued_at_ms -= 1000;
    bad.request.options.sample_rate_hz = 12345;
    assert_ok(jobs_create(store, &bad, NULL));
    assert_err(ERR_CORRUPT, jobs_get(store, bad.id, NULL, &bad, NULL));
    struct job good = new_job(OWNER);
    struct jobs_due_query query = { .kind = JOBS_DUE_PUBLISH, .limit = DUE_MAX };
    struct error e = { 0 };
    enum err err = jobs_due(store, &query, due, &due_count, &next_ms, &e);
    assert_ok(store->ops->remove(store, bad.id, NULL));
    assert_ok(err);
    assert_only(&good);
    assert_err(ERR_CORRUPT, e.code);
    assert_non_null(strstr(e.text, bad.id));
}

const struct CMUnitTest due_cases[] = {
    CASE(test_nothing_is_due),
    CASE(test_publish),
    CASE(test_publish_again_after_give_back),
    CASE(test_give_back_to_be_run_at_once),
    CASE(test_backlog),
    CASE(test_lost),
    CASE(test_announce),
    CASE(test_notice),
    CASE(test_marks_do_not_trip_over_each_other),
    CASE(test_oldest_first),
    CASE(test_unreadable_record_holds_up_no_other),
};
const size_t due_case_count = ARRAY_LEN(due_cases);
