/* Uploads that are answered with the MP3s of an earlier job.
 *
 * Whoever removes MP3s has first removed a record that named them, and then looks for others that
 * do. Here the new record is written first, and then it is seen that the earlier one is still
 * there: so either the remover finds the new record, or we find that the earlier one is gone. The
 * new record is queued until then, and only succeeded ones are built upon; a gateway that dies in
 * between leaves a job that is converted as any other. */
#include <string.h>

#include "jobs/jobs_impl.h"
#include "core/banned.h"

#define PAGE 8       /* jobs are large */
#define LOOKED_AT 64 /* the same file may have been converted with many different options */

/* A foreign converter's job does not say what it made, or by which options. */
static bool is_same(const struct job *first, const struct job *job)
{
    return first->output_count > 0 && first->mp3_fid[0] != '\0' &&
           job_request_equal(&first->request, &job->request);
}

enum err jobs_find_same(struct jobs *s, const struct job *job, struct job *ret_first,
                        struct error *e)
{
    AUTO(mem_free) struct job *page = xcalloc(PAGE, sizeof(*page));
    char cursor[JOBS_CURSOR_SIZE] = "";
    struct jobs_filter filter = { .owner = job->owner,
                                  .state = JOB_SUCCEEDED,
                                  .sha256 = job->sha256,
                                  .after = cursor,
                                  .limit = PAGE };
    bool has_more = job->sha256[0] != '\0';
    for (size_t seen = 0; has_more && seen < LOOKED_AT; seen += PAGE) {
        size_t count = 0;
        enum err err = jobs_list(s, &filter, page, &count, cursor, e);
        if (err != OK) {
            return err;
        }
        for (size_t i = 0; i < count; i++) {
            if (is_same(&page[i], job)) {
                *ret_first = page[i];
                return OK;
            }
        }
        has_more = cursor[0] != '\0';
    }
    return err_set(e, ERR_NOT_FOUND, "there is no such job");
}

enum err jobs_create_same(struct jobs *s, struct job *job, const struct job *first, struct error *e)
{
    job->input = first->input;
    job->output_count = first->output_count;
    memcpy(job->outputs, first->outputs, sizeof(job->outputs));
    memcpy(job->same_as, first->id, ID_SIZE);
    enum err err = jobs_create(s, job, e);
    if (err != OK) {
        return err;
    }
    struct job now;
    err = jobs_get(s, first->id, first->owner, &now, NULL);
    if (err == OK) {
        job->progress.media_time_s = first->progress.media_time_s;
        job->progress.duration_s = first->progress.duration_s;
        err = jobs_finish_same(s, job, NULL);
    } else {
        err = jobs_let_go(s, job, NULL);
    }
    /* What it is now, if an answer was lost or somebody was quicker; else it stays as we know it.
     */
    if (err != OK && jobs_get(s, job->id, NULL, &now, NULL) == OK) {
        *job = now;
    }
    return OK;
}
