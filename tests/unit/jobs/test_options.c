#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "jobs/options.h"
#include "options_rows.h"

static const struct {
    const char *name;
    const char *value;
    enum err expected;
    struct job_options result;
} set_rows[] = {
    { "preset", "standard", OK, O(JOB_MODE_VBR, 192, 2, 0, 0) },
    { "preset", "Best", ERR_INVALID, { 0 } },
    { "preset", "", ERR_INVALID, { 0 } },
    { "mode", "vbr", OK, O(JOB_MODE_VBR, 192, 2, 0, 0) },
    { "mode", "abr", OK, O(JOB_MODE_ABR, 192, 2, 0, 0) },
    { "mode", "cbr", OK, O(JOB_MODE_CBR, 192, 2, 0, 0) },
    { "mode", "VBR", ERR_INVALID, { 0 } },
    { "mode", "", ERR_INVALID, { 0 } },
    { "bitrate", "320", OK, O(JOB_MODE_CBR, 320, 2, 0, 0) },
    { "bitrate", "128k", OK, O(JOB_MODE_CBR, 128, 2, 0, 0) },
    { "bitrate", "8", OK, O(JOB_MODE_CBR, 8, 2, 0, 0) },
    { "bitrate", "7", ERR_INVALID, { 0 } },
    { "bitrate", "321", ERR_INVALID, { 0 } },
    { "bitrate", "-192", ERR_INVALID, { 0 } },
    { "bitrate", "192 kbit/s", ERR_INVALID, { 0 } },
    { "bitrate", "192kk", ERR_INVALID, { 0 } },
    { "bitrate", "k", ERR_INVALID, { 0 } },
    { "bitrate", "", ERR_INVALID, { 0 } },
    { "bitrate", "1e2", ERR_INVALID, { 0 } },
    { "bitrate", "99999999999999999999", ERR_INVALID, { 0 } },
    { "quality", "0", OK, O(JOB_MODE_VBR, 192, 0, 0, 0) },
    { "quality", "9", OK, O(JOB_MODE_VBR, 192, 9, 0, 0) },
    { "quality", "10", ERR_INVALID, { 0 } },
    { "quality", "2k", ERR_INVALID, { 0 } },
    { "sample_rate", "44100", OK, O(JOB_MODE_VBR, 192, 2, 44100, 0) },
    { "sample_rate", "0", OK, O(JOB_MODE_VBR, 192, 2, 0, 0) },
    { "sample_rate", "44101", ERR_INVALID, { 0 } },
    { "sample_rate", "2147483647", ERR_INVALID, { 0 } },
    { "sample_rate", "4294967296", ERR_INVALID, { 0 } },
    { "channels", "1", OK, O(JOB_MODE_VBR, 192, 2, 0, 1) },
    { "channels", "2", OK, O(JOB_MODE_VBR, 192, 2, 0, 2) },
    { "channels", "3", ERR_INVALID, { 0 } },
    { "Bitrate", "192", ERR_NOT_FOUND, { 0 } },
    { "", "192", ERR_NOT_FOUND, { 0 } },
    { "tempo", "2", ERR_NOT_FOUND, { 0 } },
    { "fade_in", "30", OK, { .mode = JOB_MODE_VBR, STANDARD, .fade_in_ms = 30000 } },
    { "fade_in", "30.001", ERR_INVALID, { 0 } },
    { "fade_out", "0.5", OK, { .mode = JOB_MODE_VBR, STANDARD, .fade_out_ms = 500 } },
    { "fade_out", "-1", ERR_INVALID, { 0 } },
    { "track", "", OK, { .mode = JOB_MODE_VBR, STANDARD } },
    { "track", "0", OK, { .mode = JOB_MODE_VBR, STANDARD, .track = "0" } },
    { "track", "007", OK, { .mode = JOB_MODE_VBR, STANDARD, .track = "7" } },
    { "track", "32", ERR_INVALID, { 0 } },
    { "track", "Deu", OK, { .mode = JOB_MODE_VBR, STANDARD, .track = "deu" } },
    { "track", "pt-BR", OK, { .mode = JOB_MODE_VBR, STANDARD, .track = "pt-br" } },
    { "track", "d", ERR_INVALID, { 0 } },
    { "track", "de u", ERR_INVALID, { 0 } },
    { "track", "abcdefghijklmnop", ERR_INVALID, { 0 } },
    { "loudness", "tag", OK, V(.loudness = JOB_LOUDNESS_TAG) },
    { "loudness", "normalize", OK, V(.loudness = JOB_LOUDNESS_NORMALIZE) },
    { "loudness", "off", OK, V(.start_ms = 0) },
    { "loudness", "loud", ERR_INVALID, { 0 } },
    { "loudness_target", "-70", OK, TARGET(-7000) },
    { "loudness_target", "-5", OK, TARGET(-500) },
    { "loudness_target", "-23.5", OK, TARGET(-2350) },
    { "loudness_target", "-23.05", OK, TARGET(-2305) },
    { "loudness_target", "-70.01", ERR_INVALID, { 0 } },
    { "loudness_target", "-4.99", ERR_INVALID, { 0 } },
    { "loudness_target", "16", ERR_INVALID, { 0 } },
    { "loudness_target", "-16.123", ERR_INVALID, { 0 } },
    { "loudness_target", "-16.", ERR_INVALID, { 0 } },
    { "loudness_target", "--16", ERR_INVALID, { 0 } },
    { "loudness_target", "-16 LUFS", ERR_INVALID, { 0 } },
    { "loudness_target", "", ERR_INVALID, { 0 } },
    { "trim_silence", "on", OK, V(.trim_silence = 1) },
    { "trim_silence", "true", OK, V(.trim_silence = 1) },
    { "trim_silence", "off", OK, V(.start_ms = 0) },
    { "trim_silence", "false", OK, V(.start_ms = 0) },
    { "trim_silence", "1", ERR_INVALID, { 0 } },
    { "chapters", "split", OK, V(.chapters = JOB_CHAPTERS_SPLIT) },
    { "chapters", "none", OK, V(.chapters = JOB_CHAPTERS_NONE) },
    { "chapters", "all", ERR_INVALID, { 0 } },
    { "cover", "none", OK, V(.cover = JOB_COVER_NONE) },
    { "cover", "upload", OK, V(.cover = JOB_COVER_UPLOAD) },
    { "cover", "0", OK, V(.cover = JOB_COVER_FRAME) },
    { "cover", "1:02.5", OK, V(.cover = JOB_COVER_FRAME, .cover_at_ms = 62500) },
    { "cover", "-1", ERR_INVALID, { 0 } },
    { "cover", "frame", ERR_INVALID, { 0 } },
    { "cover", "", ERR_INVALID, { 0 } },
    { "id3", "2.3", OK, V(.id3 = JOB_ID3_V23) },
    { "id3", "2", ERR_INVALID, { 0 } },
    { "copy", "always", ERR_INVALID, { 0 } },
};

