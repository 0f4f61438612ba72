#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/text.h"
#include "jobs/job.h"

#define FID "0123456789abcdef01234567"
#define TRACE "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
#define NOW_MS INT64_C(1795257780123)
#define assert_err(expected, call) assert_string_equal(err_name(expected), err_name(call))

static void set(char *dst, size_t size, const char *text)
{
    assert_true(text_copy(dst, size, text));
}

#define SET(member, text) set(member, sizeof(member), text)

static void fill_media(struct job *j)
{
    SET(j->input.container, "matroska,webm");
    j->input.duration_s = 99.9;
    j->input.bytes_read = 5000000000;
    j->input.track_count = 2;
    j->input.tracks[0] = (struct job_track){ 1, "aac", "eng", 6, 48000, true };
    j->input.tracks[1] = (struct job_track){ 2, "opus", "", 2, 44100, false };
    j->input.chapter_count = 2;
    j->input.chapters[0] = (struct job_chapter){ 0, 61500, "One/1" };
    j->input.chapters[1] = (struct job_chapter){ 61500, 99900, "" };
    j->output_count = 2;
    j->outputs[0] = (struct job_output){ .size_bytes = 777,
                                         .duration_s = 99.8,
                                         .mode = "vbr",
                                         .bitrate_kbps = 187,
                                         .sample_rate_hz = 24000,
                                         .channels = 2,
                                         .track = 1,
                                         .sha256 = "ff00" };
    SET(j->outputs[0].fid, "2123456789abcdef01234567");
    j->outputs[1] = (struct job_output){ .size_bytes = 778,
                                         .duration_s = 9.8,
                                         .mode = "copy",
                                         .bitrate_kbps = 188,
                                         .sample_rate_hz = 48000,
                                         .channels = 1,
                                         .track = 2,
                                         .chapter = 1,
                                         .sha256 = "ff01",
                                         .loudness = { true, -23.25, -1.5, 7.75, 2.25 } };
    SET(j->outputs[1].fid, "4123456789abcdef01234567");
}

