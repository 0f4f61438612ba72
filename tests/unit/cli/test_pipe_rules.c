/* Which options a pipe is in the way of, and that the answer names them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/mem.h"
#include "pipe_rules.h"

static const struct {
    struct job_options options;
    const char *in, *out; /* a word of the complaint; NULL: allowed */
} rows[] = {
    { { .loudness = JOB_LOUDNESS_OFF }, NULL, NULL },
    { { .loudness = JOB_LOUDNESS_TAG }, NULL, "loudness" },
    { { .loudness = JOB_LOUDNESS_NORMALIZE }, "normalize", NULL },
    { { .trim_silence = 1 }, "silence", NULL },
    { { .chapters = JOB_CHAPTERS_SPLIT }, NULL, "chapter" },
    { { .chapters = JOB_CHAPTERS_NONE }, NULL, NULL },
    { { .cover = JOB_COVER_FRAME }, "picture", NULL },
    { { .cover = JOB_COVER_KEEP, .start_ms = 1000, .fade_out_ms = 500 }, NULL, NULL },
};

static void check(const struct job_options *options, bool in, bool out, const char *word)
{
    struct error e = { 0 };
    enum err err = pipe_rules_check(options, in, out, &e);
    assert_int_equal(err, word == NULL ? OK : ERR_INVALID);
    assert_true(word == NULL || strstr(e.text, word) != NULL);
}

static void test_rules(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        check(&rows[i].options, false, false, NULL);
        check(&rows[i].options, true, false, rows[i].in);
        check(&rows[i].options, false, true, rows[i].out);
        check(&rows[i].options, true, true, rows[i].in != NULL ? rows[i].in : rows[i].out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_rules) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
