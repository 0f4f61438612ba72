/* What is made of a container's tags and chapters, whatever they are. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <libavutil/mem.h>
#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "engine_child/metadata.h"

static AVFormatContext *make_container(const char *format)
{
    AVFormatContext *container = avformat_alloc_context();
    assert_non_null(container);
    container->iformat = av_find_input_format(format);
    AVStream *stream = avformat_new_stream(container, NULL);
    assert_non_null(stream);
    stream->time_base = (AVRational){ 1, 48000 };
    return container;
}

static struct metadata *read_all(const AVFormatContext *container)
{
    struct metadata *m = xmalloc(sizeof(*m));
    memset(m, 0xFF, sizeof(*m));
    metadata_read(container, container->streams[0], m);
    return m;
}

static const struct {
    const char *key, *value;
    enum job_tag_name name;
    const char *want;
} tag_rows[] = {
    { "title", "A", JOB_TAG_TITLE, "A" },
    { "TITLE", "  A  ", JOB_TAG_TITLE, "A" },
    { "title", "\r\n", JOB_TAG_TITLE, "" },
    { "PERFORMER", "B", JOB_TAG_ARTIST, "B" },
    { "ALBUMARTIST", "C", JOB_TAG_ALBUM_ARTIST, "C" },
    { "album-artist", "C", JOB_TAG_ALBUM_ARTIST, "C" },
    { "year", "1999", JOB_TAG_DATE, "1999" },
    { "TRACKNUMBER", "7", JOB_TAG_TRACK, "7" },
    { "DISCNUMBER", "2", JOB_TAG_DISC, "2" },
    { "description", "D", JOB_TAG_COMMENT, "D" },
    { "comment", "two\r\n lines\tand\x07 a bell", JOB_TAG_COMMENT, "two   lines and a bell" },
    { "comment", "a\x7F\xC2\x85\xC3\xA9", JOB_TAG_COMMENT, "a\xC3\xA9" },
    { "comment", "a\xFF\xC3", JOB_TAG_COMMENT, "a\xEF\xBF\xBD\xEF\xBF\xBD" },
    { "comment", "\xED\xA0\x80", JOB_TAG_COMMENT, "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD" },
};

static void test_tags(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(tag_rows); i++) {
        AVFormatContext *container = make_container("mp4");
        (void)av_dict_set(&container->metadata, tag_rows[i].key, tag_rows[i].value, 0);
        AUTO(mem_free) struct metadata *m = read_all(container);
        assert_string_equal(m->tags.texts[tag_rows[i].name], tag_rows[i].want);
        assert_int_equal(m->tags.given, tag_rows[i].want[0] == '\0' ? 0 : 1U << tag_rows[i].name);
        assert_null(m->picture);
        avformat_free_context(container);
    }
}

static void test_totals(void **state)
{
    (void)state;
    AVFormatContext *container = make_container("mp4");
    (void)av_dict_set(&container->metadata, "track", "3", 0);
    (void)av_dict_set(&container->metadata, "TRACKTOTAL", "12", 0);
    (void)av_dict_set(&container->metadata, "disc", "1/2", 0);
    (void)av_dict_set(&container->metadata, "disctotal", "4", 0);
    AUTO(mem_free) struct metadata *m = read_all(container);
    assert_string_equal(m->tags.texts[JOB_TAG_TRACK], "3/12");
    assert_string_equal(m->tags.texts[JOB_TAG_DISC], "1/2");
    avformat_free_context(container);
}

/* Cut to what fits, between two characters. */
static void test_long_tag(void **state)
{
    (void)state;
    char text[600] = "x";
    for (size_t i = 1; i + 2 < sizeof(text); i += 2) {
        memcpy(text + i, "\xC3\xA9", 3);
    }
    AVFormatContext *container = make_container("mp4");
    (void)av_dict_set(&container->metadata, "title", text, 0);
    AUTO(mem_free) struct metadata *m = read_all(container);
    assert_int_equal(strlen(m->tags.texts[JOB_TAG_TITLE]), 255);
    (void)av_dict_set(&container->metadata, "title", text + 1, 0);
    metadata_read(container, container->streams[0], m);
    assert_int_equal(strlen(m->tags.texts[JOB_TAG_TITLE]), 254);
    avformat_free_context(container);
}