/* Every member differs from zero and from every other member of its type. */
static void fill(struct job *j)
{
    memset(j, 0, sizeof(*j));
    SET(j->id, FID);
    SET(j->owner, "ann@example.org");
    SET(j->tag, "tag \xc3\xbc");
    j->state = JOB_RUNNING;
    j->phase = JOB_PHASE_STORING;
    j->attempt = 3;
    j->claims = 5;
    j->failures = 2;
    SET(j->converter_version, "0.1.0-g970a366");
    SET(j->message_id, "5123456789abcdef01234567");
    j->request.options = (struct job_options){ .mode = JOB_MODE_ABR,
                                               .bitrate_kbps = 100,
                                               .quality = 5,
                                               .sample_rate_hz = 32000,
                                               .channels = 1,
                                               .start_ms = 1500,
                                               .loudness = JOB_LOUDNESS_TAG,
                                               .loudness_target_centi_lufs = -1850,
                                               .cover = JOB_COVER_FRAME,
                                               .cover_at_ms = 2500,
                                               .copy = JOB_COPY_NEVER,
                                               .track = "deu" };
    assert_err(OK, job_request_set(&j->request, "tags.title", "T", NULL));
    assert_err(OK, job_request_set(&j->request, "outputs", "[{\"id3\":\"2.3\"},{}]", NULL));
    assert_err(OK, job_request_settle(&j->request, NULL));
    SET(j->filename, "a \"b\" \\ c.mkv");
    j->size_bytes = INT64_C(1) << 40;
    SET(j->sha256, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    SET(j->video_fid, "1123456789abcdef01234567");
    SET(j->cover_fid, "5123456789abcdef01234567");
    SET(j->mp3_fid, "2123456789abcdef01234567");
    SET(j->retry_of, "3123456789abcdef01234567");
    SET(j->same_as, "5123456789abcdef01234567");
    j->progress = (struct job_progress){ 1.25, 100.1, 1.0 / 3, 31.5, 3.75, 12 };
    fill_media(j);
    j->error.problem = PROBLEM_WORKER_LOST;
    SET(j->error.detail, "gone");
    j->error.retryable = true;
    j->created_at_ms = NOW_MS;
    j->queued_at_ms = NOW_MS + 1;
    j->started_at_ms = NOW_MS + 2;
    j->finished_at_ms = NOW_MS + 3;
    j->expires_at_ms = NOW_MS + 4;
    j->lease_until_ms = NOW_MS + 5;
    j->run_at_ms = NOW_MS + 6;
    j->published = true;
    j->published_at_ms = NOW_MS + 7;
    j->announced = true;
    j->email = (struct job_notice){ NOW_MS + 8, 1, NOW_MS + 9 };
    j->webhook = (struct job_notice){ NOW_MS + 10, 2, NOW_MS + 11 };
    SET(j->webhook_url, "https://example.org/hook");
    SET(j->idempotency_key, "key");
    SET(j->traceparent, TRACE);
    SET(j->user_id, "89abcdef0123456789abcdef");
    j->rev = 41;
}

static void assert_same_plain(const struct job *back, const struct job *j)
{
    assert_string_equal(back->id, j->id);
    assert_string_equal(back->owner, j->owner);
    assert_string_equal(back->tag, j->tag);
    assert_int_equal(back->state, j->state);
    assert_int_equal(back->phase, j->phase);
    assert_int_equal(back->attempt, j->attempt);
    assert_int_equal(back->claims, j->claims);
    assert_int_equal(back->failures, j->failures);
    assert_string_equal(back->converter_version, j->converter_version);
    assert_string_equal(back->message_id, j->message_id);
    assert_memory_equal(&back->request, &j->request, sizeof(j->request));
    assert_string_equal(back->filename, j->filename);
    assert_int_equal(back->size_bytes, j->size_bytes);
    assert_string_equal(back->sha256, j->sha256);
    assert_string_equal(back->video_fid, j->video_fid);
    assert_string_equal(back->cover_fid, j->cover_fid);
    assert_string_equal(back->mp3_fid, j->mp3_fid);
    assert_string_equal(back->retry_of, j->retry_of);
    assert_string_equal(back->same_as, j->same_as);
    assert_memory_equal(&back->progress, &j->progress, sizeof(j->progress));
}

static void assert_same_media(const struct job *back, const struct job *j)
{
    assert_string_equal(back->input.container, j->input.container);
    assert_true(back->input.duration_s == j->input.duration_s);
    assert_int_equal(back->input.bytes_read, j->input.bytes_read);
    assert_int_equal(back->input.track_count, 2);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(back->input.tracks[i].index, j->input.tracks[i].index);
        assert_string_equal(back->input.tracks[i].codec, j->input.tracks[i].codec);
        assert_string_equal(back->input.tracks[i].language, j->input.tracks[i].language);
        assert_int_equal(back->input.tracks[i].channels, j->input.tracks[i].channels);
        assert_int_equal(back->input.tracks[i].sample_rate_hz, j->input.tracks[i].sample_rate_hz);
        assert_int_equal(back->input.tracks[i].is_default, j->input.tracks[i].is_default);
    }
    assert_int_equal(back->input.chapter_count, 2);
    assert_memory_equal(back->input.chapters, j->input.chapters, sizeof(j->input.chapters));
    assert_int_equal(back->error.problem, j->error.problem);
    assert_string_equal(back->error.detail, j->error.detail);
    assert_int_equal(back->error.retryable, j->error.retryable);
}

