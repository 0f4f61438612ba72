#include "jobs/jobs.h"

#include <endian.h>
#include <string.h>

#include "core/clock.h"
#include "core/text.h"
#include "core/url.h"
#include "jobs/jobs_impl.h"
#include "core/banned.h"

#define LIMIT_MAX 200

static const struct jobs_ops *const engines[] = { &jobs_mongo, &jobs_sqlite };

enum err jobs_open(const char *url, unsigned max_parallel, struct jobs **ret_jobs, struct error *e)
{
    for (size_t i = 0; i < ARRAY_LEN(engines); i++) {
        if (url_has_scheme(url, engines[i]->scheme)) {
            return engines[i]->open(url, max_parallel, ret_jobs, e);
        }
    }
    return err_set(e, ERR_INVALID, "jobs: the URL must begin with mongodb:// or sqlite:");
}

void jobs_close(struct jobs *s)
{
    if (s != NULL) {
        s->ops->close(s);
    }
}

enum err jobs_check(struct jobs *s, struct error *e)
{
    return s->ops->check(s, e);
}

enum err jobs_create(struct jobs *s, struct job *job, struct error *e)
{
    if (!id_is_valid(job->id)) {
        return err_set(e, ERR_INVALID, "a job needs an id");
    }
    /* Engines join owner and key with a newline. */
    if (job->owner[0] == '\0' || strchr(job->owner, '\n') != NULL) {
        return err_set(e, ERR_INVALID, "a job needs an owner without line breaks");
    }
    if (job->video_fid[0] == '\0') {
        memcpy(job->video_fid, job->id, ID_SIZE);
    }
    job->rev = 1;
    return s->ops->insert(s, job, e);
}

static enum err no_such_job(struct error *e)
{
    return err_set(e, ERR_NOT_FOUND, "there is no such job");
}

/* A foreign job looks like a missing one. */
static enum err only_owned(enum err err, const struct job *j, const char *owner,
                           struct job *ret_job, struct error *e)
{
    if (err != OK) {
        return err;
    }
    if (owner != NULL && strcmp(j->owner, owner) != 0) {
        return no_such_job(e);
    }
    *ret_job = *j;
    return OK;
}

enum err jobs_get(struct jobs *s, const char *id, const char *owner, struct job *ret_job,
                  struct error *e)
{
    if (!id_is_valid(id)) {
        return no_such_job(e);
    }
    struct job j;
    enum err err = s->ops->load(s, id, &j, e);
    return only_owned(err, &j, owner, ret_job, e);
}

enum err jobs_get_by_video(struct jobs *s, const char *video_fid, struct job *ret_job,
                           struct error *e)
{
    if (!id_is_valid(video_fid)) {
        return no_such_job(e);
    }
    enum err err = s->ops->find(s, JOBS_BY_VIDEO_OPEN, NULL, video_fid, ret_job, e);
    return err == ERR_NOT_FOUND ? s->ops->find(s, JOBS_BY_VIDEO, NULL, video_fid, ret_job, e) : err;
}

enum err jobs_get_by_upload(struct jobs *s, const char *fid, struct job *ret_job, struct error *e)
{
    return id_is_valid(fid) ? s->ops->find(s, JOBS_BY_UPLOAD, NULL, fid, ret_job, e)
                            : no_such_job(e);
}

enum err jobs_get_by_mp3(struct jobs *s, const char *mp3_fid, const char *owner,
                         struct job *ret_job, struct error *e)
{
    if (!id_is_valid(mp3_fid)) {
        return no_such_job(e);
    }
    struct job j;
    enum err err = s->ops->find(s, JOBS_BY_MP3, NULL, mp3_fid, &j, e);
    return only_owned(err, &j, owner, ret_job, e);
}

enum err jobs_get_by_key(struct jobs *s, const char *owner, const char *idempotency_key,
                         struct job *ret_job, struct error *e)
{
    if (idempotency_key[0] == '\0' || strchr(owner, '\n') != NULL) {
        return no_such_job(e);
    }
    return s->ops->find(s, JOBS_BY_KEY, owner, idempotency_key, ret_job, e);
}

enum err jobs_remove(struct jobs *s, const char *id, const char *owner, struct error *e)
{
    struct job j;
    enum err err = jobs_get(s, id, owner, &j, e);
    return err == OK ? s->ops->remove(s, id, e) : err;
}

enum err jobs_count(struct jobs *s, int64_t ret_counts[JOB_STATE_MAX], struct error *e)
{
    return s->ops->count(s, ret_counts, e);
}

enum err jobs_backlog(struct jobs *s, struct jobs_backlog *ret_backlog, struct error *e)
{
    return s->ops->backlog(s, clock_wall_ms(), ret_backlog, e);
}

/* A cursor is created_at (8 bytes, big endian) and the id (12 bytes) of a page's last job. */
struct cursor {
    uint64_t created_at_ms;
    unsigned char id[ID_LEN / 2];
} __attribute__((packed));

static void write_cursor(const struct job *last, char ret_cursor[JOBS_CURSOR_SIZE])
{
    struct cursor c = { .created_at_ms = htobe64((uint64_t)last->created_at_ms) };
    if (text_from_hex(c.id, sizeof(c.id), last->id) == OK) {
        text_to_base64url(ret_cursor, &c, sizeof(c));
    }
}

static enum err read_cursor(const char *text, struct jobs_page *page, struct error *e)
{
    struct cursor c;
    size_t len = 0;
    size_t text_len = strlen(text);
    if (text_len >= JOBS_CURSOR_SIZE ||
        text_from_base64url(&c, sizeof(c), text, text_len, &len) != OK || len != sizeof(c)) {
        return err_set(e, ERR_INVALID, "that is no cursor of this list");
    }
    page->has_after = true;
    page->after_created_at_ms = (int64_t)be64toh(c.created_at_ms);
    text_to_hex(page->after_id, c.id, sizeof(c.id));
    return OK;
}

enum err jobs_list(struct jobs *s, const struct jobs_filter *filter, struct job *ret_jobs,
                   size_t *ret_count, char ret_cursor[JOBS_CURSOR_SIZE], struct error *e)
{
    if (filter->limit < 1 || filter->limit > LIMIT_MAX) {
        return err_set(e, ERR_INVALID, "a page holds 1..%d jobs", LIMIT_MAX);
    }
    struct jobs_page page = { .filter = filter };
    if (filter->after != NULL && filter->after[0] != '\0') {
        enum err err = read_cursor(filter->after, &page, e);
        if (err != OK) {
            return err;
        }
    }
    size_t count = 0;
    bool has_more = false;
    enum err err = s->ops->list(s, &page, ret_jobs, &count, &has_more, e);
    if (err != OK) {
        return err;
    }
    ret_cursor[0] = '\0';
    if (has_more && count > 0) {
        write_cursor(&ret_jobs[count - 1], ret_cursor);
    }
    *ret_count = count;
    return OK;
}
