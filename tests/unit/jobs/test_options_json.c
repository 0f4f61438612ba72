#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "jobs/options.h"
#include "options_rows.h"

static const struct {
    const char *text;
    enum err expected;
    struct job_options result;
} json_rows[] = {
    { "{}", OK, O(JOB_MODE_VBR, 192, 2, 0, 0) },
    { "{\"bitrate\":128,\"copy\":\"auto\"}", OK, O(JOB_MODE_CBR, 128, 2, 0, 0) },
    { "{\"mode\":\"cbr\",\"bitrate\":128,\"preset\":\"high\",\"copy\":\"auto\"}",
      OK,
      { .preset = JOB_PRESET_HIGH, .bitrate_kbps = 128, .loudness_target_centi_lufs = -1600 } },
    { "{\"loudness\":\"tag\",\"loudness_target\":-23}",
      OK,
      { .mode = JOB_MODE_VBR,
        .bitrate_kbps = 192,
        .quality = 2,
        .loudness = JOB_LOUDNESS_TAG,
        .loudness_target_centi_lufs = -2300 } },
    { "{\"loudness_target\":-14.25}", OK, TARGET(-1425) },
    { "{\"loudness_target\":\"-16\"}", ERR_INVALID, { 0 } },
    { "{\"loudness_target\":-1e10}", ERR_INVALID, { 0 } },
    { "{\"trim_silence\":true}", OK, V(.trim_silence = 1, .copy = JOB_COPY_NEVER) },
    { "{\"trim_silence\":\"on\"}", OK, V(.trim_silence = 1, .copy = JOB_COPY_NEVER) },
    { "{\"trim_silence\":false}", OK, V(.start_ms = 0) },
    { "{\"trim_silence\":1}", ERR_INVALID, { 0 } },
    { "{\"chapters\":\"split\"}", OK, V(.chapters = JOB_CHAPTERS_SPLIT) },
    { "{\"cover\":\"none\"}", OK, V(.cover = JOB_COVER_NONE) },
    { "{\"cover\":12.5}", OK, V(.cover = JOB_COVER_FRAME, .cover_at_ms = 12500) },
    { "{\"cover\":\"0:12.5\"}", OK, V(.cover = JOB_COVER_FRAME, .cover_at_ms = 12500) },
    { "{\"cover\":-1}", ERR_INVALID, { 0 } },
    { "{\"cover\":null}", ERR_INVALID, { 0 } },
    { "{\"id3\":\"2.3\"}", OK, V(.id3 = JOB_ID3_V23) },
    { "{\"id3\":2.3}", OK, V(.id3 = JOB_ID3_V23) },
    { "{\"id3\":2.31}", ERR_INVALID, { 0 } },
    { "{\"copy\":\"never\"}", OK, V(.copy = JOB_COPY_NEVER) },
    { "{\"copy\":false}", ERR_INVALID, { 0 } },
    { "{\"start\":1.5,\"end\":\"1:00\",\"track\":1,\"fade_in\":2}",
      OK,
      { .mode = JOB_MODE_VBR,
        STANDARD,
        .start_ms = 1500,
        .end_ms = 60000,
        .fade_in_ms = 2000,
        .copy = JOB_COPY_NEVER,
        .track = "1" } },
    { "{\"end\":null,\"track\":null}", OK, O(JOB_MODE_VBR, 192, 2, 0, 0) },
    { "{\"track\":32}", ERR_INVALID, { 0 } },
    { "{\"track\":-1}", ERR_INVALID, { 0 } },
    { "{\"start\":-1}", ERR_INVALID, { 0 } },
    { "{\"start\":1e99}", ERR_INVALID, { 0 } },
    { "{\"fade_out\":31}", ERR_INVALID, { 0 } },
    { "{\"preset\":\"loud\"}", ERR_INVALID, { 0 } },
    { "{\"mode\":\"abr\",\"bitrate\":99,\"quality\":1,\"sample_rate\":48000,\"channels\":1}", OK,
      N(JOB_MODE_ABR, 99, 1, 48000, 1) },
    { "{\"bitrate\":\"192\"}", ERR_INVALID, { 0 } },
    { "{\"bitrate\":192.5}", ERR_INVALID, { 0 } },
    { "{\"bitrate\":null}", ERR_INVALID, { 0 } },
    { "{\"bitrate\":4294967488}", ERR_INVALID, { 0 } },
    { "{\"mode\":1}", ERR_INVALID, { 0 } },
    { "{\"quality\":3,\"mode\":\"mp3\"}", ERR_INVALID, { 0 } },
    { "{\"loudness\":-16}", ERR_INVALID, { 0 } },
    { "[]", ERR_INVALID, { 0 } },
    { "null", ERR_INVALID, { 0 } },
    { "\"cbr\"", ERR_INVALID, { 0 } },
};

