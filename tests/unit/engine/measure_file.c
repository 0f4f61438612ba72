/* Loudness and silence of raw floats from standard input: measure_file RATE CHANNELS < interleaved;
 * driven by test_engine_measure.py. */
#include <stdio.h>
#include <stdlib.h>

#include "core/text.h"
#include "engine_child/loudness.h"
#include "engine_child/silence.h"

#define SLICE 1000

static int measure(int rate, int channels)
{
    static float frames[2 * SLICE];
    static float planes[2][SLICE];
    const float *const fed[2] = { planes[0], planes[1] };
    struct failure f;
    struct loudness_result loud;
    AUTO(loudness_free) struct loudness *l = loudness_new(rate, channels);
    AUTO(silence_free) struct silence *s = silence_new(rate, channels);
    size_t samples = 0;
    do {
        samples = fread(frames, sizeof(float) * (size_t)channels, SLICE, stdin);
        for (size_t i = 0; i < samples * (size_t)channels; i++) {
            planes[i % (size_t)channels][i / (size_t)channels] = frames[i];
        }
        silence_feed(s, fed, samples);
        if (l == NULL || loudness_feed(l, fed, samples, &f) != OK) {
            return 1;
        }
    } while (samples > 0);
    if (loudness_finish(l, &loud, &f) != OK) {
        return 1;
    }
    struct silence_result quiet = silence_result(s);
    (void)printf("{\"is_measured\": %s, \"lufs\": %.3f, \"range\": %.3f, \"true_peak\": %.3f, "
                 "\"sample_peak\": %.3f, \"has_sound\": %s, \"first\": %lld, \"end\": %lld}\n",
                 loud.is_measured ? "true" : "false", loud.integrated_lufs, loud.range_lu,
                 loud.true_peak_dbtp, loud.sample_peak_dbfs, quiet.has_sound ? "true" : "false",
                 (long long)quiet.first, (long long)quiet.end);
    return 0;
}

int main(int argc, char **argv)
{
    int64_t rate = 0;
    int64_t channels = 0;
    if (argc != 3 || text_to_int64(argv[1], 8000, 48000, &rate) != OK ||
        text_to_int64(argv[2], 1, 2, &channels) != OK) {
        (void)fputs("usage: measure_file RATE CHANNELS < FLOATS\n", stderr);
        return 2;
    }
    return measure((int)rate, (int)channels);
}
