#include "metadata.h"

#include <libavutil/avstring.h>
#include <stdio.h>
#include <string.h>

#include "core/text.h"

#include "core/banned.h"

#define NAMES_MAX 6
#define PRIMING_MAX_MS 100
/* No clock of a file's goes farther: a thousand hours. */
#define MAX_MS ((int64_t)1000 * 3600 * 1000)

/* What containers call it besides; libavformat has made most of them alike. */
static const char *const names[JOB_TAG_COUNT][NAMES_MAX] = {
    [JOB_TAG_TITLE] = { "title" },
    [JOB_TAG_ARTIST] = { "artist", "performer", "author", "lead_performer" },
    [JOB_TAG_ALBUM] = { "album" },
    [JOB_TAG_ALBUM_ARTIST] = { "album_artist", "albumartist", "album-artist", "album artist",
                               "band" },
    [JOB_TAG_COMPOSER] = { "composer" },
    [JOB_TAG_GENRE] = { "genre" },
    [JOB_TAG_DATE] = { "date", "year", "date_released", "date_recorded" },
    [JOB_TAG_TRACK] = { "track", "tracknumber", "track_number", "part_number" },
    [JOB_TAG_DISC] = { "disc", "discnumber", "disc_number" },
    [JOB_TAG_COMMENT] = { "comment", "description" },
    [JOB_TAG_COPYRIGHT] = { "copyright" },
};
static const char *const track_totals[NAMES_MAX] = { "tracktotal", "totaltracks", "track_total",
                                                     "total_parts" };
static const char *const disc_totals[NAMES_MAX] = { "disctotal", "totaldiscs", "disc_total" };

static bool is_space(uint32_t code)
{
    return code == ' ' || code == '\t' || code == '\n' || code == '\r';
}

static bool is_control(uint32_t code)
{
    return code < 0x20 || (code >= 0x7F && code < 0xA0);
}

/* One line without control characters, and with U+FFFD for bytes that are no UTF-8. */
static void copy_clean(char *dst, size_t size, const char *src)
{
    size_t left = strlen(src);
    size_t len = 0;
    while (left > 0) {
        uint32_t code = 0;
        size_t read = text_utf8_next(src, left, &code);
        const char *bytes = read == 0 ? "\xEF\xBF\xBD" : is_space(code) ? " " : src;
        size_t count = read == 0 ? 3 : is_space(code) ? 1 : read;
        read = read == 0 ? 1 : read;
        bool is_dropped = bytes == src && is_control(code);
        is_dropped = is_dropped || (len == 0 && bytes[0] == ' ');
        if (!is_dropped && len + count >= size) {
            break;
        }
        if (!is_dropped) {
            memcpy(dst + len, bytes, count);
            len += count;
        }
        src += read;
        left -= read;
    }
    while (len > 0 && dst[len - 1] == ' ') {
        len--;
    }
    dst[len] = '\0';
}

/* The first of the names that has a value. */
static void find(const AVDictionary *dictionary, const char *const wanted[NAMES_MAX],
                 char dst[JOB_TAG_TEXT_SIZE])
{
    dst[0] = '\0';
    for (size_t i = 0; i < NAMES_MAX && wanted[i] != NULL && dst[0] == '\0'; i++) {
        const AVDictionaryEntry *entry = av_dict_get(dictionary, wanted[i], NULL, 0);
        if (entry != NULL) {
            copy_clean(dst, JOB_TAG_TEXT_SIZE, entry->value);
        }
    }
}

/* "3" of a total of 12 is "3/12". */
static void add_total(const AVDictionary *dictionary, const char *const wanted[NAMES_MAX],
                      char text[JOB_TAG_TEXT_SIZE])
{
    char total[JOB_TAG_TEXT_SIZE];
    char whole[2 * JOB_TAG_TEXT_SIZE];
    find(dictionary, wanted, total);
    if (text[0] != '\0' && total[0] != '\0' && strchr(text, '/') == NULL) {
        (void)snprintf(whole, sizeof(whole), "%s/%s", text, total);
        (void)text_copy(text, JOB_TAG_TEXT_SIZE, whole);
    }
}

