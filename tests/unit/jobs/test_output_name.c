/* What the MP3s of a job are called. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "core/attr.h"
#include "core/text.h"
#include "jobs/job.h"

/* Two chapters, and one of them has a title. */
static void fill(struct job *j, const char *filename)
{
    job_init(j, "ann@example.org");
    (void)text_copy(j->filename, sizeof(j->filename), filename);
    j->input.chapter_count = 2;
    (void)text_copy(j->input.chapters[0].title, JOB_TITLE_SIZE, "One/1");
}

static void test_output_names(void **state)
{
    (void)state;

    static const struct {
        const char *filename;
        int chapters[3]; /* of the outputs */
        int index;
        const char *name;
    } rows[] = {
        { "clip.mov", { 0 }, 0, "clip.mp3" },
        { "a.b.mkv", { 0 }, 0, "a.b.mp3" },
        { "clip", { 0 }, 0, "clip.mp3" },
        { ".hidden", { 0 }, 0, ".hidden.mp3" },
        { "Lecture, Vol. 1", { 0 }, 0, "Lecture, Vol. 1.mp3" },
        { "Dr. Who", { 0 }, 0, "Dr. Who.mp3" },
        { "end.", { 0 }, 0, "end..mp3" },
        { "", { 0 }, 0, "upload.mp3" },
        { "\xe6\xbc\xa2\xe5\xad\x97.m4a", { 0 }, 0, "\xe6\xbc\xa2\xe5\xad\x97.mp3" },
        { "clip.mov", { 0, 0, 0 }, 1, "clip-2.mp3" },
        { "clip.mov", { 0, 0, 0 }, 2, "clip-3.mp3" },
        { "clip.mov", { 1, 2, 3 }, 0, "clip - 01 One-1.mp3" },
        { "clip.mov", { 1, 2, 3 }, 1, "clip - 02.mp3" },
        { "clip.mov", { 1, 2, 3 }, 2, "clip - 03.mp3" },
        { "clip.mov", { 1, 2, 1 }, 2, "clip - 01 One-1-2.mp3" },
        { "clip.mov", { 1, 2, 0 }, 2, "clip.mp3" },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct job j;
        char name[JOB_OUTPUT_NAME_SIZE];
        fill(&j, rows[i].filename);
        j.output_count = 3;
        for (int k = 0; k < 3; k++) {
            j.outputs[k].chapter = rows[i].chapters[k];
        }
        job_output_name(&j, rows[i].index, name);
        assert_string_equal(name, rows[i].name);
    }
    struct job j;
    char name[JOB_OUTPUT_NAME_SIZE];
    fill(&j, "");
    memset(j.filename, 'x', sizeof(j.filename) - 1);
    memset(j.input.chapters[0].title, '\n', sizeof(j.input.chapters[0].title) - 1);
    j.outputs[0].chapter = 1;
    job_output_name(&j, 0, name);
    assert_null(strchr(name, '\n'));
    assert_string_equal(name + strlen(name) - 4, ".mp3");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_output_names),
    };
    return cmocka_run_group_tests_name("output names", tests, NULL, NULL);
}
