#include "attempt.h"

#include <math.h>
#include <string.h>

#include "core/clock.h"
#include "core/id.h"
#include "core/log.h"
#include "core/span.h"
#include "core/text.h"
#include "engine/engine.h"
#include "pipeline/pipeline.h"

#include "core/banned.h"

static const int64_t progress_every_ms = 500;

static const char exhausted[] = "The conversion failed several times for causes on our side.";

struct attempt {
    struct converter *converter;
    struct job *job;
    struct queue_message *message;

    struct attempt_output {
        struct blob_writer *writer; /* NULL: not begun, or set aside until all are whole */
        char fid[ID_SIZE];          /* "": not begun */
        bool is_committed;
    } outputs[JOB_OUTPUTS_MAX];

    struct span stage;  /* probe, convert, store */
    int64_t started_ms; /* monotonic, as the next two */
    int64_t stored_ms;  /* when the record was last written */
    int64_t extended_ms;
    bool has_news;   /* progress that the record does not have yet */
    bool is_drained; /* the drain time is over */
    bool delivery_lost;
    enum err lost;   /* why the claim was lost: CANCELLED or CONFLICT; OK while it is ours */
    enum err source; /* why the upload could not be read */
};

/* ---- what the engine asks for ---- */

static enum err read_input(void *ctx, int64_t offset, void *dst, size_t len, size_t *ret_len,
                           struct error *e)
{
    struct attempt *a = ctx;
    a->source = blobs_pread(a->converter->videos, a->job->video_fid, offset, dst, len, ret_len, e);
    return a->source;
}

static enum err read_cover(void *ctx, int64_t offset, void *dst, size_t len, size_t *ret_len,
                           struct error *e)
{
    struct attempt *a = ctx;
    return blobs_pread(a->converter->videos, a->job->cover_fid, offset, dst, len, ret_len, e);
}

static enum err write_output(void *ctx, int number, const void *bytes, size_t len, struct error *e)
{
    struct attempt *a = ctx;
    struct attempt_output *output = &a->outputs[number];
    if (output->fid[0] == '\0') {
        struct blob_meta meta = { .owner = a->job->owner,
                                  .filename = a->job->filename,
                                  .content_type = "audio/mpeg" };
        id_new(output->fid);
        enum err rc = blobs_create(a->converter->mp3s, output->fid, &meta, &output->writer, e);
        if (rc != OK) {
            output->fid[0] = '\0';
            output->writer = NULL;
            return rc;
        }
    }
    return blob_write(output->writer, bytes, len, e);
}

static enum err rewrite_output(void *ctx, int number, int64_t offset, const void *bytes, size_t len,
                               struct error *e)
{
    struct attempt *a = ctx;
    return blob_rewrite(a->outputs[number].writer, offset, bytes, len, e);
}

/* Under another id: a file of the store's is never taken back. */
static enum err restart_output(void *ctx, int number, struct error *e)
{
    (void)e;
    struct attempt *a = ctx;
    struct attempt_output *output = &a->outputs[number];
    blob_abort(output->writer);
    output->writer = NULL;
    output->fid[0] = '\0';
    return OK;
}

/* One of several is set aside, so that memory does not grow with their number. None is committed
 * before all are whole: what a crash leaves uncommitted is found and removed. */
static enum err end_output(void *ctx, int number, struct error *e)
{
    struct attempt *a = ctx;
    struct attempt_output *output = &a->outputs[number];
    if (number == 0) {
        return OK;
    }
    enum err rc = blob_suspend(output->writer, e);
    output->writer = NULL;
    return rc;
}

static void on_input(void *ctx, const struct job_input *input)
{
    struct attempt *a = ctx;
    a->job->input = *input;
    a->job->phase = JOB_PHASE_TRANSCODING;
    a->job->progress.duration_s = input->duration_s;
    a->has_news = true;
    span_end(&a->stage);
    span_begin_part(&a->stage, "convert");
}

static void on_progress(void *ctx, double media_time_s, double duration_s)
{
    struct attempt *a = ctx;
    struct job_progress *p = &a->job->progress;
    double elapsed_s = (double)(clock_mono_ms() - a->started_ms) / 1e3;
    p->media_time_s = media_time_s;
    p->duration_s = duration_s;
    p->speed = elapsed_s > 0 ? media_time_s / elapsed_s : 0;
    if (duration_s > 0) {
        double percent = round(1000 * media_time_s / duration_s) / 10;
        p->percent = percent < 100 ? percent : 100;
        p->eta_s = p->speed > 0 && duration_s > media_time_s
                       ? (duration_s - media_time_s) / p->speed
                       : 0;
    }
    a->has_news = true;
}

