#include <mongoc/mongoc.h>
#include <stdint.h>
#include <string.h>

#include "db/mongo_pool.h"
#include "jobs/jobs_impl.h"
#include "jobs/mongo_record.h"
#include "jobs/mongo_session.h"
#include "core/banned.h"

static void append_id(bson_t *doc, const char *name, const char *id)
{
    bson_oid_t oid;
    bson_oid_init_from_string(&oid, id);
    (void)bson_append_oid(doc, name, -1, &oid);
}

static char *join_key(const char *owner, const char *idempotency_key)
{
    return xasprintf("%s\n%s", owner, idempotency_key);
}

static const char *notice_reason(bool is_first)
{
    return is_first ? "first" : "again";
}

/* A reason and its time, or two nulls. */
static void append_due(bson_t *doc, const char *const names[2], const char *reason, int64_t at_ms)
{
    if (reason[0] == '\0') {
        (void)bson_append_null(doc, names[0], -1);
        (void)bson_append_null(doc, names[1], -1);
    } else {
        (void)bson_append_utf8(doc, names[0], -1, reason, -1);
        (void)bson_append_date_time(doc, names[1], -1, at_ms);
    }
}

static const char *const due_names[2] = { "due_reason", "due_at" };
static const char *const notice_names[2] = { "notice_reason", "notice_at" };

/* All that we know of a job, but for its _id. */
static void append_job(bson_t *doc, const struct job *j)
{
    struct jobs_due_keys keys;
    jobs_due_keys(j, &keys);
    mongo_record_append(doc, j);
    if (j->idempotency_key[0] == '\0') {
        (void)BSON_APPEND_UTF8(doc, "key", j->id);
    } else {
        AUTO(mem_free) char *key = join_key(j->owner, j->idempotency_key);
        (void)BSON_APPEND_UTF8(doc, "key", key);
    }
    append_due(doc, due_names, jobs_due_reason_name(keys.reason), keys.at_ms);
    append_due(doc, notice_names, keys.notice_at_ms != 0 ? notice_reason(keys.notice_is_first) : "",
               keys.notice_at_ms);
}

/* Runs a query and reads up to `limit` jobs; more than that sets *ret_has_more and, with `key`,
 * *ret_next_ms to the date of that name in the first job beyond. */
struct reading {
    struct job *jobs;
    size_t limit;
    size_t count;
    bool has_more;
    bool passes_over_corrupt;
    const char *key;
    int64_t next_ms;
};

static int64_t date_of(const bson_t *doc, const char *name)
{
    bson_iter_t at;
    return bson_iter_init_find(&at, doc, name) && BSON_ITER_HOLDS_DATE_TIME(&at)
               ? bson_iter_date_time(&at)
               : INT64_MAX;
}

static enum err read_jobs(const struct mongo_session *q, const bson_t *filter, const bson_t *opts,
                          struct reading *r, struct error *e)
{
    mongoc_cursor_t *cursor = mongoc_collection_find_with_opts(q->jobs, filter, opts, NULL);
    const bson_t *doc = NULL;
    bson_error_t error;
    enum err err = OK;
    while (err == OK && !r->has_more && mongoc_cursor_next(cursor, &doc)) {
        if (r->count == r->limit) {
            r->has_more = true;
            r->next_ms = r->key != NULL ? date_of(doc, r->key) : 0;
        } else {
            err = mongo_record_read(doc, &r->jobs[r->count], e);
            r->count += err == OK;
            err = err == ERR_CORRUPT && r->passes_over_corrupt ? OK : err;
        }
    }
    if (err == OK && mongoc_cursor_error(cursor, &error)) {
        err = mongo_error(&error, "jobs: find", e);
    }
    mongoc_cursor_destroy(cursor);
    return err;
}

static enum err read_one(const struct mongo_session *q, const bson_t *filter, const bson_t *opts,
                         struct job *ret_job, struct error *e)
{
    struct job j;
    struct reading r = { .jobs = &j, .limit = 1 };
    enum err err = read_jobs(q, filter, opts, &r, e);
    if (err == OK && r.count == 0) {
        return err_set(e, ERR_NOT_FOUND, "there is no such job");
    }
    if (err == OK) {
        *ret_job = j;
    }
    return err;
}

static enum err load_in(const struct mongo_session *q, const char *id, struct job *ret_job,
                        struct error *e)
{
    bson_t filter = BSON_INITIALIZER;
    append_id(&filter, "_id", id);
    enum err err = read_one(q, &filter, NULL, ret_job, e);
    bson_destroy(&filter);
    return err;
}

