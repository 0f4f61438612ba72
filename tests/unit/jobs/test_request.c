#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/attr.h"
#include "jobs/request.h"

#define assert_err(expected, call) assert_string_equal(err_name(expected), err_name(call))

static void test_tags(void **state)
{
    (void)state;
    static char longest[JOB_TAG_TEXT_SIZE];
    static char too_long[JOB_TAG_TEXT_SIZE + 1];
    memset(longest, 'x', sizeof(longest) - 1);
    memset(too_long, 'x', sizeof(too_long) - 1);

    const struct {
        const char *name, *value;
        enum err expected;
    } rows[] = {
        { "tags.title", "Der Titel \xc3\xbc", OK },
        { "tags.album_artist", "", OK },
        { "tags.copyright", longest, OK },
        { "tags.copyright", too_long, ERR_INVALID },
        { "tags.title", "\xff", ERR_INVALID },
        { "tags.title", "a\nb", ERR_INVALID },
        { "tags.title", "a\x7f", ERR_INVALID },
        { "tags.title", "a\xc2\x85", ERR_INVALID },
        { "tags.Title", "x", ERR_INVALID },
        { "tags.", "x", ERR_INVALID },
        { "tags", "{}", ERR_NOT_FOUND },
        { "title", "x", ERR_NOT_FOUND },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct job_request r;
        struct job_request before;
        struct error e = { .code = OK };
        job_request_default(&r);
        before = r;
        assert_err(rows[i].expected, job_request_set(&r, rows[i].name, rows[i].value, &e));
        if (rows[i].expected != OK) {
            assert_memory_equal(&r, &before, sizeof(r));
            assert_true(strlen(e.text) > 0);
            continue;
        }
        assert_int_not_equal(r.tags.given, 0);
        assert_err(OK, job_request_settle(&r, NULL));
    }
}

static void test_tag_names(void **state)
{
    (void)state;
    struct job_request r;
    job_request_default(&r);
    for (int i = 0; i < JOB_TAG_COUNT; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "tags.%s", job_tag_name((enum job_tag_name)i));
        assert_err(OK, job_request_set(&r, name, name, NULL));
        assert_string_equal(r.tags.texts[i], name);
        assert_int_equal(r.tags.given, (1U << (i + 1)) - 1);
    }
    assert_err(OK, job_request_set(&r, "tags.genre", "", NULL));
    assert_string_equal(r.tags.texts[JOB_TAG_GENRE], "");
    assert_int_equal(r.tags.given, (1U << JOB_TAG_COUNT) - 1);
}

/* What is set, in this order, and the second output's values. */
static const struct {
    const char *sets[3][2];
    enum job_mode mode;
    int bitrate_kbps, quality, channels;
    enum job_copy copy;
} inheritance_rows[] = {
    { { { "outputs", "[{},{}]" } }, JOB_MODE_VBR, 192, 2, 0, JOB_COPY_AUTO },
    { { { "outputs", "[{},{}]" }, { "bitrate", "128" } }, JOB_MODE_CBR, 128, 2, 0, JOB_COPY_NEVER },
    { { { "outputs", "[{},{\"preset\":\"voice\"}]" }, { "bitrate", "128" } },
      JOB_MODE_ABR,
      64,
      6,
      1,
      JOB_COPY_NEVER },
    { { { "outputs", "[{},{\"preset\":\"voice\",\"bitrate\":48}]" }, { "mode", "cbr" } },
      JOB_MODE_ABR,
      48,
      6,
      1,
      JOB_COPY_NEVER },
    { { { "mode", "vbr" }, { "outputs", "[{},{\"bitrate\":96}]" } },
      JOB_MODE_CBR,
      96,
      2,
      0,
      JOB_COPY_NEVER },
    { { { "mode", "abr" }, { "outputs", "[{},{\"bitrate\":99}]" } },
      JOB_MODE_ABR,
      99,
      2,
      0,
      JOB_COPY_NEVER },
    { { { "bitrate", "96" }, { "outputs", "[{},{\"quality\":4}]" } },
      JOB_MODE_VBR,
      192,
      4,
      0,
      JOB_COPY_NEVER },
    { { { "outputs", "[{},{\"mode\":\"abr\"}]" }, { "bitrate", "96" } },
      JOB_MODE_ABR,
      96,
      2,
      0,
      JOB_COPY_NEVER },
    { { { "channels", "2" }, { "outputs", "[{},{\"preset\":\"voice\"}]" } },
      JOB_MODE_ABR,
      64,
      6,
      2,
      JOB_COPY_NEVER },
    { { { "outputs", "[{},{\"bitrate\":96}]" }, { "copy", "auto" } },
      JOB_MODE_CBR,
      96,
      2,
      0,
      JOB_COPY_AUTO },
    { { { "outputs", "[{},{\"copy\":\"auto\"}]" }, { "bitrate", "96" } },
      JOB_MODE_CBR,
      96,
      2,
      0,
      JOB_COPY_AUTO },
    { { { "outputs", "[{},{\"copy\":\"never\"}]" }, { "copy", "auto" } },
      JOB_MODE_VBR,
      192,
      2,
      0,
      JOB_COPY_NEVER },
    { { { "outputs", "[{},{}]" }, { "copy", "auto" }, { "fade_in", "1" } },
      JOB_MODE_VBR,
      192,
      2,
      0,
      JOB_COPY_NEVER },
    { { { "outputs", "[{}]" }, { "outputs", "[{},{\"channels\":1}]" } },
      JOB_MODE_VBR,
      192,
      2,
      1,
      JOB_COPY_NEVER },
};

