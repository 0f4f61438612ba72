/* The state machine: every call from every state, the fences, and what each change leaves. */
#include "jobs_contract.h"

#include <math.h>
#include <string.h>

/* The states that a call can meet. "held" is the attempt of the caller's copy. */
enum situation {
    QUEUED,
    NOT_DUE,
    RUNNING,    /* by the caller */
    EXPIRED,    /* the same, its lease run out */
    TAKEN_OVER, /* the caller's copy is of the attempt before */
    GIVEN_BACK,
    SUCCEEDED,
    FAILED,
    CANCELLED,
    REMOVED,
    SITUATION_COUNT
};

static struct job given_back(int64_t run_at_ms)
{
    struct job j = new_running(LEASE_MS);
    struct job held = j;
    assert_ok(jobs_give_back(store, &j, run_at_ms, true, NULL));
    return held;
}

/* The caller's copy: for ended jobs the one it had while it held the claim. */
static struct job make(enum situation situation)
{
    struct job j;
    struct job later;
    switch (situation) {
    case QUEUED:
        return new_job(OWNER);
    case NOT_DUE:
        return given_back(clock_wall_ms() + 60000);
    case GIVEN_BACK:
        return given_back(0);
    case RUNNING:
        return new_running(LEASE_MS);
    case EXPIRED:
        j = new_running(1);
        clock_sleep_ms(3);
        return j;
    case TAKEN_OVER:
        j = new_running(LEASE_MS);
        assert_ok(jobs_claim(store, j.id, LEASE_MS, "", true, &later, NULL));
        return j;
    default:
        break;
    }
    j = new_running(LEASE_MS);
    later = j;
    if (situation == SUCCEEDED) {
        later.state = JOB_SUCCEEDED;
        id_new(later.mp3_fid);
        assert_ok(jobs_finish(store, &later, NULL));
    } else if (situation == FAILED) {
        later.state = JOB_FAILED;
        later.error.problem = PROBLEM_NO_AUDIO;
        assert_ok(jobs_finish(store, &later, NULL));
    } else if (situation == CANCELLED) {
        assert_ok(jobs_cancel(store, j.id, NULL, &later, NULL));
    } else {
        assert_ok(jobs_remove(store, j.id, NULL, NULL));
    }
    return j;
}

static enum err call_claim(struct job *j)
{
    return jobs_claim(store, j->id, LEASE_MS, "", false, j, NULL);
}

static enum err call_take_over(struct job *j)
{
    return jobs_claim(store, j->id, LEASE_MS, "", true, j, NULL);
}

static enum err call_progress(struct job *j)
{
    return jobs_progress(store, j, LEASE_MS, NULL);
}

static enum err call_succeed(struct job *j)
{
    j->state = JOB_SUCCEEDED;
    id_new(j->mp3_fid);
    return jobs_finish(store, j, NULL);
}

static enum err call_give_back(struct job *j)
{
    return jobs_give_back(store, j, 1, true, NULL);
}

static enum err call_cancel(struct job *j)
{
    return jobs_cancel(store, j->id, NULL, j, NULL);
}

static enum err call_foreign(struct job *j)
{
    char mp3_fid[ID_SIZE];
    id_new(mp3_fid);
    return jobs_finish_foreign(store, j->id, mp3_fid, j, NULL);
}

static enum err call_recover(struct job *j)
{
    return jobs_recover(store, j, 3, 0, NULL);
}

static enum err call_mark_published(struct job *j)
{
    return jobs_mark_published(store, j, NULL);
}

static enum err call_mark_announced(struct job *j)
{
    return jobs_mark_announced(store, j, NULL);
}

static enum err call_mark_notices(struct job *j)
{
    return jobs_mark_notices(store, j, NULL);
}

static enum err call_remove(struct job *j)
{
    return jobs_remove(store, j->id, NULL, NULL);
}

#define CONFL ERR_CONFLICT
#define CANC ERR_CANCELLED
#define ENDED ERR_EXISTS
#define NONE ERR_NOT_FOUND

