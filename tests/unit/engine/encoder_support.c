#include "encoder_support.h"

#include <libavcodec/avcodec.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "engine_child/segment.h"

#define DECODER_DELAY 529
#define TURN_FRAMES 49

static void must(bool is_true)
{
    if (!is_true) {
        abort();
    }
}

int frame_samples_of(int rate)
{
    return rate >= 32000 ? 1152 : 576;
}

/* --- sounds ------------------------------------------------------------------------------------
 */

static double noise(uint32_t *state)
{
    *state = *state * 1664525U + 1013904223U;
    return (double)(*state >> 8) / (1 << 23) - 1;
}

/* A buzz through three resonances that change with the syllables, with pauses. */
static void make_speech(struct sound *s, int channel)
{
    static const double vowels[4][3] = {
        { 700, 1200, 2500 }, { 300, 2300, 3000 }, { 350, 700, 2400 }, { 550, 1800, 2500 }
    };
    double y[3][2] = { { 0 } };
    uint32_t state = 7U + (uint32_t)channel;
    double phase = 0;
    for (size_t i = 0; i < s->samples; i++) {
        double t = (double)i / s->rate;
        int syllable = (int)(t * 4);
        bool is_pause = syllable % 7 == 6;
        phase += (110 + 25 * sin(3 * t)) / s->rate;
        double excitation = is_pause ? 0 : noise(&state) * 0.02;
        if (phase >= 1) {
            phase -= 1;
            excitation += is_pause ? 0 : 1;
        }
        double sum = noise(&state) * 0.0003;
        for (int f = 0; f < 3; f++) {
            double w = 2 * M_PI * vowels[syllable % 4][f] / s->rate;
            double r = exp(-M_PI * 90 / s->rate);
            double now = excitation + 2 * r * cos(w) * y[f][0] - r * r * y[f][1];
            y[f][1] = y[f][0];
            y[f][0] = now;
            sum += now * 0.02;
        }
        s->planes[channel][i] = (float)sum;
    }
}

static double music(double t, int channel)
{
    static const double notes[8] = { 220, 277.2, 329.6, 440, 369.99, 277.2, 246.9, 329.6 };
    double beat = fmod(t * 3, 1);
    double f = notes[(int)(t * 3) % 8] * (channel == 0 ? 1 : 1.5);
    double sum = 0;
    for (int h = 1; h <= 6; h++) {
        sum += sin(2 * M_PI * f * h * t + h) / h * exp(-beat * h);
    }
    return 0.2 * sum + 0.1 * sin(2 * M_PI * 55 * t);
}

static double other(enum sound_kind kind, double t, double noise_now, size_t i, int rate)
{
    double x = 0;
    size_t turn = (size_t)(TURN_FRAMES * frame_samples_of(rate));
    switch (kind) {
    case SOUND_NOISE:
        return 0.3 * noise_now;
    case SOUND_SWEEP:
        /* Up and down over nearly all of the band. */
        x = fabs(fmod(t, 8) - 4) / 4;
        return 0.5 * sin(2 * M_PI * 0.4 * rate * (x * fmod(t, 8) / 2));
    case SOUND_CLICKS:
        return i % ((size_t)rate / 7) < 3 ? 0.9 : 0.001 * noise_now;
    case SOUND_LEVELS:
        return (i / turn % 2 == 0 ? 0.8 : 0.004) *
               (0.6 * sin(2 * M_PI * 441 * t) + 0.3 * noise_now);
    default:
        return 0;
    }
}

void sound_make(struct sound *s, enum sound_kind kind, int rate, int channels, size_t samples)
{
    *s = (struct sound){ .rate = rate, .channels = channels, .samples = samples };
    for (int c = 0; c < channels; c++) {
        uint32_t state = 1U + (uint32_t)c;
        s->planes[c] = xcalloc(samples + 1, sizeof(float));
        if (kind == SOUND_SPEECH) {
            make_speech(s, c);
        }
        for (size_t i = 0; i < samples && kind != SOUND_SPEECH; i++) {
            double t = (double)i / rate;
            double now = noise(&state);
            s->planes[c][i] = (float)(kind == SOUND_MUSIC ? music(t, c) + 0.001 * now
                                                          : other(kind, t, now, i, rate));
        }
    }
}

void sound_release(struct sound *s)
{
    free(s->planes[0]);
    free(s->planes[1]);
}

/* --- encoders ----------------------------------------------------------------------------------
 */

static void add(struct mp3 *m, const uint8_t *bytes, size_t len)
{
    m->bytes = xrealloc(m->bytes, m->len + len + 1);
    memcpy(m->bytes + m->len, bytes, len);
    m->len += len;
}

static enum err on_bytes(void *ctx, const uint8_t *bytes, size_t len)
{
    add(ctx, bytes, len);
    return OK;
}

