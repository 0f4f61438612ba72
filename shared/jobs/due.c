#include <stdint.h>
#include <string.h>

#include "core/clock.h"
#include "jobs/jobs_impl.h"
#include "core/banned.h"

#define LIMIT_MAX 200
#define RANGES_MAX 3

static const char *const reason_names[DUE_REASON_MAX] = {
    [DUE_NONE] = "",           [DUE_FRESH] = "fresh",
    [DUE_PUBLISH] = "publish", [DUE_REPUBLISH] = "republish",
    [DUE_LEASE] = "lease",     [DUE_ANNOUNCE] = "announce",
};

const char *jobs_due_reason_name(enum due_reason reason)
{
    return reason_names[reason];
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static void set_key(struct jobs_due_keys *keys, enum due_reason reason, int64_t at_ms)
{
    keys->reason = reason;
    keys->at_ms = at_ms;
}

static void notice_key(const struct job *j, struct jobs_due_keys *keys)
{
    int64_t email_ms = j->email.due_at_ms;
    int64_t webhook_ms = j->webhook.due_at_ms;
    int64_t first_ms = email_ms;
    if (email_ms == 0 || (webhook_ms != 0 && webhook_ms < email_ms)) {
        first_ms = webhook_ms;
    }
    keys->notice_at_ms = first_ms;
    keys->notice_is_first = first_ms <= j->finished_at_ms;
}

void jobs_due_keys(const struct job *j, struct jobs_due_keys *ret_keys)
{
    struct jobs_due_keys keys = { .reason = DUE_NONE };
    switch (j->state) {
    case JOB_QUEUED:
        if (j->published) {
            set_key(&keys, DUE_REPUBLISH, later(j->published_at_ms, j->run_at_ms));
        } else if (j->run_at_ms > j->queued_at_ms) {
            set_key(&keys, DUE_PUBLISH, j->run_at_ms);
        } else {
            set_key(&keys, DUE_FRESH, j->queued_at_ms);
        }
        break;
    case JOB_RUNNING:
        set_key(&keys, DUE_LEASE, j->lease_until_ms);
        break;
    case JOB_SUCCEEDED:
    case JOB_FAILED:
    case JOB_CANCELLED:
        if (!j->announced) {
            set_key(&keys, DUE_ANNOUNCE, j->finished_at_ms);
        }
        notice_key(j, &keys);
        break;
    case JOB_STATE_MAX:
        break;
    }
    *ret_keys = keys;
}

/* A kind of the interface is one range of keys or several; a range's jobs fall due `delay_ms` after
 * their key. */
struct part {
    struct jobs_due_range range;
    int64_t delay_ms;
};

static size_t split(const struct jobs_due_query *query, int64_t now_ms,
                    struct part ret_parts[RANGES_MAX])
{
    size_t count = 0;
    switch (query->kind) {
    case JOBS_DUE_PUBLISH:
        ret_parts[count++] = (struct part){ { .reason = DUE_PUBLISH }, 0 };
        ret_parts[count++] = (struct part){ { .reason = DUE_FRESH }, query->grace_ms };
        if (query->republish_after_ms > 0) {
            ret_parts[count++] = (struct part){ { .reason = DUE_REPUBLISH },
                                                query->republish_after_ms };
        }
        break;
    case JOBS_DUE_LOST:
        ret_parts[count++] = (struct part){ { .reason = DUE_LEASE }, 0 };
        break;
    case JOBS_DUE_ANNOUNCE:
        ret_parts[count++] = (struct part){ { .reason = DUE_ANNOUNCE }, query->grace_ms };
        break;
    case JOBS_DUE_NOTICE:
        ret_parts[count++] = (struct part){ { .reason = DUE_NONE }, 0 };
        ret_parts[count++] = (struct part){ { .reason = DUE_NONE, .notice_is_first = true },
                                            query->grace_ms };
        break;
    }
    for (size_t i = 0; i < count; i++) {
        ret_parts[i].range.until_ms = now_ms - ret_parts[i].delay_ms;
        ret_parts[i].range.limit = query->limit;
    }
    return count;
}

struct dated_job {
    int64_t due_ms;
    struct job *job;
};

static int compare_dated(const void *left, const void *right)
{
    const struct dated_job *a = left;
    const struct dated_job *b = right;
    if (a->due_ms != b->due_ms) {
        return a->due_ms < b->due_ms ? -1 : 1;
    }
    return strcmp(a->job->id, b->job->id);
}

static int64_t due_time(const struct job *j, const struct part *part)
{
    struct jobs_due_keys keys;
    jobs_due_keys(j, &keys);
    return (part->range.reason == DUE_NONE ? keys.notice_at_ms : keys.at_ms) + part->delay_ms;
}

/* Reads all parts into `found`; *next_ms becomes the earliest time of a job that was not read. */
static enum err read_parts(struct jobs *s, const struct part *parts, size_t part_count,
                           struct job *found, struct dated_job *dated, size_t *ret_count,
                           int64_t *next_ms, struct error *e)
{
    size_t total = 0;
    for (size_t i = 0; i < part_count; i++) {
        size_t count = 0;
        int64_t key_ms = INT64_MAX;
        enum err err = s->ops->due(s, &parts[i].range, found + total, &count, &key_ms, e);
        if (err != OK) {
            return err;
        }
        if (key_ms < INT64_MAX - parts[i].delay_ms && key_ms + parts[i].delay_ms < *next_ms) {
            *next_ms = key_ms + parts[i].delay_ms;
        }
        for (size_t k = 0; k < count; k++, total++) {
            dated[total] = (struct dated_job){ due_time(&found[total], &parts[i]), &found[total] };
        }
    }
    *ret_count = total;
    return OK;
}

enum err jobs_due(struct jobs *s, const struct jobs_due_query *query, struct job *ret_jobs,
                  size_t *ret_count, int64_t *ret_next_ms, struct error *e)
{
    if (query->limit < 1 || query->limit > LIMIT_MAX) {
        return err_set(e, ERR_INVALID, "1..%d jobs can be asked for", LIMIT_MAX);
    }
    struct part parts[RANGES_MAX];
    size_t part_count = split(query, clock_wall_ms(), parts);
    AUTO(mem_free) struct job *found = xcalloc(part_count * query->limit, sizeof(*found));
    AUTO(mem_free) struct dated_job *dated = xcalloc(part_count * query->limit, sizeof(*dated));
    size_t total = 0;
    int64_t next_ms = INT64_MAX;
    enum err err = read_parts(s, parts, part_count, found, dated, &total, &next_ms, e);
    if (err != OK) {
        return err;
    }
    qsort(dated, total, sizeof(*dated), compare_dated);
    for (size_t i = 0; i < total && i < query->limit; i++) {
        ret_jobs[i] = *dated[i].job;
    }
    if (total > query->limit && dated[query->limit].due_ms < next_ms) {
        next_ms = dated[query->limit].due_ms;
    }
    *ret_count = total < query->limit ? total : query->limit;
    *ret_next_ms = next_ms;
    return OK;
}
