#include "gain.h"

#include <math.h>

#include "core/banned.h"

#define SLICE 4096

struct gain {
    float factor;
    int channels;
    void *ctx;
    enum err (*on_pcm)(void *ctx, const float *const planes[2], size_t samples, struct failure *f);
    float slice[2][SLICE];
};

struct gain *gain_new(const struct gain_params *params)
{
    struct gain *g = xcalloc(1, sizeof(*g));
    g->factor = (float)pow(10, params->gain_db / 20);
    g->channels = params->channels;
    g->ctx = params->ctx;
    g->on_pcm = params->on_pcm;
    return g;
}

void gain_free(struct gain *g)
{
    free(g);
}

enum err gain_feed(struct gain *g, const float *const planes[2], size_t samples, struct failure *f)
{
    if (g->factor == 1) {
        return g->on_pcm(g->ctx, planes, samples, f);
    }
    const float *const louder[2] = { g->slice[0], g->slice[1] };
    for (size_t done = 0; done < samples;) {
        size_t take = samples - done < SLICE ? samples - done : SLICE;
        for (int c = 0; c < g->channels; c++) {
            for (size_t i = 0; i < take; i++) {
                g->slice[c][i] = planes[c][done + i] * g->factor;
            }
        }
        enum err err = g->on_pcm(g->ctx, louder, take, f);
        if (err != OK) {
            return err;
        }
        done += take;
    }
    return OK;
}