static void test_set(void **state)
{
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(set_rows); i++) {
        struct job_options before;
        job_options_default(&before);
        struct job_options o = before;
        struct error e = { .code = OK };
        if (job_options_set(&o, set_rows[i].name, set_rows[i].value, &e) != set_rows[i].expected) {
            fail_msg("%s=%s: %s", set_rows[i].name, set_rows[i].value, e.text);
        }
        const struct job_options *wanted = set_rows[i].expected == OK ? &set_rows[i].result
                                                                      : &before;
        assert_int_equal(o.given != 0, set_rows[i].expected == OK);
        o.given = 0;
        o.copy = JOB_COPY_AUTO; /* test_copy */
        assert_memory_equal(&o, wanted, sizeof(o));
        if (set_rows[i].expected == ERR_INVALID) {
            assert_non_null(strstr(e.text, set_rows[i].name));
        }
    }
}

static void test_times(void **state)
{
    (void)state;

    static const struct {
        const char *text;
        int64_t ms; /* -1: refused */
    } rows[] = {
        { "0", 0 },
        { "90", 90000 },
        { "90.5", 90500 },
        { "0.001", 1 },
        { "1.23", 1230 },
        { "1:30", 90000 },
        { "90:00", 5400000 },
        { "01:02:03.004", 3723004 },
        { "1000:00:00", 3600000000 },
        { "3600000", 3600000000 },
        { "1000:00:00.001", -1 },
        { "1000:00:01", -1 },
        { "1:60", -1 },
        { "1:60:00", -1 },
        { "1:2:3:4", -1 },
        { "1:", -1 },
        { ":1", -1 },
        { ".5", -1 },
        { "1.", -1 },
        { "1.2345", -1 },
        { "-1", -1 },
        { "1e3", -1 },
        { " 1", -1 },
        { "1 ", -1 },
        { "99999999999999999999", -1 },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct job_options o;
        struct error e = { .code = OK };
        job_options_default(&o);
        enum err err = job_options_set(&o, "start", rows[i].text, &e);
        if (err != (rows[i].ms < 0 ? ERR_INVALID : OK) || (err == OK && o.start_ms != rows[i].ms)) {
            fail_msg("%s: %s, %lld", rows[i].text, err_name(err), (long long)o.start_ms);
        }
    }
}

