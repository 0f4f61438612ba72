/* The state machine. Every change is load, check, change, swap; a swap that lost to somebody else
 * starts over while the rule still holds. */
#include <math.h>
#include <string.h>

#include "core/clock.h"
#include "core/text.h"
#include "jobs/jobs_impl.h"
#include "core/banned.h"

#define TRIES_MAX 16
/* The clocks of those who publish and those who claim differ by less; and it is shorter than any
 * delay before another try. */
#define CLOCKS_DIFFER_MS 5000

/* Checks the rule for the record as it stands and changes it. ERR_EXISTS hands the record to the
 * caller as it is; OK with *ret_is_done leaves the record alone: the change was made already. */
typedef enum err step_function(struct job *record, const void *arg, bool *ret_is_done,
                               struct error *e);

struct transition {
    step_function *step;
    const void *arg;
    const char *owner; /* NULL: anybody's */
};

/* Tries once from `j`, which becomes the new record on OK. */
static enum err try_step(struct jobs *s, const struct transition *t, struct job *j, struct error *e)
{
    int64_t expected_rev = j->rev;
    bool is_done = false;
    enum err err = t->step(j, t->arg, &is_done, e);
    if (err != OK || is_done) {
        return err;
    }
    j->rev = expected_rev + 1;
    return s->ops->swap(s, j, expected_rev, e);
}

static enum err run(struct jobs *s, const char *id, const struct transition *t, struct job *ret_job,
                    struct error *e)
{
    if (!id_is_valid(id)) {
        return err_set(e, ERR_NOT_FOUND, "there is no such job");
    }
    for (int i = 0; i < TRIES_MAX; i++) {
        struct job j;
        enum err err = s->ops->load(s, id, &j, e);
        if (err != OK) {
            return err;
        }
        if (t->owner != NULL && strcmp(j.owner, t->owner) != 0) {
            return err_set(e, ERR_NOT_FOUND, "there is no such job");
        }
        int64_t rev = j.rev;
        err = try_step(s, t, &j, e);
        /* A conflict that the step itself reports is final; the swap's means: look again. */
        if (err == ERR_CONFLICT && j.rev != rev) {
            continue;
        }
        if (err == OK || err == ERR_EXISTS) {
            *ret_job = j;
        }
        return err;
    }
    return err_set(e, ERR_BUSY, "too many others change this job");
}

static void drop_outputs(struct job *j)
{
    j->mp3_fid[0] = '\0';
    j->same_as[0] = '\0';
    j->output_count = 0;
    memset(j->outputs, 0, sizeof(j->outputs));
}

/* Ends a job. The owner who cancelled a job himself gets no mail about it, and nobody one about a
 * probe. */
static void end_job(struct job *j, enum job_state state)
{
    bool is_mailed = state != JOB_CANCELLED && j->kind != JOB_PROBE;
    int64_t now_ms = clock_wall_ms();
    j->state = state;
    j->phase = JOB_PHASE_NONE;
    j->finished_at_ms = now_ms;
    j->lease_until_ms = 0;
    j->announced = false;
    j->progress.eta_s = 0;
    j->progress.seq++;
    if (state == JOB_SUCCEEDED) {
        j->progress.percent = 100;
        j->error = (struct job_error){ .problem = PROBLEM_NONE };
    } else {
        drop_outputs(j);
    }
    j->email = (struct job_notice){ .due_at_ms = is_mailed ? now_ms : 0 };
    j->webhook = (struct job_notice){ .due_at_ms = j->webhook_url[0] != '\0' ? now_ms : 0 };
}

/* Back to the queue; what the attempt had reached is lost. */
static void requeue_job(struct job *j, int64_t run_at_ms)
{
    j->state = JOB_QUEUED;
    j->queued_at_ms = clock_wall_ms();
    j->phase = JOB_PHASE_NONE;
    j->run_at_ms = run_at_ms;
    j->lease_until_ms = 0;
    j->started_at_ms = 0;
    j->published = false;
    j->published_at_ms = 0;
    j->progress = (struct job_progress){ .seq = j->progress.seq + 1 };
}

struct claim {
    int64_t lease_ms;
    const char *message_id;
    bool redelivered;
};

/* Whether whoever runs the job is gone. Not if it was claimed by another message of the job's: that
 * one would have come again. A record that tells no message is that of an older version, or of a
 * message without an id. */