static void read_tags(const AVDictionary *dictionary, bool has_title, struct job_tags *tags)
{
    for (size_t i = 0; i < JOB_TAG_COUNT; i++) {
        if ((tags->given & 1U << i) != 0 || (i == JOB_TAG_TITLE && !has_title)) {
            continue;
        }
        find(dictionary, names[i], tags->texts[i]);
        if (i == JOB_TAG_TRACK || i == JOB_TAG_DISC) {
            add_total(dictionary, i == JOB_TAG_TRACK ? track_totals : disc_totals, tags->texts[i]);
        }
        tags->given |= tags->texts[i][0] == '\0' ? 0 : 1U << i;
    }
}

static const char *entry_of(const AVStream *stream, const char *name)
{
    const AVDictionaryEntry *entry = av_dict_get(stream->metadata, name, NULL, 0);
    return entry == NULL ? "" : entry->value;
}

/* The front cover by ID3's and FLAC's kind, or by Matroska's name of the file; else the first. */
static void find_picture(const AVFormatContext *container, struct metadata *m)
{
    bool is_front = false;
    for (unsigned i = 0; i < container->nb_streams && !is_front; i++) {
        const AVStream *stream = container->streams[i];
        const AVPacket *picture = &stream->attached_pic;
        if ((stream->disposition & AV_DISPOSITION_ATTACHED_PIC) == 0 || picture->data == NULL ||
            picture->size <= 0 || id3_picture_type(picture->data, (size_t)picture->size) == NULL) {
            continue;
        }
        is_front = av_strcasecmp(entry_of(stream, "comment"), "Cover (front)") == 0 ||
                   av_strncasecmp(entry_of(stream, "filename"), "cover.", 6) == 0;
        if (m->picture == NULL || is_front) {
            m->picture = picture->data;
            m->picture_len = (size_t)picture->size;
        }
    }
}

/* -1: it is not said. Times are the file's word: they may be anything. */
static int64_t to_ms(int64_t time, AVRational base)
{
    if (time == AV_NOPTS_VALUE || base.num <= 0 || base.den <= 0) {
        return -1;
    }
    int64_t ms = av_rescale_q(time, base, (AVRational){ 1, 1000 });
    return ms < -MAX_MS ? -MAX_MS : ms > MAX_MS ? MAX_MS : ms;
}

/* The sound's first sample is where the MP3's clock starts. What the decoder leaves out at the
 * start shows as a start of some ms too, but is no part of any clock. */
static int64_t sound_start_ms(const AVStream *sound)
{
    int64_t ms = to_ms(sound->start_time, sound->time_base);
    return ms > PRIMING_MAX_MS ? ms : 0;
}

static int by_start(const void *a, const void *b)
{
    const AVChapter *one = *(const AVChapter *const *)a;
    const AVChapter *two = *(const AVChapter *const *)b;
    int64_t one_ms = to_ms(one->start, one->time_base);
    int64_t two_ms = to_ms(two->start, two->time_base);
    return one_ms != two_ms    ? (one_ms < two_ms ? -1 : 1)
           : one->id < two->id ? -1
                               : one->id > two->id;
}

/* Where `chapter` ends: at the next one's start at the latest. */
static int64_t end_of(const AVChapter *chapter, const AVChapter *next)
{
    int64_t start_ms = to_ms(chapter->start, chapter->time_base);
    int64_t end_ms = to_ms(chapter->end, chapter->time_base);
    int64_t next_ms = next == NULL ? ID3_OPEN_END : to_ms(next->start, next->time_base);
    return end_ms <= start_ms || end_ms > next_ms ? next_ms : end_ms;
}

