#include <sqlite3.h>
#include <stdint.h>
#include <string.h>

#include "db/sqlite_db.h"
#include "jobs/jobs_impl.h"
#include "core/banned.h"

/* More than the largest record there is: all outputs, chapters and tags at their limits. */
#define RECORD_MAX_BYTES (128 * 1024)

extern const char *const jobs_sqlite_migrations[];

struct sqlite_jobs {
    struct jobs base;
    struct sqlite_db *db;
};

static struct sqlite_db *db_of(struct jobs *s)
{
    return CONTAINER_OF(s, struct sqlite_jobs, base)->db;
}

/* One prepared statement on a connection of the pool. `rc` keeps the first failure, so that calls
 * can be chained and checked once. */
struct query {
    struct sqlite_db *db;
    struct sqlite3 *conn;
    struct sqlite3_stmt *stmt;
    int rc;
    int bound; /* parameters so far */
};

static enum err query_open(struct query *q, struct jobs *s, const char *sql, struct error *e)
{
    *q = (struct query){ .db = db_of(s) };
    enum err err = sqlite_db_acquire(q->db, &q->conn, e);
    if (err == OK) {
        q->rc = sqlite3_prepare_v2(q->conn, sql, -1, &q->stmt, NULL);
    }
    return err;
}

static void query_text(struct query *q, const char *text)
{
    if (q->rc == SQLITE_OK) {
        q->rc = sqlite3_bind_text(q->stmt, ++q->bound, text, -1, SQLITE_STATIC);
    }
}

static void query_int(struct query *q, int64_t value)
{
    if (q->rc == SQLITE_OK) {
        q->rc = sqlite3_bind_int64(q->stmt, ++q->bound, value);
    }
}

/* SQLITE_ROW, SQLITE_DONE or a failure. */
static int query_step(struct query *q)
{
    if (q->rc == SQLITE_OK || q->rc == SQLITE_ROW) {
        q->rc = sqlite3_step(q->stmt);
    }
    return q->rc;
}

/* The result of the whole query. */
static enum err query_close(struct query *q, struct error *e)
{
    enum err err = OK;
    if (q->rc != SQLITE_OK && q->rc != SQLITE_ROW && q->rc != SQLITE_DONE) {
        err = sqlite_db_error(q->conn, q->rc, "jobs", e);
    }
    (void)sqlite3_finalize(q->stmt);
    sqlite_db_release(q->db, q->conn);
    return err;
}

static enum err read_record(struct query *q, int column, struct job *ret_job, struct error *e)
{
    const char *text = (const char *)sqlite3_column_text(q->stmt, column);
    int len = sqlite3_column_bytes(q->stmt, column);
    json_auto_t *record = NULL;
    if (text != NULL && len <= RECORD_MAX_BYTES) {
        record = json_loadb(text, (size_t)len, 0, NULL);
    }
    if (record == NULL) {
        return err_set(e, ERR_CORRUPT, "jobs: a record is no JSON");
    }
    return job_from_record(record, ret_job, e);
}

static enum err sqlite_open(const char *url, unsigned max_parallel, struct jobs **ret_jobs,
                            struct error *e)
{
    (void)max_parallel; /* the pool has a size of its own; more threads take turns */
    struct sqlite_db *db = NULL;
    enum err err = sqlite_db_open(url, "jobs", jobs_sqlite_migrations, &db, e);
    if (err != OK) {
        return err;
    }
    struct sqlite_jobs *s = xcalloc(1, sizeof(*s));
    s->base.ops = &jobs_sqlite;
    s->db = db;
    *ret_jobs = &s->base;
    return OK;
}

static void sqlite_close(struct jobs *s)
{
    struct sqlite_jobs *self = CONTAINER_OF(s, struct sqlite_jobs, base);
    sqlite_db_close(self->db);
    free(self);
}

/* Takes and drops the write lock: a file that can only be read is not ready. */
static enum err sqlite_check(struct jobs *s, struct error *e)
{
    struct sqlite3 *conn = NULL;
    enum err err = sqlite_db_acquire(db_of(s), &conn, e);
    if (err != OK) {
        return err;
    }
    err = sqlite_db_exec(conn, "BEGIN IMMEDIATE; ROLLBACK", e);
    sqlite_db_release(db_of(s), conn);
    return err;
}

static const char *notice_reason(const struct jobs_due_keys *keys)
{
    if (keys->notice_at_ms == 0) {
        return "";
    }
    return keys->notice_is_first ? "first" : "again";
}

