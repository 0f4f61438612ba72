/* Texts, chapters and a picture out of the input, whatever they are: the tag's frames fill it
 * exactly, and patches stay inside it and make of the old bytes the new ones. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine_child/id3.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct source {
    const uint8_t *bytes;
    size_t len;
};

static void must(bool is_true)
{
    if (!is_true) {
        abort();
    }
}

static uint8_t next_byte(struct source *s)
{
    if (s->len == 0) {
        return 0;
    }
    s->len--;
    return *s->bytes++;
}

static int64_t next_time(struct source *s)
{
    int64_t ms = (int8_t)next_byte(s);
    unsigned shift = next_byte(s) % 56;
    return ms * ((int64_t)1 << shift);
}

static void next_text(struct source *s, char dst[JOB_TAG_TEXT_SIZE])
{
    size_t len = next_byte(s);
    len = len < s->len ? len : s->len;
    memset(dst, 0, JOB_TAG_TEXT_SIZE);
    memcpy(dst, s->bytes, len);
    s->bytes += len;
    s->len -= len;
}

/* The length of the frame at `at`, or what is left when there is only padding. */
static size_t frame_len(const uint8_t *bytes, size_t at, size_t len)
{
    if (bytes[at] == 0) {
        for (size_t i = at; i < len; i++) {
            must(bytes[i] == 0);
        }
        return len - at;
    }
    must(len - at >= 10 && (memchr("TAC", bytes[at], 3) != NULL));
    unsigned bits = bytes[3] == 4 ? 7 : 8;
    size_t content = 0;
    for (size_t i = 4; i < 8; i++) {
        must(bits == 8 || bytes[at + i] < 0x80);
        content = content << bits | bytes[at + i];
    }
    must(content <= len - at - 10);
    return 10 + content;
}

static void check(const struct id3 *t, bool has_picture)
{
    size_t len = 0;
    const uint8_t *bytes = id3_bytes(t, &len);
    size_t said = 0;
    must(len >= 10 && memcmp(bytes, "ID3", 3) == 0);
    for (size_t i = 6; i < 10; i++) {
        must(bytes[i] < 0x80);
        said = said << 7 | bytes[i];
    }
    must(said == len - 10);
    must(has_picture || len < 65536);
    for (size_t at = 10; at < len;) {
        at += frame_len(bytes, at, len);
    }
}

static void change(struct id3 *t, struct source *s)
{
    size_t len = 0;
    size_t new_len = 0;
    size_t offset = 0;
    size_t patch_len = 0;
    const uint8_t *bytes = id3_bytes(t, &len);
    AUTO(mem_free) uint8_t *old = xmalloc(len);
    memcpy(old, bytes, len);
    for (int i = 0; i < 2; i++) {
        id3_set_duration(t, next_time(s));
        id3_set_replaygain(t, (double)next_time(s) / 100, (double)next_time(s) / 1000);
    }
    const uint8_t *patch = id3_patch(t, &offset, &patch_len);
    must(patch_len < 32768 && offset <= len && patch_len <= len - offset);
    memcpy(old + offset, patch, patch_len);
    bytes = id3_bytes(t, &new_len);
    must(new_len == len && memcmp(old, bytes, len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct source s = { data, size };
    static struct job_tags tags;
    static struct id3_chapter chapters[300];
    char encoder[JOB_TAG_TEXT_SIZE];
    uint8_t flags = next_byte(&s);
    struct id3_params p = { .version = (flags & 1) != 0 ? JOB_ID3_V23 : JOB_ID3_V24,
                            .tags = &tags,
                            .encoder = (flags & 2) != 0 ? encoder : NULL,
                            .chapters = chapters,
                            .has_replaygain = (flags & 4) != 0 };
    next_text(&s, encoder);
    for (size_t i = 0; i < JOB_TAG_COUNT; i++) {
        next_text(&s, tags.texts[i]);
    }
    /* Eight bits count up to 255; there may be more than are written. */
    p.chapter_count = next_byte(&s) + ((flags & 8) != 0 ? 40U : 0U);
    for (size_t i = 0; i < p.chapter_count; i++) {
        chapters[i].start_ms = next_time(&s);
        chapters[i].end_ms = next_time(&s);
        next_text(&s, chapters[i].title);
    }
    if ((flags & 16) != 0) {
        p.picture = s.bytes;
        p.picture_len = s.len;
    }
    AUTO(id3_free) struct id3 *t = id3_new(&p);
    check(t, p.picture != NULL);
    change(t, &s);
    check(t, p.picture != NULL);
    return 0;
}