/* Whatever the order in which they are said. */
static void test_presets(void **state)
{
    (void)state;

    static const struct {
        const char *sets[4][2];
        enum job_preset preset;
        struct job_options o;
    } rows[] = {
        { { { "preset", "voice" } }, JOB_PRESET_VOICE, O(JOB_MODE_ABR, 64, 6, 0, 1) },
        { { { "preset", "high" } }, JOB_PRESET_HIGH, O(JOB_MODE_VBR, 256, 0, 0, 0) },
        { { { "preset", "best" } }, JOB_PRESET_BEST, O(JOB_MODE_CBR, 320, 0, 0, 0) },
        { { { "bitrate", "128" } }, JOB_PRESET_STANDARD, O(JOB_MODE_CBR, 128, 2, 0, 0) },
        { { { "bitrate", "128" }, { "mode", "abr" } },
          JOB_PRESET_STANDARD,
          O(JOB_MODE_ABR, 128, 2, 0, 0) },
        { { { "bitrate", "96" }, { "preset", "voice" } },
          JOB_PRESET_VOICE,
          O(JOB_MODE_ABR, 96, 6, 0, 1) },
        { { { "preset", "voice" }, { "channels", "2" }, { "quality", "4" } },
          JOB_PRESET_VOICE,
          O(JOB_MODE_VBR, 64, 4, 0, 2) },
        { { { "quality", "1" }, { "preset", "best" } },
          JOB_PRESET_BEST,
          O(JOB_MODE_VBR, 320, 1, 0, 0) },
        { { { "quality", "1" }, { "bitrate", "128" } },
          JOB_PRESET_STANDARD,
          O(JOB_MODE_CBR, 128, 1, 0, 0) },
        { { { "mode", "vbr" }, { "preset", "best" }, { "bitrate", "96" } },
          JOB_PRESET_BEST,
          O(JOB_MODE_VBR, 96, 0, 0, 0) },
        { { { "preset", "best" }, { "preset", "standard" } },
          JOB_PRESET_STANDARD,
          O(JOB_MODE_VBR, 192, 2, 0, 0) },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct job_options o;
        job_options_default(&o);
        for (size_t k = 0; k < 4 && rows[i].sets[k][0] != NULL; k++) {
            assert_err(OK, job_options_set(&o, rows[i].sets[k][0], rows[i].sets[k][1], NULL));
        }
        struct job_options wanted = rows[i].o;
        wanted.preset = rows[i].preset;
        wanted.copy = JOB_COPY_NEVER;
        o.given = 0;
        assert_memory_equal(&o, &wanted, sizeof(o));
        assert_err(OK, job_options_check(&o, NULL));
    }
}

