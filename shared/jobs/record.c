#include <stdint.h>
#include <string.h>

#include "core/mem.h"
#include "jobs/job.h"
#include "jobs/record_impl.h"
#include "core/banned.h"

const struct field field_table_track[] = {
    FIELD(FIELD_INT, job_track, index, "index"),
    FIELD(FIELD_TEXT, job_track, codec, "codec"),
    FIELD(FIELD_TEXT, job_track, language, "language"),
    FIELD(FIELD_INT, job_track, channels, "channels"),
    FIELD(FIELD_INT, job_track, sample_rate_hz, "sample_rate"),
    FIELD(FIELD_BOOL, job_track, is_default, "default"),
};
const size_t field_count_track = ARRAY_LEN(field_table_track);

const struct field field_table_output[] = {
    FIELD(FIELD_INT64, job_output, size_bytes, "size_bytes"),
    FIELD(FIELD_DOUBLE, job_output, duration_s, "duration_s"),
    FIELD(FIELD_TEXT, job_output, mode, "mode"),
    FIELD(FIELD_INT, job_output, bitrate_kbps, "bitrate"),
    FIELD(FIELD_INT, job_output, sample_rate_hz, "sample_rate"),
    FIELD(FIELD_INT, job_output, channels, "channels"),
    FIELD(FIELD_TEXT, job_output, sha256, "sha256"),
};
const size_t field_count_output = ARRAY_LEN(field_table_output);

static const struct field job_fields[] = {
    FIELD(FIELD_TEXT, job, id, "id"),
    FIELD(FIELD_TEXT, job, owner, "owner"),
    FIELD(FIELD_TEXT, job, tag, "tag"),
    FIELD(FIELD_INT, job, attempt, "attempt"),
    FIELD(FIELD_INT, job, failures, "failures"),
    FIELD(FIELD_TEXT, job, filename, "filename"),
    FIELD(FIELD_INT64, job, size_bytes, "size_bytes"),
    FIELD(FIELD_TEXT, job, sha256, "sha256"),
    FIELD(FIELD_TEXT, job, video_fid, "video_fid"),
    FIELD(FIELD_TEXT, job, mp3_fid, "mp3_fid"),
    FIELD(FIELD_TEXT, job, retry_of, "retry_of"),
    FIELD(FIELD_TIME, job, created_at_ms, "created_at"),
    FIELD(FIELD_TIME, job, queued_at_ms, "queued_at"),
    FIELD(FIELD_TIME, job, started_at_ms, "started_at"),
    FIELD(FIELD_TIME, job, finished_at_ms, "finished_at"),
    FIELD(FIELD_TIME, job, expires_at_ms, "expires_at"),
    FIELD(FIELD_TIME, job, lease_until_ms, "lease_until"),
    FIELD(FIELD_TIME, job, run_at_ms, "run_at"),
    FIELD(FIELD_BOOL, job, published, "published"),
    FIELD(FIELD_TIME, job, published_at_ms, "published_at"),
    FIELD(FIELD_BOOL, job, announced, "announced"),
    FIELD(FIELD_TEXT, job, webhook_url, "webhook_url"),
    FIELD(FIELD_TEXT, job, idempotency_key, "idempotency_key"),
    FIELD(FIELD_TEXT, job, traceparent, "traceparent"),
    FIELD(FIELD_INT64, job, rev, "rev"),
};

static const struct field progress_fields[] = {
    FIELD(FIELD_DOUBLE, job_progress, media_time_s, "media_time_s"),
    FIELD(FIELD_DOUBLE, job_progress, duration_s, "duration_s"),
    FIELD(FIELD_DOUBLE, job_progress, percent, "percent"),
    FIELD(FIELD_DOUBLE, job_progress, speed, "speed"),
    FIELD(FIELD_DOUBLE, job_progress, eta_s, "eta_s"),
    FIELD(FIELD_INT64, job_progress, seq, "seq"),
};

static const struct field input_fields[] = {
    FIELD(FIELD_TEXT, job_input, container, "container"),
    FIELD(FIELD_DOUBLE, job_input, duration_s, "duration_s"),
    FIELD(FIELD_INT64, job_input, bytes_read, "bytes_read"),
};

static const struct field error_fields[] = {
    FIELD(FIELD_TEXT, job_error, detail, "detail"),
    FIELD(FIELD_BOOL, job_error, retryable, "retryable"),
};

static const struct field notice_fields[] = {
    FIELD(FIELD_TIME, job_notice, due_at_ms, "due_at"),
    FIELD(FIELD_INT, job_notice, attempts, "attempts"),
    FIELD(FIELD_TIME, job_notice, sent_at_ms, "sent_at"),
};

#define PACK(base, table) fields_pack(base, table, ARRAY_LEN(table), FIELD_TIMES_MS)
#define UNPACK(base, table, json, e) fields_unpack(base, table, ARRAY_LEN(table), json, e)

static json_t *pack_input(const struct job_input *input)
{
    json_t *json = PACK(input, input_fields);
    json_t *tracks = json_array();
    for (int i = 0; i < input->track_count && i < JOB_TRACKS_MAX; i++) {
        (void)json_array_append_new(tracks, PACK(&input->tracks[i], field_table_track));
    }
    (void)json_object_set_new(json, "tracks", tracks);
    return json;
}