static void assert_same_outputs(const struct job *back, const struct job *j)
{
    assert_int_equal(back->output_count, 2);
    for (int i = 0; i < 2; i++) {
        const struct job_output *a = &back->outputs[i];
        const struct job_output *b = &j->outputs[i];
        assert_string_equal(a->fid, b->fid);
        assert_int_equal(a->size_bytes, b->size_bytes);
        assert_true(a->duration_s == b->duration_s);
        assert_string_equal(a->mode, b->mode);
        assert_int_equal(a->bitrate_kbps, b->bitrate_kbps);
        assert_int_equal(a->sample_rate_hz, b->sample_rate_hz);
        assert_int_equal(a->channels, b->channels);
        assert_int_equal(a->track, b->track);
        assert_int_equal(a->chapter, b->chapter);
        assert_string_equal(a->sha256, b->sha256);
        assert_int_equal(a->loudness.is_measured, b->loudness.is_measured);
        assert_true(a->loudness.integrated_lufs == b->loudness.integrated_lufs);
        assert_true(a->loudness.true_peak_dbtp == b->loudness.true_peak_dbtp);
        assert_true(a->loudness.range_lu == b->loudness.range_lu);
        assert_true(a->loudness.gain_db == b->loudness.gain_db);
    }
}

static void assert_same_times(const struct job *back, const struct job *j)
{
    assert_int_equal(back->created_at_ms, j->created_at_ms);
    assert_int_equal(back->queued_at_ms, j->queued_at_ms);
    assert_int_equal(back->started_at_ms, j->started_at_ms);
    assert_int_equal(back->finished_at_ms, j->finished_at_ms);
    assert_int_equal(back->expires_at_ms, j->expires_at_ms);
    assert_int_equal(back->lease_until_ms, j->lease_until_ms);
    assert_int_equal(back->run_at_ms, j->run_at_ms);
    assert_int_equal(back->published, j->published);
    assert_int_equal(back->published_at_ms, j->published_at_ms);
    assert_int_equal(back->announced, j->announced);
    assert_int_equal(back->email.due_at_ms, j->email.due_at_ms);
    assert_int_equal(back->email.attempts, j->email.attempts);
    assert_int_equal(back->email.sent_at_ms, j->email.sent_at_ms);
    assert_int_equal(back->webhook.due_at_ms, j->webhook.due_at_ms);
    assert_int_equal(back->webhook.attempts, j->webhook.attempts);
    assert_int_equal(back->webhook.sent_at_ms, j->webhook.sent_at_ms);
    assert_string_equal(back->webhook_url, j->webhook_url);
    assert_string_equal(back->idempotency_key, j->idempotency_key);
    assert_string_equal(back->traceparent, j->traceparent);
    assert_string_equal(back->user_id, j->user_id);
    assert_int_equal(back->rev, j->rev);
}

static void test_record_round_trip(void **state)
{
    (void)state;
    struct job j;
    struct job back;
    fill(&j);
    json_t *record = job_to_record(&j);
    char *text = json_dumps(record, JSON_COMPACT);
    json_decref(record);
    record = json_loads(text, 0, NULL);
    memset(&back, 0xaa, sizeof(back));
    assert_err(OK, job_from_record(record, &back, NULL));
    assert_same_plain(&back, &j);
    assert_same_media(&back, &j);
    assert_same_outputs(&back, &j);
    assert_same_times(&back, &j);
    json_decref(record);
    free(text);
}

/* A record of `text` merged over a good one. */
static enum err read_changed(const char *text, struct job *ret_job)
{
    struct job j;
    fill(&j);
    json_t *record = job_to_record(&j);
    json_t *change = json_loads(text, 0, NULL);
    assert_non_null(change);
    assert_int_equal(json_object_update(record, change), 0);
    enum err err = job_from_record(record, ret_job, NULL);
    json_decref(change);
    json_decref(record);
    return err;
}

