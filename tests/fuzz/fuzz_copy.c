/* Arbitrary packets with arbitrary marks through the copier: whatever they are, what comes out is a
 * chain of whole frames behind a tag whose counts are theirs. */
#include <libavutil/intreadwrite.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine_child/copy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HEAD 5
#define PACKET_HEAD 8

struct output {
    uint8_t *bytes;
    size_t len;
};

static void must(bool is_true)
{
    if (!is_true) {
        abort();
    }
}

static enum err on_bytes(void *ctx, const uint8_t *bytes, size_t len)
{
    struct output *o = ctx;
    uint8_t *grown = realloc(o->bytes, o->len + len);
    must(grown != NULL);
    memcpy(grown + o->len, bytes, len);
    o->bytes = grown;
    o->len += len;
    return OK;
}

/* From the input: a length, what to leave out at the start and at the end, flags; then the bytes.
 */
static AVPacket *take_packet(const uint8_t **data, size_t *size)
{
    const uint8_t *head = *data;
    size_t len = AV_RL16(head) & 0xFFF;
    len = len < *size - PACKET_HEAD ? len : *size - PACKET_HEAD;
    AVPacket *packet = av_packet_alloc();
    must(packet != NULL && av_new_packet(packet, (int)len) == 0);
    if (len > 0) {
        memcpy(packet->data, head + PACKET_HEAD, len);
    }
    if ((head[6] & 1) != 0) {
        uint8_t *marks = av_packet_new_side_data(packet, AV_PKT_DATA_SKIP_SAMPLES, 10);
        must(marks != NULL);
        memset(marks, 0, 10);
        AV_WL32(marks, AV_RL16(head + 2));
        AV_WL32(marks + 4, AV_RL16(head + 4));
    }
    if ((head[6] & 2) != 0) {
        packet->flags |= AV_PKT_FLAG_DISCARD;
    }
    packet->pts = (head[6] & 4) != 0 ? AV_NOPTS_VALUE : head[7];
    *data += PACKET_HEAD + len;
    *size -= PACKET_HEAD + len;
    return packet;
}

static uint32_t be32(const uint8_t *bytes)
{
    return AV_RB32(bytes);
}

static void check(const struct output *o, const struct copy_summary *summary)
{
    struct mp3_frame tag;
    must(mp3_frame_parse(o->bytes, o->len, &tag) && tag.len == summary->tag_len);
    const uint8_t *xing = summary->tag + tag.head_len;
    uint32_t frames = 0;
    int64_t samples = 0;
    for (size_t at = tag.len; at < o->len;) {
        struct mp3_frame frame;
        must(mp3_frame_parse(o->bytes + at, o->len - at, &frame));
        must(frame.len <= o->len - at && frame.sample_rate_hz == summary->sample_rate_hz);
        at += frame.len;
        samples += frame.samples;
        frames++;
    }
    uint32_t cut = be32(xing + 140) & 0xFFFFFF;
    must(be32(xing + 8) == frames && be32(xing + 12) == o->len);
    must(samples - (cut >> 12) - (cut & 0xFFF) == summary->samples);
    must(summary->samples > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < HEAD) {
        return 0;
    }
    struct output o = { 0 };
    struct failure f;
    struct job_options options;
    job_options_default(&options);
    options.start_ms = AV_RL16(data) & 0x3FF;
    options.end_ms = AV_RL16(data + 2) == 0 ? 0 : options.start_ms + AV_RL16(data + 2);
    struct copy_params params = { &options, data[4], { 1, 48000 }, "LAME", &o, false, on_bytes };
    struct copy *c = copy_new(&params);
    enum err err = OK;
    data += HEAD;
    size -= HEAD;
    while (size >= PACKET_HEAD && err == OK && !copy_is_over(c)) {
        AVPacket *packet = take_packet(&data, &size);
        err = copy_packet(c, packet, &f);
        av_packet_free(&packet);
    }
    struct copy_summary summary;
    if (err == OK && copy_finish(c, &summary, &f) == OK) {
        check(&o, &summary);
    }
    copy_free(c);
    free(o.bytes);
    return 0;
}
