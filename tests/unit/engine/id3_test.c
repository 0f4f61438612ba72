/* The ID3 tag, byte by byte: both versions, texts of every kind, chapters, what is patched. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "engine_child/id3.h"

/* What is left free behind the frames: for TLEN, and for ReplayGain. */
#define DURATION_ROOM 31
#define REPLAYGAIN_ROOM 86

static const uint8_t jpeg[] = { 0xFF, 0xD8, 0xFF, 0xE0, 0, 1, 2, 3 };

struct tags_row {
    enum job_id3 version;
    enum job_tag_name name;
    const char *text;
    const char *frames; /* of the whole tag */
    size_t len;
};

#define FRAMES(text) text, sizeof(text) - 1

static const struct tags_row rows[] = {
    { JOB_ID3_V24, JOB_TAG_TITLE, "Hi", FRAMES("TIT2\0\0\0\3\0\0\0Hi") },
    { JOB_ID3_V23, JOB_TAG_TITLE, "Hi", FRAMES("TIT2\0\0\0\3\0\0\0Hi") },
    { JOB_ID3_V24, JOB_TAG_ARTIST, "\xC3\xA9", FRAMES("TPE1\0\0\0\3\0\0\3\xC3\xA9") },
    { JOB_ID3_V23, JOB_TAG_ARTIST, "\xC3\xA9", FRAMES("TPE1\0\0\0\5\0\0\1\xFF\xFE\xE9\0") },
    { JOB_ID3_V23, JOB_TAG_ALBUM, "a\xF0\x9F\x8E\xB5",
      FRAMES("TALB\0\0\0\x09\0\0\1\xFF\xFE"
             "a\0\x3C\xD8\xB5\xDF") },
    { JOB_ID3_V24, JOB_TAG_ALBUM_ARTIST, "a\xFF", FRAMES("TPE2\0\0\0\5\0\0\3a\xEF\xBF\xBD") },
    { JOB_ID3_V24, JOB_TAG_COMPOSER, "B", FRAMES("TCOM\0\0\0\2\0\0\0B") },
    { JOB_ID3_V24, JOB_TAG_GENRE, "(x", FRAMES("TCON\0\0\0\3\0\0\0(x") },
    { JOB_ID3_V23, JOB_TAG_GENRE, "(x", FRAMES("TCON\0\0\0\4\0\0\0((x") },
    { JOB_ID3_V24, JOB_TAG_TRACK, "3/12",
      FRAMES("TRCK\0\0\0\5\0\0\0"
             "3/12") },
    { JOB_ID3_V24, JOB_TAG_DISC, "1",
      FRAMES("TPOS\0\0\0\2\0\0\0"
             "1") },
    { JOB_ID3_V24, JOB_TAG_COPYRIGHT, "me", FRAMES("TCOP\0\0\0\3\0\0\0me") },
    { JOB_ID3_V24, JOB_TAG_COMMENT, "c", FRAMES("COMM\0\0\0\6\0\0\0und\0c") },
    { JOB_ID3_V24, JOB_TAG_COMMENT, "\xC3\xA9", FRAMES("COMM\0\0\0\7\0\0\3und\0\xC3\xA9") },
    { JOB_ID3_V23, JOB_TAG_COMMENT, "\xC3\xA9",
      FRAMES("COMM\0\0\0\x0C\0\0\1und\xFF\xFE\0\0\xFF\xFE\xE9\0") },
    { JOB_ID3_V24, JOB_TAG_DATE, "2024",
      FRAMES("TDRC\0\0\0\5\0\0\0"
             "2024") },
    { JOB_ID3_V24, JOB_TAG_DATE, "2024-05-17 10:30:59.5Z",
      FRAMES("TDRC\0\0\0\x14\0\0\0"
             "2024-05-17T10:30:59") },
    { JOB_ID3_V24, JOB_TAG_DATE, "2024-05-1",
      FRAMES("TDRC\0\0\0\x08\0\0\0"
             "2024-05") },
    { JOB_ID3_V24, JOB_TAG_DATE, "17.05.2024",
      FRAMES("TDRC\0\0\0\5\0\0\0"
             "2024") },
    { JOB_ID3_V24, JOB_TAG_DATE, "20240517",
      FRAMES("TDRC\0\0\0\x0B\0\0\0"
             "2024-05-17") },
    { JOB_ID3_V24, JOB_TAG_DATE, "123456 yesterday", FRAMES("") },
    { JOB_ID3_V23, JOB_TAG_DATE, "2024-05",
      FRAMES("TYER\0\0\0\5\0\0\0"
             "2024") },
    { JOB_ID3_V23, JOB_TAG_DATE, "2024-05-17T10:30",
      FRAMES("TYER\0\0\0\5\0\0\0"
             "2024"
             "TDAT\0\0\0\5\0\0\0"
             "1705"
             "TIME\0\0\0\5\0\0\0"
             "1030") },
};