/* clang-format off */
static const struct {
    const char *name;
    enum err (*call)(struct job *j);
    enum err expected[SITUATION_COUNT];
} calls[] = {
    /*                                          queued not due running expired taken  back   succ   failed canc   removed */
    { "claim",          call_claim,          { OK,    CONFL, CONFL, OK,    CONFL, OK,    ENDED, ENDED, ENDED, NONE } },
    { "take over",      call_take_over,      { OK,    CONFL, OK,    OK,    OK,    OK,    ENDED, ENDED, ENDED, NONE } },
    { "progress",       call_progress,       { CONFL, CONFL, OK,    OK,    CONFL, CONFL, CONFL, CONFL, CANC,  CANC } },
    { "succeed",        call_succeed,        { CONFL, CONFL, OK,    OK,    CONFL, CONFL, CONFL, CONFL, CANC,  CANC } },
    { "give back",      call_give_back,      { CONFL, CONFL, OK,    OK,    CONFL, CONFL, CONFL, CONFL, CANC,  CANC } },
    { "cancel",         call_cancel,         { OK,    OK,    OK,    OK,    OK,    OK,    ENDED, ENDED, ENDED, NONE } },
    { "finish foreign", call_foreign,        { OK,    OK,    OK,    OK,    OK,    OK,    ENDED, ENDED, ENDED, NONE } },
    { "recover",        call_recover,        { CONFL, CONFL, CONFL, OK,    CONFL, CONFL, CONFL, CONFL, CONFL, NONE } },
    { "mark published", call_mark_published, { OK,    CONFL, CONFL, CONFL, CONFL, CONFL, CONFL, CONFL, CONFL, CONFL } },
    { "mark announced", call_mark_announced, { CONFL, CONFL, CONFL, CONFL, CONFL, CONFL, OK,    OK,    OK,    CONFL } },
    { "mark notices",   call_mark_notices,   { CONFL, CONFL, CONFL, CONFL, CONFL, CONFL, CONFL, CONFL, CONFL, CONFL } },
    { "remove",         call_remove,         { OK,    OK,    OK,    OK,    OK,    OK,    OK,    OK,    OK,    NONE } },
};

/* clang-format on */

static void test_every_call_from_every_state(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        for (int k = 0; k < SITUATION_COUNT; k++) {
            struct job j = make((enum situation)k);
            enum err err = calls[i].call(&j);
            if (err != calls[i].expected[k]) {
                fail_msg("%s in situation %d: %s, expected %s", calls[i].name, k, err_name(err),
                         err_name(calls[i].expected[k]));
            }
        }
    }
}

static void test_claim(void **state)
{
    (void)state;
    struct job made = new_job(OWNER);
    struct job j;
    int64_t before_ms = clock_wall_ms();
    assert_ok(jobs_claim(store, made.id, LEASE_MS, "", false, &j, NULL));
    assert_int_equal(j.state, JOB_RUNNING);
    assert_int_equal(j.attempt, 1);
    assert_int_equal(j.failures, 0);
    assert_true(j.lease_until_ms >= before_ms + LEASE_MS);
    assert_true(j.started_at_ms >= before_ms);
    assert_string_equal(made.converter_version, "");
    assert_string_equal(reload(&j).converter_version, version_text());
    assert_int_equal(j.rev, made.rev + 1);
    struct job again;
    assert_ok(jobs_claim(store, made.id, LEASE_MS, "", true, &again, NULL));
    assert_int_equal(again.attempt, 2);
    assert_int_equal(again.failures, 1);
}

static void test_claim_of_an_ended_job_shows_it(void **state)
{
    (void)state;
    struct job ended = new_ended(JOB_SUCCEEDED);
    struct job j = { .attempt = 0 };
    assert_err(ERR_EXISTS, jobs_claim(store, ended.id, LEASE_MS, "", true, &j, NULL));
    assert_string_equal(j.mp3_fid, ended.mp3_fid);
    struct job k = { .attempt = 0 };
    assert_err(ERR_EXISTS, jobs_cancel(store, ended.id, OWNER, &k, NULL));
    assert_string_equal(k.id, ended.id);
}

