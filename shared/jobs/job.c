#include "jobs/job.h"

#include <math.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/text.h"
#include "jobs/record_impl.h"
#include "core/banned.h"

static const char *const state_names[JOB_STATE_MAX] = {
    [JOB_QUEUED] = "queued", [JOB_RUNNING] = "running",     [JOB_SUCCEEDED] = "succeeded",
    [JOB_FAILED] = "failed", [JOB_CANCELLED] = "cancelled",
};

static const char *const kind_names[JOB_KIND_MAX] = {
    [JOB_CONVERT] = "convert",
    [JOB_PROBE] = "probe",
};

static const char *const phase_names[JOB_PHASE_MAX] = {
    [JOB_PHASE_NONE] = "",
    [JOB_PHASE_PROBING] = "probing",
    [JOB_PHASE_TRANSCODING] = "transcoding",
    [JOB_PHASE_STORING] = "storing",
};

void job_init(struct job *j, const char *owner)
{
    memset(j, 0, sizeof(*j));
    id_new(j->id);
    (void)text_copy(j->owner, sizeof(j->owner), owner);
    job_request_default(&j->request);
    j->created_at_ms = clock_wall_ms();
    j->queued_at_ms = j->created_at_ms;
}

bool job_is_final(const struct job *j)
{
    return j->state == JOB_SUCCEEDED || j->state == JOB_FAILED || j->state == JOB_CANCELLED;
}

const char *job_state_name(enum job_state s)
{
    return (unsigned)s < JOB_STATE_MAX ? state_names[s] : "unknown";
}

enum job_state job_state_from_name(const char *name)
{
    for (int i = 0; i < JOB_STATE_MAX; i++) {
        if (strcmp(state_names[i], name) == 0) {
            return (enum job_state)i;
        }
    }
    return JOB_STATE_MAX;
}

const char *job_kind_name(enum job_kind k)
{
    return (unsigned)k < JOB_KIND_MAX ? kind_names[k] : "unknown";
}

enum job_kind job_kind_from_name(const char *name)
{
    enum job_kind kind = JOB_CONVERT;
    while (kind < JOB_KIND_MAX && strcmp(kind_names[kind], name) != 0) {
        kind++;
    }
    return kind;
}

const char *job_phase_name(enum job_phase p)
{
    return (unsigned)p < JOB_PHASE_MAX ? phase_names[p] : "";
}

static json_t *real_or_null(double value, bool is_known)
{
    return is_known && isfinite(value) ? json_real(value) : json_null();
}

static json_t *view_progress(const struct job_progress *p)
{
    json_t *json = json_object();
    (void)json_object_set_new(json, "percent", json_real(isfinite(p->percent) ? p->percent : 0));
    (void)json_object_set_new(json, "media_time_s", real_or_null(p->media_time_s, true));
    (void)json_object_set_new(json, "duration_s", real_or_null(p->duration_s, p->duration_s > 0));
    (void)json_object_set_new(json, "speed", real_or_null(p->speed, p->speed > 0));
    (void)json_object_set_new(json, "eta_s", real_or_null(p->eta_s, p->speed > 0));
    (void)json_object_set_new(json, "seq", json_integer(p->seq));
    return json;
}

json_t *job_input_to_json(const struct job_input *input)
{
    if (input->container[0] == '\0' && input->track_count == 0) {
        return json_null();
    }
    json_t *json = json_object();
    (void)json_object_set_new(json, "container", field_text(input->container));
    (void)json_object_set_new(json, "duration_s",
                              real_or_null(input->duration_s, input->duration_s > 0));
    (void)json_object_set_new(json, "bytes_read", json_integer(input->bytes_read));
    (void)json_object_set_new(json, "tracks", fields_pack_tracks(input));
    (void)json_object_set_new(json, "chapters", fields_pack_chapters(input));
    return json;
}

static json_t *link_if(bool is_offered, const char *before, const char *id, const char *after)
{
    return is_offered ? json_sprintf("%s%s%s", before, id, after) : json_null();
}

/* By what outputs[index] is asked for. A file that jobs share is named after the oldest upload, but
 * the first one can be asked for by the job. */
static const char *download_id(const struct job *j, int index)
{
    return index == 0 && j->same_as[0] != '\0' ? j->id : j->outputs[index].fid;
}

static json_t *view_output(const struct job *j, int index)
{
    const struct job_output *output = &j->outputs[index];
    char name[JOB_OUTPUT_NAME_SIZE];
    json_t *json = fields_pack_output(output);
    (void)json_object_set_new(json, "chapter",
                              output->chapter > 0 ? json_integer(output->chapter) : json_null());
    job_output_name(j, index, name);
    (void)json_object_set_new(json, "filename", field_text(name));
    (void)json_object_set_new(
        json, "url", link_if(output->fid[0] != '\0', "/download?fid=", download_id(j, index), ""));
    return json;
}

