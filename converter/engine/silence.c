#include "silence.h"

#include "sample.h"

#include "core/banned.h"

#define STEP_MS 5
#define STEPS_IN_A_ROW 4
/* -60 dBFS, squared. */
#define LOUD_POWER 1e-6

struct silence {
    int channels;
    int64_t step_samples;
    int64_t samples;    /* fed */
    int64_t in_step;    /* of those in the step that is not full yet */
    double energy[2];   /* of that step, by channel */
    int64_t row;        /* loud steps at the end of what was fed */
    int64_t first, end; /* end 0: no sound yet */
};

struct silence *silence_new(int sample_rate_hz, int channels)
{
    struct silence *s = xcalloc(1, sizeof(*s));
    s->channels = channels;
    s->step_samples = sample_rate_hz * STEP_MS / 1000;
    return s;
}

void silence_free(struct silence *s)
{
    free(s);
}

static bool is_loud(const struct silence *s)
{
    double threshold = LOUD_POWER * (double)s->in_step;
    return s->energy[0] > threshold || s->energy[1] > threshold;
}

/* After a step, which may be the short one at the end. */
static void end_step(struct silence *s)
{
    s->row = is_loud(s) ? s->row + 1 : 0;
    if (s->row >= STEPS_IN_A_ROW) {
        if (s->end == 0) {
            s->first = s->samples - s->in_step - (STEPS_IN_A_ROW - 1) * s->step_samples;
        }
        s->end = s->samples;
    }
    s->in_step = 0;
    s->energy[0] = 0;
    s->energy[1] = 0;
}

static double energy_of(const float *plane, size_t samples)
{
    double energy = 0;
    for (size_t i = 0; i < samples; i++) {
        double x = sample_tame(plane[i]);
        energy += x * x;
    }
    return energy;
}

void silence_feed(struct silence *s, const float *const planes[2], size_t samples)
{
    for (size_t done = 0; done < samples;) {
        size_t room = (size_t)(s->step_samples - s->in_step);
        size_t take = samples - done < room ? samples - done : room;
        for (int c = 0; c < s->channels; c++) {
            s->energy[c] += energy_of(planes[c] + done, take);
        }
        s->in_step += (int64_t)take;
        s->samples += (int64_t)take;
        done += take;
        if (s->in_step == s->step_samples) {
            end_step(s);
        }
    }
}

struct silence_result silence_result(const struct silence *s)
{
    struct silence last = *s;
    if (last.in_step > 0) {
        end_step(&last);
    }
    if (last.end == 0) {
        return (struct silence_result){ false, 0, last.samples };
    }
    /* A sound may start or stop within a step and be a small part of it. */
    int64_t first = last.first - last.step_samples;
    int64_t end = last.end + last.step_samples;
    return (struct silence_result){ true, first > 0 ? first : 0,
                                    end < last.samples ? end : last.samples };
}