static void test_outputs_begin_with_the_options(void **state)
{
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(inheritance_rows); i++) {
        struct job_request r;
        job_request_default(&r);
        for (size_t k = 0; k < 3 && inheritance_rows[i].sets[k][0] != NULL; k++) {
            assert_err(OK, job_request_set(&r, inheritance_rows[i].sets[k][0],
                                           inheritance_rows[i].sets[k][1], NULL));
        }
        assert_err(OK, job_request_settle(&r, NULL));
        assert_int_equal(r.output_count, 2);
        const struct job_options *o = &r.outputs[1];
        if (o->mode != inheritance_rows[i].mode ||
            o->bitrate_kbps != inheritance_rows[i].bitrate_kbps ||
            o->quality != inheritance_rows[i].quality ||
            o->channels != inheritance_rows[i].channels || o->copy != inheritance_rows[i].copy) {
            fail_msg("row %zu: %d %d %d %d copy %d", i, (int)o->mode, o->bitrate_kbps, o->quality,
                     o->channels, (int)o->copy);
        }
        /* Once more changes nothing. */
        struct job_request again = r;
        assert_err(OK, job_request_settle(&again, NULL));
        assert_memory_equal(&again, &r, sizeof(r));
    }
}

static void test_outputs_take_all_options_over(void **state)
{
    (void)state;
    static const char *const sets[][2] = {
        { "start", "1" },
        { "end", "9" },
        { "track", "deu" },
        { "fade_in", "1" },
        { "fade_out", "2" },
        { "loudness", "normalize" },
        { "loudness_target", "-20" },
        { "trim_silence", "on" },
        { "chapters", "none" },
        { "cover", "1:00" },
        { "id3", "2.3" },
        { "sample_rate", "22050" },
    };
    struct job_request r;
    job_request_default(&r);
    assert_err(OK,
               job_request_set(&r, "outputs", "[{},{\"cover\":\"keep\",\"track\":null}]", NULL));
    for (size_t i = 0; i < ARRAY_LEN(sets); i++) {
        assert_err(OK, job_request_set(&r, sets[i][0], sets[i][1], NULL));
    }
    assert_err(OK, job_request_settle(&r, NULL));
    assert_true(job_options_equal(&r.outputs[0], &r.options));
    struct job_options wanted = r.options;
    wanted.cover = JOB_COVER_KEEP;
    wanted.cover_at_ms = 0;
    memset(wanted.track, 0, sizeof(wanted.track));
    assert_true(job_options_equal(&r.outputs[1], &wanted));
}