static enum err mongo_load(struct jobs *s, const char *id, struct job *ret_job, struct error *e)
{
    struct mongo_session q;
    enum err err = mongo_session_open(&q, s, e);
    if (err == OK) {
        err = load_in(&q, id, ret_job, e);
        mongo_session_close(&q);
    }
    return err;
}

/* After a write whose answer was an error: it may have been applied all the same. OK: it was;
 * ERR_CONFLICT: somebody has changed the record since; else the write's own error stands. */
static enum err settle(const struct mongo_session *q, const struct job *job, enum err failure,
                       struct error *e)
{
    struct job now = { .rev = 0 };
    if (failure == ERR_EXISTS || load_in(q, job->id, &now, NULL) != OK) {
        return failure;
    }
    json_auto_t *wanted = job_to_record(job);
    json_auto_t *stored = job_to_record(&now);
    if (json_equal(wanted, stored)) {
        return OK;
    }
    return now.rev >= job->rev ? err_set(e, ERR_CONFLICT, "the job was changed by somebody else")
                               : failure;
}

static enum err mongo_insert(struct jobs *s, const struct job *job, struct error *e)
{
    struct mongo_session q;
    enum err err = mongo_session_open(&q, s, e);
    if (err != OK) {
        return err;
    }
    bson_t doc = BSON_INITIALIZER;
    bson_error_t error;
    append_id(&doc, "_id", job->id);
    append_job(&doc, job);
    if (!mongoc_collection_insert_one(q.jobs, &doc, NULL, NULL, &error)) {
        err = settle(&q, job, mongo_error(&error, "jobs: insert", e), e);
    }
    bson_destroy(&doc);
    mongo_session_close(&q);
    return err;
}

static int64_t reply_count(const bson_t *reply, const char *name)
{
    bson_iter_t at;
    return bson_iter_init_find(&at, reply, name) ? bson_iter_as_int64(&at) : 0;
}

static enum err mongo_swap(struct jobs *s, const struct job *job, int64_t expected_rev,
                           struct error *e)
{
    struct mongo_session q;
    enum err err = mongo_session_open(&q, s, e);
    if (err != OK) {
        return err;
    }
    bson_t filter = BSON_INITIALIZER;
    bson_t update = BSON_INITIALIZER;
    bson_t set;
    bson_t reply;
    bson_error_t error;
    append_id(&filter, "_id", job->id);
    (void)BSON_APPEND_INT64(&filter, "rev", expected_rev);
    /* $set, so that members which a newer version or an operator added survive. */
    (void)BSON_APPEND_DOCUMENT_BEGIN(&update, "$set", &set);
    append_job(&set, job);
    (void)bson_append_document_end(&update, &set);
    if (!mongoc_collection_update_one(q.jobs, &filter, &update, NULL, &reply, &error)) {
        err = settle(&q, job, mongo_error(&error, "jobs: update", e), e);
    } else if (reply_count(&reply, "matchedCount") == 0) {
        err = err_set(e, ERR_CONFLICT, "the job was changed by somebody else");
    }
    bson_destroy(&reply);
    bson_destroy(&update);
    bson_destroy(&filter);
    mongo_session_close(&q);
    return err;
}

static enum err mongo_remove(struct jobs *s, const char *id, struct error *e)
{
    struct mongo_session q;
    enum err err = mongo_session_open(&q, s, e);
    if (err != OK) {
        return err;
    }
    bson_t filter = BSON_INITIALIZER;
    bson_t reply;
    bson_error_t error;
    append_id(&filter, "_id", id);
    if (!mongoc_collection_delete_one(q.jobs, &filter, NULL, &reply, &error)) {
        err = mongo_error(&error, "jobs: delete", e);
    } else if (reply_count(&reply, "deletedCount") == 0) {
        err = err_set(e, ERR_NOT_FOUND, "there is no such job");
    }
    bson_destroy(&reply);
    bson_destroy(&filter);
    mongo_session_close(&q);
    return err;
}

/* One of the two members has the id. */
static void append_either(bson_t *filter, const char *first, const char *second, const char *id)
{
    bson_oid_t oid;
    bson_oid_init_from_string(&oid, id);
    BCON_APPEND(filter, "$or", "[", "{", first, BCON_OID(&oid), "}", "{", second, BCON_OID(&oid),
                "}", "]");
}

