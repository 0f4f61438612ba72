#include "copy.h"

#include <libavutil/intreadwrite.h>
#include <string.h>

#include "lead.h"
#include "tag.h"
#include "tally.h"

#include "core/banned.h"

/* That are looked at before anything is settled. */
#define PROBED_FRAMES 16
/* Longer than any frame: libavcodec forgets what is to be left out at the start of a frame when
 * something is to be left out at its end. */
#define SHORTEST_MS 100
#define OTHER_FRAMES_MAX 20
#define HEADER_SIZE 4
#define ENCODER_SIZE 9
/* AV_PKT_DATA_SKIP_SAMPLES: how many at the start, how many at the end, two reasons. */
#define SKIP_SIZE 10

struct copy {
    void *ctx;
    enum err (*on_bytes)(void *ctx, const uint8_t *bytes, size_t len);
    int64_t start_ms, end_ms; /* end_ms 0: none */
    /* Set by the first frame. */
    int64_t start, end;     /* in samples of the source's sound; end INT64_MAX: none */
    struct mp3_frame first; /* samples 0: there was none yet */
    /* The source. */
    int64_t skip;  /* samples that a decoder would leave out now */
    int64_t heard; /* samples that it would have given */
    struct tally tally;
    struct lead lead;
    /* What is written. */
    int64_t samples;     /* of the frames */
    int64_t hidden;      /* of those, before the sound */
    int64_t audible_end; /* where it ends */
    size_t tag_len;
    struct tag tag;
    int other_frames; /* the source's of another sampling rate */
    AVRational time_base;
    bool is_stream;
    bool is_begun;
    bool is_vbr;
    uint8_t model[HEADER_SIZE]; /* the first frame's */
    char encoder[ENCODER_SIZE + 1];
    uint8_t tag_bytes[MP3_FRAME_LEN_MAX];
};

/* A frame, or what a decoder takes for one. */
struct piece {
    const uint8_t *bytes;
    struct mp3_frame head;
    int from, to; /* its samples that a decoder would give */
};

static int64_t to_samples(int64_t ms, int sample_rate_hz)
{
    return (ms * sample_rate_hz + 500) / 1000;
}

/* The frame at the head of what is left of a packet, behind zeros. False: there is none, and if
 * something is left it is something else. */
static bool next_frame(const uint8_t **bytes, size_t *left, struct mp3_frame *ret_frame)
{
    while (*left > 0 && **bytes == 0) {
        (*bytes)++;
        (*left)--;
    }
    return mp3_frame_parse(*bytes, *left, ret_frame) && ret_frame->len <= *left;
}

/* An ID3v1 tag is nothing bad. */
static bool is_id3(const uint8_t *bytes, size_t left)
{
    return left >= 3 && memcmp(bytes, "TAG", 3) == 0;
}

/* All of the packet's frames are of one kind, and of the kind of the others. */
static bool is_alike(const AVPacket *packet, struct mp3_frame *first, int *good, int *bad)
{
    struct mp3_frame frame;
    const uint8_t *bytes = packet->data;
    size_t left = (size_t)packet->size;
    while (next_frame(&bytes, &left, &frame)) {
        if (*good > 0 &&
            (frame.sample_rate_hz != first->sample_rate_hz || frame.channels != first->channels)) {
            return false;
        }
        *first = frame;
        (*good)++;
        bytes += frame.len;
        left -= frame.len;
    }
    *bad += left > 0 && !is_id3(bytes, left) ? 1 : 0;
    return true;
}

/* Whether the container's header leaves sound out between what is kept (edit lists). */
static bool has_inner_cuts(AVStream *stream)
{
    bool was_kept = false;
    bool was_cut_behind = false;
    int count = avformat_index_get_entries_count(stream);
    for (int i = 0; i < count; i++) {
        const AVIndexEntry *entry = avformat_index_get_entry(stream, i);
        bool is_cut = (entry->flags & AVINDEX_DISCARD_FRAME) != 0;
        if (!is_cut && was_cut_behind) {
            return true;
        }
        was_kept = was_kept || !is_cut;
        was_cut_behind = was_cut_behind || (is_cut && was_kept);
    }
    return false;
}

const char *copy_refusal(struct lookahead *l, int stream, const struct job_options *options)
{
    AVStream *source = demux_container(l->demux)->streams[stream];
    struct mp3_frame first = { 0 };
    int good = 0;
    int bad = 0;
    if (source->codecpar->codec_id != AV_CODEC_ID_MP3) {
        return "it is not MP3";
    }
    if (options->end_ms != 0 && options->end_ms - options->start_ms < SHORTEST_MS) {
        return "it would be too short";
    }
    if (has_inner_cuts(source)) {
        return "its container cuts it into pieces";
    }
    for (int i = 0; i < LOOKAHEAD_MAX && good < PROBED_FRAMES; i++) {
        const AVPacket *packet = lookahead_at(l, i);
        if (packet == NULL) {
            break;
        }
        if (packet->stream_index == stream && !is_alike(packet, &first, &good, &bad)) {
            return "its kind changes";
        }
    }
    return good > bad ? NULL : "its frames are broken, or of free format";
}

