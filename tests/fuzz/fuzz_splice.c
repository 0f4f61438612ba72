/* Two streams of whole frames of one kind, whose side information and main data are the input's:
 * where they are joined, what the new one's frames find in the reservoir is what they had in their
 * own stream, no frame changes its length or its head, and nothing before the joint is lost. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "engine_child/splice.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FRAMES_MAX 60

static void must(bool is_true)
{
    if (!is_true) {
        abort();
    }
}

struct source {
    const uint8_t *data;
    size_t len;
};

static uint8_t next_byte(struct source *in)
{
    if (in->len == 0) {
        return 0;
    }
    in->len--;
    return *in->data++;
}

/* MPEG 1, 2 or 2.5, any rate, mono or not, with a checksum or not. */
static void choose_head(uint8_t choice, uint8_t head[4])
{
    static const uint8_t versions[] = { 0xFB, 0xF3, 0xE3, 0xFA };
    head[0] = 0xFF;
    head[1] = versions[choice & 3];
    head[2] = (uint8_t)((choice >> 2 & 3) % 3 << 2);
    head[3] = (choice & 0x10) != 0 ? 0xC0 : 0;
}

/* Few bytes of the input make a frame: which bitrate, how far back it reaches, its block types. The
 * main data differ for each frame and each stream. */
static void add_frame(struct frames *f, const uint8_t kind[4], struct source *in, uint8_t seed)
{
    uint8_t bytes[MP3_FRAME_LEN_MAX] = { kind[0], kind[1], kind[2], kind[3] };
    uint8_t choice = next_byte(in);
    bytes[2] |= (uint8_t)((1 + choice % 14) << 4);
    bytes[2] |= (choice & 0x80) != 0 ? 2 : 0;
    size_t side = (bytes[1] & 1) != 0 ? 4 : 6;
    for (size_t i = side; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)(i * 7 + (size_t)f->count * 31 + seed);
    }
    bytes[side] = (uint8_t)(next_byte(in) >> 3);
    bytes[side + 1] = next_byte(in);
    for (size_t i = side + 2; i < MP3_FRAME_HEAD_MAX; i++) {
        bytes[i] = (choice & 0x40) != 0 ? next_byte(in) : 0;
    }
    struct mp3_frame frame;
    if (!mp3_frame_parse(bytes, sizeof(bytes), &frame)) {
        return;
    }
    uint8_t *room = frames_room(f, frame.len);
    must(room != NULL);
    memcpy(room, bytes, frame.len);
    must(frames_added(f, frame.len));
}

/* The main data of frames one after the other, as a decoder keeps them. */
struct reservoir {
    uint8_t *bytes;
    size_t len;
};

static void feed(struct reservoir *r, const uint8_t *frame, const struct mp3_frame *parsed)
{
    size_t len = parsed->len - parsed->head_len;
    memcpy(r->bytes + r->len, frame + parsed->head_len, len);
    r->len += len;
}

/* The frames from `at` on find in the joined stream what they found in their own. */
static void check_reservoirs(struct frames *old, struct frames *new, int64_t at)
{
    struct reservoir joined = { xmalloc((size_t)2 * FRAMES_MAX * MP3_FRAME_LEN_MAX), 0 };
    struct reservoir own = { xmalloc((size_t)2 * FRAMES_MAX * MP3_FRAME_LEN_MAX), 0 };
    struct mp3_frame frame;
    for (int64_t n = old->first; n < at; n++) {
        const uint8_t *bytes = frames_at(old, n, &frame);
        feed(&joined, bytes, &frame);
    }
    for (int64_t n = new->first; n < at; n++) {
        const uint8_t *bytes = frames_at(new, n, &frame);
        feed(&own, bytes, &frame);
    }
    size_t reach = 0; /* of the joint's first frame, before its own main data */
    size_t since = 0;
    for (int64_t n = at; n < frames_end(new); n++) {
        const uint8_t *bytes = frames_at(new, n, &frame);
        size_t back = (size_t)frame.main_data_begin;
        reach = n == at ? back : reach;
        size_t want = back + frame.len - frame.head_len;
        feed(&joined, bytes, &frame);
        feed(&own, bytes, &frame);
        /* A later frame that reaches farther back than the first is no stream of an encoder's. */
        if (back <= since + reach) {
            must(joined.len >= want && own.len >= want);
            must(memcmp(joined.bytes + joined.len - want, own.bytes + own.len - want, want) == 0);
        }
        since += frame.len - frame.head_len;
    }
    free(joined.bytes);
    free(own.bytes);
}

/* Heads and lengths of the old one's frames are as they were, and so are the bytes that no frame
 * from the joint on pointed to; those before `lowest` were written out and are not touched. */
static void check_old(struct frames *old, const uint8_t *before, int64_t lowest, int64_t at)
{
    struct mp3_frame joint;
    (void)frames_at(old, at, &joint);
    size_t changed = (size_t)joint.main_data_begin;
    for (int64_t n = at - 1; n >= old->first; n--) {
        struct mp3_frame frame;
        const uint8_t *bytes = frames_at(old, n, &frame);
        const uint8_t *was = before + (bytes - old->bytes);
        size_t main_len = frame.len - frame.head_len;
        size_t part = main_len < changed ? main_len : changed;
        must(memcmp(bytes, was, frame.len - part) == 0);
        must(part == 0 || n >= lowest);
        changed -= part;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct source in = { data, size };
    struct frames old = { .first = 0 };
    struct frames new = { .first = 0 };
    uint8_t kind[4];
    choose_head(next_byte(&in), kind);
    new.first = next_byte(&in) % 16;
    int64_t lowest = next_byte(&in) % 8;
    int count = 2 + next_byte(&in) % (FRAMES_MAX - 2);
    for (int i = 0; i < count && in.len > 0; i++) {
        add_frame(&old, kind, &in, 1);
        if (i >= new.first) {
            add_frame(&new, kind, &in, 101);
        }
    }
    struct splice s = { &old, &new, lowest, new.first };
    int64_t at = splice_find(&s, new.first + 1);
    if (at >= 0) {
        must(at > new.first &&at > lowest &&at < frames_end(&old) && at < frames_end(&new));
        uint8_t *before = xmalloc(old.len);
        memcpy(before, old.bytes, old.len);
        splice_apply(&s, at);
        check_old(&old, before, lowest, at);
        check_reservoirs(&old, &new, at);
        free(before);
    }
    frames_release(&old);
    frames_release(&new);
    return 0;
}