static enum err mongo_find(struct jobs *s, enum jobs_find_by by, const char *owner,
                           const char *value, struct job *ret_job, struct error *e)
{
    struct mongo_session q;
    enum err err = mongo_session_open(&q, s, e);
    if (err != OK) {
        return err;
    }
    bson_t *filter = bson_new();
    int order = by == JOBS_BY_MP3 ? 1 : -1;
    bson_t *first = BCON_NEW("sort", "{", "created_at", BCON_INT32(order), "_id", BCON_INT32(order),
                             "}", "limit", BCON_INT64(1));
    if (by == JOBS_BY_KEY) {
        AUTO(mem_free) char *key = join_key(owner, value);
        (void)BSON_APPEND_UTF8(filter, "key", key);
    } else if (by == JOBS_BY_MP3) {
        append_either(filter, "mp3_fid", "outputs.file_id", value);
    } else if (by == JOBS_BY_UPLOAD) {
        append_either(filter, "video_fid", "cover_fid", value);
    } else {
        append_id(filter, "video_fid", value);
    }
    if (by == JOBS_BY_VIDEO_OPEN) {
        BCON_APPEND(filter, "state", "{", "$in", "[", "queued", "running", "]", "}");
    }
    err = read_one(&q, filter, first, ret_job, e);
    bson_destroy(first);
    bson_destroy(filter);
    mongo_session_close(&q);
    return err;
}

static void append_after(bson_t *filter, const struct jobs_page *page)
{
    bson_oid_t oid;
    bson_oid_init_from_string(&oid, page->after_id);
    int64_t at_ms = page->after_created_at_ms;
    /* The first condition repeats what the second implies, for the index. */
    BCON_APPEND(filter, "created_at", "{", "$lte", BCON_DATE_TIME(at_ms), "}", "$or", "[", "{",
                "created_at", "{", "$lt", BCON_DATE_TIME(at_ms), "}", "}", "{", "created_at",
                BCON_DATE_TIME(at_ms), "_id", "{", "$lt", BCON_OID(&oid), "}", "}", "]");
}

static enum err mongo_list(struct jobs *s, const struct jobs_page *page, struct job *ret_jobs,
                           size_t *ret_count, bool *ret_has_more, struct error *e)
{
    const struct jobs_filter *f = page->filter;
    struct mongo_session q;
    enum err err = mongo_session_open(&q, s, e);
    if (err != OK) {
        return err;
    }
    bson_t *filter = bson_new();
    if (f->owner != NULL) {
        (void)BSON_APPEND_UTF8(filter, "owner", f->owner);
    }
    if (f->state != JOB_STATE_MAX) {
        (void)BSON_APPEND_UTF8(filter, "state", job_state_name(f->state));
    }
    if (f->tag != NULL) {
        (void)BSON_APPEND_UTF8(filter, "tag", f->tag);
    }
    if (f->sha256 != NULL) {
        (void)BSON_APPEND_UTF8(filter, "sha256", f->sha256);
    }
    if (page->has_after) {
        append_after(filter, page);
    }
    int64_t limit = (int64_t)f->limit + 1;
    bson_t *opts = BCON_NEW("sort", "{", "created_at", BCON_INT32(-1), "_id", BCON_INT32(-1), "}",
                            "limit", BCON_INT64(limit), "batchSize", BCON_INT64(limit));
    struct reading r = { .jobs = ret_jobs, .limit = f->limit };
    err = read_jobs(&q, filter, opts, &r, e);
    bson_destroy(opts);
    bson_destroy(filter);
    mongo_session_close(&q);
    if (err == OK) {
        *ret_count = r.count;
        *ret_has_more = r.has_more;
    }
    return err;
}

static enum err mongo_count(struct jobs *s, int64_t ret_counts[JOB_STATE_MAX], struct error *e)
{
    struct mongo_session q;
    enum err err = mongo_session_open(&q, s, e);
    if (err != OK) {
        return err;
    }
    int64_t counts[JOB_STATE_MAX] = { 0 };
    for (int i = 0; err == OK && i < JOB_STATE_MAX; i++) {
        bson_t filter = BSON_INITIALIZER;
        bson_error_t error;
        (void)BSON_APPEND_UTF8(&filter, "state", job_state_name((enum job_state)i));
        counts[i] = mongoc_collection_count_documents(q.jobs, &filter, NULL, NULL, NULL, &error);
        if (counts[i] < 0) {
            err = mongo_error(&error, "jobs: count", e);
        }
        bson_destroy(&filter);
    }
    mongo_session_close(&q);
    if (err == OK) {
        memcpy(ret_counts, counts, sizeof(counts));
    }
    return err;
}