void mp3_release(struct mp3 *m)
{
    free(m->bytes);
}

static void encode(struct mp3 *m, const struct sound *s, const struct job_options *options,
                   struct crew *crew, bool is_stream)
{
    *m = (struct mp3){ 0 };
    struct encoder_params params = { .options = options,
                                     .sample_rate_hz = s->rate,
                                     .channels = s->channels,
                                     .crew = crew,
                                     .is_stream = is_stream,
                                     .ctx = m,
                                     .on_bytes = on_bytes };
    struct failure f = { 0 };
    AUTO(encoder_free) struct encoder *enc = NULL;
    must(encoder_open(&params, &enc, &f) == OK);
    for (size_t done = 0; done < s->samples;) {
        size_t count = s->samples - done < 7001 ? s->samples - done : 7001;
        const float *const planes[2] = { s->planes[0] + done, s->planes[s->channels - 1] + done };
        must(encoder_feed(enc, planes, count, &f) == OK);
        done += count;
    }
    must(encoder_finish(enc, &m->summary, &f) == OK);
    memcpy(m->bytes, m->summary.tag, m->summary.tag_len);
}

void mp3_encode(struct mp3 *m, const struct sound *s, const struct job_options *options,
                struct crew *crew)
{
    encode(m, s, options, crew, false);
}

void mp3_encode_stream(struct mp3 *m, const struct sound *s, const struct job_options *options,
                       struct crew *crew)
{
    encode(m, s, options, crew, true);
}

void mp3_encode_serial(struct mp3 *m, const struct sound *s, const struct job_options *options)
{
    static uint8_t out[16384];
    *m = (struct mp3){ 0 };
    struct segment_params params = { .options = *options,
                                     .sample_rate_hz = s->rate,
                                     .channels = s->channels };
    lame_t lame = segment_make_first_lame(&params);
    must(lame != NULL);
    for (size_t done = 0; done < s->samples;) {
        float pcm[2][1152];
        size_t count = s->samples - done < 1152 ? s->samples - done : 1152;
        for (size_t i = 0; i < count; i++) {
            pcm[0][i] = s->planes[0][done + i] * 32768;
            pcm[1][i] = s->planes[s->channels - 1][done + i] * 32768;
        }
        int len = lame_encode_buffer_float(lame, pcm[0], pcm[1], (int)count, out, sizeof(out));
        must(len >= 0);
        add(m, out, (size_t)len);
        done += count;
    }
    int len = lame_encode_flush(lame, out, sizeof(out));
    must(len >= 0);
    add(m, out, (size_t)len);
    m->summary.tag_len = lame_get_lametag_frame(lame, m->summary.tag, sizeof(m->summary.tag));
    memcpy(m->bytes, m->summary.tag, m->summary.tag_len);
    (void)lame_close(lame);
}

/* --- the walk ----------------------------------------------------------------------------------
 */

struct head {
    int len, head_len, kbps;
    uint32_t fixed; /* the bits of the header that no frame may change */
    int main_data_begin;
    int main_bits;
};

static unsigned bits_at(const uint8_t *bytes, int at, int count)
{
    unsigned value = 0;
    for (int i = at; i < at + count; i++) {
        value = value * 2 + (bytes[i / 8] >> (7 - i % 8) & 1);
    }
    return value;
}

static bool read_head(const uint8_t *p, size_t len, const struct sound *s, struct head *h)
{
    static const int kbps1[] = { 0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320 };
    static const int kbps2[] = { 0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160 };
    bool is_mpeg1 = s->rate >= 32000;
    if (len < 4 || bits_at(p, 0, 11) != 0x7FF || bits_at(p, 16, 4) == 15) {
        return false;
    }
    h->fixed = bits_at(p, 0, 16) << 2 | bits_at(p, 20, 2);
    h->kbps = (is_mpeg1 ? kbps1 : kbps2)[bits_at(p, 16, 4)];
    h->len = (is_mpeg1 ? 144000 : 72000) * h->kbps / s->rate + (int)bits_at(p, 22, 1);
    bool is_mono = bits_at(p, 24, 2) == 3;
    if (is_mono != (s->channels == 1) || (size_t)h->len > len) {
        return false;
    }
    h->head_len = 4 + (is_mpeg1 ? (is_mono ? 17 : 32) : (is_mono ? 9 : 17));
    h->main_data_begin = (int)bits_at(p, 32, is_mpeg1 ? 9 : 8);
    int at = is_mpeg1 ? 32 + (is_mono ? 18 : 20) : 32 + (is_mono ? 9 : 10);
    h->main_bits = 0;
    for (int i = 0; i < s->channels * (is_mpeg1 ? 2 : 1); i++) {
        h->main_bits += (int)bits_at(p, at, 12);
        at += is_mpeg1 ? 59 : 63;
    }
    return true;
}

