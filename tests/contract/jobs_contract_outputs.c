/* Jobs with several outputs or with none, and the largest record there is. */
#include "jobs_contract.h"

#include <string.h>

/* Every output's id finds the job, once it has succeeded and as long as it is there. */
static void test_outputs(void **state)
{
    (void)state;
    struct job j = new_running(LEASE_MS);
    struct job got;
    j.state = JOB_SUCCEEDED;
    j.output_count = 3;
    for (int i = 0; i < 3; i++) {
        j.outputs[i] = (struct job_output){ .size_bytes = INT64_C(5000000000) + i,
                                            .duration_s = 1.5 + i,
                                            .mode = "copy",
                                            .bitrate_kbps = 100 + i,
                                            .sample_rate_hz = 44100,
                                            .channels = 1,
                                            .track = 1,
                                            .chapter = i + 1,
                                            .sha256 = "00ff",
                                            .loudness = { i > 0, -23.1 - i, -1.25, 7.5, 2.25 } };
        id_new(j.outputs[i].fid);
    }
    (void)text_copy(j.mp3_fid, sizeof(j.mp3_fid), j.outputs[0].fid);
    assert_ok(jobs_finish(store, &j, NULL));
    struct job stored = reload(&j);
    assert_same(&j, &stored);
    assert_int_equal(stored.output_count, 3);
    assert_true(stored.outputs[2].loudness.integrated_lufs == -25.1);
    assert_ok(jobs_mark_announced(store, &stored, NULL));
    for (int i = 0; i < 3; i++) {
        assert_ok(jobs_get_by_mp3(store, j.outputs[i].fid, OWNER, &got, NULL));
        assert_string_equal(got.id, j.id);
        assert_err(ERR_NOT_FOUND,
                   jobs_get_by_mp3(store, j.outputs[i].fid, "bob@example.org", &got, NULL));
    }
    assert_ok(jobs_remove(store, j.id, OWNER, NULL));
    for (int i = 0; i < 3; i++) {
        assert_err(ERR_NOT_FOUND, jobs_get_by_mp3(store, j.outputs[i].fid, NULL, &got, NULL));
    }
}

/* Whoever names a file that came with an upload is found by it, as long as there is one. */
static void test_uploads(void **state)
{
    (void)state;

    static const enum job_state states[] = { JOB_QUEUED, JOB_RUNNING, JOB_SUCCEEDED, JOB_FAILED,
                                             JOB_CANCELLED };

    struct job got;
    for (size_t i = 0; i < ARRAY_LEN(states); i++) {
        struct job first;
        struct job second;
        job_init(&first, OWNER);
        id_new(first.video_fid);
        id_new(first.cover_fid);
        job_init(&second, OWNER);
        (void)text_copy(second.video_fid, ID_SIZE, first.video_fid);
        (void)text_copy(second.cover_fid, ID_SIZE, first.cover_fid);
        const char *const fids[] = { first.video_fid, first.cover_fid };
        assert_ok(jobs_create(store, &first, NULL));
        if (states[i] == JOB_CANCELLED) {
            assert_ok(jobs_cancel(store, first.id, NULL, &first, NULL));
        } else if (states[i] != JOB_QUEUED) {
            assert_ok(jobs_claim(store, first.id, LEASE_MS, "", false, &first, NULL));
            first.state = states[i];
            first.error.problem = states[i] == JOB_FAILED ? PROBLEM_CORRUPT_INPUT : PROBLEM_NONE;
            memcpy(first.mp3_fid, first.id, ID_SIZE);
        }
        if (states[i] == JOB_SUCCEEDED || states[i] == JOB_FAILED) {
            assert_ok(jobs_finish(store, &first, NULL));
        }
        for (size_t k = 0; k < ARRAY_LEN(fids); k++) {
            assert_ok(jobs_get_by_upload(store, fids[k], &got, NULL));
            assert_string_equal(got.id, first.id);
        }
        assert_ok(jobs_create(store, &second, NULL));
        assert_ok(jobs_remove(store, first.id, NULL, NULL));
        for (size_t k = 0; k < ARRAY_LEN(fids); k++) {
            assert_ok(jobs_get_by_upload(store, fids[k], &got, NULL));
            assert_string_equal(got.id, second.id);
        }
        assert_ok(jobs_remove(store, second.id, NULL, NULL));
        for (size_t k = 0; k < ARRAY_LEN(fids); k++) {
            assert_err(ERR_NOT_FOUND, jobs_get_by_upload(store, fids[k], &got, NULL));
        }
    }
    /* Most jobs have no cover: no file is theirs by that. */
    struct job plain = new_job(OWNER);
    assert_err(ERR_NOT_FOUND, jobs_get_by_upload(store, "", &got, NULL));
    assert_err(ERR_NOT_FOUND, jobs_get_by_upload(store, "x", &got, NULL));
    assert_ok(jobs_get(store, plain.id, NULL, &got, NULL));
}