static bool is_lost(const struct job *j, const struct claim *claim, int64_t now_ms)
{
    bool is_same = j->message_id[0] == '\0' || strcmp(j->message_id, claim->message_id) == 0;
    return j->lease_until_ms <= now_ms || (claim->redelivered && is_same);
}

static enum err step_claim(struct job *j, const void *arg, bool *ret_is_done, struct error *e)
{
    const struct claim *claim = arg;
    int64_t now_ms = clock_wall_ms();
    (void)ret_is_done;
    if (job_is_final(j)) {
        return err_set(e, ERR_EXISTS, "the job has ended");
    }
    if (j->state == JOB_QUEUED && j->run_at_ms > now_ms + CLOCKS_DIFFER_MS) {
        return err_set(e, ERR_CONFLICT, "the job is not due yet");
    }
    if (j->state == JOB_RUNNING) {
        if (!is_lost(j, claim, now_ms)) {
            return err_set(e, ERR_CONFLICT, "the job runs elsewhere");
        }
        /* Its worker is gone. That counts: a file that kills every worker must run out of tries. */
        j->failures++;
    }
    drop_outputs(j); /* of a job whose gateway died in jobs_create_same */
    j->state = JOB_RUNNING;
    j->phase = JOB_PHASE_PROBING;
    j->attempt++;
    j->claims++;
    (void)text_copy(j->converter_version, sizeof(j->converter_version), version_text());
    (void)text_copy(j->message_id, sizeof(j->message_id), claim->message_id);
    j->started_at_ms = now_ms;
    j->lease_until_ms = now_ms + claim->lease_ms;
    j->error = (struct job_error){ .problem = PROBLEM_NONE };
    j->progress = (struct job_progress){ .seq = j->progress.seq + 1 };
    return OK;
}

enum err jobs_claim(struct jobs *s, const char *id, int64_t lease_ms, const char *message_id,
                    bool redelivered, struct job *ret_job, struct error *e)
{
    const struct claim claim = { lease_ms, message_id, redelivered };
    const struct transition t = { .step = step_claim, .arg = &claim };
    return run(s, id, &t, ret_job, e);
}

/* ---- calls of a claim's holder ---- */

/* What a holder asks for; `job` is its copy. */
struct holding {
    const struct job *job;
    int64_t lease_ms;
    int64_t run_at_ms;
    bool counts_as_failure;
};

/* An older version counts attempts alone. */
static bool is_same_claim(const struct job *record, const struct job *copy)
{
    return record->claims == copy->claims && record->attempt == copy->attempt;
}

static enum err check_claim(const struct job *record, const struct job *copy, struct error *e)
{
    if (record->state == JOB_CANCELLED) {
        return err_set(e, ERR_CANCELLED, "the job was cancelled");
    }
    if (record->state != JOB_RUNNING || !is_same_claim(record, copy)) {
        return err_set(e, ERR_CONFLICT, "another attempt has the job, or it has ended");
    }
    return OK;
}

/* The holder's copy is the newest record unless somebody changed it, so the first try needs no
 * load. A copy that was given back or has ended is no claim any more: the record decides. */
static enum err run_held(struct jobs *s, struct job *job, step_function *step,
                         const struct holding *h, struct error *e)
{
    const struct transition t = { .step = step, .arg = h };
    struct job j = *job;
    enum err err = ERR_CONFLICT;
    bool is_claimed = job->lease_until_ms != 0 && job->finished_at_ms == 0;
    bool has_lost = true;
    if (is_claimed) {
        j.state = JOB_RUNNING;
        err = try_step(s, &t, &j, e);
        has_lost = err == ERR_CONFLICT && j.rev != job->rev;
    }
    if (has_lost) {
        err = run(s, job->id, &t, &j, e);
    }
    if (err == OK) {
        *job = j;
    }
    return err == ERR_NOT_FOUND ? err_set(e, ERR_CANCELLED, "the job was removed") : err;
}

static enum err step_progress(struct job *j, const void *arg, bool *ret_is_done, struct error *e)
{
    const struct holding *h = arg;
    (void)ret_is_done;
    enum err err = check_claim(j, h->job, e);
    if (err != OK) {
        return err;
    }
    j->lease_until_ms = clock_wall_ms() + h->lease_ms;
    int64_t seq = j->progress.seq;
    j->phase = h->job->phase;
    j->input = h->job->input;
    j->progress = h->job->progress;
    j->progress.seq = seq + 1;
    double percent = j->progress.percent;
    j->progress.percent = isfinite(percent) ? fmin(fmax(percent, 0), 100) : 0;
    return OK;
}

