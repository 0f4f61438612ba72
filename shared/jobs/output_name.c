#include <stdio.h>
#include <string.h>

#include "core/text.h"
#include "jobs/job.h"
#include "core/banned.h"

#define SUFFIX_MAX_BYTES 5

/* Where the suffix begins: a dot and a few letters or digits. NULL without one: "Vol. 1" has none.
 */
static char *find_suffix(char *name)
{
    char *dot = strrchr(name, '.');
    if (dot == NULL || dot == name) {
        return NULL;
    }
    size_t len = strspn(dot + 1, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789");
    return len > 0 && len <= SUFFIX_MAX_BYTES && dot[1 + len] == '\0' ? dot : NULL;
}

/* " - 03 Title"; "" when the output is not one chapter. */
static void chapter_part(char *dst, size_t size, const struct job *j, int chapter)
{
    char title[JOB_TITLE_SIZE] = "";
    dst[0] = '\0';
    if (chapter <= 0) {
        return;
    }
    if (chapter <= j->input.chapter_count && chapter <= JOB_CHAPTERS_MAX) {
        (void)text_copy(title, sizeof(title), j->input.chapters[chapter - 1].title);
    }
    /* A slash in a title is no folder. */
    for (char *c = strpbrk(title, "/\\"); c != NULL; c = strpbrk(c, "/\\")) {
        *c = '-';
    }
    (void)snprintf(dst, size, " - %02d%s%s", chapter, title[0] != '\0' ? " " : "", title);
}

void job_output_name(const struct job *j, int index, char ret_name[JOB_OUTPUT_NAME_SIZE])
{
    char stem[JOB_FILENAME_SIZE];
    char part[JOB_TITLE_SIZE + 16];
    char number[16] = "";
    char name[JOB_OUTPUT_NAME_SIZE];
    int before = 0;
    (void)text_copy(stem, sizeof(stem), j->filename[0] != '\0' ? j->filename : "upload");
    char *suffix = find_suffix(stem);
    if (suffix != NULL) {
        *suffix = '\0';
    }
    for (int i = 0; i < index; i++) {
        before += j->outputs[i].chapter == j->outputs[index].chapter;
    }
    chapter_part(part, sizeof(part), j, j->outputs[index].chapter);
    if (before > 0) {
        (void)snprintf(number, sizeof(number), "-%d", before + 1);
    }
    (void)snprintf(name, sizeof(name), "%s%s%s.mp3", stem, part, number);
    text_clean_filename(ret_name, JOB_OUTPUT_NAME_SIZE, name);
}