/* A probe succeeds without an MP3; nobody gets a mail about it, and a webhook only who asked. */
static void test_probe(void **state)
{
    (void)state;

    static const enum job_state ends[] = { JOB_SUCCEEDED, JOB_FAILED };

    for (size_t i = 0; i < 2 * ARRAY_LEN(ends); i++) {
        struct job j;
        bool has_webhook = i >= ARRAY_LEN(ends);
        job_init(&j, OWNER);
        j.kind = JOB_PROBE;
        (void)text_copy(j.webhook_url, sizeof(j.webhook_url), has_webhook ? "https://a/b" : "");
        assert_ok(jobs_create(store, &j, NULL));
        assert_ok(jobs_claim(store, j.id, LEASE_MS, "", false, &j, NULL));
        assert_int_equal(j.kind, JOB_PROBE);
        j.state = ends[i % ARRAY_LEN(ends)];
        j.error.problem = j.state == JOB_FAILED ? PROBLEM_UNSUPPORTED_FORMAT : PROBLEM_NONE;
        j.input = (struct job_input){ .container = "wav", .track_count = 1 };
        struct job again = j;
        assert_ok(jobs_finish(store, &j, NULL));
        assert_ok(jobs_finish(store, &again, NULL)); /* the first answer was lost */
        struct job stored = reload(&j);
        assert_same(&j, &stored);
        assert_int_equal(stored.kind, JOB_PROBE);
        assert_int_equal(stored.email.due_at_ms, 0);
        assert_int_equal(stored.webhook.due_at_ms, has_webhook ? stored.finished_at_ms : 0);
        assert_string_equal(stored.mp3_fid, "");
        assert_string_equal(stored.input.container, "wav");
    }
    struct job convert = new_running(LEASE_MS);
    convert.state = JOB_SUCCEEDED;
    assert_err(ERR_INVALID, jobs_finish(store, &convert, NULL));
}

/* All that a user and a file can make long. */
static void test_largest_record(void **state)
{
    (void)state;
    struct job j = new_running(LEASE_MS);
    memset(j.filename, '"', sizeof(j.filename) - 1);
    memset(j.webhook_url, '"', sizeof(j.webhook_url) - 1);
    j.state = JOB_SUCCEEDED;
    j.output_count = JOB_OUTPUTS_MAX;
    j.input.chapter_count = JOB_CHAPTERS_MAX;
    j.input.track_count = JOB_TRACKS_MAX;
    for (int i = 0; i < JOB_OUTPUTS_MAX; i++) {
        j.outputs[i] = (struct job_output){ .size_bytes = INT64_MAX,
                                            .duration_s = 1e9 / 3,
                                            .mode = "copy",
                                            .chapter = i + 1,
                                            .loudness = { true, -100.0 / 3, -1.0 / 3, 100.0 / 3,
                                                          1.0 / 3 } };
        id_new(j.outputs[i].fid);
        memset(j.outputs[i].sha256, 'f', sizeof(j.outputs[i].sha256) - 1);
    }
    for (int i = 0; i < JOB_CHAPTERS_MAX; i++) {
        j.input.chapters[i] = (struct job_chapter){ 3599999999, 3599999999, "" };
        memset(j.input.chapters[i].title, '"', JOB_TITLE_SIZE - 1);
    }
    for (int i = 0; i < JOB_TRACKS_MAX; i++) {
        memset(j.input.tracks[i].codec, '"', sizeof(j.input.tracks[i].codec) - 1);
        memset(j.input.tracks[i].language, '"', sizeof(j.input.tracks[i].language) - 1);
    }
    (void)text_copy(j.mp3_fid, sizeof(j.mp3_fid), j.outputs[0].fid);
    assert_ok(jobs_finish(store, &j, NULL));
    struct job stored = reload(&j);
    assert_same(&j, &stored);
    assert_int_equal(stored.output_count, JOB_OUTPUTS_MAX);
}

const struct CMUnitTest output_cases[] = {
    CASE(test_outputs),
    CASE(test_uploads),
    CASE(test_probe),
    CASE(test_largest_record),
};
const size_t output_case_count = ARRAY_LEN(output_cases);
