#include <stdint.h>
#include <string.h>

#include "core/mem.h"
#include "jobs/job.h"
#include "jobs/record_impl.h"
#include "core/banned.h"

static const struct field track_fields[] = {
    FIELD(FIELD_INT, job_track, index, "index"),
    FIELD(FIELD_TEXT, job_track, codec, "codec"),
    FIELD(FIELD_TEXT, job_track, language, "language"),
    FIELD(FIELD_INT, job_track, channels, "channels"),
    FIELD(FIELD_INT, job_track, sample_rate_hz, "sample_rate"),
    FIELD(FIELD_BOOL, job_track, is_default, "default"),
};

static const struct field chapter_fields[] = {
    FIELD(FIELD_SECONDS, job_chapter, start_ms, "start_s"),
    FIELD(FIELD_SECONDS, job_chapter, end_ms, "end_s"),
    FIELD(FIELD_TEXT, job_chapter, title, "title"),
};

static const struct field output_fields[] = {
    FIELD(FIELD_TEXT, job_output, fid, "file_id"),
    FIELD(FIELD_INT64, job_output, size_bytes, "size_bytes"),
    FIELD(FIELD_DOUBLE, job_output, duration_s, "duration_s"),
    FIELD(FIELD_TEXT, job_output, mode, "mode"),
    FIELD(FIELD_INT, job_output, bitrate_kbps, "bitrate"),
    FIELD(FIELD_INT, job_output, sample_rate_hz, "sample_rate"),
    FIELD(FIELD_INT, job_output, channels, "channels"),
    FIELD(FIELD_INT, job_output, track, "track"),
    FIELD(FIELD_INT, job_output, chapter, "chapter"),
    FIELD(FIELD_TEXT, job_output, sha256, "sha256"),
};

static const struct field loudness_fields[] = {
    FIELD(FIELD_DOUBLE, job_loudness_report, integrated_lufs, "integrated_lufs"),
    FIELD(FIELD_DOUBLE, job_loudness_report, true_peak_dbtp, "true_peak_dbtp"),
    FIELD(FIELD_DOUBLE, job_loudness_report, range_lu, "range_lu"),
    FIELD(FIELD_DOUBLE, job_loudness_report, gain_db, "gain_db"),
};

static const struct field job_fields[] = {
    FIELD(FIELD_TEXT, job, id, "id"),
    FIELD(FIELD_TEXT, job, owner, "owner"),
    FIELD(FIELD_TEXT, job, user_id, "user_id"),
    FIELD(FIELD_TEXT, job, tag, "tag"),
    FIELD(FIELD_INT, job, attempt, "attempt"),
    FIELD(FIELD_INT, job, claims, "claims"),
    FIELD(FIELD_INT, job, failures, "failures"),
    FIELD(FIELD_TEXT, job, converter_version, "converter_version"),
    FIELD(FIELD_TEXT, job, message_id, "message_id"),
    FIELD(FIELD_TEXT, job, filename, "filename"),
    FIELD(FIELD_INT64, job, size_bytes, "size_bytes"),
    FIELD(FIELD_TEXT, job, sha256, "sha256"),
    FIELD(FIELD_TEXT, job, video_fid, "video_fid"),
    FIELD(FIELD_TEXT, job, cover_fid, "cover_fid"),
    FIELD(FIELD_TEXT, job, mp3_fid, "mp3_fid"),
    FIELD(FIELD_TEXT, job, retry_of, "retry_of"),
    FIELD(FIELD_TEXT, job, same_as, "same_as"),
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

json_t *fields_pack_tracks(const struct job_input *input)
{
    json_t *tracks = json_array();
    for (int i = 0; i < input->track_count && i < JOB_TRACKS_MAX; i++) {
        (void)json_array_append_new(tracks, PACK(&input->tracks[i], track_fields));
    }
    return tracks;
}

json_t *fields_pack_chapters(const struct job_input *input)
{
    json_t *chapters = json_array();
    for (int i = 0; i < input->chapter_count && i < JOB_CHAPTERS_MAX; i++) {
        (void)json_array_append_new(chapters, PACK(&input->chapters[i], chapter_fields));
    }
    return chapters;
}

json_t *fields_pack_output(const struct job_output *output)
{
    json_t *json = PACK(output, output_fields);
    (void)json_object_set_new(
        json, "loudness",
        output->loudness.is_measured ? PACK(&output->loudness, loudness_fields) : json_null());
    return json;
}

static json_t *pack_input(const struct job_input *input)
{
    json_t *json = PACK(input, input_fields);
    (void)json_object_set_new(json, "tracks", fields_pack_tracks(input));
    (void)json_object_set_new(json, "chapters", fields_pack_chapters(input));
    return json;
}

static json_t *pack_outputs(const struct job *j)
{
    json_t *outputs = json_array();
    for (int i = 0; i < j->output_count && i < JOB_OUTPUTS_MAX; i++) {
        (void)json_array_append_new(outputs, fields_pack_output(&j->outputs[i]));
    }
    return outputs;
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
    (void)json_object_set_new(json, "kind", json_string(job_kind_name(j->kind)));
    (void)json_object_set_new(json, "state", json_string(job_state_name(j->state)));
    (void)json_object_set_new(json, "phase", field_text(job_phase_name(j->phase)));
    (void)json_object_set_new(json, "options", job_request_to_json(&j->request));
    (void)json_object_set_new(json, "progress", PACK(&j->progress, progress_fields));
    (void)json_object_set_new(json, "input", pack_input(&j->input));
    /* "output" is for those who know of one only, which may run beside us during an upgrade. */
    (void)json_object_set_new(json, "output", fields_pack_output(&j->outputs[0]));
    (void)json_object_set_new(json, "outputs", pack_outputs(j));
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
        err = UNPACK(&input->tracks[i], track_fields, json_array_get(tracks, i), e);
        input->track_count = (int)i + 1;
    }
    const json_t *chapters = json_object_get(json, "chapters");
    for (size_t i = 0; err == OK && i < json_array_size(chapters) && i < JOB_CHAPTERS_MAX; i++) {
        err = UNPACK(&input->chapters[i], chapter_fields, json_array_get(chapters, i), e);
        input->chapter_count = (int)i + 1;
    }
    return err;
}

