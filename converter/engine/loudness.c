#include "loudness.h"

/* ebur128.h has an enum error, where ours is a struct. */
#define error ebur128_error
#include <ebur128.h>
#undef error
#include <math.h>

#include "sample.h"
#include "true_peak.h"

#include "core/banned.h"

#define SLICE 4096
#define BLOCK_MS 400
#define HISTORY_MS (24UL * 3600 * 1000)

struct loudness {
    ebur128_state *state;
    int sample_rate_hz, channels;
    int64_t samples;
    struct true_peak peak;
    float planes[2][SLICE];
    float slice[2 * SLICE]; /* the same, interleaved */
};

struct loudness *loudness_new(int sample_rate_hz, int channels)
{
    AUTO(loudness_free) struct loudness *l = xcalloc(1, sizeof(*l));
    l->sample_rate_hz = sample_rate_hz;
    l->channels = channels;
    l->state = ebur128_init((unsigned)channels, (unsigned long)sample_rate_hz,
                            EBUR128_MODE_I | EBUR128_MODE_LRA);
    if (l->state == NULL) {
        return NULL;
    }
    (void)ebur128_set_max_history(l->state, HISTORY_MS);
    true_peak_init(&l->peak);
    return TAKE(l);
}

void loudness_free(struct loudness *l)
{
    if (l != NULL) {
        if (l->state != NULL) {
            ebur128_destroy(&l->state);
        }
        free(l);
    }
}

static enum err no_memory(struct failure *f)
{
    return failure_set(f, PROBLEM_RESOURCE_LIMIT, "The conversion needs too much memory.");
}

enum err loudness_feed(struct loudness *l, const float *const planes[2], size_t samples,
                       struct failure *f)
{
    size_t channels = (size_t)l->channels;
    for (size_t done = 0; done < samples;) {
        size_t take = samples - done < SLICE ? samples - done : SLICE;
        for (size_t c = 0; c < channels; c++) {
            for (size_t i = 0; i < take; i++) {
                l->planes[c][i] = sample_tame(planes[c][done + i]);
                l->slice[i * channels + c] = l->planes[c][i];
            }
            true_peak_feed(&l->peak, (int)c, l->planes[c], take);
        }
        if (ebur128_add_frames_float(l->state, l->slice, take) != EBUR128_SUCCESS) {
            return no_memory(f);
        }
        done += take;
    }
    l->samples += (int64_t)samples;
    return OK;
}

/* -HUGE_VAL: nothing passed the gates. */
static double integrated_lufs(struct loudness *l)
{
    double lufs = -HUGE_VAL;
    int64_t ms = l->samples * 1000 / l->sample_rate_hz;
    if (ms >= BLOCK_MS) {
        (void)ebur128_loudness_global(l->state, &lufs);
    } else if (ms > 0) {
        (void)ebur128_loudness_window(l->state, (unsigned long)ms, &lufs);
    }
    return lufs;
}

static double to_db(double amplitude)
{
    double db = amplitude > 0 ? 20 * log10(amplitude) : LOUDNESS_PEAK_FLOOR_DB;
    return db > LOUDNESS_PEAK_FLOOR_DB ? db : LOUDNESS_PEAK_FLOOR_DB;
}

enum err loudness_finish(struct loudness *l, struct loudness_result *ret_result, struct failure *f)
{
    struct loudness_result r = { .integrated_lufs = integrated_lufs(l) };
    r.is_measured = r.integrated_lufs > LOUDNESS_SILENCE_LUFS;
    if (!r.is_measured) {
        r.integrated_lufs = LOUDNESS_SILENCE_LUFS;
    } else if (ebur128_loudness_range(l->state, &r.range_lu) != EBUR128_SUCCESS) {
        return no_memory(f);
    }
    true_peak_finish(&l->peak);
    r.sample_peak_dbfs = to_db(l->peak.highest_sample);
    r.true_peak_dbtp = to_db(l->peak.highest);
    *ret_result = r;
    return OK;
}

double loudness_gain_db(const struct loudness_result *r, double target_lufs, double peak_limit_dbtp)
{
    if (!r->is_measured) {
        return 0;
    }
    double wanted = fmin(target_lufs - r->integrated_lufs, LOUDNESS_GAIN_MAX_DB);
    return fmin(wanted, peak_limit_dbtp - r->true_peak_dbtp);
}

struct loudness_result loudness_after_gain(const struct loudness_result *r, double gain_db)
{
    struct loudness_result after = *r;
    if (r->is_measured) {
        after.integrated_lufs += gain_db;
        after.true_peak_dbtp += gain_db;
        after.sample_peak_dbfs += gain_db;
    }
    return after;
}