static json_t *pack_error(const struct job_error *error)
{
    if (error->problem == PROBLEM_NONE) {
        return json_null();
    }
    char type[PROBLEM_TYPE_SIZE];
    json_t *json = PACK(error, error_fields);
    (void)json_object_set_new(json, "type", json_string(problem_type(type, error->problem)));
    return json;
}

json_t *job_to_record(const struct job *j)
{
    json_t *json = PACK(j, job_fields);
    (void)json_object_set_new(json, "state", json_string(job_state_name(j->state)));
    (void)json_object_set_new(json, "phase", field_text(job_phase_name(j->phase)));
    (void)json_object_set_new(json, "options", job_options_to_json(&j->request.options));
    (void)json_object_set_new(json, "progress", PACK(&j->progress, progress_fields));
    (void)json_object_set_new(json, "input", pack_input(&j->input));
    (void)json_object_set_new(json, "output", PACK(&j->outputs[0], field_table_output));
    (void)json_object_set_new(json, "error", pack_error(&j->error));
    (void)json_object_set_new(json, "email", PACK(&j->email, notice_fields));
    (void)json_object_set_new(json, "webhook", PACK(&j->webhook, notice_fields));
    return json;
}

static enum err unpack_input(struct job_input *input, const json_t *json, struct error *e)
{
    enum err err = UNPACK(input, input_fields, json, e);
    const json_t *tracks = json_object_get(json, "tracks");
    for (size_t i = 0; err == OK && i < json_array_size(tracks) && i < JOB_TRACKS_MAX; i++) {
        err = UNPACK(&input->tracks[i], field_table_track, json_array_get(tracks, i), e);
        input->track_count = (int)i + 1;
    }
    return err;
}

static enum err unpack_error(struct job_error *error, const json_t *json, struct error *e)
{
    if (!json_is_object(json)) {
        return OK;
    }
    const char *type = json_string_value(json_object_get(json, "type"));
    /* A newer version may have written a problem that this one does not know. */
    error->problem = type != NULL ? problem_from_type(type) : PROBLEM_NONE;
    if (error->problem == PROBLEM_NONE) {
        error->problem = PROBLEM_INTERNAL;
    }
    return UNPACK(error, error_fields, json, e);
}

static enum err unpack_options(struct job_options *options, const json_t *json, struct error *e)
{
    job_options_default(options);
    json_auto_t *known = json_object();
    size_t count = 0;
    const struct job_option_info *table = job_option_table(&count);
    for (size_t i = 0; i < count; i++) {
        json_t *value = json_object_get(json, table[i].name);
        if (value != NULL) {
            (void)json_object_set(known, table[i].name, value);
        }
    }
    return job_options_from_json(options, known, NULL) == OK
               ? OK
               : err_set(e, ERR_CORRUPT, "a job's record has wrong options");
}

static enum err unpack_names(struct job *j, const json_t *record, struct error *e)
{
    const char *state = json_string_value(json_object_get(record, "state"));
    j->state = state != NULL ? job_state_from_name(state) : JOB_STATE_MAX;
    if (j->state == JOB_STATE_MAX) {
        return err_set(e, ERR_CORRUPT, "a job's record has no known state");
    }
    const char *phase = json_string_value(json_object_get(record, "phase"));
    j->phase = JOB_PHASE_NONE;
    for (int i = JOB_PHASE_NONE + 1; phase != NULL && i < JOB_PHASE_MAX; i++) {
        if (strcmp(job_phase_name((enum job_phase)i), phase) == 0) {
            j->phase = (enum job_phase)i;
        }
    }
    return OK;
}

enum err job_from_record(const json_t *record, struct job *ret_job, struct error *e)
{
    AUTO(mem_free) struct job *j = xcalloc(1, sizeof(*j));
    enum err err = json_is_object(record) ? UNPACK(j, job_fields, record, e)
                                          : err_set(e, ERR_CORRUPT, "a job's record is no object");
    if (err == OK && (!id_is_valid(j->id) || j->rev < 1)) {
        err = err_set(e, ERR_CORRUPT, "a job's record has no id or rev");
    }
    if (err == OK) {
        err = unpack_names(j, record, e);
    }
    if (err == OK) {
        err = unpack_options(&j->request.options, json_object_get(record, "options"), e);
    }
    if (err == OK) {
        err = UNPACK(&j->progress, progress_fields, json_object_get(record, "progress"), e);
    }
    if (err == OK) {
        err = unpack_input(&j->input, json_object_get(record, "input"), e);
    }
    if (err == OK) {
        err = UNPACK(&j->outputs[0], field_table_output, json_object_get(record, "output"), e);
    }
    if (err == OK) {
        err = unpack_error(&j->error, json_object_get(record, "error"), e);
    }
    if (err == OK) {
        err = UNPACK(&j->email, notice_fields, json_object_get(record, "email"), e);
    }
    if (err == OK) {
        err = UNPACK(&j->webhook, notice_fields, json_object_get(record, "webhook"), e);
    }
    if (err == OK) {
        *ret_job = *j;
    } else if (e != NULL && id_is_valid(j->id)) {
        const struct error why = *e;
        (void)err_set(e, err, "job %s: %s", j->id, why.text);
    }
    return err;
}