static void test_progress(void **state)
{
    (void)state;

    static const struct {
        double percent;
        double expected;
    } rows[] = { { 12.5, 12.5 }, { -3, 0 }, { 200, 100 }, { NAN, 0 }, { INFINITY, 0 } };
    struct job j = new_running(1000);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int64_t seq = j.progress.seq;
        j.phase = JOB_PHASE_TRANSCODING;
        j.progress.percent = rows[i].percent;
        j.progress.media_time_s = NAN;
        (void)text_copy(j.input.container, sizeof(j.input.container), "matroska");
        assert_ok(jobs_progress(store, &j, LEASE_MS, NULL));
        struct job now = reload(&j);
        assert_true(now.progress.percent == rows[i].expected);
        assert_int_equal(now.progress.seq, seq + 1);
        assert_int_equal(now.phase, JOB_PHASE_TRANSCODING);
        assert_string_equal(now.input.container, "matroska");
        assert_true(now.lease_until_ms > clock_wall_ms() + LEASE_MS / 2);
    }
}

static void test_success(void **state)
{
    (void)state;
    struct job j = new_running(LEASE_MS);
    j.state = JOB_SUCCEEDED;
    assert_err(ERR_INVALID, jobs_finish(store, &j, NULL));
    id_new(j.mp3_fid);
    j.output_count = 1;
    j.outputs[0] = (struct job_output){ .size_bytes = 1234,
                                        .duration_s = 60.5,
                                        .mode = "cbr",
                                        .bitrate_kbps = 192,
                                        .sample_rate_hz = 44100,
                                        .channels = 2,
                                        .sha256 = "ab" };
    (void)text_copy(j.webhook_url, sizeof(j.webhook_url), "https://example.org/");
    assert_ok(jobs_finish(store, &j, NULL));
    struct job now = reload(&j);
    assert_int_equal(now.state, JOB_SUCCEEDED);
    assert_string_equal(now.mp3_fid, j.mp3_fid);
    assert_int_equal(now.outputs[0].size_bytes, 1234);
    assert_true(now.progress.percent == 100);
    assert_false(now.announced);
    assert_int_equal(now.phase, JOB_PHASE_NONE);
    assert_int_equal(now.lease_until_ms, 0);
    assert_true(now.finished_at_ms > 0);
    assert_int_equal(now.email.due_at_ms, now.finished_at_ms);
    assert_int_equal(j.rev, now.rev);
}

static void test_failure(void **state)
{
    (void)state;
    struct job j = new_running(LEASE_MS);
    j.state = JOB_FAILED;
    assert_err(ERR_INVALID, jobs_finish(store, &j, NULL));
    j.state = JOB_CANCELLED;
    assert_err(ERR_INVALID, jobs_finish(store, &j, NULL));
    j.state = JOB_FAILED;
    j.error.problem = PROBLEM_CORRUPT_INPUT;
    (void)text_copy(j.error.detail, sizeof(j.error.detail), "cut in the middle");
    id_new(j.mp3_fid);
    assert_ok(jobs_finish(store, &j, NULL));
    struct job now = reload(&j);
    assert_int_equal(now.state, JOB_FAILED);
    assert_int_equal(now.error.problem, PROBLEM_CORRUPT_INPUT);
    assert_string_equal(now.error.detail, "cut in the middle");
    assert_string_equal(now.mp3_fid, "");
    assert_int_equal(now.webhook.due_at_ms, 0);
}

/* The answer to the first try may have been lost on the way. */
static void test_finish_again_is_no_conflict(void **state)
{
    (void)state;
    struct job held = new_running(LEASE_MS);
    held.state = JOB_SUCCEEDED;
    id_new(held.mp3_fid);
    struct job first = held;
    struct job second = held;
    assert_ok(jobs_finish(store, &first, NULL));
    assert_ok(jobs_finish(store, &second, NULL));
    assert_int_equal(second.rev, first.rev);
    assert_ok(jobs_finish(store, &second, NULL));
    assert_int_equal(second.rev, first.rev);
    id_new(held.mp3_fid);
    assert_err(ERR_CONFLICT, jobs_finish(store, &held, NULL));
    assert_string_equal(reload(&held).mp3_fid, first.mp3_fid);
}

/* A job can have two messages: only that which was claimed by tells by its return of a lost worker.
 */