/* Binds the columns that change, in the order that insert and swap name them. */
static void bind_columns(struct query *q, const struct job *j, const char *record)
{
    struct jobs_due_keys keys;
    jobs_due_keys(j, &keys);
    query_text(q, j->owner);
    query_text(q, j->idempotency_key);
    query_text(q, job_state_name(j->state));
    query_text(q, j->tag);
    query_text(q, j->video_fid);
    query_text(q, j->cover_fid);
    query_text(q, j->mp3_fid);
    query_text(q, j->sha256);
    query_text(q, j->same_as);
    query_int(q, j->created_at_ms);
    query_text(q, jobs_due_reason_name(keys.reason));
    query_int(q, keys.at_ms);
    query_text(q, notice_reason(&keys));
    query_int(q, keys.notice_at_ms);
    query_int(q, j->rev);
    query_text(q, record);
}

static char *record_text(const struct job *j)
{
    json_auto_t *record = job_to_record(j);
    return json_dumps(record, JSON_COMPACT);
}

/* Whose outputs are to be found by more than mp3_fid. */
static bool has_several(const struct job *job)
{
    return (job->state == JOB_SUCCEEDED && job->output_count > 1) || job->same_as[0] != '\0';
}

static int add_outputs(struct sqlite3 *conn, const struct job *job)
{
    struct sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(conn, "INSERT OR IGNORE INTO job_mp3s (fid, job_id) VALUES (?, ?)",
                                -1, &stmt, NULL);
    /* The first one is in mp3_fid as soon as the job has succeeded. */
    int first = job->state == JOB_SUCCEEDED ? 1 : 0;
    for (int i = first; rc == SQLITE_OK && i < job->output_count && i < JOB_OUTPUTS_MAX; i++) {
        (void)sqlite3_bind_text(stmt, 1, job->outputs[i].fid, -1, SQLITE_STATIC);
        (void)sqlite3_bind_text(stmt, 2, job->id, -1, SQLITE_STATIC);
        (void)sqlite3_step(stmt);
        rc = sqlite3_reset(stmt);
    }
    (void)sqlite3_finalize(stmt);
    return rc;
}

static void end_several(struct query *q, const struct job *job, int changes)
{
    if (q->rc == SQLITE_DONE && changes > 0) {
        q->rc = add_outputs(q->conn, job);
    }
    if (q->rc == SQLITE_OK) {
        (void)sqlite3_reset(q->stmt);
        q->rc = sqlite3_exec(q->conn, "COMMIT", NULL, NULL, NULL);
    }
    if (sqlite3_get_autocommit(q->conn) == 0) {
        (void)sqlite3_exec(q->conn, "ROLLBACK", NULL, NULL, NULL);
    }
}

/* Runs the insert or update of `job`, with its rows in job_mp3s where it needs them. Returns how
 * many jobs it changed. */
