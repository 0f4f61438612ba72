#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "jobs/options.h"

#define assert_err(expected, call) assert_string_equal(err_name(expected), err_name(call))

static void test_set(void **state)
{
    (void)state;

    static const struct {
        const char *name;
        const char *value;
        enum err expected;
        struct job_options result;
    } rows[] = {
        { "mode", "vbr", OK, { JOB_MODE_VBR, 192, 2, 0, 0 } },
        { "mode", "abr", OK, { JOB_MODE_ABR, 192, 2, 0, 0 } },
        { "mode", "cbr", OK, { JOB_MODE_CBR, 192, 2, 0, 0 } },
        { "mode", "VBR", ERR_INVALID, { 0 } },
        { "mode", "", ERR_INVALID, { 0 } },
        { "bitrate", "320", OK, { JOB_MODE_CBR, 320, 2, 0, 0 } },
        { "bitrate", "128k", OK, { JOB_MODE_CBR, 128, 2, 0, 0 } },
        { "bitrate", "8", OK, { JOB_MODE_CBR, 8, 2, 0, 0 } },
        { "bitrate", "7", ERR_INVALID, { 0 } },
        { "bitrate", "321", ERR_INVALID, { 0 } },
        { "bitrate", "-192", ERR_INVALID, { 0 } },
        { "bitrate", "192 kbit/s", ERR_INVALID, { 0 } },
        { "bitrate", "192kk", ERR_INVALID, { 0 } },
        { "bitrate", "k", ERR_INVALID, { 0 } },
        { "bitrate", "", ERR_INVALID, { 0 } },
        { "bitrate", "1e2", ERR_INVALID, { 0 } },
        { "bitrate", "99999999999999999999", ERR_INVALID, { 0 } },
        { "quality", "0", OK, { JOB_MODE_CBR, 192, 0, 0, 0 } },
        { "quality", "9", OK, { JOB_MODE_CBR, 192, 9, 0, 0 } },
        { "quality", "10", ERR_INVALID, { 0 } },
        { "quality", "2k", ERR_INVALID, { 0 } },
        { "sample_rate", "44100", OK, { JOB_MODE_CBR, 192, 2, 44100, 0 } },
        { "sample_rate", "0", OK, { JOB_MODE_CBR, 192, 2, 0, 0 } },
        { "sample_rate", "44101", ERR_INVALID, { 0 } },
        { "sample_rate", "2147483647", ERR_INVALID, { 0 } },
        { "sample_rate", "4294967296", ERR_INVALID, { 0 } },
        { "channels", "1", OK, { JOB_MODE_CBR, 192, 2, 0, 1 } },
        { "channels", "2", OK, { JOB_MODE_CBR, 192, 2, 0, 2 } },
        { "channels", "3", ERR_INVALID, { 0 } },
        { "Bitrate", "192", ERR_NOT_FOUND, { 0 } },
        { "", "192", ERR_NOT_FOUND, { 0 } },
        { "preset", "voice", ERR_NOT_FOUND, { 0 } },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct job_options before;
        job_options_default(&before);
        struct job_options o = before;
        struct error e = { .code = OK };
        assert_err(rows[i].expected, job_options_set(&o, rows[i].name, rows[i].value, &e));
        const struct job_options *wanted = rows[i].expected == OK ? &rows[i].result : &before;
        assert_memory_equal(&o, wanted, sizeof(o));
        if (rows[i].expected == ERR_INVALID) {
            assert_non_null(strstr(e.text, rows[i].name));
        }
    }
}