static void test_record_changed(void **state)
{
    (void)state;

    static const struct {
        const char *text;
        enum err expected;
    } rows[] = {
        { "{}", OK },
        { "{\"future\":{\"a\":[1]}}", OK },
        { "{\"tag\":null,\"expires_at\":null,\"input\":null,\"error\":null,\"email\":null}", OK },
        { "{\"options\":{\"mode\":\"vbr\",\"tempo\":-16}}", OK },
        { "{\"attempt\":3.0,\"size_bytes\":12.0}", OK },
        { "{\"error\":{\"type\":\"urn:unreel:problem:from-the-future\"}}", OK },
        { "{\"id\":null}", ERR_CORRUPT },
        { "{\"id\":\"x\"}", ERR_CORRUPT },
        { "{\"rev\":0}", ERR_CORRUPT },
        { "{\"rev\":\"1\"}", ERR_CORRUPT },
        { "{\"state\":\"paused\"}", ERR_CORRUPT },
        { "{\"state\":2}", ERR_CORRUPT },
        { "{\"attempt\":3000000000}", ERR_CORRUPT },
        { "{\"attempt\":1.5}", ERR_CORRUPT },
        { "{\"attempt\":1e300}", ERR_CORRUPT },
        { "{\"published\":1}", ERR_CORRUPT },
        { "{\"created_at\":\"2026-01-01T00:00:00Z\"}", ERR_CORRUPT },
        { "{\"sha256\":\"00000000000000000000000000000000000000000000000000000000000000000\"}",
          ERR_CORRUPT },
        { "{\"progress\":{\"percent\":\"1\"}}", ERR_CORRUPT },
        { "{\"options\":{\"bitrate\":1}}", ERR_CORRUPT },
        { "{\"input\":{\"tracks\":[{\"index\":true}]}}", ERR_CORRUPT },
        { "{\"options\":{\"tags\":{\"tempo\":\"x\"},\"outputs\":[{\"tempo\":1}]}}", OK },
        { "{\"options\":{\"tags\":{\"title\":\"a\\n\"}}}", ERR_CORRUPT },
        { "{\"options\":{\"outputs\":[{\"bitrate\":1}]}}", ERR_CORRUPT },
        { "{\"outputs\":[]}", OK },
        { "{\"outputs\":null}", OK },
        { "{\"outputs\":[{\"chapter\":\"1\"}]}", ERR_CORRUPT },
        { "{\"outputs\":[{\"loudness\":{\"gain_db\":\"1\"}}]}", ERR_CORRUPT },
        { "{\"input\":{\"chapters\":[{\"start_s\":\"0\"}]}}", ERR_CORRUPT },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct job j = { .rev = 5 };
        if (read_changed(rows[i].text, &j) != rows[i].expected) {
            fail_msg("%s: expected %s", rows[i].text, err_name(rows[i].expected));
        }
        assert_true(rows[i].expected == OK || j.rev == 5);
    }
    struct job j;
    assert_err(ERR_CORRUPT, job_from_record(NULL, &j, NULL));
    assert_err(OK, read_changed("{\"error\":{\"type\":\"urn:x\"}}", &j));
    assert_int_equal(j.error.problem, PROBLEM_INTERNAL);
}

/* From before there were tags, covers and several outputs. */
static void test_old_record(void **state)
{
    (void)state;
    struct job j;
    struct job back;
    fill(&j);
    json_t *record = job_to_record(&j);
    static const char *const newer[] = { "tags", "outputs", "loudness", "cover", "copy", "id3" };
    for (size_t i = 0; i < ARRAY_LEN(newer); i++) {
        assert_int_equal(json_object_del(json_object_get(record, "options"), newer[i]), 0);
    }
    assert_int_equal(json_object_del(record, "outputs"), 0);
    assert_int_equal(json_object_del(record, "cover_fid"), 0);
    json_t *output = json_object_get(record, "output");
    assert_int_equal(json_object_del(output, "file_id"), 0);
    assert_int_equal(json_object_del(output, "loudness"), 0);
    assert_int_equal(json_object_del(json_object_get(record, "input"), "chapters"), 0);
    assert_err(OK, job_from_record(record, &back, NULL));
    assert_int_equal(back.output_count, 1);
    assert_string_equal(back.outputs[0].fid, back.mp3_fid);
    assert_int_equal(back.outputs[0].size_bytes, 777);
    assert_int_equal(back.input.chapter_count, 0);
    assert_int_equal(back.request.output_count, 0);
    assert_int_equal(back.request.options.copy, JOB_COPY_NEVER); /* abr was asked for */
    assert_int_equal(json_object_set_new(record, "output", json_pack("{s:i}", "size_bytes", 0)), 0);
    assert_err(OK, job_from_record(record, &back, NULL));
    assert_int_equal(back.output_count, 0);
    json_decref(record);
}