const char *copy_encoder(const AVStream *stream)
{
    const AVDictionaryEntry *encoder = av_dict_get(stream->metadata, "encoder", NULL, 0);
    return encoder == NULL ? "" : encoder->value;
}

/* Players believe what delay and padding say for the names that they know. */
static void set_encoder(struct copy *c, const char *name)
{
    static const char *const known[] = { "LAME", "Lavf", "Lavc" };
    const char *taken = "Lavf";
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        taken = strncmp(name, known[i], strlen(known[i])) == 0 ? name : taken;
    }
    for (size_t i = 0; i < ENCODER_SIZE && taken[i] != '\0'; i++) {
        c->encoder[i] = (char)(taken[i] >= 0x20 && taken[i] < 0x7f ? taken[i] : '?');
    }
}

struct copy *copy_new(const struct copy_params *params)
{
    struct copy *c = xcalloc(1, sizeof(*c));
    c->tally.promised_us = params->promised_us;
    c->start_ms = params->options->start_ms;
    c->end_ms = params->options->end_ms;
    c->time_base = params->time_base;
    c->is_stream = params->is_stream;
    c->ctx = params->ctx;
    c->on_bytes = params->on_bytes;
    set_encoder(c, params->encoder);
    tag_init(&c->tag);
    return c;
}

void copy_free(struct copy *c)
{
    free(c);
}

bool copy_is_over(const struct copy *c)
{
    return c->first.samples != 0 && c->heard >= c->end;
}

static int64_t audible(const struct copy *c)
{
    return c->audible_end - c->hidden;
}

bool copy_has_changed(const struct copy *c)
{
    return c->other_frames > OTHER_FRAMES_MAX;
}

int64_t copy_duration_us(const struct copy *c)
{
    return c->is_begun ? audible(c) * 1000000 / c->first.sample_rate_hz : 0;
}

static void settle_format(struct copy *c, const struct piece *piece)
{
    memcpy(c->model, piece->bytes, HEADER_SIZE);
    c->first = piece->head;
    c->start = to_samples(c->start_ms, c->first.sample_rate_hz);
    c->end = c->end_ms == 0 ? INT64_MAX : to_samples(c->end_ms, c->first.sample_rate_hz);
    if (!c->is_stream) {
        c->tag_len = tag_make(c->model, &c->first, c->tag_bytes);
    }
}

/* libavcodec's rules: what it makes of the demuxer's marks. */
static void apply_marks(struct copy *c, const AVPacket *packet, struct piece *piece)
{
    size_t size = 0;
    int64_t discard = 0;
    const uint8_t *marks = av_packet_get_side_data(packet, AV_PKT_DATA_SKIP_SAMPLES, &size);
    int samples = piece->head.is_broken ? 0 : piece->head.samples;
    if (marks != NULL && size >= SKIP_SIZE) {
        int32_t skip = (int32_t)AV_RL32(marks);
        c->skip = skip > 0 ? skip : 0;
        discard = AV_RL32(marks + 4);
    }
    piece->from = 0;
    piece->to = samples;
    if ((packet->flags & AV_PKT_FLAG_DISCARD) != 0) {
        c->skip = c->skip > samples ? c->skip - samples : 0;
        piece->to = 0;
    } else {
        piece->from = c->skip < samples ? (int)c->skip : samples;
        c->skip -= piece->from;
    }
    if (discard <= piece->to - piece->from) {
        piece->to -= (int)discard;
    }
}

static enum err write_frame(struct copy *c, const uint8_t *bytes, const struct mp3_frame *frame)
{
    tag_add(&c->tag, bytes, frame);
    c->samples += frame->samples;
    return c->on_bytes(c->ctx, bytes, frame->len);
}

/* The first frame that is heard, from `at` on. */
static enum err begin(struct copy *c, int at)
{
    struct lead_frame silence;
    int64_t least = c->is_stream ? 0 : TAG_DECODER_DELAY;
    bool has_silence = lead_settle(&c->lead, at, least, c->model, c->first.bitrate_kbps, &silence);
    enum err err = c->is_stream ? OK : c->on_bytes(c->ctx, c->tag_bytes, c->tag_len);
    if (err == OK && has_silence) {
        err = write_frame(c, silence.bytes, &silence.head);
    }
    for (int i = 0; i < c->lead.count && err == OK; i++) {
        err = write_frame(c, c->lead.frames[i].bytes, &c->lead.frames[i].head);
    }
    c->is_begun = true;
    c->hidden = c->samples + at;
    c->audible_end = c->hidden;
    return err;
}

/* Whether the padding can still hide a frame behind the end of the sound. */
static bool can_hide(const struct copy *c, int samples)
{
    return c->samples + samples - c->audible_end + TAG_DECODER_DELAY <= TAG_DELAY_MAX;
}

