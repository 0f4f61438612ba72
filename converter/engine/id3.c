#include "id3.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "id3_frames.h"

#include "core/banned.h"

#define LANGUAGE "und"
#define TOC_ID "toc"
#define TOC_FLAGS 3 /* top level, in order */
#define FRONT_COVER 3
#define NO_OFFSET UINT32_MAX /* of CHAP: only its times count */
#define MAX_GAIN_DB 99.99
#define MAX_PEAK 99.999999
/* TLEN and both of ReplayGain's at their longest. */
#define DURATION_ROOM 31
#define REPLAYGAIN_ROOM 86
#define TAIL_MAX 32768

struct id3 {
    struct id3_frames frames; /* the tag, its header first */
    size_t tail_at;           /* chapters and what is known last, then zeros */
    size_t tail_len;
    uint8_t *first_tail; /* as it was at first */
    size_t text_left;    /* for the titles of chapters */
    bool has_picture, has_replaygain;
    int64_t duration_ms; /* -1: not known */
    double gain_db, peak;
    bool is_gain_known;
    size_t chapter_count;
    struct id3_chapter chapters[];
};

/* Two headers, the id twice, the numbers and the encoding's byte. */
#define CHAPTER_MAX (20 + 2 * sizeof("chp254") + 16 + 1)
#define TOC_MAX (10 + sizeof(TOC_ID) + 2)
_Static_assert(TOC_MAX + ID3_CHAPTERS_MAX * CHAPTER_MAX + ID3_TEXT_MAX + DURATION_ROOM +
                       REPLAYGAIN_ROOM <
                   TAIL_MAX,
               "id3_patch is bounded");

/* The frame of each text that is written as it is. */
static const char frame_ids[JOB_TAG_COUNT][5] = {
    [JOB_TAG_TITLE] = "TIT2",    [JOB_TAG_ARTIST] = "TPE1",       [JOB_TAG_ALBUM] = "TALB",
    [JOB_TAG_COMPOSER] = "TCOM", [JOB_TAG_ALBUM_ARTIST] = "TPE2", [JOB_TAG_GENRE] = "TCON",
    [JOB_TAG_TRACK] = "TRCK",    [JOB_TAG_DISC] = "TPOS",         [JOB_TAG_COPYRIGHT] = "TCOP",
};

static void put_text_frame(struct id3 *t, const char *id, const char *text)
{
    t->text_left -= id3_put_text_frame(&t->frames, id, text, t->text_left);
}

/* In v2.3 "(17)" means the genre of that number; a parenthesis that is one is doubled. */
static void put_genre(struct id3 *t, const char *text)
{
    char escaped[JOB_TAG_TEXT_SIZE + 1];
    bool is_escaped = t->frames.version == JOB_ID3_V23 && text[0] == '(';
    (void)snprintf(escaped, sizeof(escaped), "%s%s", is_escaped ? "(" : "", text);
    put_text_frame(t, "TCON", escaped);
}

static void put_comment(struct id3 *t, const char *text)
{
    size_t at = id3_frame_begin(&t->frames, "COMM");
    enum id3_encoding encoding = id3_encoding_for(&t->frames, text);
    uint8_t byte = (uint8_t)encoding;
    id3_put(&t->frames, &byte, 1);
    id3_put(&t->frames, LANGUAGE, 3);
    /* Its description is empty. */
    if (encoding == ID3_UTF16) {
        id3_put(&t->frames, "\xFF\xFE\0", 4);
    } else {
        id3_put(&t->frames, "", 1);
    }
    t->text_left -= id3_put_text(&t->frames, encoding, text, t->text_left);
    id3_frame_end(&t->frames, at);
}

/* How many of the pattern's characters the text begins with; 'd' stands for a digit and '?' for
 * anything. */
static size_t match_len(const char *text, const char *pattern)
{
    size_t len = 0;
    while (pattern[len] != '\0' && text[len] != '\0' &&
           (pattern[len] == 'd' ? isdigit((unsigned char)text[len]) != 0
                                : pattern[len] == '?' || text[len] == pattern[len])) {
        len++;
    }
    return len;
}

/* The first number that is a year ("17.05.2024", "May 2024") or a whole date ("20240517"). */
static void find_date(char dst[20], const char *text)
{
    while (*text != '\0') {
        size_t digits = strspn(text, "0123456789");
        if (digits == 4) {
            (void)snprintf(dst, 20, "%.4s", text);
            return;
        }
        if (digits == 8) {
            (void)snprintf(dst, 20, "%.4s-%.2s-%.2s", text, text + 4, text + 6);
            return;
        }
        text += digits == 0 ? 1 : digits;
    }
}

/* As much of "2024-05-17T10:30:00" as the text begins with; ID3 knows no other dates. "": none. */
static void read_date(char dst[20], const char *text)
{
    static const size_t ends[] = { 19, 16, 13, 10, 7, 4 };
    size_t len = match_len(text, "dddd-dd-dd?dd:dd:dd");
    dst[0] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        if (len >= ends[i] && isdigit((unsigned char)text[ends[i]]) == 0) {
            (void)snprintf(dst, 20, "%.*s", (int)ends[i], text);
            if (ends[i] > 10) {
                dst[10] = 'T';
            }
            return;
        }
    }
    find_date(dst, text);
}

