#include "reuse.h"

#include "core/clock.h"
#include "core/log.h"

#include "core/banned.h"

/* A file can be gone although its record is there: somebody removed it by hand, or a store was
 * restored from copies of different times. */
static bool has_outputs(struct gateway *g, const struct job *job)
{
    for (int i = 0; i < job->output_count; i++) {
        struct blob_stat stat;
        if (blobs_stat(g->mp3s, job->outputs[i].fid, &stat, NULL) != OK || !stat.is_committed ||
            stat.size_bytes != job->outputs[i].size_bytes) {
            return false;
        }
    }
    return true;
}

bool reuse_find(struct gateway *g, const struct job *job, struct job *ret_first)
{
    if (!g->settings->reuse || job->kind != JOB_CONVERT || job->cover_fid[0] != '\0') {
        return false;
    }
    struct error e = { 0 };
    enum err rc = jobs_find_same(g->jobs, job, ret_first, &e);
    if (rc != OK && rc != ERR_NOT_FOUND) {
        log_failure(LOG_LEVEL_WARN, err_name(e.code), "equal uploads could not be looked for: %s",
                    e.text);
    }
    return rc == OK && has_outputs(g, ret_first);
}

enum err reuse_create(struct gateway *g, struct job *job, const struct job *first, struct error *e)
{
    job->queued_at_ms = clock_wall_ms();
    enum err rc = jobs_create_same(g->jobs, job, first, e);
    if (rc != OK) {
        return rc;
    }
    if (job->state == JOB_SUCCEEDED) {
        metric_add(&metric_jobs_reused, 0, 1);
        log_info("the same upload as job %s: answered with its MP3s", first->id);
    } else {
        /* Who deleted the earlier job left its files to us if he saw our record. */
        log_info("the same upload as job %s, which was deleted just now: converted anew",
                 first->id);
        reuse_remove_outputs(g, first);
    }
    return OK;
}

static void remove_output(struct gateway *g, const char *fid)
{
    struct error e = { 0 };
    struct job other;
    enum err rc = jobs_get_by_mp3(g->jobs, fid, NULL, &other, &e);
    if (rc == OK) {
        return;
    }
    if (rc == ERR_NOT_FOUND) {
        rc = blobs_remove(g->mp3s, fid, &e);
    }
    if (rc != OK && rc != ERR_NOT_FOUND) {
        log_failure(LOG_LEVEL_ERROR, err_name(e.code), "file %s could not be removed: %s", fid,
                    e.text);
    }
}

void reuse_remove_outputs(struct gateway *g, const struct job *job)
{
    /* A foreign converter's MP3 is in no output. */
    if (job->output_count == 0 && job->mp3_fid[0] != '\0') {
        remove_output(g, job->mp3_fid);
    }
    for (int i = 0; i < job->output_count; i++) {
        remove_output(g, job->outputs[i].fid);
    }
}