enum err jobs_progress(struct jobs *s, struct job *job, int64_t lease_ms, struct error *e)
{
    const struct holding h = { .job = job, .lease_ms = lease_ms };
    return run_held(s, job, step_progress, &h, e);
}

static enum err step_finish(struct job *j, const void *arg, bool *ret_is_done, struct error *e)
{
    const struct job *copy = ((const struct holding *)arg)->job;
    /* Asked again because the first answer was lost: saying "conflict" would make the winner remove
     * its own output. */
    if (j->state == copy->state && is_same_claim(j, copy) &&
        (copy->state == JOB_FAILED || strcmp(j->mp3_fid, copy->mp3_fid) == 0)) {
        *ret_is_done = true;
        return OK;
    }
    enum err err = check_claim(j, copy, e);
    if (err != OK) {
        return err;
    }
    j->input = copy->input;
    j->output_count = copy->output_count;
    memcpy(j->outputs, copy->outputs, sizeof(j->outputs));
    j->error = copy->error;
    j->progress = copy->progress;
    j->expires_at_ms = copy->expires_at_ms;
    memcpy(j->mp3_fid, copy->mp3_fid, ID_SIZE);
    end_job(j, copy->state);
    return OK;
}

enum err jobs_finish(struct jobs *s, struct job *job, struct error *e)
{
    bool has_result = job->kind == JOB_PROBE || id_is_valid(job->mp3_fid);
    bool is_success = job->state == JOB_SUCCEEDED && has_result;
    bool is_failure = job->state == JOB_FAILED && job->error.problem != PROBLEM_NONE;
    if (!is_success && !is_failure) {
        return err_set(e, ERR_INVALID, "a job ends with its output, or with its error");
    }
    const struct holding h = { .job = job };
    return run_held(s, job, step_finish, &h, e);
}

static enum err step_give_back(struct job *j, const void *arg, bool *ret_is_done, struct error *e)
{
    const struct holding *h = arg;
    if (j->state == JOB_QUEUED && j->rev == h->job->rev + 1 && j->run_at_ms == h->run_at_ms) {
        *ret_is_done = true; /* the first answer was lost */
        return OK;
    }
    enum err err = check_claim(j, h->job, e);
    if (err != OK) {
        return err;
    }
    requeue_job(j, h->run_at_ms);
    j->error = h->job->error;
    if (h->counts_as_failure) {
        j->failures++;
    } else {
        j->attempt--;
    }
    return OK;
}

enum err jobs_give_back(struct jobs *s, struct job *job, int64_t run_at_ms, bool counts_as_failure,
                        struct error *e)
{
    const struct holding h = { .job = job,
                               .run_at_ms = run_at_ms,
                               .counts_as_failure = counts_as_failure };
    return run_held(s, job, step_give_back, &h, e);
}

/* ---- calls of others ---- */

static enum err step_cancel(struct job *j, const void *arg, bool *ret_is_done, struct error *e)
{
    (void)arg;
    (void)ret_is_done;
    if (job_is_final(j)) {
        return err_set(e, ERR_EXISTS, "the job has ended");
    }
    end_job(j, JOB_CANCELLED);
    return OK;
}

enum err jobs_cancel(struct jobs *s, const char *id, const char *owner, struct job *ret_job,
                     struct error *e)
{
    const struct transition t = { .step = step_cancel, .owner = owner };
    return run(s, id, &t, ret_job, e);
}

static enum err step_finish_foreign(struct job *j, const void *arg, bool *ret_is_done,
                                    struct error *e)
{
    (void)ret_is_done;
    if (job_is_final(j)) {
        return err_set(e, ERR_EXISTS, "the job has ended");
    }
    (void)text_copy(j->mp3_fid, sizeof(j->mp3_fid), arg);
    end_job(j, JOB_SUCCEEDED);
    return OK;
}

enum err jobs_finish_foreign(struct jobs *s, const char *id, const char *mp3_fid,
                             struct job *ret_job, struct error *e)
{
    if (!id_is_valid(mp3_fid)) {
        return err_set(e, ERR_INVALID, "a finished job needs the id of its MP3");
    }
    const struct transition t = { .step = step_finish_foreign, .arg = mp3_fid };
    return run(s, id, &t, ret_job, e);
}