static void test_check(void **state)
{
    (void)state;

    static const struct {
        struct job_options o;
        enum err expected;
    } rows[] = {
        { { JOB_MODE_CBR, 192, 2, 0, 0 }, OK },
        { { JOB_MODE_CBR, 8, 2, 0, 0 }, OK },
        { { JOB_MODE_CBR, 144, 2, 0, 0 }, OK },
        { { JOB_MODE_CBR, 100, 2, 0, 0 }, ERR_INVALID },
        { { JOB_MODE_ABR, 100, 2, 0, 0 }, OK },
        { { JOB_MODE_CBR, 320, 2, 44100, 0 }, OK },
        { { JOB_MODE_CBR, 32, 2, 48000, 0 }, OK },
        { { JOB_MODE_CBR, 24, 2, 32000, 0 }, ERR_INVALID },
        { { JOB_MODE_CBR, 144, 2, 44100, 0 }, ERR_INVALID },
        { { JOB_MODE_CBR, 192, 2, 24000, 0 }, ERR_INVALID },
        { { JOB_MODE_CBR, 160, 2, 22050, 0 }, OK },
        { { JOB_MODE_CBR, 8, 2, 16000, 0 }, OK },
        { { JOB_MODE_CBR, 64, 2, 8000, 0 }, OK },
        { { JOB_MODE_CBR, 80, 2, 12000, 0 }, ERR_INVALID },
        { { JOB_MODE_ABR, 31, 2, 44100, 0 }, ERR_INVALID },
        { { JOB_MODE_ABR, 161, 2, 22050, 0 }, ERR_INVALID },
        { { JOB_MODE_ABR, 65, 2, 11025, 0 }, ERR_INVALID },
        { { JOB_MODE_VBR, 192, 9, 8000, 1 }, OK },
        { { (enum job_mode)7, 192, 2, 0, 0 }, ERR_INVALID },
        { { JOB_MODE_VBR, 192, -1, 0, 0 }, ERR_INVALID },
        { { JOB_MODE_VBR, 0, 2, 0, 0 }, ERR_INVALID },
        { { JOB_MODE_VBR, 192, 2, 1, 0 }, ERR_INVALID },
        { { JOB_MODE_VBR, 192, 2, 0, 6 }, ERR_INVALID },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct error e;
        if (job_options_check(&rows[i].o, &e) != rows[i].expected) {
            fail_msg("row %zu: expected %s", i, err_name(rows[i].expected));
        }
    }
}

static void test_json(void **state)
{
    (void)state;

    static const struct {
        const char *text;
        enum err expected;
        struct job_options result;
    } rows[] = {
        { "{}", OK, { JOB_MODE_CBR, 192, 2, 0, 0 } },
        { "{\"mode\":\"abr\",\"bitrate\":99,\"quality\":1,\"sample_rate\":48000,\"channels\":1}",
          OK,
          { JOB_MODE_ABR, 99, 1, 48000, 1 } },
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

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct job_options before;
        job_options_default(&before);
        struct job_options o = before;
        json_t *json = json_loads(rows[i].text, JSON_DECODE_ANY, NULL);
        assert_non_null(json);
        struct error e;
        assert_err(rows[i].expected, job_options_from_json(&o, json, &e));
        assert_memory_equal(&o, rows[i].expected == OK ? &rows[i].result : &before, sizeof(o));
        json_decref(json);
    }
}

static void test_json_round_trip(void **state)
{
    (void)state;
    static const struct job_options rows[] = {
        { JOB_MODE_CBR, 192, 2, 0, 0 },
        { JOB_MODE_VBR, 8, 9, 8000, 1 },
        { JOB_MODE_ABR, 320, 0, 48000, 2 },
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

/* What the table says is the default is the default, and every name in it can be set. */
static void test_table(void **state)
{
    (void)state;
    size_t count = 0;
    const struct job_option_info *table = job_option_table(&count);
    struct job_options wanted;
    job_options_default(&wanted);
    struct job_options o = { JOB_MODE_VBR, 8, 9, 8000, 1 };
    assert_int_equal(count, 5);
    for (size_t i = 0; i < count; i++) {
        assert_err(OK, job_options_set(&o, table[i].name, table[i].default_value, NULL));
        assert_true(strlen(table[i].help) > 0);
        assert_true(strlen(table[i].values) > 0);
    }
    assert_memory_equal(&o, &wanted, sizeof(o));
    assert_err(OK, job_options_check(&o, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set),   cmocka_unit_test(test_check),
        cmocka_unit_test(test_json),  cmocka_unit_test(test_json_round_trip),
        cmocka_unit_test(test_table),
    };
    return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