static void test_refused(void **state)
{
    (void)state;

    static const struct {
        const char *outputs;
        const char *text; /* in the error */
    } rows[] = {
        { "", "outputs must be" },
        { "{}", "outputs must be an array of 1 to 8 objects" },
        { "[]", "outputs must be an array of 1 to 8 objects" },
        { "[{},{},{},{},{},{},{},{},{}]", "outputs must be an array of 1 to 8 objects" },
        { "[{}", "outputs must be a JSON array" },
        { "[{\"bitrate\":96,\"bitrate\":96}]", "outputs must be a JSON array" },
        { "[1]", "outputs[0] must be an object" },
        { "[{},{\"bitrate\":1}]", "outputs[1].bitrate must be a whole number within 8..320" },
        { "[{},{\"bitrate\":\"96\"}]", "outputs[1].bitrate must be" },
        { "[{\"tempo\":2}]", "outputs[0].tempo is no option" },
        { "[{\"tags\":{}}]", "outputs[0].tags is not possible" },
        { "[{},{},{\"outputs\":[]}]", "outputs[2].outputs is not possible" },
        { "[{\"mode\":\"mp3\"}]", "outputs[0].mode must be one of cbr|vbr|abr" },
        /* together */
        { "[{\"bitrate\":96},{\"bitrate\":320,\"sample_rate\":22050}]",
          "outputs[1].bitrate must be one of 8, 16, " },
        { "[{\"start\":5,\"end\":\"0:05\"}]", "outputs[0].end must be after start" },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct job_request r;
        struct error e = { .code = OK };
        job_request_default(&r);
        enum err err = job_request_set(&r, "outputs", rows[i].outputs, &e);
        err = err == OK ? job_request_settle(&r, &e) : err;
        assert_err(ERR_INVALID, err);
        if (strstr(e.text, rows[i].text) == NULL) {
            fail_msg("%s: %s", rows[i].outputs, e.text);
        }
    }
    struct job_request r;
    struct error e = { .code = OK };
    job_request_default(&r);
    assert_err(OK, job_request_set(&r, "end", "5", NULL));
    assert_err(OK, job_request_set(&r, "start", "5", NULL));
    assert_err(ERR_INVALID, job_request_settle(&r, &e));
    assert_non_null(strstr(e.text, "end must be after start"));
    /* The options alone are not made when there are outputs. */
    assert_err(OK, job_request_set(&r, "outputs", "[{\"end\":6}]", NULL));
    assert_err(OK, job_request_settle(&r, &e));
}

static void test_json(void **state)
{
    (void)state;
    struct job_request r;
    struct job_request back;
    job_request_default(&r);
    assert_err(OK, job_request_set(&r, "tags.title", "\"x\" \xc3\xbc", NULL));
    assert_err(OK, job_request_set(&r, "tags.artist", "", NULL));
    assert_err(OK, job_request_set(&r, "bitrate", "128", NULL));
    assert_err(OK, job_request_set(&r, "copy", "auto", NULL));
    assert_err(OK, job_request_set(&r, "outputs", "[{\"cover\":5},{\"quality\":4}]", NULL));
    assert_err(OK, job_request_settle(&r, NULL));
    json_t *json = job_request_to_json(&r);
    assert_int_equal(json_object_size(json_object_get(json, "tags")), 2);
    const json_t *second = json_array_get(json_object_get(json, "outputs"), 1);
    assert_string_equal(json_string_value(json_object_get(second, "mode")), "vbr");
    assert_int_equal(json_object_size(second), 18);
    assert_true(json_number_value(json_object_get(second, "loudness_target")) == -16.0);
    assert_true(json_is_false(json_object_get(second, "trim_silence")));
    job_request_default(&back);
    assert_err(OK, job_request_from_json(&back, json, NULL));
    assert_true(job_request_equal(&back, &r));
    r.options.given = 0;
    assert_memory_equal(&back, &r, sizeof(r));
    json_decref(json);
}