static void put_date(struct id3 *t, const char *text)
{
    char date[20];
    char part[5];
    read_date(date, text);
    size_t len = strlen(date);
    if (len == 0) {
        return;
    }
    if (t->frames.version == JOB_ID3_V24) {
        put_text_frame(t, "TDRC", date);
        return;
    }
    (void)snprintf(part, sizeof(part), "%.4s", date);
    put_text_frame(t, "TYER", part);
    if (len >= 10) {
        (void)snprintf(part, sizeof(part), "%.2s%.2s", date + 8, date + 5);
        put_text_frame(t, "TDAT", part);
    }
    if (len >= 16) {
        (void)snprintf(part, sizeof(part), "%.2s%.2s", date + 11, date + 14);
        put_text_frame(t, "TIME", part);
    }
}

static void put_tags(struct id3 *t, const struct job_tags *tags)
{
    for (size_t i = 0; i < JOB_TAG_COUNT; i++) {
        const char *text = tags->texts[i];
        if (text[0] == '\0') {
            continue;
        }
        if (i == JOB_TAG_GENRE) {
            put_genre(t, text);
        } else if (i == JOB_TAG_DATE) {
            put_date(t, text);
        } else if (i == JOB_TAG_COMMENT) {
            put_comment(t, text);
        } else {
            put_text_frame(t, frame_ids[i], text);
        }
    }
}

const char *id3_picture_type(const uint8_t *picture, size_t len)
{
    if (len >= 3 && memcmp(picture, "\xFF\xD8\xFF", 3) == 0) {
        return "image/jpeg";
    }
    return len >= 8 && memcmp(picture, "\x89PNG\r\n\x1A\n", 8) == 0 ? "image/png" : NULL;
}

static void put_picture(struct id3 *t, const uint8_t *picture, size_t len)
{
    static const uint8_t front_cover[] = { FRONT_COVER, 0 }; /* and no description */
    const char *type = picture == NULL ? NULL : id3_picture_type(picture, len);
    if (type == NULL || len > ID3_PICTURE_MAX) {
        return;
    }
    size_t at = id3_frame_begin(&t->frames, "APIC");
    id3_put(&t->frames, "", 1);
    id3_put_string(&t->frames, type);
    id3_put(&t->frames, front_cover, sizeof(front_cover));
    id3_put(&t->frames, picture, len);
    id3_frame_end(&t->frames, at);
    t->has_picture = true;
}

static uint32_t clamp_ms(int64_t ms)
{
    return ms < 0 ? 0 : ms > UINT32_MAX ? UINT32_MAX : (uint32_t)ms;
}

static bool is_in_sound(const struct id3 *t, const struct id3_chapter *chapter)
{
    return t->duration_ms < 0 || chapter->start_ms < t->duration_ms;
}

static void put_chapter_id(struct id3 *t, size_t number)
{
    char id[sizeof("chp") + 20];
    (void)snprintf(id, sizeof(id), "chp%zu", number);
    id3_put_string(&t->frames, id);
}

/* Returns the title's bytes. */
static size_t put_chapter(struct id3 *t, const struct id3_chapter *chapter, size_t number,
                          size_t title_limit)
{
    size_t title_len = 0;
    int64_t end_ms = chapter->end_ms;
    if (t->duration_ms >= 0 && end_ms > t->duration_ms) {
        end_ms = t->duration_ms;
    }
    size_t at = id3_frame_begin(&t->frames, "CHAP");
    put_chapter_id(t, number);
    id3_put_u32(&t->frames, clamp_ms(chapter->start_ms));
    id3_put_u32(&t->frames, clamp_ms(end_ms));
    id3_put_u32(&t->frames, NO_OFFSET);
    id3_put_u32(&t->frames, NO_OFFSET);
    if (chapter->title[0] != '\0') {
        title_len = id3_put_text_frame(&t->frames, "TIT2", chapter->title, title_limit);
    }
    id3_frame_end(&t->frames, at);
    return title_len;
}

/* What a title does not need is left to those after it. */
static void put_chapters(struct id3 *t)
{
    size_t count = 0;
    while (count < t->chapter_count && is_in_sound(t, &t->chapters[count])) {
        count++;
    }
    if (count == 0) {
        return;
    }
    const uint8_t flags_and_count[] = { TOC_FLAGS, (uint8_t)count };
    size_t at = id3_frame_begin(&t->frames, "CTOC");
    id3_put_string(&t->frames, TOC_ID);
    id3_put(&t->frames, flags_and_count, sizeof(flags_and_count));
    for (size_t i = 0; i < count; i++) {
        put_chapter_id(t, i);
    }
    id3_frame_end(&t->frames, at);
    size_t left = t->text_left;
    for (size_t i = 0; i < count; i++) {
        left -= put_chapter(t, &t->chapters[i], i, left / (t->chapter_count - i));
    }
}

