#include "head.h"

#include <stdio.h>
#include <string.h>

#include "core/text.h"

#include "core/banned.h"

/* One chapter is a track of an album whose name is the whole's title. */
static void name_chapter(struct job_tags *tags, const struct head_source *source, int number)
{
    const struct id3_chapter *chapter = &source->chapters[number - 1];
    char title[JOB_TAG_TEXT_SIZE];
    (void)snprintf(title, sizeof(title), "%.*s", (int)sizeof(title) - 1,
                   tags->texts[JOB_TAG_TITLE]);
    if (tags->texts[JOB_TAG_ALBUM][0] == '\0') {
        memcpy(tags->texts[JOB_TAG_ALBUM], title, sizeof(title));
    }
    if (chapter->title[0] != '\0') {
        memcpy(tags->texts[JOB_TAG_TITLE], chapter->title, sizeof(chapter->title));
    }
    (void)snprintf(tags->texts[JOB_TAG_TRACK], JOB_TAG_TEXT_SIZE, "%d/%zu", number,
                   source->chapter_count);
}

/* The chapters that lie in the part, on its own clock. */
static size_t clip_chapters(const struct head_source *source, int64_t start_ms, int64_t end_ms,
                            struct id3_chapter *ret_chapters)
{
    size_t count = 0;
    for (size_t i = 0; i < source->chapter_count; i++) {
        struct id3_chapter chapter = source->chapters[i];
        if (end_ms != 0 && chapter.end_ms > end_ms) {
            chapter.end_ms = end_ms;
        }
        if (chapter.start_ms < start_ms) {
            chapter.start_ms = start_ms;
        }
        if (chapter.start_ms < chapter.end_ms) {
            chapter.start_ms -= start_ms;
            chapter.end_ms -= chapter.end_ms == ID3_OPEN_END ? 0 : start_ms;
            ret_chapters[count++] = chapter;
        }
    }
    return count;
}

static bool has_text(const struct job_tags *tags)
{
    for (int i = 0; i < JOB_TAG_COUNT; i++) {
        if (tags->texts[i][0] != '\0') {
            return true;
        }
    }
    return false;
}

struct id3 *head_new(const struct head_source *source, const struct plan_output *output,
                     int64_t start_ms, int64_t end_ms)
{
    const struct job_options *o = output->options;
    struct job_tags tags = *source->tags;
    AUTO(mem_free)
    struct id3_chapter *chapters = xcalloc(source->chapter_count + 1, sizeof(*chapters));
    struct id3_params params = {
        .version = o->id3,
        .tags = &tags,
        .encoder = "Unreel",
        .chapters = chapters,
        .has_replaygain = o->loudness != JOB_LOUDNESS_OFF,
    };
    if (output->chapter > 0) {
        name_chapter(&tags, source, output->chapter);
    } else if (o->chapters == JOB_CHAPTERS_KEEP) {
        params.chapter_count = clip_chapters(source, start_ms, end_ms, chapters);
    }
    if (o->cover != JOB_COVER_NONE) {
        params.picture = source->picture;
        params.picture_len = source->picture_len;
    }
    bool has_content = has_text(&tags) || params.chapter_count > 0 || params.picture != NULL ||
                       params.has_replaygain;
    return has_content ? id3_new(&params) : NULL;
}
