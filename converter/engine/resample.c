#include "resample.h"

#include <libavutil/channel_layout.h>
#include <libavutil/opt.h>
#include <libavutil/samplefmt.h>
#include <libswresample/swresample.h>
#include <stdbool.h>
#include <stdlib.h>

#include "core/banned.h"

/* Input samples per call; the output of one call and of a flush is at most six times as many
 * (8 to 48 kHz), and what the filter held. */
#define SLICE 4096
#define OUT_SAMPLES (SLICE * 8)

struct resample {
    int sample_rate_hz;
    int channels;
    struct resample_sink sink;
    SwrContext *swr; /* NULL: none made, or the frames pass as they are */
    /* What it was made for. */
    int in_rate_hz;
    enum AVSampleFormat in_format;
    AVChannelLayout in_layout;
    float planes[2][OUT_SAMPLES];
};

int resample_nearest_rate(int sample_rate_hz)
{
    static const int rates[] = { 8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000 };
    int best = rates[0];
    for (size_t i = 1; i < ARRAY_LEN(rates); i++) {
        if (abs(rates[i] - sample_rate_hz) < abs(best - sample_rate_hz)) {
            best = rates[i];
        }
    }
    return best;
}

struct resample *resample_new(int sample_rate_hz, int channels, const struct resample_sink *sink)
{
    struct resample *r = xcalloc(1, sizeof(*r));
    r->sample_rate_hz = sample_rate_hz;
    r->channels = channels;
    r->sink = *sink;
    return r;
}

void resample_free(struct resample *r)
{
    if (r != NULL) {
        swr_free(&r->swr);
        av_channel_layout_uninit(&r->in_layout);
        free(r);
    }
}

static bool passes(const struct resample *r, const AVFrame *frame)
{
    return frame->format == AV_SAMPLE_FMT_FLTP && frame->sample_rate == r->sample_rate_hz &&
           frame->ch_layout.nb_channels == r->channels;
}

static bool fits(const struct resample *r, const AVFrame *frame)
{
    return r->swr != NULL && frame->format == (int)r->in_format &&
           frame->sample_rate == r->in_rate_hz &&
           av_channel_layout_compare(&frame->ch_layout, &r->in_layout) == 0;
}

static int make_swr(struct resample *r, const AVFrame *frame)
{
    /* The layout as the file names it, or the usual one for that many channels. */
    AVChannelLayout in = { 0 };
    AVChannelLayout out = { 0 };
    int error = av_channel_layout_copy(&in, &frame->ch_layout);
    if (error >= 0 && frame->ch_layout.order == AV_CHANNEL_ORDER_UNSPEC) {
        av_channel_layout_default(&in, frame->ch_layout.nb_channels);
    }
    av_channel_layout_default(&out, r->channels);
    if (error >= 0) {
        error = swr_alloc_set_opts2(&r->swr, &out, AV_SAMPLE_FMT_FLTP, r->sample_rate_hz, &in,
                                    (enum AVSampleFormat)frame->format, frame->sample_rate, 0,
                                    NULL);
    }
    if (error >= 0) {
        /* For floats the default is no limit. */
        error = av_opt_set_double(r->swr, "rematrix_maxval", 1.0, 0);
    }
    error = error < 0 ? error : swr_init(r->swr);
    av_channel_layout_uninit(&in);
    return error < 0 ? error : av_channel_layout_copy(&r->in_layout, &frame->ch_layout);
}

static enum err convert(struct resample *r, const uint8_t **in, int in_samples, struct failure *f)
{
    uint8_t *out[2] = { (uint8_t *)r->planes[0], (uint8_t *)r->planes[1] };
    int got = 0;
    do {
        got = swr_convert(r->swr, out, OUT_SAMPLES, in, in_samples);
        if (got < 0) {
            return failure_set(f, PROBLEM_INTERNAL, "resampling failed with %d", got);
        }
        const float *const planes[2] = { r->planes[0], r->planes[1] };
        enum err err = got == 0 ? OK : r->sink.on_pcm(r->sink.ctx, planes, (size_t)got, f);
        if (err != OK) {
            return err;
        }
        /* A flush goes on until nothing comes; a slice always fits whole. */
    } while (in == NULL && got > 0);
    return OK;
}

enum err resample_finish(struct resample *r, struct failure *f)
{
    if (r->swr == NULL) {
        return OK;
    }
    enum err err = convert(r, NULL, 0, f);
    swr_free(&r->swr);
    av_channel_layout_uninit(&r->in_layout);
    return err;
}

static enum err prepare(struct resample *r, const AVFrame *frame, struct failure *f)
{
    if (fits(r, frame)) {
        return OK;
    }
    enum err err = resample_finish(r, f);
    if (err != OK || passes(r, frame)) {
        return err;
    }
    r->in_rate_hz = frame->sample_rate;
    r->in_format = (enum AVSampleFormat)frame->format;
    if (make_swr(r, frame) < 0) {
        return failure_set(f, PROBLEM_UNSUPPORTED_CODEC,
                           "The sound's %d channels at %d Hz cannot be converted.",
                           frame->ch_layout.nb_channels, frame->sample_rate);
    }
    return OK;
}

enum err resample_feed(struct resample *r, const AVFrame *frame, struct failure *f)
{
    enum err err = prepare(r, frame, f);
    if (err != OK) {
        return err;
    }
    if (r->swr == NULL) {
        const float *const planes[2] = {
            (const float *)(const void *)frame->extended_data[0],
            (const float *)(const void *)frame->extended_data[r->channels - 1]
        };
        return r->sink.on_pcm(r->sink.ctx, planes, (size_t)frame->nb_samples, f);
    }
    bool is_planar = av_sample_fmt_is_planar(r->in_format) != 0;
    int channels = frame->ch_layout.nb_channels;
    size_t step = (size_t)av_get_bytes_per_sample(r->in_format) *
                  (is_planar ? 1 : (size_t)channels);
    for (int done = 0; done < frame->nb_samples && err == OK; done += SLICE) {
        const uint8_t *in[8] = { NULL };
        int left = frame->nb_samples - done;
        for (int c = 0; c < (is_planar ? channels : 1); c++) {
            in[c] = frame->extended_data[c] + (size_t)done * step;
        }
        err = convert(r, in, left < SLICE ? left : SLICE, f);
    }
    return err;
}