/* The rule of options.h. */
static void test_copy(void **state)
{
    (void)state;

    static const struct {
        const char *sets[3][2];
        enum job_copy copy;
    } rows[] = {
        { { { NULL, NULL } }, JOB_COPY_AUTO },
        { { { "copy", "never" } }, JOB_COPY_NEVER },
        { { { "copy", "never" }, { "copy", "auto" } }, JOB_COPY_AUTO },
        { { { "preset", "standard" } }, JOB_COPY_NEVER },
        { { { "mode", "vbr" } }, JOB_COPY_NEVER },
        { { { "bitrate", "128" } }, JOB_COPY_NEVER },
        { { { "quality", "2" } }, JOB_COPY_NEVER },
        { { { "sample_rate", "44100" } }, JOB_COPY_NEVER },
        { { { "sample_rate", "0" } }, JOB_COPY_AUTO },
        { { { "channels", "1" } }, JOB_COPY_NEVER },
        { { { "channels", "0" } }, JOB_COPY_AUTO },
        { { { "bitrate", "128" }, { "copy", "auto" } }, JOB_COPY_AUTO },
        { { { "copy", "auto" }, { "bitrate", "128" } }, JOB_COPY_AUTO },
        { { { "start", "1" }, { "end", "2" } }, JOB_COPY_AUTO },
        { { { "track", "1" }, { "chapters", "split" }, { "cover", "none" } }, JOB_COPY_AUTO },
        { { { "loudness", "tag" }, { "id3", "2.3" } }, JOB_COPY_AUTO },
        { { { "loudness", "normalize" } }, JOB_COPY_NEVER },
        { { { "loudness", "normalize" }, { "loudness", "off" } }, JOB_COPY_AUTO },
        { { { "trim_silence", "on" } }, JOB_COPY_NEVER },
        { { { "fade_in", "1" } }, JOB_COPY_NEVER },
        { { { "fade_out", "0.001" } }, JOB_COPY_NEVER },
        { { { "fade_out", "0" } }, JOB_COPY_AUTO },
        { { { "copy", "auto" }, { "fade_in", "1" } }, JOB_COPY_NEVER },
        { { { "copy", "auto" }, { "fade_in", "1" }, { "fade_in", "0" } }, JOB_COPY_AUTO },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct job_options o;
        job_options_default(&o);
        for (size_t k = 0; k < 3 && rows[i].sets[k][0] != NULL; k++) {
            assert_err(OK, job_options_set(&o, rows[i].sets[k][0], rows[i].sets[k][1], NULL));
        }
        if (o.copy != rows[i].copy) {
            fail_msg("row %zu: copy is %d", i, (int)o.copy);
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
        { O(JOB_MODE_CBR, 192, 2, 0, 0), OK },
        { O(JOB_MODE_CBR, 8, 2, 0, 0), OK },
        { O(JOB_MODE_CBR, 144, 2, 0, 0), OK },
        { O(JOB_MODE_CBR, 100, 2, 0, 0), ERR_INVALID },
        { O(JOB_MODE_ABR, 100, 2, 0, 0), OK },
        { O(JOB_MODE_CBR, 320, 2, 44100, 0), OK },
        { O(JOB_MODE_CBR, 32, 2, 48000, 0), OK },
        { O(JOB_MODE_CBR, 24, 2, 32000, 0), ERR_INVALID },
        { O(JOB_MODE_CBR, 144, 2, 44100, 0), ERR_INVALID },
        { O(JOB_MODE_CBR, 192, 2, 24000, 0), ERR_INVALID },
        { O(JOB_MODE_CBR, 160, 2, 22050, 0), OK },
        { O(JOB_MODE_CBR, 8, 2, 16000, 0), OK },
        { O(JOB_MODE_CBR, 64, 2, 8000, 0), OK },
        { O(JOB_MODE_CBR, 80, 2, 12000, 0), ERR_INVALID },
        { O(JOB_MODE_ABR, 31, 2, 44100, 0), ERR_INVALID },
        { O(JOB_MODE_ABR, 161, 2, 22050, 0), ERR_INVALID },
        { O(JOB_MODE_ABR, 65, 2, 11025, 0), ERR_INVALID },
        { O(JOB_MODE_VBR, 192, 9, 8000, 1), OK },
        { O((enum job_mode)7, 192, 2, 0, 0), ERR_INVALID },
        { O(JOB_MODE_VBR, 192, -1, 0, 0), ERR_INVALID },
        { O(JOB_MODE_VBR, 0, 2, 0, 0), ERR_INVALID },
        { O(JOB_MODE_VBR, 192, 2, 1, 0), ERR_INVALID },
        { O(JOB_MODE_VBR, 192, 2, 0, 6), ERR_INVALID },
        { { .mode = JOB_MODE_VBR, STANDARD, .start_ms = 1000, .end_ms = 1001 }, OK },
        { { .mode = JOB_MODE_VBR, STANDARD, .start_ms = 1000, .end_ms = 1000 }, ERR_INVALID },
        { { .mode = JOB_MODE_VBR, STANDARD, .start_ms = -1 }, ERR_INVALID },
        { { .mode = JOB_MODE_VBR, STANDARD, .fade_out_ms = 30001 }, ERR_INVALID },
        { { .mode = JOB_MODE_VBR, STANDARD, .track = "x y" }, ERR_INVALID },
        { { .mode = JOB_MODE_VBR, STANDARD, .preset = (enum job_preset)4 }, ERR_INVALID },
        { V(.loudness = (enum job_loudness)3), ERR_INVALID },
        { TARGET(-7001), ERR_INVALID },
        { TARGET(-499), ERR_INVALID },
        { V(.trim_silence = 2), ERR_INVALID },
        { V(.chapters = (enum job_chapters)3), ERR_INVALID },
        { V(.cover = (enum job_cover)4), ERR_INVALID },
        { V(.cover = JOB_COVER_FRAME, .cover_at_ms = -1), ERR_INVALID },
        { V(.cover = JOB_COVER_FRAME, .cover_at_ms = 3600000000), OK },
        { V(.cover = JOB_COVER_FRAME, .cover_at_ms = 3600000001), ERR_INVALID },
        { V(.cover_at_ms = 1), ERR_INVALID },
        { V(.id3 = (enum job_id3)2), ERR_INVALID },
        { V(.copy = (enum job_copy)2), ERR_INVALID },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct error e;
        if (job_options_check(&rows[i].o, &e) != rows[i].expected) {
            fail_msg("row %zu: expected %s", i, err_name(rows[i].expected));
        }
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
    struct job_options o = {
        .mode = JOB_MODE_CBR, .bitrate_kbps = 8, .start_ms = 5, .track = "deu"
    };
    assert_int_equal(count, 18);
    for (size_t i = 0; i < count; i++) {
        assert_err(OK, job_options_set(&o, table[i].name, table[i].default_value, NULL));
        assert_true(strlen(table[i].help) > 0);
        assert_true(strlen(table[i].values) > 0);
    }
    o.given = 0;
    assert_memory_equal(&o, &wanted, sizeof(o));
    assert_err(OK, job_options_check(&o, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set),  cmocka_unit_test(test_check), cmocka_unit_test(test_table),
        cmocka_unit_test(test_copy), cmocka_unit_test(test_times), cmocka_unit_test(test_presets),
    };
    return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
