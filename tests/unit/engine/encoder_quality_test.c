/* Nobody hears the joints: against one LAME from end to end, on sounds that are hard for it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <libavutil/log.h>
#include <math.h>
#include <stdlib.h>

#include "core/mem.h"
#include "encoder_support.h"

#define SECONDS 36
/* Frames by which the plan starts segments: joints lie in the 80 frames behind each. */
static const int starts[] = { 196, 588, 980 };
#define NEAR_FRAMES 80

struct figures {
    double mean_db;
    double worst_near_db, worst_elsewhere_db;
    size_t count;
    double *frames_db; /* NAN: silent */
};

static bool is_near(size_t frame)
{
    for (size_t i = 0; i < ARRAY_LEN(starts); i++) {
        if ((int)frame >= starts[i] && (int)frame < starts[i] + NEAR_FRAMES) {
            return true;
        }
    }
    return false;
}

/* Segmental signal-to-noise ratio by frames; silent ones have none. */
static void measure(const struct mp3 *m, const struct sound *s, struct figures *ret)
{
    float *planes[2] = { xcalloc(s->samples, sizeof(float)), xcalloc(s->samples, sizeof(float)) };
    mp3_decode(m, s, planes);
    struct figures r = { 0, 1000, 1000, 0, NULL };
    size_t counted = 0;
    size_t step = (size_t)frame_samples_of(s->rate);
    r.frames_db = xcalloc(s->samples / step, sizeof(double));
    for (size_t frame = 0; (frame + 1) * step <= s->samples; frame++, r.count++) {
        r.frames_db[frame] = (double)NAN;
        double signal = 0;
        double error = 1e-12;
        for (int c = 0; c < s->channels; c++) {
            for (size_t i = frame * step; i < (frame + 1) * step; i++) {
                double x = (double)s->planes[c][i];
                double d = x - (double)planes[c][i];
                signal += x * x;
                error += d * d;
            }
        }
        if (signal < 1e-6) {
            continue;
        }
        double db = 10 * log10(signal / error);
        double *worst = is_near(frame) ? &r.worst_near_db : &r.worst_elsewhere_db;
        *worst = db < *worst ? db : *worst;
        r.frames_db[frame] = db;
        r.mean_db += db;
        counted++;
    }
    r.mean_db /= counted > 0 ? (double)counted : 1;
    free(planes[0]);
    free(planes[1]);
    *ret = r;
}

/* By how much a frame of ours is worse than the same one of the serial encoder's, at most. */
static double worst_loss(const struct figures *ours, const struct figures *serial)
{
    double worst = 0;
    for (size_t i = 0; i < ours->count; i++) {
        double loss = serial->frames_db[i] - ours->frames_db[i];
        worst = loss > worst ? loss : worst;
    }
    return worst;
}

static const struct {
    const char *name;
    enum job_mode mode;
    int bitrate_kbps, quality;
    int rate, channels;
    bool is_short; /* only the sounds that are hardest */
} modes[] = {
    { "cbr 192, 48 kHz", JOB_MODE_CBR, 192, 0, 48000, 2, false },
    { "cbr 64 mono, 44.1 kHz", JOB_MODE_CBR, 64, 0, 44100, 1, true },
    { "V2, 44.1 kHz", JOB_MODE_VBR, 192, 2, 44100, 2, false },
    { "abr 64, 22.05 kHz", JOB_MODE_ABR, 64, 0, 22050, 2, true },
};

static const struct {
    const char *name;
    bool is_hard;
} sounds[SOUND_KINDS] = {
    { "speech", true },   { "music", true },  { "noise", false }, { "sweep", false },
    { "silence", false }, { "clicks", true }, { "levels", true },
};

static void compare(size_t mode, enum sound_kind kind, struct crew *crew)
{
    struct job_options options;
    job_options_default(&options);
    options.mode = modes[mode].mode;
    options.bitrate_kbps = modes[mode].bitrate_kbps;
    options.quality = modes[mode].quality;
    struct sound s;
    struct mp3 ours;
    struct mp3 serial;
    struct mp3_walk walk;
    struct figures a;
    struct figures b;
    sound_make(&s, kind, modes[mode].rate, modes[mode].channels,
               SECONDS * (size_t)modes[mode].rate);
    mp3_encode(&ours, &s, &options, crew);
    mp3_encode_serial(&serial, &s, &options);
    mp3_walk(&ours, &s, &walk);
    measure(&ours, &s, &a);
    measure(&serial, &s, &b);
    print_message("%s, %s: %.3f dB (serial %.3f), worst near joints %.1f (serial %.1f), elsewhere "
                  "%.1f; a frame loses %.2f%s%s\n",
                  modes[mode].name, sounds[kind].name, a.mean_db, b.mean_db, a.worst_near_db,
                  b.worst_near_db, a.worst_elsewhere_db, worst_loss(&a, &b),
                  walk.fault == NULL ? "" : "; ", walk.fault == NULL ? "" : walk.fault);
    assert_null(walk.fault);
    assert_true(fabs(a.mean_db - b.mean_db) <= 0.05);
    /* Where the sound itself is hardest near a joint, it is for the serial encoder too. */
    assert_true(a.worst_near_db >= fmin(b.worst_near_db, a.worst_elsewhere_db) - 3);
    free(a.frames_db);
    free(b.frames_db);
    mp3_release(&ours);
    mp3_release(&serial);
    sound_release(&s);
}

static void test_quality(void **state)
{
    for (size_t mode = 0; mode < ARRAY_LEN(modes); mode++) {
        for (int kind = 0; kind < SOUND_KINDS; kind++) {
            if (!modes[mode].is_short || sounds[kind].is_hard) {
                compare(mode, (enum sound_kind)kind, *state);
            }
        }
    }
}

static int make_crew(void **state)
{
    struct crew *crew = NULL;
    av_log_set_level(AV_LOG_WARNING);
    int failed = crew_new(2, &crew, NULL) != OK;
    *state = crew;
    return failed;
}

static int free_crew(void **state)
{
    crew_free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_quality) };
    return cmocka_run_group_tests(tests, make_crew, free_crew);
}