static void test_texts(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct job_tags tags = { 0 };
        (void)snprintf(tags.texts[rows[i].name], JOB_TAG_TEXT_SIZE, "%s", rows[i].text);
        struct id3_params p = { .version = rows[i].version, .tags = &tags };
        AUTO(id3_free) struct id3 *t = id3_new(&p);
        size_t len = 0;
        const uint8_t *bytes = id3_bytes(t, &len);
        assert_int_equal(len, 10 + rows[i].len + DURATION_ROOM);
        assert_memory_equal(
            bytes, rows[i].version == JOB_ID3_V24 ? "ID3\4\0\0\0\0\0" : "ID3\3\0\0\0\0\0", 9);
        assert_int_equal(bytes[9], len - 10);
        assert_memory_equal(bytes + 10, rows[i].frames, rows[i].len);
        for (size_t at = 10 + rows[i].len; at < len; at++) {
            assert_int_equal(bytes[at], 0);
        }
    }
}

/* v2.4 has seven bits of a size in each byte, v2.3 eight; the tag's own has always seven. */
static void test_sizes(void **state)
{
    (void)state;
    static const struct job_tags tags;
    AUTO(mem_free) uint8_t *picture = xcalloc(1, 70000);
    memcpy(picture, jpeg, sizeof(jpeg));
    const size_t frame_len = 70000 + 1 + sizeof("image/jpeg") + 2;
    for (int i = 0; i < 2; i++) {
        struct id3_params p = { .version = i == 0 ? JOB_ID3_V24 : JOB_ID3_V23,
                                .tags = &tags,
                                .picture = picture,
                                .picture_len = 70000 };
        AUTO(id3_free) struct id3 *t = id3_new(&p);
        size_t len = 0;
        const uint8_t *bytes = id3_bytes(t, &len);
        unsigned bits = i == 0 ? 7 : 8;
        assert_true(id3_has_picture(t));
        assert_int_equal(len, 20 + frame_len + DURATION_ROOM);
        assert_int_equal((size_t)bytes[6] << 21 | (size_t)bytes[7] << 14 | (size_t)bytes[8] << 7 |
                             bytes[9],
                         len - 10);
        assert_memory_equal(bytes + 10, "APIC", 4);
        assert_int_equal((size_t)bytes[14] << 3 * bits | (size_t)bytes[15] << 2 * bits |
                             (size_t)bytes[16] << bits | bytes[17],
                         frame_len);
        assert_memory_equal(bytes + 18, "\0\0\0image/jpeg\0\3\0\xFF\xD8\xFF\xE0", 20);
    }
}

static const struct {
    const char *bytes;
    size_t len;
    const char *type;
} pictures[] = {
    { "\xFF\xD8\xFF\xDB", 4, "image/jpeg" },
    { "\x89PNG\r\n\x1A\n....", 12, "image/png" },
    { "\x89PNG\r\n\x1A", 7, NULL },
    { "GIF89a", 6, NULL },
    { "\xFF\xD8", 2, NULL },
    { "", 0, NULL },
};

static void test_pictures(void **state)
{
    (void)state;
    static const struct job_tags tags;
    for (size_t i = 0; i < ARRAY_LEN(pictures); i++) {
        const uint8_t *bytes = (const uint8_t *)pictures[i].bytes;
        const char *type = id3_picture_type(bytes, pictures[i].len);
        if (pictures[i].type == NULL) {
            assert_null(type);
        } else {
            assert_string_equal(type, pictures[i].type);
        }
        struct id3_params p = { .tags = &tags, .picture = bytes, .picture_len = pictures[i].len };
        AUTO(id3_free) struct id3 *t = id3_new(&p);
        assert_int_equal(id3_has_picture(t), type != NULL);
    }
    AUTO(mem_free) uint8_t *large = xcalloc(1, ID3_PICTURE_MAX + 1);
    memcpy(large, jpeg, sizeof(jpeg));
    for (size_t over = 0; over < 2; over++) {
        struct id3_params p = { .tags = &tags,
                                .picture = large,
                                .picture_len = ID3_PICTURE_MAX + over };
        AUTO(id3_free) struct id3 *t = id3_new(&p);
        assert_int_equal(id3_has_picture(t), over == 0);
    }
}

