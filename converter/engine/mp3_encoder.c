/* One LAME, on the caller's thread. */
#include "encoder.h"

#include <lame/lame.h>

#include "core/banned.h"

/* Samples for one call of LAME, and the space that its header asks for them: 1.25 n + 7200. */
#define SLICE 4608
#define BYTES_SIZE (SLICE + SLICE / 4 + 7200)
/* LAME's full scale for floats; its ieee_float call would scale by 32767. */
#define FULL_SCALE 32768.0F
/* Beyond it nothing is sound; LAME computes with what it gets. */
#define MAX_AMPLITUDE (4 * FULL_SCALE)

struct encoder {
    lame_t lame;
    int channels;
    int sample_rate_hz;
    enum job_mode mode;
    int64_t samples, bytes;
    void *ctx;
    enum err (*on_bytes)(void *ctx, const uint8_t *bytes, size_t len);
    float planes[2][SLICE];
    uint8_t out[BYTES_SIZE];
};

static int set_rate_control(lame_t lame, const struct job_options *o)
{
    switch (o->mode) {
    case JOB_MODE_VBR:
        return lame_set_VBR(lame, vbr_default) | lame_set_VBR_quality(lame, (float)o->quality);
    case JOB_MODE_ABR:
        return lame_set_VBR(lame, vbr_abr) | lame_set_VBR_mean_bitrate_kbps(lame, o->bitrate_kbps);
    case JOB_MODE_CBR:
    default:
        return lame_set_VBR(lame, vbr_off) | lame_set_brate(lame, o->bitrate_kbps);
    }
}

static void say_nothing(const char *format, va_list args)
{
    (void)format;
    (void)args;
}

/* All of LAME's setters return 0 or a negative number. */
static int set_up(lame_t lame, const struct encoder_params *p)
{
    int failed = lame_set_errorf(lame, say_nothing) | lame_set_debugf(lame, say_nothing) |
                 lame_set_msgf(lame, say_nothing);
    failed |= lame_set_num_channels(lame, p->channels);
    failed |= lame_set_mode(lame, p->channels == 1 ? MONO : JOINT_STEREO);
    /* Equal rates: LAME's own resampler stays out, so that the sample count is exact. */
    failed |= lame_set_in_samplerate(lame, p->sample_rate_hz);
    failed |= lame_set_out_samplerate(lame, p->sample_rate_hz);
    failed |= set_rate_control(lame, p->options);
    failed |= lame_set_bWriteVbrTag(lame, 1);
    lame_set_write_id3tag_automatic(lame, 0);
    return failed;
}

enum err encoder_open(const struct encoder_params *params, struct encoder **ret_encoder,
                      struct failure *f)
{
    AUTO(encoder_free) struct encoder *enc = xcalloc(1, sizeof(*enc));
    enc->channels = params->channels;
    enc->sample_rate_hz = params->sample_rate_hz;
    enc->mode = params->options->mode;
    enc->ctx = params->ctx;
    enc->on_bytes = params->on_bytes;
    enc->lame = lame_init();
    if (enc->lame == NULL || set_up(enc->lame, params) != 0 || lame_init_params(enc->lame) < 0) {
        return failure_set(f, PROBLEM_INTERNAL, "LAME refused %d Hz, %d channels, %d kbit/s",
                           params->sample_rate_hz, params->channels, params->options->bitrate_kbps);
    }
    *ret_encoder = TAKE(enc);
    return OK;
}

void encoder_free(struct encoder *enc)
{
    if (enc != NULL) {
        (void)lame_close(enc->lame);
        free(enc);
    }
}

static enum err emit(struct encoder *enc, int result, struct failure *f)
{
    if (result < 0) {
        return failure_set(f, PROBLEM_INTERNAL, "LAME failed with %d", result);
    }
    enc->bytes += result;
    return result == 0 ? OK : enc->on_bytes(enc->ctx, enc->out, (size_t)result);
}

/* A comparison with NaN is false, so NaN becomes silence. */
static void copy_scaled(float *dst, const float *src, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        float x = src[i] * FULL_SCALE;
        float low = x >= -MAX_AMPLITUDE ? x : (x < 0 ? -MAX_AMPLITUDE : 0);
        dst[i] = low <= MAX_AMPLITUDE ? low : MAX_AMPLITUDE;
    }
}

enum err encoder_feed(struct encoder *enc, const float *const planes[2], size_t samples,
                      struct failure *f)
{
    for (size_t done = 0; done < samples;) {
        size_t count = samples - done < SLICE ? samples - done : SLICE;
        for (int c = 0; c < enc->channels; c++) {
            copy_scaled(enc->planes[c], planes[c] + done, count);
        }
        int result = lame_encode_buffer_float(enc->lame, enc->planes[0], enc->planes[1], (int)count,
                                              enc->out, sizeof(enc->out));
        enum err err = emit(enc, result, f);
        if (err != OK) {
            return err;
        }
        done += count;
        enc->samples += (int64_t)count;
    }
    return OK;
}

enum err encoder_finish(struct encoder *enc, struct encoder_summary *ret_summary, struct failure *f)
{
    enum err err = emit(enc, lame_encode_flush(enc->lame, enc->out, sizeof(enc->out)), f);
    if (err != OK) {
        return err;
    }
    struct encoder_summary *summary = ret_summary;
    summary->tag_len = lame_get_lametag_frame(enc->lame, summary->tag, sizeof(summary->tag));
    if (summary->tag_len > sizeof(summary->tag)) {
        return failure_set(f, PROBLEM_INTERNAL, "LAME's tag has %zu bytes", summary->tag_len);
    }
    summary->bitrate_kbps = lame_get_brate(enc->lame);
    if (enc->mode != JOB_MODE_CBR && enc->samples > 0) {
        double seconds = (double)enc->samples / enc->sample_rate_hz;
        double kbps = (double)(enc->bytes - (int64_t)summary->tag_len) / 125 / seconds;
        summary->bitrate_kbps = kbps > 320 ? 320 : (int)(kbps + 0.5);
    }
    return OK;
}