static void test_too_many_tracks(void **state)
{
    (void)state;
    struct job j;
    struct job back;
    fill(&j);
    json_t *record = job_to_record(&j);
    json_t *tracks = json_object_get(json_object_get(record, "input"), "tracks");
    for (int i = 0; i < 100; i++) {
        assert_int_equal(json_array_append_new(tracks, json_object()), 0);
    }
    assert_err(OK, job_from_record(record, &back, NULL));
    assert_int_equal(back.input.track_count, JOB_TRACKS_MAX);
    json_decref(record);
    j.input.track_count = 1000; /* a caller's mistake is not read beyond the array */
    record = job_to_record(&j);
    assert_int_equal(json_array_size(json_object_get(json_object_get(record, "input"), "tracks")),
                     JOB_TRACKS_MAX);
    json_decref(record);
}

static const char *text_at(const json_t *json, const char *name)
{
    const json_t *value = json_object_get(json, name);
    assert_non_null(value);
    return json_is_null(value) ? "null" : json_string_value(value);
}

static void test_view_of_a_new_job(void **state)
{
    (void)state;
    struct job j;
    job_init(&j, "ann@example.org");
    json_t *view = job_to_json(&j);
    static const char *const nulls[] = {
        "tag",        "phase",       "sha256",  "mp3_fid",          "retry_of", "started_at",
        "expires_at", "finished_at", "run_at",  "webhook_url",      "input",    "output",
        "error",      "trace_id",    "same_as", "converter_version"
    };
    assert_int_equal(json_array_size(json_object_get(view, "outputs")), 0);
    assert_true(json_is_array(json_object_get(view, "outputs")));
    static const char *const hidden[] = { "rev",       "lease_until", "email",
                                          "webhook",   "failures",    "idempotency_key",
                                          "published", "announced",   "traceparent",
                                          "cover_fid", "user_id",     "message_id",
                                          "claims" };
    for (size_t i = 0; i < ARRAY_LEN(nulls); i++) {
        assert_string_equal(text_at(view, nulls[i]), "null");
    }
    for (size_t i = 0; i < ARRAY_LEN(hidden); i++) {
        assert_null(json_object_get(view, hidden[i]));
    }
    char now[CLOCK_TEXT_SIZE];
    clock_format(now, j.created_at_ms);
    assert_string_equal(text_at(view, "state"), "queued");
    assert_string_equal(text_at(view, "created_at"), now);
    assert_string_equal(text_at(view, "queued_at"), now);
    assert_string_equal(text_at(view, "id"), j.id);
    const json_t *links = json_object_get(view, "links");
    assert_string_equal(text_at(links, "download"), "null");
    assert_string_equal(text_at(links, "retry"), "null");
    assert_string_equal(text_at(links, "cancel") + strlen("/v1/jobs/") + ID_LEN, "/cancel");
    json_decref(view);
}