static void test_json_texts(void **state)
{
    (void)state;

    static const struct {
        const char *text;
        enum err expected;
    } rows[] = {
        { "{}", OK },
        { "{\"tags\":{},\"outputs\":[]}", OK },
        { "{\"tags\":{\"title\":\"x\"},\"bitrate\":128,\"outputs\":[{\"mode\":\"abr\"}]}", OK },
        { "{\"tags\":{\"title\":null}}", ERR_INVALID },
        { "{\"tags\":{\"title\":\"a\\u0000b\"}}", ERR_INVALID },
        { "{\"tags\":{\"tempo\":\"x\"}}", ERR_INVALID },
        { "{\"tags\":[]}", ERR_INVALID },
        { "{\"tags\":null}", ERR_INVALID },
        { "{\"outputs\":null}", ERR_INVALID },
        { "{\"outputs\":[[]]}", ERR_INVALID },
        { "{\"tempo\":1}", ERR_INVALID },
        { "[]", ERR_INVALID },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct job_request before;
        job_request_default(&before);
        struct job_request r = before;
        struct error e = { .code = OK };
        json_t *json = json_loads(rows[i].text, 0, NULL);
        if (job_request_from_json(&r, json, &e) != rows[i].expected) {
            fail_msg("%s: %s", rows[i].text, e.text);
        }
        assert_int_equal(e.code, rows[i].expected);
        assert_true(rows[i].expected == OK || memcmp(&r, &before, sizeof(r)) == 0);
        json_decref(json);
    }
    /* A foreign message's output begins with what the message's options give. */
    struct job_request r;
    job_request_default(&r);
    json_t *json = json_loads(rows[2].text, 0, NULL);
    assert_err(OK, job_request_from_json(&r, json, NULL));
    assert_int_equal(r.outputs[0].mode, JOB_MODE_ABR);
    assert_int_equal(r.outputs[0].bitrate_kbps, 128);
    json_decref(json);
}

static void test_needs_cover(void **state)
{
    (void)state;

    static const struct {
        const char *cover, *outputs;
        bool needs_it;
    } rows[] = {
        { "keep", NULL, false },
        { "upload", NULL, true },
        { "upload", "[{\"cover\":\"none\"}]", false },
        { "upload", "[{\"cover\":\"none\"},{}]", true },
        { "none", "[{},{\"cover\":\"upload\"}]", true },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct job_request r;
        job_request_default(&r);
        assert_err(OK, job_request_set(&r, "cover", rows[i].cover, NULL));
        if (rows[i].outputs != NULL) {
            assert_err(OK, job_request_set(&r, "outputs", rows[i].outputs, NULL));
        }
        assert_err(OK, job_request_settle(&r, NULL));
        assert_int_equal(job_request_needs_cover(&r), rows[i].needs_it);
    }
}

/* By what becomes of them, however it was said. */
static void test_equal(void **state)
{
    (void)state;

    static const struct {
        const char *a[2][2], *b[2][2];
        bool is_equal;
    } rows[] = {
        { { { NULL } }, { { NULL } }, true },
        { { { "bitrate", "128" }, { "copy", "never" } }, { { "bitrate", "128k" } }, true },
        { { { "bitrate", "128" } }, { { "bitrate", "96" } }, false },
        { { { "outputs", "[{}]" } }, { { NULL } }, true },
        { { { "outputs", "[{\"bitrate\":96}]" } }, { { "bitrate", "96" } }, true },
        { { { "outputs", "[{\"bitrate\":96}]" } },
          { { "outputs", "[{}]" }, { "bitrate", "96" } },
          true },
        { { { "outputs", "[{},{}]" } }, { { NULL } }, false },
        { { { "outputs", "[{},{\"channels\":1}]" } },
          { { "outputs", "[{\"channels\":1},{}]" } },
          false },
        { { { "tags.title", "x" } }, { { "tags.title", "x" } }, true },
        { { { "tags.title", "x" } }, { { "tags.title", "y" } }, false },
        { { { "tags.title", "" } }, { { NULL } }, false },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct job_request a;
        struct job_request b;
        job_request_default(&a);
        job_request_default(&b);
        for (size_t k = 0; k < 2; k++) {
            if (rows[i].a[k][0] != NULL) {
                assert_err(OK, job_request_set(&a, rows[i].a[k][0], rows[i].a[k][1], NULL));
            }
            if (rows[i].b[k][0] != NULL) {
                assert_err(OK, job_request_set(&b, rows[i].b[k][0], rows[i].b[k][1], NULL));
            }
        }
        assert_err(OK, job_request_settle(&a, NULL));
        assert_err(OK, job_request_settle(&b, NULL));
        if (job_request_equal(&a, &b) != rows[i].is_equal) {
            fail_msg("row %zu", i);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tags),
        cmocka_unit_test(test_tag_names),
        cmocka_unit_test(test_outputs_begin_with_the_options),
        cmocka_unit_test(test_outputs_take_all_options_over),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_json_texts),
        cmocka_unit_test(test_needs_cover),
        cmocka_unit_test(test_equal),
    };
    return cmocka_run_group_tests_name("request", tests, NULL, NULL);
}