static uint16_t crc16(uint16_t crc, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        crc = (uint16_t)(crc ^ bytes[i]);
        for (int bit = 0; bit < 8; bit++) {
            crc = (uint16_t)(crc & 1 ? (crc >> 1) ^ 0xA001 : crc >> 1);
        }
    }
    return crc;
}

static const char *check_tag(const struct mp3 *m, const struct sound *s, const struct head *h,
                             int frames)
{
    const uint8_t *xing = m->bytes + h->head_len;
    int padding = (int)bits_at(xing, 141 * 8 + 12, 12);
    int64_t decoded = (int64_t)frames * frame_samples_of(s->rate);
    if (bits_at(xing, 64, 32) != (unsigned)frames || bits_at(xing, 96, 32) != m->len ||
        bits_at(xing, 148 * 8, 32) != m->len) {
        return "the tag's counts";
    }
    if (bits_at(xing, 141 * 8, 12) != 576 || decoded - 576 - padding != (int64_t)s->samples) {
        return "delay and padding";
    }
    if (bits_at(xing, 152 * 8, 16) != crc16(0, m->bytes + h->len, m->len - (size_t)h->len)) {
        return "the music's checksum";
    }
    if (bits_at(xing, 154 * 8, 16) != crc16(0, m->bytes, (size_t)h->head_len + 154)) {
        return "the tag's checksum";
    }
    for (int i = 17; i < 116; i++) {
        if (xing[i] < xing[i - 1]) {
            return "the table of contents";
        }
    }
    return NULL;
}

void mp3_walk(const struct mp3 *m, const struct sound *s, struct mp3_walk *ret_walk)
{
    struct mp3_walk w = { .has_tag = m->summary.tag_len > 0 };
    struct head first = { 0 };
    int64_t slot = 0;     /* where this frame's own main data begin in the stream of main data */
    int64_t used_end = 0; /* where the main data of the frame before end */
    const struct head *tag = w.has_tag ? &first : NULL;
    for (size_t at = 0; at < m->len && w.fault == NULL;) {
        struct head h;
        if (!read_head(m->bytes + at, m->len - at, s, &h)) {
            w.fault = "no frame";
        } else if (at == 0) {
            first = h;
        }
        if (w.fault == NULL && h.fixed != first.fixed) {
            w.fault = "another kind of frame";
        }
        if (w.fault == NULL && (at > 0 || !w.has_tag)) {
            int64_t begin = slot - h.main_data_begin;
            int64_t end = begin + (h.main_bits + 7) / 8;
            slot += h.len - h.head_len;
            w.fault = begin < used_end ? "reaches into the frame before"
                      : end > slot     ? "goes on behind its frame"
                                       : NULL;
            used_end = end;
            w.frames++;
            w.kbps_sum += h.kbps;
        }
        w.fault_frame = w.frames;
        at += w.fault == NULL ? (size_t)h.len : 0;
    }
    if (w.fault == NULL && tag != NULL) {
        w.fault = check_tag(m, s, tag, w.frames);
    }
    *ret_walk = w;
}

/* --- the decoder -------------------------------------------------------------------------------
 */

static void keep(const AVFrame *frame, const struct sound *s, int64_t at, float *planes[2])
{
    for (int c = 0; c < s->channels; c++) {
        const float *from = (const float *)(const void *)frame->extended_data[c];
        for (int i = 0; i < frame->nb_samples; i++) {
            int64_t to = at + i - SEGMENT_DELAY - DECODER_DELAY;
            if (to >= 0 && to < (int64_t)s->samples) {
                planes[c][to] = from[i];
            }
        }
    }
}

void mp3_decode(const struct mp3 *m, const struct sound *s, float *planes[2])
{
    AVCodecContext *codec = avcodec_alloc_context3(avcodec_find_decoder_by_name("mp3float"));
    AVPacket *packet = av_packet_alloc();
    AVFrame *frame = av_frame_alloc();
    must(codec != NULL && packet != NULL && frame != NULL);
    must(avcodec_open2(codec, NULL, NULL) >= 0);
    int64_t decoded = 0;
    for (size_t at = m->summary.tag_len; at < m->len;) {
        struct head h;
        must(read_head(m->bytes + at, m->len - at, s, &h));
        must(av_new_packet(packet, h.len) >= 0);
        memcpy(packet->data, m->bytes + at, (size_t)h.len);
        must(avcodec_send_packet(codec, packet) >= 0);
        while (avcodec_receive_frame(codec, frame) >= 0) {
            keep(frame, s, decoded, planes);
            decoded += frame->nb_samples;
        }
        av_packet_unref(packet);
        at += (size_t)h.len;
    }
    av_frame_free(&frame);
    av_packet_free(&packet);
    avcodec_free_context(&codec);
}