static int write_job(struct query *q, const struct job *job)
{
    if (has_several(job) && q->rc == SQLITE_OK) {
        q->rc = sqlite3_exec(q->conn, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    }
    int changes = query_step(q) == SQLITE_DONE ? sqlite3_changes(q->conn) : 0;
    if (has_several(job)) {
        end_several(q, job, changes);
    }
    return changes;
}

static enum err sqlite_insert(struct jobs *s, const struct job *job, struct error *e)
{
    AUTO(mem_free) char *record = record_text(job);
    struct query q;
    enum err err = query_open(&q, s,
                              "INSERT INTO jobs (owner, idempotency_key, state, tag, video_fid,"
                              " cover_fid, mp3_fid, sha256, same_as, created_at, due_reason,"
                              " due_at, notice_reason, notice_at, rev, record, id)"
                              " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                              e);
    if (err != OK) {
        return err;
    }
    bind_columns(&q, job, record);
    query_text(&q, job->id);
    (void)write_job(&q, job);
    return query_close(&q, e);
}

/* The first row's record, or ERR_NOT_FOUND. */
static enum err read_one(struct query *q, struct job *ret_job, struct error *e)
{
    enum err read = ERR_NOT_FOUND;
    if (query_step(q) == SQLITE_ROW) {
        read = read_record(q, 0, ret_job, e);
    }
    enum err err = query_close(q, e);
    if (err == OK && read == ERR_NOT_FOUND) {
        return err_set(e, ERR_NOT_FOUND, "there is no such job");
    }
    return err != OK ? err : read;
}

static enum err sqlite_load(struct jobs *s, const char *id, struct job *ret_job, struct error *e)
{
    struct query q;
    enum err err = query_open(&q, s, "SELECT record FROM jobs WHERE id = ?", e);
    if (err != OK) {
        return err;
    }
    query_text(&q, id);
    return read_one(&q, ret_job, e);
}

static enum err sqlite_swap(struct jobs *s, const struct job *job, int64_t expected_rev,
                            struct error *e)
{
    AUTO(mem_free) char *record = record_text(job);
    struct query q;
    enum err err = query_open(&q, s,
                              "UPDATE jobs SET owner = ?, idempotency_key = ?, state = ?, tag = ?,"
                              " video_fid = ?, cover_fid = ?, mp3_fid = ?, sha256 = ?,"
                              " same_as = ?, created_at = ?, due_reason = ?, due_at = ?,"
                              " notice_reason = ?, notice_at = ?, rev = ?, record = ?"
                              " WHERE id = ? AND rev = ?",
                              e);
    if (err != OK) {
        return err;
    }
    bind_columns(&q, job, record);
    query_text(&q, job->id);
    query_int(&q, expected_rev);
    int changes = write_job(&q, job);
    err = query_close(&q, e);
    if (err == OK && changes == 0) {
        return err_set(e, ERR_CONFLICT, "the job was changed by somebody else");
    }
    return err;
}

static enum err sqlite_remove(struct jobs *s, const char *id, struct error *e)
{
    struct query q;
    enum err err = query_open(&q, s, "DELETE FROM jobs WHERE id = ?", e);
    if (err != OK) {
        return err;
    }
    query_text(&q, id);
    int changes = query_step(&q) == SQLITE_DONE ? sqlite3_changes(q.conn) : 0;
    err = query_close(&q, e);
    return err == OK && changes == 0 ? err_set(e, ERR_NOT_FOUND, "there is no such job") : err;
}

static enum err sqlite_find(struct jobs *s, enum jobs_find_by by, const char *owner,
                            const char *value, struct job *ret_job, struct error *e)
{
    static const char *const sql[] = {
        [JOBS_BY_KEY] = "SELECT record FROM jobs"
                        " WHERE owner = ? AND idempotency_key = ? AND idempotency_key <> ''",
        [JOBS_BY_MP3] = "SELECT record FROM jobs WHERE id IN"
                        " (SELECT id FROM jobs WHERE mp3_fid = ?1 AND mp3_fid <> ''"
                        " UNION ALL SELECT job_id FROM job_mp3s WHERE fid = ?1)"
                        " ORDER BY created_at, id LIMIT 1",
        [JOBS_BY_UPLOAD] = "SELECT record FROM jobs WHERE video_fid = ?1"
                           " OR (cover_fid = ?1 AND cover_fid <> '') LIMIT 1",
        [JOBS_BY_VIDEO] = "SELECT record FROM jobs WHERE video_fid = ?"
                          " ORDER BY created_at DESC, id DESC LIMIT 1",
        [JOBS_BY_VIDEO_OPEN] = "SELECT record FROM jobs WHERE video_fid = ?"
                               " AND state IN ('queued', 'running')"
                               " ORDER BY created_at DESC, id DESC LIMIT 1",
    };
    struct query q;
    enum err err = query_open(&q, s, sql[by], e);
    if (err != OK) {
        return err;
    }
    if (by == JOBS_BY_KEY) {
        query_text(&q, owner);
    }
    query_text(&q, value);
    return read_one(&q, ret_job, e);
}

/* A statement for each set of conditions, so that SQLite can choose the index for it. */
static void list_sql(const struct jobs_page *page, char *dst, size_t size)
{
    const struct jobs_filter *f = page->filter;
    (void)sqlite3_snprintf((int)size, dst,
                           "SELECT record FROM jobs WHERE 1%s%s%s%s%s"
                           " ORDER BY created_at DESC, id DESC LIMIT ?",
                           f->owner != NULL ? " AND owner = ?" : "",
                           f->state != JOB_STATE_MAX ? " AND state = ?" : "",
                           f->tag != NULL ? " AND tag = ?" : "",
                           f->sha256 != NULL ? " AND sha256 = ? AND sha256 <> ''" : "",
                           page->has_after ? " AND (created_at, id) < (?, ?)" : "");
}

static enum err sqlite_list(struct jobs *s, const struct jobs_page *page, struct job *ret_jobs,
                            size_t *ret_count, bool *ret_has_more, struct error *e)
{
    const struct jobs_filter *f = page->filter;
    char sql[256];
    list_sql(page, sql, sizeof(sql));
    struct query q;
    enum err err = query_open(&q, s, sql, e);
    if (err != OK) {
        return err;
    }
    if (f->owner != NULL) {
        query_text(&q, f->owner);
    }
    if (f->state != JOB_STATE_MAX) {
        query_text(&q, job_state_name(f->state));
    }
    if (f->tag != NULL) {
        query_text(&q, f->tag);
    }
    if (f->sha256 != NULL) {
        query_text(&q, f->sha256);
    }
    if (page->has_after) {
        query_int(&q, page->after_created_at_ms);
        query_text(&q, page->after_id);
    }
    query_int(&q, (int64_t)f->limit + 1);
    size_t count = 0;
    bool has_more = false;
    enum err read = OK;
    while (read == OK && !has_more && query_step(&q) == SQLITE_ROW) {
        if (count == f->limit) {
            has_more = true;
        } else {
            read = read_record(&q, 0, &ret_jobs[count], e);
            count++;
        }
    }
    err = query_close(&q, e);
    if (err != OK || read != OK) {
        return err != OK ? err : read;
    }
    *ret_count = count;
    *ret_has_more = has_more;
    return OK;
}

static enum err sqlite_count(struct jobs *s, int64_t ret_counts[JOB_STATE_MAX], struct error *e)
{
    struct query q;
    enum err err = query_open(&q, s, "SELECT state, count(*) FROM jobs GROUP BY state", e);
    if (err != OK) {
        return err;
    }
    int64_t counts[JOB_STATE_MAX] = { 0 };
    while (query_step(&q) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(q.stmt, 0);
        enum job_state state = name != NULL ? job_state_from_name(name) : JOB_STATE_MAX;
        if (state != JOB_STATE_MAX) {
            counts[state] = sqlite3_column_int64(q.stmt, 1);
        }
    }
    err = query_close(&q, e);
    if (err == OK) {
        memcpy(ret_counts, counts, sizeof(counts));
    }
    return err;
}

static enum err sqlite_backlog(struct jobs *s, int64_t now_ms, struct jobs_backlog *ret_backlog,
                               struct error *e)
{
    struct query q;
    enum err err = query_open(&q, s,
                              "SELECT count(*), ifnull(min(due_at), 0),"
                              " (SELECT ifnull(min(json_extract(record, '$.queued_at')), 0)"
                              " FROM jobs WHERE state = 'queued' AND due_reason <> 'publish')"
                              " FROM jobs WHERE due_reason IN ('fresh', 'publish', 'announce')"
                              " AND due_reason <> '' AND due_at <= ?",
                              e);
    if (err != OK) {
        return err;
    }
    query_int(&q, now_ms);
    struct jobs_backlog found = { 0 };
    if (query_step(&q) == SQLITE_ROW) {
        found.outbox_count = sqlite3_column_int64(q.stmt, 0);
        found.outbox_oldest_ms = sqlite3_column_int64(q.stmt, 1);
        found.queued_oldest_ms = sqlite3_column_int64(q.stmt, 2);
    }
    err = query_close(&q, e);
    if (err == OK) {
        *ret_backlog = found;
    }
    return err;
}

static enum err sqlite_due(struct jobs *s, const struct jobs_due_range *range, struct job *ret_jobs,
                           size_t *ret_count, int64_t *ret_next_ms, struct error *e)
{
    bool is_notice = range->reason == DUE_NONE;
    const struct jobs_due_keys notice = { .notice_at_ms = 1,
                                          .notice_is_first = range->notice_is_first };
    struct query q;
    /* The conditions on '' let SQLite use the partial indexes. */
    enum err err = query_open(&q, s,
                              is_notice ? "SELECT record, notice_at FROM jobs"
                                          " WHERE notice_reason = ? AND notice_reason <> ''"
                                          " ORDER BY notice_at LIMIT ?"
                                        : "SELECT record, due_at FROM jobs"
                                          " WHERE due_reason = ? AND due_reason <> ''"
                                          " ORDER BY due_at LIMIT ?",
                              e);
    if (err != OK) {
        return err;
    }
    query_text(&q, is_notice ? notice_reason(&notice) : jobs_due_reason_name(range->reason));
    query_int(&q, (int64_t)range->limit + 1);
    size_t count = 0;
    int64_t next_ms = INT64_MAX;
    enum err read = OK;
    while (read == OK && next_ms == INT64_MAX && query_step(&q) == SQLITE_ROW) {
        int64_t key_ms = sqlite3_column_int64(q.stmt, 1);
        if (key_ms > range->until_ms || count == range->limit) {
            next_ms = key_ms;
        } else {
            read = read_record(&q, 0, &ret_jobs[count], e);
            count += read == OK;
            read = read == ERR_CORRUPT ? OK : read;
        }
    }
    err = query_close(&q, e);
    if (err != OK || read != OK) {
        return err != OK ? err : read;
    }
    *ret_count = count;
    *ret_next_ms = next_ms;
    return OK;
}

const struct jobs_ops jobs_sqlite = {
    .scheme = "sqlite",
    .open = sqlite_open,
    .close = sqlite_close,
    .check = sqlite_check,
    .insert = sqlite_insert,
    .load = sqlite_load,
    .swap = sqlite_swap,
    .remove = sqlite_remove,
    .find = sqlite_find,
    .list = sqlite_list,
    .count = sqlite_count,
    .backlog = sqlite_backlog,
    .due = sqlite_due,
};