static void read_chapters(const AVFormatContext *container, int64_t shift_ms, struct metadata *m)
{
    size_t count = container->nb_chapters;
    AUTO(mem_free) AVChapter **sorted = xcalloc(count + 1, sizeof(AVChapter *));
    for (size_t i = 0; i < count; i++) {
        sorted[i] = container->chapters[i];
    }
    qsort(sorted, count, sizeof(AVChapter *), by_start);
    for (size_t i = 0; i < count && m->chapter_count < ID3_CHAPTERS_MAX; i++) {
        struct id3_chapter *chapter = &m->chapters[m->chapter_count];
        int64_t start_ms = to_ms(sorted[i]->start, sorted[i]->time_base) - shift_ms;
        int64_t end_ms = end_of(sorted[i], sorted[i + 1]);
        const AVDictionaryEntry *title = av_dict_get(sorted[i]->metadata, "title", NULL, 0);
        chapter->start_ms = start_ms < 0 ? 0 : start_ms;
        chapter->end_ms = end_ms == ID3_OPEN_END ? end_ms : end_ms - shift_ms;
        if (chapter->end_ms > chapter->start_ms) {
            copy_clean(chapter->title, sizeof(chapter->title), title == NULL ? "" : title->value);
            m->chapter_count++;
        }
    }
}

void metadata_read(const AVFormatContext *container, const AVStream *sound,
                   struct metadata *ret_metadata)
{
    /* Ogg has its tags in the stream; elsewhere a stream's title is the name of the track. */
    bool has_title = strcmp(container->iformat->name, "ogg") == 0;
    memset(ret_metadata, 0, sizeof(*ret_metadata));
    read_tags(container->metadata, true, &ret_metadata->tags);
    read_tags(sound->metadata, has_title, &ret_metadata->tags);
    find_picture(container, ret_metadata);
    read_chapters(container, sound_start_ms(sound), ret_metadata);
}

void metadata_describe(const struct metadata *m, struct job_input *input)
{
    input->chapter_count = 0;
    for (size_t i = 0; i < m->chapter_count && i < JOB_CHAPTERS_MAX; i++) {
        struct job_chapter *chapter = &input->chapters[input->chapter_count++];
        chapter->start_ms = m->chapters[i].start_ms;
        chapter->end_ms = m->chapters[i].end_ms;
        if (chapter->end_ms == ID3_OPEN_END) {
            int64_t duration_ms = (int64_t)(input->duration_s * 1e3);
            chapter->end_ms = duration_ms > chapter->start_ms ? duration_ms : chapter->start_ms;
        }
        (void)text_copy(chapter->title, sizeof(chapter->title), m->chapters[i].title);
    }
}

void metadata_merge(const struct job_tags *source, const struct job_tags *wanted,
                    struct job_tags *ret_tags)
{
    struct job_tags tags = { .given = source->given | wanted->given };
    for (size_t i = 0; i < JOB_TAG_COUNT; i++) {
        bool is_given = (wanted->given & 1U << i) != 0;
        memcpy(tags.texts[i], is_given ? wanted->texts[i] : source->texts[i], JOB_TAG_TEXT_SIZE);
    }
    *ret_tags = tags;
}

void metadata_name_chapter(struct job_tags *tags, const struct job_tags *wanted,
                           const struct id3_chapter *chapter, int number, int count)
{
    char *album = tags->texts[JOB_TAG_ALBUM];
    char *title = tags->texts[JOB_TAG_TITLE];
    if (album[0] == '\0' && (wanted->given & 1U << JOB_TAG_ALBUM) == 0) {
        memcpy(album, title, JOB_TAG_TEXT_SIZE);
    }
    if (chapter->title[0] != '\0') {
        memcpy(title, chapter->title, JOB_TAG_TEXT_SIZE);
    }
    if ((wanted->given & 1U << JOB_TAG_TRACK) == 0) {
        (void)snprintf(tags->texts[JOB_TAG_TRACK], JOB_TAG_TEXT_SIZE, "%d/%d", number, count);
    }
}

size_t metadata_clip(const struct metadata *m, int64_t start_ms, int64_t end_ms,
                     struct id3_chapter ret_chapters[ID3_CHAPTERS_MAX])
{
    size_t count = 0;
    for (size_t i = 0; i < m->chapter_count; i++) {
        struct id3_chapter chapter = m->chapters[i];
        if (end_ms != 0 && chapter.end_ms > end_ms) {
            chapter.end_ms = end_ms;
        }
        if (chapter.end_ms != ID3_OPEN_END) {
            chapter.end_ms -= start_ms;
        }
        chapter.start_ms = chapter.start_ms > start_ms ? chapter.start_ms - start_ms : 0;
        if (chapter.end_ms > chapter.start_ms) {
            ret_chapters[count++] = chapter;
        }
    }
    return count;
}