static void on_log(void *ctx, const char *line)
{
    (void)ctx;
    log_line_from("unreel-engine", LOG_LEVEL_DEBUG, line);
}

/* Writes the record when there is news, at most twice a second; else renews the lease in time. */
static void store_progress(struct attempt *a, int64_t now_ms)
{
    struct converter *c = a->converter;
    int64_t lease_ms = c->settings->lease_s * 1000;
    int64_t age_ms = now_ms - a->stored_ms;
    if (age_ms < (a->has_news ? progress_every_ms : lease_ms / 4)) {
        return;
    }
    struct error e = { 0 };
    enum err rc = jobs_progress(c->jobs, a->job, lease_ms, &e);
    a->stored_ms = now_ms;
    if (rc == ERR_CANCELLED || rc == ERR_CONFLICT) {
        a->lost = rc;
        return;
    }
    if (rc != OK) {
        /* The lease has time left: try again at the next tick. */
        log_failure(LOG_LEVEL_WARN, err_name(e.code), "progress could not be stored: %s", e.text);
        return;
    }
    if (a->has_news) {
        pipeline_event(c->queue, a->job, "progress");
    }
    a->has_news = false;
}

/* A lost delivery is no reason to stop: whoever gets the message next takes the claim over, and
 * fencing tells us. */
static void keep_delivery(struct attempt *a, int64_t now_ms)
{
    if (now_ms - a->extended_ms < 1000) {
        return;
    }
    a->extended_ms = now_ms;
    struct error e = { 0 };
    enum err rc = queue_extend(a->message, &e);
    if (rc != OK && !a->delivery_lost) {
        log_failure(LOG_LEVEL_WARN, err_name(e.code),
                    "the broker took the message back; the claim still holds: %s", e.text);
    }
    a->delivery_lost = rc != OK;
}

static bool keep_going(void *ctx)
{
    struct attempt *a = ctx;
    int64_t now_ms = clock_mono_ms();
    if (atomic_load(&a->converter->is_stopping)) {
        a->is_drained = true;
        return false;
    }
    keep_delivery(a, now_ms);
    store_progress(a, now_ms);
    return a->lost == OK;
}

/* ---- how it ends ---- */

static void end_stage(struct attempt *a, enum err rc, const struct error *e)
{
    if (rc != OK) {
        span_fail(&a->stage, err_name(rc), e->text);
    }
    span_end(&a->stage);
}

static void set_job_error(struct job *job, enum problem p, const char *detail)
{
    job->error.problem = p;
    job->error.retryable = problem_info(p)->retryable;
    (void)text_copy(job->error.detail, sizeof(job->error.detail), detail);
}

/* Ends the record. The store may be down for a moment: an outcome is worth several tries. */
static enum err finish_record(struct attempt *a)
{
    struct error e = { 0 };
    enum err rc = OK;
    for (int try = 1; try <= 5; try++) {
        rc = jobs_finish(a->converter->jobs, a->job, &e);
        if (rc == OK || rc == ERR_CANCELLED || rc == ERR_CONFLICT) {
            return rc;
        }
        log_failure(LOG_LEVEL_WARN, err_name(e.code),
                    "the end of the job could not be stored, try %d: %s", try, e.text);
        clock_sleep_ms(clock_backoff_ms(try, 500, 5000));
        keep_delivery(a, clock_mono_ms());
    }
    return rc;
}

static const int64_t retry_delays_s[] = { 10, 60, 300, 1800 };

static enum attempt_result give_back(struct attempt *a, bool counts)
{
    struct job *job = a->job;
    int64_t run_at_ms = clock_wall_ms();
    if (counts) {
        size_t step = (size_t)job->failures;
        step = step < ARRAY_LEN(retry_delays_s) ? step : ARRAY_LEN(retry_delays_s) - 1;
        int64_t delay_ms = retry_delays_s[step] * 1000;
        run_at_ms += delay_ms * 8 / 10 + (int64_t)random_below((unsigned)(delay_ms * 4 / 10));
    }
    struct error e = { 0 };
    enum err rc = jobs_give_back(a->converter->jobs, job, run_at_ms, counts, &e);
    if (rc == ERR_CANCELLED || rc == ERR_CONFLICT) {
        return ATTEMPT_LOST;
    }
    if (rc != OK) {
        log_failure(LOG_LEVEL_WARN, err_name(e.code),
                    "the job could not be given back; its lease will run out: %s", e.text);
        return ATTEMPT_GIVE_BACK;
    }
    return counts ? ATTEMPT_LATER : ATTEMPT_GIVE_BACK;
}

