/* GET /v1/jobs and GET /v1/jobs/{id}. A foreign id and a missing one get the same answer. */
#include <string.h>

#include "core/text.h"
#include "routes.h"

#include "core/banned.h"

#define LIST_MAX 100
#define LIST_DEFAULT 20

void job_get_handle(struct http_request *r, void *ctx)
{
    struct gateway *g = ctx;
    struct job job;
    struct error e = { 0 };
    if (jobs_get(g->jobs, http_request_segment(r, "id"), http_request_user(r), &job, &e) != OK) {
        reply_store_error(r, &e);
        return;
    }
    http_reply_json(r, 200, job_to_json(&job));
}

static void note_unknown_name(void *ctx, const char *name, const char *value)
{
    (void)value;
    static const char *const names[] = { "state", "status", "tag", "after", "limit" };
    bool *is_unknown = ctx;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(name, names[i]) == 0) {
            return;
        }
    }
    *is_unknown = true;
}

/* False: answered. */
static bool read_filter(struct http_request *r, struct jobs_filter *filter)
{
    bool is_unknown = false;
    http_request_each_query(r, note_unknown_name, &is_unknown);
    if (is_unknown) {
        http_reply_problem(r, PROBLEM_INVALID_OPTION,
                           "The list knows state, tag, after and limit.");
        return false;
    }
    const char *state = http_request_query(r, "state");
    state = state != NULL ? state : http_request_query(r, "status");
    if (state != NULL) {
        filter->state = job_state_from_name(state);
        if (filter->state == JOB_STATE_MAX) {
            http_reply_problem(r, PROBLEM_INVALID_OPTION,
                               "state: queued, running, succeeded, failed or cancelled.");
            return false;
        }
    }
    const char *limit = http_request_query(r, "limit");
    int64_t count = LIST_DEFAULT;
    if (limit != NULL && text_to_int64(limit, 1, LIST_MAX, &count) != OK) {
        http_reply_problem(r, PROBLEM_INVALID_OPTION, "limit: 1 to %d.", LIST_MAX);
        return false;
    }
    filter->limit = (size_t)count;
    filter->tag = http_request_query(r, "tag");
    filter->after = http_request_query(r, "after");
    return true;
}

void job_list_handle(struct http_request *r, void *ctx)
{
    struct gateway *g = ctx;
    struct jobs_filter filter = { .owner = http_request_user(r), .state = JOB_STATE_MAX };
    if (!read_filter(r, &filter)) {
        return;
    }
    AUTO(mem_free) struct job *jobs = xcalloc(LIST_MAX, sizeof(*jobs));
    size_t count = 0;
    char cursor[JOBS_CURSOR_SIZE] = "";
    struct error e = { 0 };
    enum err rc = jobs_list(g->jobs, &filter, jobs, &count, cursor, &e);
    if (rc == ERR_INVALID) {
        http_reply_problem(r, PROBLEM_INVALID_OPTION,
                           "after: a cursor from `next` of the page before.");
        return;
    }
    if (rc != OK) {
        reply_store_error(r, &e);
        return;
    }
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        (void)json_array_append_new(list, job_to_json(&jobs[i]));
    }
    json_t *next = cursor[0] != '\0' ? json_string(cursor) : json_null();
    http_reply_json(r, 200, json_pack("{s:o, s:o}", "jobs", list, "next", next));
}