#define CHAPTER_BYTES(id, start, end) id "\0" start end "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"

/* The second one has no title and ends with the sound. */
static void test_chapters(void **state)
{
    (void)state;
    static const char frames[] = "CTOC\0\0\0\x10\0\0toc\0\3\2chp0\0chp1\0"
                                 "CHAP\0\0\0\x23\0\0" CHAPTER_BYTES(
                                     "chp0", "\0\0\0\0",
                                     "\0\0\3\xE8") "TIT2\0\0\0\4\0\0\0One"
                                                   "CHAP\0\0\0\x15\0\0" CHAPTER_BYTES(
                                                       "chp1", "\0\0\3\xE8", "\xFF\xFF\xFF\xFF");
    static const struct job_tags tags;
    const struct id3_chapter chapters[] = { { 0, 1000, "One" }, { 1000, ID3_OPEN_END, "" } };
    struct id3_params p = { .tags = &tags, .chapters = chapters, .chapter_count = 2 };
    AUTO(id3_free) struct id3 *t = id3_new(&p);
    size_t len = 0;
    size_t offset = 0;
    size_t patch_len = 0;
    assert_int_equal(id3_bytes(t, &len)[9], (sizeof(frames) - 1 + DURATION_ROOM) % 128);
    assert_memory_equal(id3_bytes(t, &len) + 10, frames, sizeof(frames) - 1);
    (void)id3_patch(t, &offset, &patch_len);
    assert_int_equal(patch_len, 0);
    id3_set_duration(t, 5000);
    const uint8_t *patch = id3_patch(t, &offset, &patch_len);
    /* From the second chapter's end to the last digit of TLEN. */
    assert_int_equal(offset, 10 + sizeof(frames) - 1 - 12);
    assert_memory_equal(patch, "\0\0\x13\x88", 4);
    assert_memory_equal(patch + 12,
                        "TLEN\0\0\0\5\0\0\0"
                        "5000",
                        15);
    assert_int_equal(patch_len, 27);
    /* Shorter than the first chapter: the second is taken out. */
    id3_set_duration(t, 400);
    const uint8_t *bytes = id3_bytes(t, &len);
    assert_memory_equal(bytes + 10, "CTOC\0\0\0\x0B\0\0toc\0\3\1chp0\0CHAP\0\0\0\x23\0\0", 31);
    assert_memory_equal(bytes + 10 + 31, "chp0\0\0\0\0\0\0\0\1\x90", 13);
    assert_memory_equal(bytes + 10 + 31 + 35, "TLEN", 4);
}

static struct id3 *make_full(enum job_id3 version, const char *title)
{
    struct job_tags tags;
    struct id3_chapter *chapters = xcalloc(300, sizeof(*chapters));
    for (size_t i = 0; i < JOB_TAG_COUNT; i++) {
        for (size_t k = 0; k + 2 < JOB_TAG_TEXT_SIZE; k += 2) {
            memcpy(tags.texts[i] + k, "\xC3\xA9", 3);
        }
    }
    for (size_t i = 0; i < 300; i++) {
        chapters[i].start_ms = (int64_t)i * 1000;
        chapters[i].end_ms = chapters[i].start_ms + 1000;
        (void)snprintf(chapters[i].title, sizeof(chapters[i].title), "%s", title);
    }
    struct id3_params p = { .version = version,
                            .tags = &tags,
                            .encoder = "Test",
                            .chapters = chapters,
                            .chapter_count = 300,
                            .has_replaygain = true };
    struct id3 *t = id3_new(&p);
    free(chapters);
    return t;
}

/* The length of the title of chapter `number`. */
static size_t title_len(const struct id3 *t, unsigned number)
{
    char id[16];
    size_t len = 0;
    const uint8_t *bytes = id3_bytes(t, &len);
    size_t id_len = (size_t)snprintf(id, sizeof(id), "chp%u", number) + 1;
    const uint8_t *found = NULL;
    for (size_t at = 10; at + 60 < len; at++) {
        if (memcmp(bytes + at, "CHAP", 4) == 0 && memcmp(bytes + at + 10, id, id_len) == 0) {
            found = bytes + at + 10 + id_len + 16;
        }
    }
    assert_non_null(found);
    assert_memory_equal(found, "TIT2", 4);
    return found[7] - 1U;
}