/* The container's come first; a stream's title names the track, but in Ogg. */
static void test_stream_tags(void **state)
{
    (void)state;
    static const char *const formats[] = { "matroska", "ogg" };
    for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
        AVFormatContext *container = make_container(formats[i]);
        (void)av_dict_set(&container->metadata, "artist", "whole", 0);
        (void)av_dict_set(&container->streams[0]->metadata, "artist", "track", 0);
        (void)av_dict_set(&container->streams[0]->metadata, "title", "Stereo", 0);
        (void)av_dict_set(&container->streams[0]->metadata, "genre", "Talk", 0);
        AUTO(mem_free) struct metadata *m = read_all(container);
        assert_string_equal(m->tags.texts[JOB_TAG_ARTIST], "whole");
        assert_string_equal(m->tags.texts[JOB_TAG_GENRE], "Talk");
        assert_string_equal(m->tags.texts[JOB_TAG_TITLE], i == 0 ? "" : "Stereo");
        avformat_free_context(container);
    }
}

static void test_merge(void **state)
{
    (void)state;
    struct job_tags source = { .given = 7, .texts = { "t", "a", "b" } };
    struct job_tags wanted = { .given = 1U << JOB_TAG_ARTIST | 1U << JOB_TAG_ALBUM };
    struct job_tags tags;
    memcpy(wanted.texts[JOB_TAG_ARTIST], "mine", 5);
    memcpy(wanted.texts[JOB_TAG_TITLE], "not given", 10);
    metadata_merge(&source, &wanted, &tags);
    assert_string_equal(tags.texts[JOB_TAG_TITLE], "t");
    assert_string_equal(tags.texts[JOB_TAG_ARTIST], "mine");
    assert_string_equal(tags.texts[JOB_TAG_ALBUM], "");
    metadata_name_chapter(&tags, &wanted, &(struct id3_chapter){ 0, 1, "One" }, 1, 3);
    assert_string_equal(tags.texts[JOB_TAG_TITLE], "One");
    assert_string_equal(tags.texts[JOB_TAG_ALBUM], "");
    assert_string_equal(tags.texts[JOB_TAG_TRACK], "1/3");
    wanted.given = 0;
    metadata_merge(&source, &wanted, &tags);
    tags.texts[JOB_TAG_ALBUM][0] = '\0';
    metadata_name_chapter(&tags, &wanted, &(struct id3_chapter){ 0, 1, "" }, 2, 3);
    assert_string_equal(tags.texts[JOB_TAG_TITLE], "t");
    assert_string_equal(tags.texts[JOB_TAG_ALBUM], "t");
}

static void add_chapter(AVFormatContext *container, int64_t start, int64_t end, const char *title)
{
    AVChapter *chapter = av_mallocz(sizeof(*chapter));
    size_t count = container->nb_chapters + 1U;
    container->chapters = av_realloc_array(container->chapters, count, sizeof(AVChapter *));
    assert_true(chapter != NULL && container->chapters != NULL);
    chapter->id = (int64_t)count;
    chapter->time_base = (AVRational){ 1, 100 };
    chapter->start = start;
    chapter->end = end;
    if (title != NULL) {
        (void)av_dict_set(&chapter->metadata, "title", title, 0);
    }
    container->chapters[count - 1] = chapter;
    container->nb_chapters = (unsigned)count;
}

static void check_chapters(const struct id3_chapter *have, size_t have_count,
                           const struct id3_chapter *want, size_t want_count)
{
    assert_int_equal(have_count, want_count);
    for (size_t i = 0; i < want_count; i++) {
        assert_int_equal(have[i].start_ms, want[i].start_ms);
        assert_int_equal(have[i].end_ms, want[i].end_ms);
        assert_string_equal(have[i].title, want[i].title);
    }
}

