/* Jobs: records, state machine, outbox. Engines: MongoDB collection unreel.jobs (mongodb://) and
 * SQLite (sqlite:).
 *
 * States: queued -> running -> succeeded | failed | cancelled; the last three are final. Every
 * change is a compare-and-set on the record's rev, made here once for all engines: an engine only
 * inserts, loads, swaps, lists and removes. A caller that holds a claim is fenced by (id, state,
 * claims). Thread-safe; all calls block. */
#ifndef UNREEL_JOBS_JOBS_H
#define UNREEL_JOBS_JOBS_H

#include "core/error.h"
#include "core/mem.h"
#include "jobs/job.h"

struct jobs;

enum err jobs_open(const char *url, unsigned max_parallel, struct jobs **ret_jobs,
                   struct error *e) MUST_CHECK;
void jobs_close(struct jobs *s);
DEFINE_AUTO(struct jobs *, jobs_close)
enum err jobs_check(struct jobs *s, struct error *e) MUST_CHECK;

/* Durable when it returns OK. ERR_EXISTS: the id, or (owner, idempotency_key) when that is not "".
 * Sets rev to 1. */
enum err jobs_create(struct jobs *s, struct job *job, struct error *e) MUST_CHECK;
/* owner NULL: anybody's. A foreign id and a missing one both give ERR_NOT_FOUND. */
enum err jobs_get(struct jobs *s, const char *id, const char *owner, struct job *ret_job,
                  struct error *e) MUST_CHECK;
/* By the id of its source video: a job that has not ended if there is one, else the newest. */
enum err jobs_get_by_video(struct jobs *s, const char *video_fid, struct job *ret_job,
                           struct error *e) MUST_CHECK;
/* By the id of a file that came with it, its video or its cover: any job that names it, in
 * any state. */
enum err jobs_get_by_upload(struct jobs *s, const char *fid, struct job *ret_job,
                            struct error *e) MUST_CHECK;
/* By the id of one of its outputs; the oldest when several jobs share the file. Finds any job that
 * names it, in any state: a file whose id gives ERR_NOT_FOUND here is nobody's. */
enum err jobs_get_by_mp3(struct jobs *s, const char *mp3_fid, const char *owner,
                         struct job *ret_job, struct error *e) MUST_CHECK;
enum err jobs_get_by_key(struct jobs *s, const char *owner, const char *idempotency_key,
                         struct job *ret_job, struct error *e) MUST_CHECK;

/* Equal uploads share their MP3s. The MP3s of a job may be removed only by one who has removed its
 * record (or made it name them no more) and then finds by jobs_get_by_mp3 that no other names them.
 *
 * The newest job of the same owner that succeeded with the same content and the same effective
 * request as `job` and says what it made; ERR_NOT_FOUND. */
enum err jobs_find_same(struct jobs *s, const struct job *job, struct job *ret_first,
                        struct error *e) MUST_CHECK;
/* As jobs_create, and lets `job` succeed at once with the input and the outputs of `first`, a copy
 * from jobs_find_same. The record is stored queued, then `first` is looked for again, then it
 * succeeds: so no file can go in between. OK: the record is stored; job->state says whether it has
 * succeeded. Queued: `first` was removed meanwhile, or the store failed half-way; the job is to be
 * published as any other, and the caller removes those outputs of `first` that are nobody's now. */
enum err jobs_create_same(struct jobs *s, struct job *job, const struct job *first,
                          struct error *e) MUST_CHECK;

struct jobs_filter {
    const char *owner;    /* NULL: all owners */
    enum job_state state; /* JOB_STATE_MAX: any */
    const char *tag;      /* NULL: any */
    const char *sha256;   /* of the upload; NULL: any */
    const char *after;    /* cursor of the page before; NULL: from the newest */
    size_t limit;         /* 1..200 */
};

#define JOBS_CURSOR_SIZE 64
/* Newest first. Fills up to filter->limit jobs. *ret_cursor is "" on the last page. ERR_INVALID for
 * a bad cursor. */
enum err jobs_list(struct jobs *s, const struct jobs_filter *filter, struct job *ret_jobs,
                   size_t *ret_count, char ret_cursor[JOBS_CURSOR_SIZE],
                   struct error *e) MUST_CHECK;
/* Jobs per state, of all owners: for metrics. */
enum err jobs_count(struct jobs *s, int64_t ret_counts[JOB_STATE_MAX], struct error *e) MUST_CHECK;

struct jobs_backlog {
    int64_t outbox_count;     /* jobs whose message is due and not published, of both queues */
    int64_t outbox_oldest_ms; /* since when the first of them is due; 0: none is */
    int64_t queued_oldest_ms; /* since when the first of those that are queued is, but for those
                                 that wait for their next try; 0: there is none */
};
/* What waits, of all owners: for metrics. */
enum err jobs_backlog(struct jobs *s, struct jobs_backlog *ret_backlog, struct error *e) MUST_CHECK;