/* "outputs", and "output": the first. */
static void view_outputs(json_t *json, const struct job *j)
{
    json_t *outputs = json_array();
    int count = j->state == JOB_SUCCEEDED ? j->output_count : 0;
    for (int i = 0; i < count && i < JOB_OUTPUTS_MAX; i++) {
        (void)json_array_append_new(outputs, view_output(j, i));
    }
    (void)json_object_set_new(json, "output", count > 0 ? view_output(j, 0) : json_null());
    (void)json_object_set_new(json, "outputs", outputs);
}

static json_t *view_error(const struct job *j)
{
    if (j->state != JOB_FAILED || j->error.problem == PROBLEM_NONE) {
        return json_null();
    }
    char type[PROBLEM_TYPE_SIZE];
    json_t *json = json_object();
    (void)json_object_set_new(json, "type", json_string(problem_type(type, j->error.problem)));
    (void)json_object_set_new(json, "title", json_string(problem_info(j->error.problem)->title));
    (void)json_object_set_new(json, "detail", field_text(j->error.detail));
    (void)json_object_set_new(json, "retryable", json_boolean(j->error.retryable));
    return json;
}

static json_t *view_links(const struct job *j)
{
    bool can_retry = j->state == JOB_FAILED || j->state == JOB_CANCELLED;
    json_t *json = json_object();
    (void)json_object_set_new(json, "self", link_if(true, "/v1/jobs/", j->id, ""));
    (void)json_object_set_new(json, "cancel",
                              link_if(!job_is_final(j), "/v1/jobs/", j->id, "/cancel"));
    (void)json_object_set_new(json, "retry", link_if(can_retry, "/v1/jobs/", j->id, "/retry"));
    bool has_mp3 = j->state == JOB_SUCCEEDED && j->kind != JOB_PROBE;
    (void)json_object_set_new(
        json, "download",
        link_if(has_mp3, "/download?fid=", j->same_as[0] != '\0' ? j->id : j->mp3_fid, ""));
    return json;
}

static json_t *view_trace_id(const struct job *j)
{
    if (!trace_is_valid(j->traceparent)) {
        return json_null();
    }
    /* version "00", a dash, then the trace id. */
    return json_stringn(j->traceparent + 3, TRACE_ID_SIZE - 1);
}

/* The members that are shown as they are. */
static const struct field view_fields_head[] = {
    FIELD(FIELD_TEXT, job, id, "id"),
    FIELD(FIELD_TEXT, job, owner, "owner"),
    FIELD(FIELD_TEXT, job, tag, "tag"),
    FIELD(FIELD_INT, job, attempt, "attempt"),
    FIELD(FIELD_TEXT, job, converter_version, "converter_version"),
    FIELD(FIELD_TEXT, job, filename, "filename"),
    FIELD(FIELD_INT64, job, size_bytes, "size_bytes"),
    FIELD(FIELD_TEXT, job, sha256, "sha256"),
    FIELD(FIELD_TEXT, job, video_fid, "video_fid"),
    FIELD(FIELD_TEXT, job, mp3_fid, "mp3_fid"),
    FIELD(FIELD_TEXT, job, retry_of, "retry_of"),
    FIELD(FIELD_TEXT, job, same_as, "same_as"),
    FIELD(FIELD_TIME, job, created_at_ms, "created_at"),
    FIELD(FIELD_TIME, job, queued_at_ms, "queued_at"),
    FIELD(FIELD_TIME, job, started_at_ms, "started_at"),
    FIELD(FIELD_TIME, job, finished_at_ms, "finished_at"),
    FIELD(FIELD_TIME, job, expires_at_ms, "expires_at"),
    FIELD(FIELD_TIME, job, run_at_ms, "run_at"),
    FIELD(FIELD_TEXT, job, webhook_url, "webhook_url"),
};

json_t *job_to_json(const struct job *j)
{
    json_t *json = fields_pack(j, view_fields_head, ARRAY_LEN(view_fields_head), FIELD_TIMES_TEXT);
    (void)json_object_set_new(json, "kind", json_string(job_kind_name(j->kind)));
    (void)json_object_set_new(json, "state", json_string(job_state_name(j->state)));
    (void)json_object_set_new(json, "phase", field_text(job_phase_name(j->phase)));
    (void)json_object_set_new(json, "progress", view_progress(&j->progress));
    (void)json_object_set_new(json, "input", job_input_to_json(&j->input));
    (void)json_object_set_new(json, "options", job_request_to_json(&j->request));
    view_outputs(json, j);
    (void)json_object_set_new(json, "error", view_error(j));
    (void)json_object_set_new(json, "trace_id", view_trace_id(j));
    (void)json_object_set_new(json, "links", view_links(j));
    return json;
}

void job_log_context(const struct job *job)
{
    char trace_id[TRACE_ID_SIZE] = "";
    if (trace_is_valid(job->traceparent)) {
        trace_read_id(job->traceparent, trace_id);
    }
    log_context(trace_id, job->id);
    log_context_user(job->user_id);
    log_context_attempt(job->attempt);
}