/* The user's own text frame: one of a description and a value, both ASCII. */
static void put_user_text(struct id3 *t, const char *description, const char *value)
{
    size_t at = id3_frame_begin(&t->frames, "TXXX");
    id3_put(&t->frames, "", 1);
    id3_put_string(&t->frames, description);
    id3_put(&t->frames, value, strlen(value));
    id3_frame_end(&t->frames, at);
}

static void put_duration(struct id3 *t)
{
    char text[24];
    if (t->duration_ms >= 0) {
        (void)snprintf(text, sizeof(text), "%" PRId64, t->duration_ms);
        (void)id3_put_text_frame(&t->frames, "TLEN", text, sizeof(text));
    }
}

static void put_replaygain(struct id3 *t)
{
    char text[32];
    if (t->is_gain_known) {
        (void)snprintf(text, sizeof(text), "%.2f dB", t->gain_db);
        put_user_text(t, "REPLAYGAIN_TRACK_GAIN", text);
        (void)snprintf(text, sizeof(text), "%.6f", t->peak);
        put_user_text(t, "REPLAYGAIN_TRACK_PEAK", text);
    }
}

/* Behind the frames are zeros, which is padding. */
static void put_tail(struct id3 *t)
{
    t->frames.len = t->tail_at;
    put_chapters(t);
    put_duration(t);
    put_replaygain(t);
    size_t end = t->tail_at + t->tail_len;
    memset(t->frames.bytes + t->frames.len, 0, end - t->frames.len);
    t->frames.len = end;
}

/* As long as the tail can get: later there are fewer chapters, but never more. */
static void make_tail(struct id3 *t)
{
    static const uint8_t room[DURATION_ROOM + REPLAYGAIN_ROOM];
    t->tail_at = t->frames.len;
    put_chapters(t);
    id3_put(&t->frames, room, DURATION_ROOM + (t->has_replaygain ? REPLAYGAIN_ROOM : 0));
    t->tail_len = t->frames.len - t->tail_at;
    t->first_tail = xmalloc(t->tail_len);
    memcpy(t->first_tail, t->frames.bytes + t->tail_at, t->tail_len);
}

struct id3 *id3_new(const struct id3_params *p)
{
    static const uint8_t header[ID3_HEADER_SIZE];
    size_t count = p->chapter_count < ID3_CHAPTERS_MAX ? p->chapter_count : ID3_CHAPTERS_MAX;
    struct id3 *t = xcalloc(1, sizeof(*t) + count * sizeof(t->chapters[0]));
    t->frames.version = p->version;
    t->text_left = ID3_TEXT_MAX;
    t->duration_ms = -1;
    t->has_replaygain = p->has_replaygain;
    t->chapter_count = count;
    if (count > 0) {
        memcpy(t->chapters, p->chapters, count * sizeof(t->chapters[0]));
    }
    id3_put(&t->frames, header, sizeof(header));
    put_tags(t, p->tags);
    if (p->encoder != NULL) {
        put_text_frame(t, "TSSE", p->encoder);
    }
    put_picture(t, p->picture, p->picture_len);
    make_tail(t);
    id3_write_header(t->frames.bytes, p->version, t->frames.len - ID3_HEADER_SIZE);
    return t;
}

void id3_free(struct id3 *t)
{
    if (t != NULL) {
        id3_frames_release(&t->frames);
        free(t->first_tail);
        free(t);
    }
}

bool id3_has_picture(const struct id3 *t)
{
    return t->has_picture;
}

const uint8_t *id3_bytes(const struct id3 *t, size_t *ret_len)
{
    *ret_len = t->frames.len;
    return t->frames.bytes;
}

static double clamp(double value, double min, double max)
{
    return value < min ? min : value > max ? max : value;
}

void id3_set_replaygain(struct id3 *t, double gain_db, double peak)
{
    if (!t->has_replaygain || !isfinite(gain_db) || !isfinite(peak)) {
        return;
    }
    /* Adding 0 makes -0 positive. */
    t->gain_db = clamp(round(gain_db * 100) / 100, -MAX_GAIN_DB, MAX_GAIN_DB) + 0.0;
    t->peak = clamp(peak, 0, MAX_PEAK);
    t->is_gain_known = true;
    put_tail(t);
}

void id3_set_duration(struct id3 *t, int64_t duration_ms)
{
    t->duration_ms = duration_ms < 0 ? 0 : duration_ms;
    put_tail(t);
}

const uint8_t *id3_patch(const struct id3 *t, size_t *ret_offset, size_t *ret_len)
{
    const uint8_t *tail = t->frames.bytes + t->tail_at;
    size_t start = 0;
    size_t end = t->tail_len;
    while (start < end && tail[start] == t->first_tail[start]) {
        start++;
    }
    while (end > start && tail[end - 1] == t->first_tail[end - 1]) {
        end--;
    }
    *ret_offset = t->tail_at + start;
    *ret_len = end - start;
    return tail + start;
}