static enum err unpack_output(struct job_output *output, const json_t *json, struct error *e)
{
    enum err err = UNPACK(output, output_fields, json, e);
    const json_t *loudness = json_object_get(json, "loudness");
    output->loudness.is_measured = json_is_object(loudness);
    return err == OK ? UNPACK(&output->loudness, loudness_fields, loudness, e) : err;
}

/* A record from before there were several has "output" alone, and its id in mp3_fid. */
static enum err unpack_outputs(struct job *j, const json_t *record, struct error *e)
{
    const json_t *outputs = json_object_get(record, "outputs");
    if (outputs == NULL) {
        enum err err = unpack_output(&j->outputs[0], json_object_get(record, "output"), e);
        if (j->outputs[0].size_bytes > 0) {
            memcpy(j->outputs[0].fid, j->mp3_fid, ID_SIZE);
            j->output_count = 1;
        }
        return err;
    }
    enum err err = OK;
    for (size_t i = 0; err == OK && i < json_array_size(outputs) && i < JOB_OUTPUTS_MAX; i++) {
        err = unpack_output(&j->outputs[i], json_array_get(outputs, i), e);
        j->output_count = (int)i + 1;
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

/* Without the options that only a newer version knows. */
static json_t *known_options(const json_t *json)
{
    json_t *known = json_object();
    size_t count = 0;
    const struct job_option_info *table = job_option_table(&count);
    for (size_t i = 0; i < count; i++) {
        json_t *value = json_object_get(json, table[i].name);
        if (value != NULL) {
            (void)json_object_set(known, table[i].name, value);
        }
    }
    return known;
}

static json_t *known_tags(const json_t *json)
{
    json_t *known = json_object();
    for (int i = 0; i < JOB_TAG_COUNT; i++) {
        const char *name = job_tag_name((enum job_tag_name)i);
        json_t *value = json_object_get(json, name);
        if (value != NULL) {
            (void)json_object_set(known, name, value);
        }
    }
    return known;
}

static enum err unpack_request(struct job_request *request, const json_t *json, struct error *e)
{
    const json_t *outputs = json_object_get(json, "outputs");
    json_auto_t *known = known_options(json);
    json_t *known_outputs = json_array();
    for (size_t i = 0; i < json_array_size(outputs); i++) {
        (void)json_array_append_new(known_outputs, known_options(json_array_get(outputs, i)));
    }
    (void)json_object_set_new(known, "tags", known_tags(json_object_get(json, "tags")));
    (void)json_object_set_new(known, "outputs", known_outputs);
    job_request_default(request);
    return job_request_from_json(request, known, NULL) == OK
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
    /* A record from before there were kinds has none. */
    const char *kind = json_string_value(json_object_get(record, "kind"));
    j->kind = kind != NULL ? job_kind_from_name(kind) : JOB_CONVERT;
    if (j->kind == JOB_KIND_MAX) {
        return err_set(e, ERR_CORRUPT, "a job's record has no known kind");
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
        err = unpack_request(&j->request, json_object_get(record, "options"), e);
    }
    if (err == OK) {
        err = UNPACK(&j->progress, progress_fields, json_object_get(record, "progress"), e);
    }
    if (err == OK) {
        err = unpack_input(&j->input, json_object_get(record, "input"), e);
    }
    if (err == OK) {
        err = unpack_outputs(j, record, e);
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