static void test_only_its_own_message_takes_over(void **state)
{
    (void)state;
    struct job j = new_job(OWNER);
    struct job other;
    assert_ok(jobs_claim(store, j.id, LEASE_MS, "second", false, &j, NULL));
    assert_err(ERR_CONFLICT, jobs_claim(store, j.id, LEASE_MS, "first", true, &other, NULL));
    assert_err(ERR_CONFLICT, jobs_claim(store, j.id, LEASE_MS, "second", false, &other, NULL));
    assert_ok(jobs_claim(store, j.id, 1, "second", true, &other, NULL));
    assert_int_equal(other.attempt, 2);
    assert_int_equal(other.failures, 1);
    clock_sleep_ms(3);
    assert_ok(jobs_claim(store, j.id, LEASE_MS, "first", false, &other, NULL));
    assert_err(ERR_CONFLICT, jobs_claim(store, j.id, LEASE_MS, "second", true, &other, NULL));
    assert_ok(jobs_claim(store, j.id, LEASE_MS, "first", true, &other, NULL));
    assert_int_equal(other.attempt, 4);
}

/* A thread that tells of progress must not bring back a job that its own attempt has ended. */
static void test_an_ended_copy_claims_nothing(void **state)
{
    (void)state;
    struct job j = new_ended(JOB_SUCCEEDED);
    assert_err(ERR_CONFLICT, jobs_progress(store, &j, LEASE_MS, NULL));
    assert_err(ERR_CONFLICT, jobs_give_back(store, &j, 0, true, NULL));
    assert_int_equal(reload(&j).state, JOB_SUCCEEDED);
}

static void test_an_old_attempt_is_fenced(void **state)
{
    (void)state;
    struct job old = new_running(LEASE_MS);
    struct job current;
    assert_ok(jobs_claim(store, old.id, LEASE_MS, "", true, &current, NULL));
    assert_err(ERR_CONFLICT, jobs_progress(store, &old, LEASE_MS, NULL));
    struct job late = old;
    late.state = JOB_SUCCEEDED;
    id_new(late.mp3_fid);
    assert_err(ERR_CONFLICT, jobs_finish(store, &late, NULL));
    assert_err(ERR_CONFLICT, jobs_give_back(store, &old, 0, true, NULL));
    assert_ok(jobs_progress(store, &current, LEASE_MS, NULL));
    struct job ignored;
    assert_ok(jobs_cancel(store, old.id, NULL, &ignored, NULL));
    current.state = JOB_SUCCEEDED;
    id_new(current.mp3_fid);
    assert_err(ERR_CANCELLED, jobs_finish(store, &current, NULL));
    assert_string_equal(reload(&current).mp3_fid, "");
}

/* The attempt was given back with the job: its number comes again, but not its claim. */
static void test_a_drained_claim_is_fenced(void **state)
{
    (void)state;
    struct job old = new_running(LEASE_MS);
    struct job given_back = old;
    struct job current;
    assert_ok(jobs_give_back(store, &given_back, 0, false, NULL));
    assert_ok(jobs_claim(store, old.id, LEASE_MS, "", false, &current, NULL));
    assert_int_equal(current.attempt, old.attempt);
    assert_err(ERR_CONFLICT, jobs_progress(store, &old, LEASE_MS, NULL));
    assert_err(ERR_CONFLICT, jobs_give_back(store, &old, 0, false, NULL));
    struct job late = old;
    late.state = JOB_FAILED;
    late.error.problem = PROBLEM_NO_AUDIO;
    assert_err(ERR_CONFLICT, jobs_finish(store, &late, NULL));
    assert_int_equal(reload(&old).rev, current.rev);
    current.state = JOB_FAILED;
    current.error.problem = PROBLEM_NO_AUDIO;
    assert_ok(jobs_finish(store, &current, NULL));
    assert_err(ERR_CONFLICT, jobs_finish(store, &late, NULL)); /* it was another that failed */
}

/* Whoever published the message saw by its own clock that the time had come. A consumer whose clock
 * is behind would drop it, and the job would wait until it is published again. */
static void test_claim_with_a_clock_behind(void **state)
{
    (void)state;
    struct job claimed;
    struct job j = given_back(clock_wall_ms() + 3000);
    assert_ok(jobs_claim(store, j.id, LEASE_MS, "", false, &claimed, NULL));
    assert_int_equal(claimed.state, JOB_RUNNING);
    j = given_back(clock_wall_ms() + 8000);
    assert_err(ERR_CONFLICT, jobs_claim(store, j.id, LEASE_MS, "", false, &claimed, NULL));
}