static void test_view_of_a_success(void **state)
{
    (void)state;
    struct job j;
    fill(&j);
    j.state = JOB_SUCCEEDED;
    j.same_as[0] = '\0';
    json_t *view = job_to_json(&j);
    const json_t *links = json_object_get(view, "links");
    assert_string_equal(text_at(view, "same_as"), "null");
    assert_string_equal(text_at(links, "self"), "/v1/jobs/" FID);
    assert_string_equal(text_at(links, "download"), "/download?fid=2123456789abcdef01234567");
    assert_string_equal(text_at(links, "cancel"), "null");
    assert_string_equal(text_at(links, "retry"), "null");
    assert_string_equal(text_at(view, "trace_id"), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_string_equal(text_at(view, "error"), "null");
    assert_string_equal(text_at(json_object_get(view, "output"), "mode"), "vbr");
    const json_t *outputs = json_object_get(view, "outputs");
    assert_int_equal(json_array_size(outputs), 2);
    assert_true(json_equal(json_array_get(outputs, 0), json_object_get(view, "output")));
    const json_t *second = json_array_get(outputs, 1);
    assert_string_equal(text_at(second, "file_id"), "4123456789abcdef01234567");
    assert_string_equal(text_at(second, "url"), "/download?fid=4123456789abcdef01234567");
    assert_string_equal(text_at(second, "mode"), "copy");
    assert_int_equal(json_integer_value(json_object_get(second, "chapter")), 1);
    assert_true(json_is_null(json_object_get(json_array_get(outputs, 0), "chapter")));
    assert_true(json_is_null(json_object_get(json_array_get(outputs, 0), "loudness")));
    const json_t *loudness = json_object_get(second, "loudness");
    assert_true(json_number_value(json_object_get(loudness, "true_peak_dbtp")) == -1.5);
    const json_t *chapter = json_array_get(
        json_object_get(json_object_get(view, "input"), "chapters"), 0);
    assert_true(json_number_value(json_object_get(chapter, "end_s")) == 61.5);
    assert_string_equal(text_at(chapter, "title"), "One/1");
    assert_string_equal(text_at(json_object_get(view, "options"), "mode"), "abr");
    const json_t *tracks = json_object_get(json_object_get(view, "input"), "tracks");
    assert_string_equal(text_at(json_array_get(tracks, 1), "codec"), "opus");
    assert_string_equal(text_at(json_array_get(tracks, 1), "language"), "null");
    json_decref(view);
    /* With another's MP3s: the first one is offered under this job's own name. */
    (void)text_copy(j.same_as, sizeof(j.same_as), "5123456789abcdef01234567");
    view = job_to_json(&j);
    assert_string_equal(text_at(view, "same_as"), "5123456789abcdef01234567");
    assert_string_equal(text_at(json_object_get(view, "links"), "download"), "/download?fid=" FID);
    outputs = json_object_get(view, "outputs");
    assert_string_equal(text_at(json_array_get(outputs, 0), "url"), "/download?fid=" FID);
    json_decref(view);
}

static void test_view_of_a_failure(void **state)
{
    (void)state;
    struct job j;
    fill(&j);
    j.state = JOB_FAILED;
    j.error.problem = PROBLEM_NO_AUDIO;
    j.progress.percent = NAN;
    j.progress.eta_s = INFINITY;
    json_t *view = job_to_json(&j);
    const json_t *error = json_object_get(view, "error");
    assert_string_equal(text_at(error, "type"), "urn:unreel:problem:no-audio-stream");
    assert_string_equal(text_at(error, "title"), problem_info(PROBLEM_NO_AUDIO)->title);
    assert_string_equal(text_at(error, "detail"), "gone");
    assert_true(json_is_true(json_object_get(error, "retryable")));
    assert_string_equal(text_at(view, "output"), "null");
    assert_non_null(json_string_value(json_object_get(json_object_get(view, "links"), "retry")));
    const json_t *progress = json_object_get(view, "progress");
    assert_true(json_real_value(json_object_get(progress, "percent")) == 0);
    assert_string_equal(text_at(progress, "eta_s"), "null");
    json_decref(view);
}

static void test_names(void **state)
{
    (void)state;
    for (int i = 0; i < JOB_STATE_MAX; i++) {
        assert_int_equal(job_state_from_name(job_state_name((enum job_state)i)), i);
    }
    assert_int_equal(job_state_from_name("Queued"), JOB_STATE_MAX);
    assert_int_equal(job_state_from_name(""), JOB_STATE_MAX);
    assert_string_equal(job_phase_name(JOB_PHASE_NONE), "");
    assert_string_equal(job_phase_name(JOB_PHASE_PROBING), "probing");
    for (int i = 0; i < JOB_STATE_MAX; i++) {
        struct job j = { .state = (enum job_state)i };
        assert_int_equal(job_is_final(&j), i >= JOB_SUCCEEDED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_record_round_trip), cmocka_unit_test(test_record_changed),
        cmocka_unit_test(test_too_many_tracks),   cmocka_unit_test(test_old_record),
        cmocka_unit_test(test_view_of_a_new_job), cmocka_unit_test(test_view_of_a_success),
        cmocka_unit_test(test_view_of_a_failure), cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests_name("job", tests, NULL, NULL);
}