static void test_json(void **state)
{
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(json_rows); i++) {
        struct job_options before;
        job_options_default(&before);
        struct job_options o = before;
        json_t *json = json_loads(json_rows[i].text, JSON_DECODE_ANY, NULL);
        assert_non_null(json);
        struct error e;
        assert_err(json_rows[i].expected, job_options_from_json(&o, json, &e));
        assert_memory_equal(&o, json_rows[i].expected == OK ? &json_rows[i].result : &before,
                            sizeof(o));
        json_decref(json);
    }
}

/* Nothing of what it replaces is left behind: options are compared byte by byte. */
static void test_track_over_track(void **state)
{
    (void)state;
    struct job_options a;
    struct job_options b;
    job_options_default(&a);
    job_options_default(&b);
    assert_err(OK, job_options_set(&a, "track", "deu", NULL));
    assert_false(job_options_equal(&a, &b));
    json_t *json = json_pack("{s:i}", "track", 1);
    assert_err(OK, job_options_from_json(&a, json, NULL));
    assert_err(OK, job_options_set(&b, "track", "1", NULL));
    assert_true(job_options_equal(&a, &b));
    json_decref(json);
}

static void test_json_round_trip(void **state)
{
    (void)state;
    static const struct job_options rows[] = {
        O(JOB_MODE_CBR, 192, 2, 0, 0),
        { .preset = JOB_PRESET_VOICE,
          .mode = JOB_MODE_ABR,
          .bitrate_kbps = 64,
          .quality = 6,
          .channels = 1,
          .start_ms = 1,
          .end_ms = 3599999999,
          .fade_in_ms = 30000,
          .fade_out_ms = 1,
          .loudness = JOB_LOUDNESS_NORMALIZE,
          .loudness_target_centi_lufs = -1999,
          .trim_silence = 1,
          .chapters = JOB_CHAPTERS_SPLIT,
          .cover = JOB_COVER_FRAME,
          .cover_at_ms = 3599999999,
          .id3 = JOB_ID3_V23,
          .copy = JOB_COPY_NEVER,
          .track = "pt-br" },
        O(JOB_MODE_VBR, 8, 9, 8000, 1),
        O(JOB_MODE_ABR, 320, 0, 48000, 2),
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct job_options back;
        job_options_default(&back);
        json_t *json = job_options_to_json(&rows[i]);
        assert_err(OK, job_options_from_json(&back, json, NULL));
        assert_memory_equal(&back, &rows[i], sizeof(back));
        json_decref(json);
    }
}

/* An object from before there was a `copy`: by its values. */
static void test_copy_of_old_objects(void **state)
{
    (void)state;

    static const struct {
        const char *text;
        enum job_copy copy;
    } rows[] = {
        { "{\"preset\":\"standard\",\"mode\":\"vbr\",\"bitrate\":192,\"quality\":2,\"sample_rate\":"
          "0,"
          "\"channels\":0,\"start\":5,\"end\":null,\"track\":null,\"fade_in\":0,\"fade_out\":0}",
          JOB_COPY_AUTO },
        { "{\"preset\":\"standard\",\"mode\":\"cbr\",\"bitrate\":192,\"quality\":2}",
          JOB_COPY_NEVER },
        { "{\"preset\":\"standard\",\"mode\":\"vbr\",\"bitrate\":192,\"quality\":2,\"fade_in\":1}",
          JOB_COPY_NEVER },
        { "{\"channels\":1}", JOB_COPY_NEVER },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct job_options o;
        job_options_default(&o);
        json_t *json = json_loads(rows[i].text, 0, NULL);
        assert_err(OK, job_options_from_json(&o, json, NULL));
        assert_int_equal(o.copy, rows[i].copy);
        json_decref(json);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_json_round_trip),
        cmocka_unit_test(test_track_over_track),
        cmocka_unit_test(test_copy_of_old_objects),
    };
    return cmocka_run_group_tests_name("options as JSON", tests, NULL, NULL);
}