/* The earliest date of that name among what the filter finds; 0 without any. */
static enum err read_first(const struct mongo_session *q, const bson_t *filter, const char *name,
                           int64_t *ret_ms, struct error *e)
{
    bson_t *opts = BCON_NEW("sort", "{", name, BCON_INT32(1), "}", "limit", BCON_INT64(1),
                            "projection", "{", name, BCON_INT32(1), "}");
    struct reading first = { .limit = 0, .key = name };
    enum err err = read_jobs(q, filter, opts, &first, e);
    bson_destroy(opts);
    if (err == OK) {
        *ret_ms = first.has_more ? first.next_ms : 0;
    }
    return err;
}

static enum err read_backlog(const struct mongo_session *q, const bson_t *outbox,
                             const bson_t *queued, struct jobs_backlog *backlog, struct error *e)
{
    bson_error_t error;
    backlog->outbox_count = mongoc_collection_count_documents(q->jobs, outbox, NULL, NULL, NULL,
                                                              &error);
    if (backlog->outbox_count < 0) {
        return mongo_error(&error, "jobs: backlog", e);
    }
    enum err err = read_first(q, outbox, due_names[1], &backlog->outbox_oldest_ms, e);
    return err == OK ? read_first(q, queued, "queued_at", &backlog->queued_oldest_ms, e) : err;
}

static enum err mongo_backlog(struct jobs *s, int64_t now_ms, struct jobs_backlog *ret_backlog,
                              struct error *e)
{
    struct mongo_session q;
    enum err err = mongo_session_open(&q, s, e);
    if (err != OK) {
        return err;
    }
    bson_t *outbox = BCON_NEW(due_names[0], "{", "$in", "[", BCON_UTF8("fresh"),
                              BCON_UTF8("publish"), BCON_UTF8("announce"), "]", "}", due_names[1],
                              "{", "$lte", BCON_DATE_TIME(now_ms), "}");
    bson_t *queued = BCON_NEW("state", BCON_UTF8("queued"), due_names[0], "{", "$ne",
                              BCON_UTF8("publish"), "}");
    struct jobs_backlog found = { 0 };
    err = read_backlog(&q, outbox, queued, &found, e);
    bson_destroy(queued);
    bson_destroy(outbox);
    mongo_session_close(&q);
    if (err == OK) {
        *ret_backlog = found;
    }
    return err;
}

/* One half of the range: what is due, or (comparison "$gt") the first that is not yet. */
static enum err read_due(const struct mongo_session *q, const struct jobs_due_range *range,
                         const char *comparison, struct reading *r, struct error *e)
{
    bool is_notice = range->reason == DUE_NONE;
    const char *const *names = is_notice ? notice_names : due_names;
    const char *reason = is_notice ? notice_reason(range->notice_is_first)
                                   : jobs_due_reason_name(range->reason);
    int64_t limit = (int64_t)r->limit + 1;
    bson_t *filter = BCON_NEW(names[0], BCON_UTF8(reason), names[1], "{", comparison,
                              BCON_DATE_TIME(range->until_ms), "}");
    bson_t *opts = BCON_NEW("sort", "{", names[1], BCON_INT32(1), "}", "limit", BCON_INT64(limit),
                            "batchSize", BCON_INT64(limit));
    r->key = names[1];
    enum err err = read_jobs(q, filter, opts, r, e);
    bson_destroy(opts);
    bson_destroy(filter);
    return err;
}

static enum err mongo_due(struct jobs *s, const struct jobs_due_range *range, struct job *ret_jobs,
                          size_t *ret_count, int64_t *ret_next_ms, struct error *e)
{
    struct mongo_session q;
    enum err err = mongo_session_open(&q, s, e);
    if (err != OK) {
        return err;
    }
    struct reading due = { .jobs = ret_jobs, .limit = range->limit, .passes_over_corrupt = true };
    struct reading next = { .limit = 0 };
    err = read_due(&q, range, "$lte", &due, e);
    if (err == OK && !due.has_more) {
        err = read_due(&q, range, "$gt", &next, e);
    }
    mongo_session_close(&q);
    if (err != OK) {
        return err;
    }
    const struct reading *last = due.has_more ? &due : &next;
    *ret_count = due.count;
    *ret_next_ms = last->has_more ? last->next_ms : INT64_MAX;
    return OK;
}

const struct jobs_ops jobs_mongo = {
    .scheme = "mongodb",
    .open = mongo_session_start,
    .close = mongo_session_stop,
    .check = mongo_session_ping,
    .insert = mongo_insert,
    .load = mongo_load,
    .swap = mongo_swap,
    .remove = mongo_remove,
    .find = mongo_find,
    .list = mongo_list,
    .count = mongo_count,
    .backlog = mongo_backlog,
    .due = mongo_due,
};