/* Claims for an attempt: queued and due (5 s early will do, since clocks differ), or running with
 * its lease run out, or running by this same message, redelivered (so its consumer is gone); both
 * of the latter count as a failure. message_id: of the message that asks for it, "" when it has
 * none. OK: state running, attempt + 1, this program's version, a lease, *ret_job.
 * ERR_CONFLICT: it runs elsewhere, or is not due (ERR_BUSY is the store's trouble, as everywhere).
 * ERR_EXISTS: it has ended (*ret_job is filled, so that the caller can announce it again).
 * ERR_NOT_FOUND. */
enum err jobs_claim(struct jobs *s, const char *id, int64_t lease_ms, const char *message_id,
                    bool redelivered, struct job *ret_job, struct error *e) MUST_CHECK;

/* The calls below are for the holder of a claim; `job` is its copy and is updated. When the record
 * is no longer running by this claim: ERR_CANCELLED (it was cancelled, or removed) or
 * ERR_CONFLICT (another attempt has it, or it has ended otherwise). */
/* Stores job->phase, job->progress and job->input, and renews the lease. */
enum err jobs_progress(struct jobs *s, struct job *job, int64_t lease_ms,
                       struct error *e) MUST_CHECK;
/* Ends it: job->state is SUCCEEDED (with mp3_fid and outputs; a probe's input will do), FAILED
 * (with error). announced becomes false; notices become due. */
enum err jobs_finish(struct jobs *s, struct job *job, struct error *e) MUST_CHECK;
/* Gives it back to be run again not before run_at_ms, unpublished; job->error says why.
 * counts_as_failure: failures + 1 (a drained job: false, and its attempt is given back too). */
enum err jobs_give_back(struct jobs *s, struct job *job, int64_t run_at_ms, bool counts_as_failure,
                        struct error *e) MUST_CHECK;

/* By a user: queued or running -> cancelled. ERR_EXISTS when it has ended. owner NULL: anybody's.
 */
enum err jobs_cancel(struct jobs *s, const char *id, const char *owner, struct job *ret_job,
                     struct error *e) MUST_CHECK;
/* A foreign converter's completion: queued or running -> succeeded with mp3_fid. ERR_EXISTS when it
 * has ended. */
enum err jobs_finish_foreign(struct jobs *s, const char *id, const char *mp3_fid,
                             struct job *ret_job, struct error *e) MUST_CHECK;
/* Removes the record. The files are the caller's to remove. ERR_NOT_FOUND. */
enum err jobs_remove(struct jobs *s, const char *id, const char *owner, struct error *e) MUST_CHECK;

enum jobs_due_kind {
    JOBS_DUE_PUBLISH,  /* queued, run_at reached, and not published; or published longer ago than
                          republish_after_ms */
    JOBS_DUE_LOST,     /* running, lease run out */
    JOBS_DUE_ANNOUNCE, /* final, not announced, ended longer ago than grace_ms */
    JOBS_DUE_NOTICE    /* final, email or webhook due */
};

struct jobs_due_query {
    enum jobs_due_kind kind;
    int64_t grace_ms; /* PUBLISH: do not touch jobs queued less than this ago (their gateway is at
                         it); ANNOUNCE, NOTICE: the same */
    int64_t republish_after_ms; /* PUBLISH; 0: never */
    size_t limit;               /* 1..200 */
};

/* Oldest first. *ret_next_ms: wall clock when the next one of this kind falls due, INT64_MAX when
 * none is known: what a poller may sleep for. A record that cannot be read holds up no other: it is
 * passed over, and beside OK *e (zeroed by the caller) says ERR_CORRUPT and which one it is. */
enum err jobs_due(struct jobs *s, const struct jobs_due_query *query, struct job *ret_jobs,
                  size_t *ret_count, int64_t *ret_next_ms, struct error *e) MUST_CHECK;
/* The outbox's marks: each is a compare-and-set that changes one thing. ERR_CONFLICT: the record
 * moved on; harmless. */
enum err jobs_mark_published(struct jobs *s, struct job *job, struct error *e) MUST_CHECK;
enum err jobs_mark_announced(struct jobs *s, struct job *job, struct error *e) MUST_CHECK;
/* Stores job->email and job->webhook. */
enum err jobs_mark_notices(struct jobs *s, struct job *job, struct error *e) MUST_CHECK;
/* A lost job (JOBS_DUE_LOST) goes back to queued and unpublished, failures + 1; with failures >=
 * max_failures it fails with attempts-exhausted. */
enum err jobs_recover(struct jobs *s, struct job *job, int max_failures, int64_t run_at_ms,
                      struct error *e) MUST_CHECK;

#endif
