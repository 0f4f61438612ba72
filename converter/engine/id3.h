/* The ID3 tag at the head of an MP3 (id3.org: v2.4, v2.3, Chapter Frame Addendum 1.0; ReplayGain
 * 2.0). What is known at the start is written first; what only the end tells (length, ReplayGain,
 * where chapters end) has its room at the tag's own end, and the range that changed is patched.
 * Nothing of it is there before it is known.
 *
 * No unsynchronisation: it would hide 0xFF 0xE0 from players that do not know ID3 at all, and there
 * are none left; the others go by the tag's size, which never looks like a frame of MPEG's. Taggers
 * do not use it either, and some players cannot undo it. */
#ifndef UNREEL_CONVERTER_ENGINE_ID3_H
#define UNREEL_CONVERTER_ENGINE_ID3_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/mem.h"
#include "jobs/request.h"

#define ID3_CHAPTERS_MAX 255
#define ID3_TEXT_MAX 16384 /* of all texts, as they are written; chapters' titles are cut first */
#define ID3_PICTURE_MAX ((size_t)4 << 20)
#define ID3_OPEN_END INT64_MAX /* a chapter that lasts as long as the sound */

struct id3_chapter {
    int64_t start_ms, end_ms;
    char title[JOB_TAG_TEXT_SIZE]; /* UTF-8; "": it has none */
};

struct id3_params {
    enum job_id3 version;
    const struct job_tags *tags;        /* their texts; those that are "" are left out */
    const char *encoder;                /* the name of what made it; NULL: not said */
    const struct id3_chapter *chapters; /* by time, not overlapping, on the MP3's clock */
    size_t chapter_count;               /* those after ID3_CHAPTERS_MAX are left out */
    const uint8_t *picture; /* JPEG or PNG of at most ID3_PICTURE_MAX, else it is left out; NULL */
    size_t picture_len;
    bool has_replaygain; /* there is to be room for id3_set_replaygain */
};

struct id3;

/* Copies what it needs; never NULL. */
struct id3 *id3_new(const struct id3_params *p) MUST_CHECK;
void id3_free(struct id3 *t);
DEFINE_AUTO(struct id3 *, id3_free)

/* "image/jpeg" or "image/png" by the first bytes, NULL for anything else. */
const char *id3_picture_type(const uint8_t *picture, size_t len);
/* Whether the picture went in. */
bool id3_has_picture(const struct id3 *t);

/* The whole tag as it is now; its length never changes. Valid until the next call that changes it.
 */
const uint8_t *id3_bytes(const struct id3 *t, size_t *ret_len);

/* gain_db: to ReplayGain's reference of -18 LUFS; peak: 1.0 is full scale. Ignored when a value is
 * not finite (silence has no loudness) or has_replaygain was not set. */
void id3_set_replaygain(struct id3 *t, double gain_db, double peak);
/* The MP3's length. Chapters end there at the latest; those that would start later are taken out.
 */
void id3_set_duration(struct id3 *t, int64_t duration_ms);

/* What has changed since id3_new: a range of the tag that is to be written again. At most 32 KiB,
 * and mostly less than one; *ret_len 0: nothing has. */
const uint8_t *id3_patch(const struct id3 *t, size_t *ret_offset, size_t *ret_len);

#endif
