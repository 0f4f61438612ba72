/* What an engine of the job store implements: primitives over whole records. Everything that is a
 * rule (states, claims, fences) is in transitions.c, once for all engines. Only this folder
 * includes this header. */
#ifndef UNREEL_JOBS_JOBS_IMPL_H
#define UNREEL_JOBS_JOBS_IMPL_H

#include <stdbool.h>

#include "jobs/jobs.h"

struct jobs {
    const struct jobs_ops *ops;
};

/* One page, newest first: (created_at, id) descending. */
struct jobs_page {
    const struct jobs_filter *filter;
    bool has_after; /* only jobs before (after_created_at_ms, after_id) */
    int64_t after_created_at_ms;
    char after_id[ID_SIZE];
};

/* Why a job is to be looked at, and the time from which it is. An engine stores both fields of
 * jobs_due_keys beside the record, indexed. */
enum due_reason {
    DUE_NONE,
    DUE_FRESH,     /* queued, unpublished, to be run at once: since queued_at */
    DUE_PUBLISH,   /* queued, unpublished, given back: from run_at */
    DUE_REPUBLISH, /* queued, published: since then, or from run_at if that is later */
    DUE_LEASE,     /* running: from lease_until */
    DUE_ANNOUNCE,  /* final, not announced: since finished_at */
    DUE_REASON_MAX
};

struct jobs_due_keys {
    enum due_reason reason;
    int64_t at_ms;
    /* The earlier of the two notices, 0 for none. A first try is due at finished_at exactly, a
     * later one after it. */
    int64_t notice_at_ms;
    bool notice_is_first;
};

void jobs_due_keys(const struct job *j, struct jobs_due_keys *ret_keys);
/* "fresh", "publish", ...; "" for none. */
const char *jobs_due_reason_name(enum due_reason reason);

/* A range of one of the two keys. */
struct jobs_due_range {
    enum due_reason reason; /* DUE_NONE: the notices */
    bool notice_is_first;
    int64_t until_ms; /* due when the key is <= this */
    size_t limit;
};

enum jobs_find_by {
    JOBS_BY_KEY,       /* owner and idempotency key; at most one */
    JOBS_BY_MP3,       /* mp3_fid, or the fid of an output: the oldest */
    JOBS_BY_UPLOAD,    /* video_fid or cover_fid: any of them */
    JOBS_BY_VIDEO,     /* video_fid: the newest */
    JOBS_BY_VIDEO_OPEN /* video_fid: the newest that has not ended */
};

/* For jobs_create_same; each changes the very record that `job` is a copy of, else ERR_CONFLICT.
 * jobs_finish_same: queued -> succeeded with the outputs that it names. jobs_let_go: it names none
 * any more and stays queued. */
enum err jobs_finish_same(struct jobs *s, struct job *job, struct error *e) MUST_CHECK;
enum err jobs_let_go(struct jobs *s, struct job *job, struct error *e) MUST_CHECK;

struct jobs_ops {
    const char *scheme;
    enum err (*open)(const char *url, unsigned max_parallel, struct jobs **ret_jobs,
                     struct error *e);
    void (*close)(struct jobs *s);
    enum err (*check)(struct jobs *s, struct error *e);
    /* ERR_EXISTS: the id, or the owner's idempotency key. */
    enum err (*insert)(struct jobs *s, const struct job *job, struct error *e);
    enum err (*load)(struct jobs *s, const char *id, struct job *ret_job, struct error *e);
    /* Stores the record (its rev is the new one) if the stored rev is `expected_rev`; else
     * ERR_CONFLICT, also when there is no record. */
    enum err (*swap)(struct jobs *s, const struct job *job, int64_t expected_rev, struct error *e);
    enum err (*remove)(struct jobs *s, const char *id, struct error *e);
    enum err (*find)(struct jobs *s, enum jobs_find_by by, const char *owner, const char *value,
                     struct job *ret_job, struct error *e);
    /* *ret_has_more: there is a next page. */
    enum err (*list)(struct jobs *s, const struct jobs_page *page, struct job *ret_jobs,
                     size_t *ret_count, bool *ret_has_more, struct error *e);
    enum err (*count)(struct jobs *s, int64_t ret_counts[JOB_STATE_MAX], struct error *e);
    /* Due at now_ms: FRESH, PUBLISH and ANNOUNCE; waiting for the next try: PUBLISH. */
    enum err (*backlog)(struct jobs *s, int64_t now_ms, struct jobs_backlog *ret_backlog,
                        struct error *e);
    /* Oldest key first. *ret_next_ms: the key of the first job that was not returned, INT64_MAX
     * when there is none. A record that cannot be read is passed over; *e tells, beside OK. */
    enum err (*due)(struct jobs *s, const struct jobs_due_range *range, struct job *ret_jobs,
                    size_t *ret_count, int64_t *ret_next_ms, struct error *e);
};

extern const struct jobs_ops jobs_sqlite;
extern const struct jobs_ops jobs_mongo;

#endif