static enum attempt_result end_failed(struct attempt *a, enum problem p, const char *detail)
{
    a->job->state = JOB_FAILED;
    set_job_error(a->job, p, detail);
    log_failure(LOG_LEVEL_WARN, problem_info(p)->slug, "job failed: %s", detail);
    enum err rc = finish_record(a);
    if (rc == OK) {
        return ATTEMPT_ENDED;
    }
    return rc == ERR_CANCELLED || rc == ERR_CONFLICT ? ATTEMPT_LOST : ATTEMPT_GIVE_BACK;
}

/* A failure that may pass: later, or never again after too many. */
static enum attempt_result end_transient(struct attempt *a, const struct error *e)
{
    if (a->job->failures + 1 >= a->converter->settings->max_failures) {
        log_failure(LOG_LEVEL_ERROR, err_name(e->code), "the last try failed: %s", e->text);
        return end_failed(a, PROBLEM_ATTEMPTS_EXHAUSTED, exhausted);
    }
    log_failure(LOG_LEVEL_WARN, err_name(e->code), "attempt %d failed and will be repeated: %s",
                a->job->attempt, e->text);
    set_job_error(a->job, PROBLEM_WORKER_LOST,
                  "The last attempt failed; the job will be tried again.");
    return give_back(a, true);
}

/* Whatever there is of outputs that are not wanted. */
static void discard_outputs(struct attempt *a, bool with_committed)
{
    for (int i = 0; i < JOB_OUTPUTS_MAX; i++) {
        struct attempt_output *output = &a->outputs[i];
        struct error e = { 0 };
        bool is_stored = output->fid[0] != '\0' && output->writer == NULL;
        blob_abort(output->writer);
        output->writer = NULL;
        if (is_stored && (with_committed || !output->is_committed) &&
            blobs_remove(a->converter->mp3s, output->fid, &e) != OK) {
            log_failure(LOG_LEVEL_WARN, err_name(e.code),
                        "the output %s of a lost attempt could not be removed: %s", output->fid,
                        e.text);
        }
    }
}

static enum err commit_output(struct attempt *a, int number, struct job_output *ret_output,
                              struct error *e)
{
    struct attempt_output *output = &a->outputs[number];
    int64_t offset = 0;
    enum err rc = OK;
    if (output->writer == NULL) {
        rc = blobs_resume(a->converter->mp3s, output->fid, &output->writer, &offset, e);
    }
    if (rc == OK) {
        rc = blob_commit(output->writer, ret_output->sha256, e);
    }
    if (rc == OK) {
        output->writer = NULL;
        output->is_committed = true;
        (void)text_copy(ret_output->fid, sizeof(ret_output->fid), output->fid);
    }
    return rc;
}

static enum err commit_outputs(struct attempt *a, const struct engine_result *result,
                               struct error *e)
{
    struct job *job = a->job;
    job->output_count = result->output_count;
    for (int i = 0; i < result->output_count; i++) {
        job->outputs[i] = result->outputs[i];
        enum err rc = commit_output(a, result->numbers[i], &job->outputs[i], e);
        if (rc != OK) {
            return rc;
        }
        keep_delivery(a, clock_mono_ms());
    }
    (void)text_copy(job->mp3_fid, sizeof(job->mp3_fid), job->outputs[0].fid);
    return OK;
}

static void count_success(const struct attempt *a, const struct engine_result *result)
{
    double elapsed_s = (double)(clock_mono_ms() - a->started_ms) / 1e3;
    double media_s = 0;
    int64_t size_bytes = 0;
    for (int i = 0; i < result->output_count; i++) {
        media_s += result->outputs[i].duration_s;
        size_bytes += result->outputs[i].size_bytes;
    }
    metric_observe(&metric_job_duration, 0, elapsed_s);
    metric_add(&metric_media, 0, (int64_t)media_s);
    metric_add(&metric_input_bytes, 0, a->job->size_bytes);
    metric_add(&metric_output_bytes, 0, size_bytes);
    log_info("job done: %d MP3s of %.3f s of sound in %.3f s, %lld bytes, engine cpu %lld ms, "
             "rss %lld KiB",
             result->output_count, media_s, elapsed_s, (long long)size_bytes,
             (long long)result->cpu_ms, (long long)(result->peak_rss_bytes / 1024));
}

static enum attempt_result end_succeeded(struct attempt *a, const struct engine_result *result)
{
    struct job *job = a->job;
    struct error e = { 0 };
    job->phase = JOB_PHASE_STORING;
    span_begin_part(&a->stage, "store");
    enum err rc = commit_outputs(a, result, &e);
    end_stage(a, rc, &e);
    if (rc != OK) {
        discard_outputs(a, true);
        job->output_count = 0;
        job->mp3_fid[0] = '\0';
        return end_transient(a, &e);
    }
    job->state = JOB_SUCCEEDED;
    job->progress.percent = 100;
    job->progress.eta_s = 0;
    job->progress.media_time_s = result->outputs[0].duration_s;
    rc = finish_record(a);
    if (rc == ERR_CANCELLED || rc == ERR_CONFLICT) {
        discard_outputs(a, true);
        return ATTEMPT_LOST;
    }
    if (rc != OK) {
        return ATTEMPT_GIVE_BACK;
    }
    count_success(a, result);
    return ATTEMPT_ENDED;
}