/* 300 chapters: the first 255, and each title has its share of what the tags leave of 16 KiB. */
static void test_many_chapters(void **state)
{
    (void)state;
    static const char title[] =
        "A title that is longer than what each of so many chapters can have: "
        "it is cut off somewhere";
    for (int i = 0; i < 2; i++) {
        AUTO(id3_free) struct id3 *t = make_full(i == 0 ? JOB_ID3_V24 : JOB_ID3_V23, title);
        size_t tags_len = i == 0 ? 10 * 254 + 4 : 10 * 256 + 4; /* no year is in such a date */
        size_t share = (16384 - tags_len) / 255;
        assert_int_equal(title_len(t, 0), share);
        assert_true(title_len(t, 254) >= share && title_len(t, 254) <= share + 1);
        size_t len = 0;
        size_t offset = 0;
        size_t patch_len = 0;
        (void)id3_bytes(t, &len);
        id3_set_duration(t, 500);
        (void)id3_patch(t, &offset, &patch_len);
        assert_true(patch_len < 32768 && offset + patch_len <= len);
        size_t after = 0;
        (void)id3_bytes(t, &after);
        assert_int_equal(after, len);
    }
    AUTO(id3_free) struct id3 *t = make_full(JOB_ID3_V23, "short");
    assert_int_equal(title_len(t, 254), 5);
}

static const struct {
    double gain_db, peak;
    const char *gain_text, *peak_text;
} gains[] = {
    { -6.2, 0.988553, "-6.20 dB", "0.988553" }, { 12.345, 1.1220184, "12.35 dB", "1.122018" },
    { -0.001, 0, "0.00 dB", "0.000000" },       { -16.204, 1, "-16.20 dB", "1.000000" },
    { -1000, 1e9, "-99.99 dB", "99.999999" },
};

static void test_replaygain(void **state)
{
    (void)state;
    static const struct job_tags tags;
    for (size_t i = 0; i < ARRAY_LEN(gains); i++) {
        struct id3_params p = { .tags = &tags, .has_replaygain = true };
        AUTO(id3_free) struct id3 *t = id3_new(&p);
        size_t len = 0;
        size_t offset = 0;
        size_t patch_len = 0;
        (void)id3_bytes(t, &len);
        assert_int_equal(len, 10 + DURATION_ROOM + REPLAYGAIN_ROOM);
        id3_set_replaygain(t, gains[i].gain_db, gains[i].peak);
        char want[128];
        int want_len = snprintf(want, sizeof(want), "TXXX%c%c%c%c%c%c%cREPLAYGAIN_TRACK_GAIN%c%s",
                                0, 0, 0, (int)(23 + strlen(gains[i].gain_text)), 0, 0, 0, 0,
                                gains[i].gain_text);
        want_len += snprintf(want + want_len, sizeof(want) - (size_t)want_len,
                             "TXXX%c%c%c%c%c%c%cREPLAYGAIN_TRACK_PEAK%c%s", 0, 0, 0,
                             (int)(23 + strlen(gains[i].peak_text)), 0, 0, 0, 0,
                             gains[i].peak_text);
        const uint8_t *patch = id3_patch(t, &offset, &patch_len);
        assert_int_equal(offset, 10);
        assert_int_equal(patch_len, want_len);
        assert_memory_equal(patch, want, patch_len);
    }
}

/* Silence has no loudness; and without has_replaygain there is no room. */
static void test_no_replaygain(void **state)
{
    (void)state;
    static const struct job_tags tags;
    for (int i = 0; i < 2; i++) {
        struct id3_params p = { .tags = &tags, .has_replaygain = i == 0 };
        AUTO(id3_free) struct id3 *t = id3_new(&p);
        size_t offset = 0;
        size_t len = 0;
        id3_set_replaygain(t, i == 0 ? (double)INFINITY : -6.0, 1.0);
        id3_set_replaygain(t, i == 0 ? 1.0 : -6.0, i == 0 ? (double)NAN : 1.0);
        (void)id3_patch(t, &offset, &len);
        assert_int_equal(len, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),         cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_pictures),      cmocka_unit_test(test_chapters),
        cmocka_unit_test(test_many_chapters), cmocka_unit_test(test_replaygain),
        cmocka_unit_test(test_no_replaygain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