static void test_give_back(void **state)
{
    (void)state;
    struct job j = new_running(LEASE_MS);
    struct job held = j;
    int64_t run_at_ms = clock_wall_ms() + 60000;
    j.error.problem = PROBLEM_UNAVAILABLE;
    clock_sleep_ms(3);
    assert_ok(jobs_give_back(store, &j, run_at_ms, true, NULL));
    struct job now = reload(&j);
    assert_true(now.queued_at_ms > held.started_at_ms && now.created_at_ms == held.created_at_ms);
    assert_int_equal(now.state, JOB_QUEUED);
    assert_int_equal(now.failures, 1);
    assert_int_equal(now.attempt, 1);
    assert_int_equal(now.run_at_ms, run_at_ms);
    assert_int_equal(now.error.problem, PROBLEM_UNAVAILABLE);
    assert_false(now.published);
    assert_ok(jobs_give_back(store, &held, run_at_ms, true, NULL)); /* the answer was lost */
    assert_int_equal(reload(&j).failures, 1);
    assert_err(ERR_CONFLICT, jobs_claim(store, j.id, LEASE_MS, "", true, &now, NULL));

    j = new_running(LEASE_MS);
    assert_ok(jobs_give_back(store, &j, 1, true, NULL));
    assert_ok(jobs_claim(store, j.id, LEASE_MS, "", false, &j, NULL));
    assert_int_equal(j.attempt, 2);
    assert_int_equal(j.error.problem, PROBLEM_NONE);
    assert_ok(jobs_give_back(store, &j, 0, false, NULL));
    assert_int_equal(j.attempt, 1);
    assert_int_equal(j.failures, 1);
}

static void test_recover(void **state)
{
    (void)state;
    struct job j = make(EXPIRED);
    assert_ok(jobs_recover(store, &j, 2, 0, NULL));
    assert_int_equal(j.state, JOB_QUEUED);
    assert_int_equal(j.failures, 1);
    assert_false(j.published);
    assert_ok(jobs_claim(store, j.id, 1, "", false, &j, NULL));
    clock_sleep_ms(3);
    assert_ok(jobs_recover(store, &j, 2, 0, NULL));
    assert_int_equal(j.state, JOB_FAILED);
    assert_int_equal(j.error.problem, PROBLEM_ATTEMPTS_EXHAUSTED);
    assert_true(j.email.due_at_ms > 0);
    assert_err(ERR_CONFLICT, jobs_recover(store, &j, 2, 0, NULL));
}

static void test_foreign_finish(void **state)
{
    (void)state;
    struct job j = new_running(LEASE_MS);
    struct job got;
    char mp3_fid[ID_SIZE];
    id_new(mp3_fid);
    assert_err(ERR_INVALID, jobs_finish_foreign(store, j.id, "", &got, NULL));
    assert_ok(jobs_finish_foreign(store, j.id, mp3_fid, &got, NULL));
    assert_int_equal(got.state, JOB_SUCCEEDED);
    assert_string_equal(got.mp3_fid, mp3_fid);
    assert_err(ERR_CONFLICT, jobs_progress(store, &j, LEASE_MS, NULL));
}

static void test_cancel_sends_no_mail(void **state)
{
    (void)state;
    struct job j;
    job_init(&j, OWNER);
    (void)text_copy(j.webhook_url, sizeof(j.webhook_url), "https://example.org/");
    assert_ok(jobs_create(store, &j, NULL));
    assert_ok(jobs_cancel(store, j.id, OWNER, &j, NULL));
    assert_int_equal(j.email.due_at_ms, 0);
    assert_int_equal(j.webhook.due_at_ms, j.finished_at_ms);
    assert_false(j.announced);
}

const struct CMUnitTest state_cases[] = {
    CASE(test_every_call_from_every_state),
    CASE(test_claim),
    CASE(test_claim_of_an_ended_job_shows_it),
    CASE(test_progress),
    CASE(test_success),
    CASE(test_failure),
    CASE(test_finish_again_is_no_conflict),
    CASE(test_only_its_own_message_takes_over),
    CASE(test_an_ended_copy_claims_nothing),
    CASE(test_an_old_attempt_is_fenced),
    CASE(test_a_drained_claim_is_fenced),
    CASE(test_claim_with_a_clock_behind),
    CASE(test_give_back),
    CASE(test_recover),
    CASE(test_foreign_finish),
    CASE(test_cancel_sends_no_mail),
};
const size_t state_case_count = ARRAY_LEN(state_cases);
