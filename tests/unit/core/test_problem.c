#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/mem.h"
#include "core/problem.h"

static void test_catalogue(void **state)
{
    char type[PROBLEM_TYPE_SIZE];

    (void)state;
    for (int p = PROBLEM_NONE + 1; p < PROBLEM_MAX; p++) {
        const struct problem_info *info = problem_info((enum problem)p);
        assert_non_null(info->slug);
        assert_non_null(info->title);
        assert_in_range(info->status, 400, 503);
        assert_true(strspn(info->slug, "abcdefghijklmnopqrstuvwxyz-") == strlen(info->slug));
        assert_int_equal(problem_from_type(info->slug), p);
        assert_int_equal(problem_from_type(problem_type(type, (enum problem)p)), p);
    }
    assert_string_equal(problem_type(type, PROBLEM_NO_AUDIO), "urn:unreel:problem:no-audio-stream");
    assert_int_equal(problem_from_type("urn:unreel:problem:"), PROBLEM_NONE);
    assert_int_equal(problem_from_type("none"), PROBLEM_NONE);
    assert_int_equal(problem_from_type("nonsense"), PROBLEM_NONE);
}

static void test_every_error_has_a_problem(void **state)
{
    (void)state;
    for (int code = OK + 1; code < ERR_MAX; code++) {
        assert_int_not_equal(problem_from_err((enum err)code), PROBLEM_NONE);
    }
    assert_int_equal(problem_from_err(OK), PROBLEM_NONE);
    assert_int_equal(problem_from_err(ERR_NOT_FOUND), PROBLEM_NOT_FOUND);
    assert_int_equal(problem_from_err(ERR_BUSY), PROBLEM_UNAVAILABLE);
    assert_int_equal(problem_from_err(ERR_FAULT), PROBLEM_INTERNAL);
    assert_int_equal(problem_from_err(ERR_MAX), PROBLEM_INTERNAL);
}

static char *read_file(const char *path)
{
    char block[4096];
    struct buf b;
    FILE *file = fopen(path, "re");

    assert_non_null(file);
    buf_init(&b, 1 << 20);
    for (size_t got = fread(block, 1, sizeof(block), file); got > 0;
         got = fread(block, 1, sizeof(block), file)) {
        assert_int_equal(buf_append(&b, block, got), OK);
    }
    (void)fclose(file);
    return buf_detach(&b);
}

/* The head of a section; what it means and what to do follow it. */
static char *section_head(const struct problem_info *info)
{
    return xasprintf("\n## %s\n\n- Type: `urn:unreel:problem:%s`\n- Title: %s\n- Status: %d\n"
                     "- Worth trying again: %s\n\n",
                     info->slug, info->slug, info->title, info->status,
                     info->retryable ? "yes" : "no");
}

static void test_the_document_equals_the_table(void **state)
{
    AUTO(mem_free) char *doc = read_file(UNREEL_SOURCE_DIR "/docs/problems.md");
    int section_count = 0;

    (void)state;
    for (const char *at = strstr(doc, "\n## "); at != NULL; at = strstr(at + 1, "\n## ")) {
        section_count++;
    }
    assert_int_equal(section_count, PROBLEM_MAX - 1);
    for (int p = PROBLEM_NONE + 1; p < PROBLEM_MAX; p++) {
        AUTO(mem_free) char *head = section_head(problem_info((enum problem)p));
        const char *found = strstr(doc, head);
        if (found == NULL) {
            fail_msg("docs/problems.md lacks%s", head);
            return; /* fail_msg has left already; the analyser does not know */
        }
        const char *advice = strstr(found, "\nWhat to do: ");
        const char *next = strstr(found + strlen(head), "\n## ");
        assert_non_null(advice);
        assert_true(next == NULL || advice < next);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_catalogue),
        cmocka_unit_test(test_every_error_has_a_problem),
        cmocka_unit_test(test_the_document_equals_the_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