static enum attempt_result end_unsuccessful(struct attempt *a, enum err rc,
                                            const struct engine_result *result,
                                            const struct error *e)
{
    if (a->lost == ERR_CANCELLED) {
        log_info("the job was cancelled; attempt %d stopped", a->job->attempt);
        return ATTEMPT_LOST;
    }
    if (a->lost == ERR_CONFLICT) {
        log_warn("another attempt has the job; attempt %d stopped", a->job->attempt);
        return ATTEMPT_LOST;
    }
    if (a->is_drained) {
        log_info("draining: the job is given back");
        return give_back(a, false);
    }
    if (result->kill == ENGINE_KILLED_SECCOMP) {
        log_error("security: the sandbox killed the engine on this input");
        if (a->job->failures == 0) {
            return end_transient(a, e);
        }
        return end_failed(a, PROBLEM_RESOURCE_LIMIT, "The file made the converter misbehave.");
    }
    if (a->source == ERR_NOT_FOUND) {
        return end_failed(a, PROBLEM_SOURCE_MISSING, "The uploaded file is no longer here.");
    }
    if (a->source == ERR_CORRUPT) {
        return end_failed(a, PROBLEM_CORRUPT_INPUT, "The stored file is damaged.");
    }
    if (result->problem != PROBLEM_NONE) {
        return end_failed(a, result->problem, result->detail);
    }
    (void)rc;
    return end_transient(a, e);
}

/* The picture that came with the job, for the engine. */
static enum err offer_cover(struct attempt *a, struct engine_job *run, struct error *e)
{
    struct blob_stat stat;
    if (a->job->cover_fid[0] == '\0') {
        return OK;
    }
    enum err rc = blobs_stat(a->converter->videos, a->job->cover_fid, &stat, e);
    if (rc == OK) {
        run->cover_size = stat.size_bytes;
        run->read_cover = read_cover;
    }
    return rc;
}

enum attempt_result attempt_run(struct converter *c, struct job *job, struct queue_message *message)
{
    struct attempt a = { .converter = c, .job = job, .message = message };
    a.started_ms = clock_mono_ms();
    a.stored_ms = a.started_ms;
    a.extended_ms = a.started_ms;
    memset(&job->progress, 0, sizeof(job->progress));
    memset(&job->error, 0, sizeof(job->error));
    job->phase = JOB_PHASE_PROBING;
    struct engine_job run = { .zygote = c->zygote,
                              .request = &job->request,
                              .is_probe = job->kind == JOB_PROBE,
                              .threads = c->threads,
                              .input_size = job->size_bytes,
                              .ctx = &a,
                              .read = read_input,
                              .write = write_output,
                              .rewrite = rewrite_output,
                              .restart = restart_output,
                              .end_output = end_output,
                              .on_input = on_input,
                              .on_progress = on_progress,
                              .keep_going = keep_going,
                              .on_log = on_log };
    engine_limits_default(&run.limits);
    run.limits.max_duration_s = c->settings->max_duration_s;
    run.limits.max_output_bytes = c->settings->max_output_bytes;
    run.limits.memory_bytes = c->settings->memory_bytes;
    run.limits.wall_limit_s = c->settings->wall_limit_s;
    run.limits.no_progress_limit_s = c->settings->no_progress_limit_s;
    struct engine_result result = { 0 };
    struct error e = { 0 };
    if (job->failures >= c->settings->max_failures) {
        /* Earlier attempts took their converters with them: not this one too. */
        return end_failed(&a, PROBLEM_ATTEMPTS_EXHAUSTED, exhausted);
    }
    span_begin_part(&a.stage, "probe");
    enum err rc = offer_cover(&a, &run, &e);
    rc = rc != OK ? rc : engine_run(&run, &result, &e);
    end_stage(&a, rc, &e);
    job->input.bytes_read = result.input_bytes;
    metric_add(&metric_fetched_bytes, 0, result.input_bytes);
    if (result.kill != ENGINE_NOT_KILLED) {
        metric_add(&metric_sandbox_kills, (size_t)result.kill - 1, 1);
    }
    enum attempt_result ended = rc == OK ? end_succeeded(&a, &result)
                                         : end_unsuccessful(&a, rc, &result, &e);
    discard_outputs(&a, false);
    return ended;
}