static enum err take_piece(struct copy *c, const struct piece *piece)
{
    int64_t from = piece->from;
    int64_t to = c->end - c->heard < piece->to - from ? from + c->end - c->heard : piece->to;
    int64_t before_start = c->start - c->heard;
    c->heard += piece->to - piece->from;
    c->is_vbr = c->is_vbr || piece->head.bitrate_kbps != c->first.bitrate_kbps;
    if (!c->is_begun) {
        from += before_start > 0 ? before_start : 0;
        if (from >= to) {
            lead_add(&c->lead, piece->bytes, &piece->head);
            return OK;
        }
        enum err err = begin(c, (int)from);
        if (err != OK) {
            return err;
        }
    }
    if (to > from) {
        c->audible_end = c->samples + to;
    } else if (!can_hide(c, piece->head.samples)) {
        return OK;
    }
    return write_frame(c, piece->bytes, &piece->head);
}

/* A few come of damage. */
static enum err take_other(struct copy *c, const struct piece *piece, struct failure *f)
{
    c->other_frames++;
    if (copy_has_changed(c)) {
        return failure_set(f, PROBLEM_UNSUPPORTED_CODEC,
                           "The sound changes from %d to %d Hz on its way: it can be converted, "
                           "but not copied.",
                           c->first.sample_rate_hz, piece->head.sample_rate_hz);
    }
    return tally_bad(&c->tally, f);
}

static enum err take_frame(struct copy *c, const AVPacket *packet, struct piece *piece,
                           struct failure *f)
{
    if (c->first.samples == 0) {
        settle_format(c, piece);
    }
    if (piece->head.sample_rate_hz != c->first.sample_rate_hz) {
        return take_other(c, piece, f);
    }
    apply_marks(c, packet, piece);
    if (piece->head.is_broken) {
        enum err err = tally_bad(&c->tally, f);
        return err != OK ? err : take_piece(c, piece);
    }
    if (piece->to > piece->from) {
        tally_good(&c->tally, piece->to - piece->from, piece->head.sample_rate_hz, packet->pts,
                   c->time_base);
    }
    return take_piece(c, piece);
}

enum err copy_packet(struct copy *c, const AVPacket *packet, struct failure *f)
{
    struct piece piece = { .bytes = packet->data };
    size_t left = (size_t)packet->size;
    enum err err = tally_packet(&c->tally, packet, f);
    if (err != OK) {
        return err;
    }
    while (!copy_is_over(c) && next_frame(&piece.bytes, &left, &piece.head)) {
        err = take_frame(c, packet, &piece, f);
        if (err != OK) {
            return err;
        }
        piece.bytes += piece.head.len;
        left -= piece.head.len;
    }
    if (left == 0 || copy_is_over(c) || is_id3(piece.bytes, left)) {
        return OK;
    }
    if (!mp3_frame_parse(piece.bytes, left, &piece.head)) {
        return tally_bad(&c->tally, f);
    }
    /* Cut short: a decoder takes what is there. */
    uint8_t whole[MP3_FRAME_LEN_MAX] = { 0 };
    memcpy(whole, piece.bytes, left);
    piece.bytes = whole;
    return take_frame(c, packet, &piece, f);
}

static int average_kbps(const struct copy *c)
{
    if (!c->is_vbr) {
        return c->first.bitrate_kbps;
    }
    double seconds = (double)c->samples / c->first.sample_rate_hz;
    return (int)((double)c->tag.bytes / 125 / seconds + 0.5);
}

static bool finish_tag(struct copy *c)
{
    struct tag_about about = {
        .encoder = c->encoder,
        .is_vbr = c->is_vbr,
        .delay = (int)(c->hidden - TAG_DECODER_DELAY),
    };
    int64_t padding = c->samples - c->audible_end + TAG_DECODER_DELAY;
    if (about.delay > TAG_DELAY_MAX || padding > TAG_DELAY_MAX) {
        return false;
    }
    tag_describe(&about, c->tag_bytes, c->tag_len);
    return tag_fill(&c->tag, (int)padding, c->tag_bytes, c->tag_len);
}

enum err copy_finish(struct copy *c, struct copy_summary *ret_summary, struct failure *f)
{
    if (!copy_is_over(c)) {
        enum err err = tally_check(&c->tally, f);
        if (err != OK) {
            return err;
        }
    }
    if (!c->is_begun) {
        return failure_set(
            f, PROBLEM_TRIM_RANGE, "start is at %.3f s, but the sound lasts only %.3f s.",
            (double)c->start / c->first.sample_rate_hz, (double)c->heard / c->first.sample_rate_hz);
    }
    if (!c->is_stream && !finish_tag(c)) {
        return failure_set(f, PROBLEM_INTERNAL,
                           "%lld samples with %lld to %lld heard do not fit a tag",
                           (long long)c->samples, (long long)c->hidden, (long long)c->audible_end);
    }
    struct copy_summary summary = {
        .bitrate_kbps = average_kbps(c),
        .sample_rate_hz = c->first.sample_rate_hz,
        .channels = c->first.channels,
        .is_vbr = c->is_vbr,
        .samples = audible(c),
        .tag_len = c->tag_len,
    };
    memcpy(summary.tag, c->tag_bytes, c->tag_len);
    *ret_summary = summary;
    return OK;
}