/* Out of order, overlapping, empty, before the start, without an end. */
static void test_chapters(void **state)
{
    (void)state;
    static const struct id3_chapter want[] = { { 0, 1000, "early" },
                                               { 1000, 2000, "" },
                                               { 2000, 3000, "two" },
                                               { 5000, ID3_OPEN_END, "last" } };
    AVFormatContext *container = make_container("mp4");
    add_chapter(container, 200, 300, "two");
    add_chapter(container, -50, 100, "early");
    add_chapter(container, -500, -100, "never");
    add_chapter(container, 100, 1000000, NULL);
    add_chapter(container, 500, AV_NOPTS_VALUE, "same start");
    add_chapter(container, 500, 400, "last");
    AUTO(mem_free) struct metadata *m = read_all(container);
    check_chapters(m->chapters, m->chapter_count, want, ARRAY_LEN(want));
    struct job_input input = { .duration_s = 6.5 };
    metadata_describe(m, &input);
    assert_int_equal(input.chapter_count, 4);
    assert_int_equal(input.chapters[3].end_ms, 6500);
    assert_string_equal(input.chapters[2].title, "two");
    /* Sound that begins a second late: its clock does too. */
    container->streams[0]->start_time = 48000;
    metadata_read(container, container->streams[0], m);
    assert_int_equal(m->chapter_count, 3);
    assert_int_equal(m->chapters[0].start_ms, 0);
    assert_int_equal(m->chapters[2].start_ms, 4000);
    avformat_free_context(container);
}

static void test_absurd_chapters(void **state)
{
    (void)state;
    AVFormatContext *container = make_container("mp4");
    for (int64_t i = 0; i < 400; i++) {
        add_chapter(container, i, i + 1, "x");
    }
    add_chapter(container, INT64_MAX, INT64_MAX, "x");
    add_chapter(container, INT64_MIN + 1, INT64_MAX, "x");
    AUTO(mem_free) struct metadata *m = read_all(container);
    assert_int_equal(m->chapter_count, ID3_CHAPTERS_MAX);
    struct job_input input = { .duration_s = 1 };
    metadata_describe(m, &input);
    assert_int_equal(input.chapter_count, JOB_CHAPTERS_MAX);
    container->chapters[0]->time_base = (AVRational){ 0, 0 };
    metadata_read(container, container->streams[0], m);
    avformat_free_context(container);
}

static const struct {
    int64_t start_ms, end_ms;
    size_t count;
    struct id3_chapter want[3];
} clips[] = {
    { 0, 0, 3, { { 0, 1000, "a" }, { 1000, 2000, "b" }, { 3000, ID3_OPEN_END, "c" } } },
    { 500, 1500, 2, { { 0, 500, "a" }, { 500, 1000, "b" } } },
    { 1000, 0, 2, { { 0, 1000, "b" }, { 2000, ID3_OPEN_END, "c" } } },
    { 2000, 3000, 0, { { 0, 0, "" } } },
    { 3500, 4000, 1, { { 0, 500, "c" } } },
    { 0, 3000, 2, { { 0, 1000, "a" }, { 1000, 2000, "b" } } },
};

static void test_clip(void **state)
{
    (void)state;
    AUTO(mem_free) struct metadata *m = xcalloc(1, sizeof(*m));
    struct id3_chapter have[ID3_CHAPTERS_MAX];
    m->chapter_count = 3;
    memcpy(m->chapters, clips[0].want, sizeof(clips[0].want));
    for (size_t i = 0; i < ARRAY_LEN(clips); i++) {
        size_t count = metadata_clip(m, clips[i].start_ms, clips[i].end_ms, have);
        check_chapters(have, count, clips[i].want, clips[i].count);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tags),
        cmocka_unit_test(test_totals),
        cmocka_unit_test(test_long_tag),
        cmocka_unit_test(test_stream_tags),
        cmocka_unit_test(test_merge),
        cmocka_unit_test(test_chapters),
        cmocka_unit_test(test_absurd_chapters),
        cmocka_unit_test(test_clip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