struct recovery {
    int attempt;
    int max_failures;
    int64_t run_at_ms;
};

static enum err step_recover(struct job *j, const void *arg, bool *ret_is_done, struct error *e)
{
    const struct recovery *r = arg;
    (void)ret_is_done;
    if (j->state != JOB_RUNNING || j->attempt != r->attempt ||
        j->lease_until_ms > clock_wall_ms()) {
        return err_set(e, ERR_CONFLICT, "the job is not lost any more");
    }
    j->failures++;
    if (j->failures >= r->max_failures) {
        j->error = (struct job_error){ .problem = PROBLEM_ATTEMPTS_EXHAUSTED };
        (void)text_copy(j->error.detail, sizeof(j->error.detail),
                        "The worker was lost each time this file was tried.");
        end_job(j, JOB_FAILED);
        return OK;
    }
    requeue_job(j, r->run_at_ms);
    j->error = (struct job_error){ .problem = PROBLEM_WORKER_LOST, .retryable = true };
    return OK;
}

enum err jobs_recover(struct jobs *s, struct job *job, int max_failures, int64_t run_at_ms,
                      struct error *e)
{
    const struct recovery r = { job->attempt, max_failures, run_at_ms };
    const struct transition t = { .step = step_recover, .arg = &r };
    return run(s, job->id, &t, job, e);
}

/* ---- the outbox's marks ---- */

/* The swap must find the very record that the caller saw. */
static enum err mark(struct jobs *s, struct job *job, struct job *changed, struct error *e)
{
    changed->rev = job->rev + 1;
    enum err err = s->ops->swap(s, changed, job->rev, e);
    if (err == OK) {
        *job = *changed;
    }
    return err;
}

enum err jobs_mark_published(struct jobs *s, struct job *job, struct error *e)
{
    /* Looking again after a conflict would be wrong: the job may have run and been given back
     * since, and its next message has not been sent. */
    if (job->state != JOB_QUEUED) {
        return err_set(e, ERR_CONFLICT, "the job is not queued any more");
    }
    struct job changed = *job;
    changed.published = true;
    changed.published_at_ms = clock_wall_ms();
    return mark(s, job, &changed, e);
}

static enum err step_announced(struct job *j, const void *arg, bool *ret_is_done, struct error *e)
{
    (void)arg;
    if (!job_is_final(j)) {
        return err_set(e, ERR_CONFLICT, "the job has not ended");
    }
    *ret_is_done = j->announced;
    j->announced = true;
    return OK;
}

enum err jobs_mark_announced(struct jobs *s, struct job *job, struct error *e)
{
    const struct transition t = { .step = step_announced };
    enum err err = run(s, job->id, &t, job, e);
    return err == ERR_NOT_FOUND ? err_set(e, ERR_CONFLICT, "the job was removed") : err;
}

enum err jobs_mark_notices(struct jobs *s, struct job *job, struct error *e)
{
    if (!job_is_final(job)) {
        return err_set(e, ERR_CONFLICT, "the job has not ended");
    }
    struct job changed = *job;
    enum err err = mark(s, job, &changed, e);
    if (err != ERR_CONFLICT) {
        return err;
    }
    /* One change since, and it was the announcement's mark: the notices are as the caller saw them.
     * A conflict here would make a notifier send its mail twice. */
    struct job now;
    if (job->announced || s->ops->load(s, job->id, &now, e) != OK || !now.announced ||
        now.rev != job->rev + 1) {
        return err_set(e, ERR_CONFLICT, "the job's notices have changed");
    }
    changed = now;
    changed.email = job->email;
    changed.webhook = job->webhook;
    err = mark(s, &now, &changed, e);
    if (err == OK) {
        *job = now;
    }
    return err;
}

/* ---- a job that is made with the outputs of another ---- */

enum err jobs_finish_same(struct jobs *s, struct job *job, struct error *e)
{
    struct job changed = *job;
    memcpy(changed.mp3_fid, changed.outputs[0].fid, ID_SIZE);
    end_job(&changed, JOB_SUCCEEDED);
    return mark(s, job, &changed, e);
}

enum err jobs_let_go(struct jobs *s, struct job *job, struct error *e)
{
    struct job changed = *job;
    drop_outputs(&changed);
    changed.input = (struct job_input){ .track_count = 0 };
    return mark(s, job, &changed, e);
}
