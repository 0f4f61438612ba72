#include "track.h"

#include "decode.h"
#include "resample.h"

#include "core/banned.h"

#define JUMP_LEAD_S 2
#define JUMP_WORTH_S 8

/* Branches that want the same rate and as many channels. */
struct group {
    struct resample *resample;
    struct branch *branches[JOB_OUTPUTS_MAX];
    int branch_count;
};

struct track {
    const struct demux *demux;
    int stream;
    struct decode *decode; /* NULL: its frames are copied only */
    bool has_started;
    struct branch *branches[JOB_OUTPUTS_MAX];
    int branch_count;
    struct duplicate *duplicates[JOB_OUTPUTS_MAX];
    int duplicate_count;
    struct group *groups[JOB_OUTPUTS_MAX];
    int group_count;
};

static enum err on_pcm(void *ctx, const float *const planes[2], size_t samples, struct failure *f)
{
    struct group *g = ctx;
    enum err err = OK;
    for (int i = 0; i < g->branch_count && err == OK; i++) {
        if (!branch_is_over(g->branches[i])) {
            err = branch_feed(g->branches[i], planes, samples, f);
        }
    }
    return err;
}

static bool is_group_over(const struct group *g)
{
    for (int i = 0; i < g->branch_count; i++) {
        if (!branch_is_over(g->branches[i])) {
            return false;
        }
    }
    return true;
}

static struct group *find_group(struct track *t, const struct branch *b)
{
    for (int i = 0; i < t->group_count; i++) {
        const struct branch *one = t->groups[i]->branches[0];
        if (branch_sample_rate_hz(one) == branch_sample_rate_hz(b) &&
            branch_channels(one) == branch_channels(b)) {
            return t->groups[i];
        }
    }
    struct group *g = xcalloc(1, sizeof(*g));
    struct resample_sink sink = { g, on_pcm };
    g->resample = resample_new(branch_sample_rate_hz(b), branch_channels(b), &sink);
    t->groups[t->group_count++] = g;
    return g;
}

/* The first frame settles what "as the source" means: a header may be wrong about it (HE-AAC). */
static enum err start(struct track *t, const AVFrame *frame, struct failure *f)
{
    t->has_started = true;
    for (int i = 0; i < t->branch_count; i++) {
        struct branch *b = t->branches[i];
        enum err err = branch_start(b, frame->sample_rate, frame->ch_layout.nb_channels, f);
        if (err != OK) {
            return err;
        }
        struct group *g = find_group(t, b);
        g->branches[g->branch_count++] = b;
    }
    return OK;
}

static enum err on_frame(void *ctx, const AVFrame *frame, struct failure *f)
{
    struct track *t = ctx;
    enum err err = t->has_started ? OK : start(t, frame, f);
    for (int i = 0; i < t->group_count && err == OK; i++) {
        if (!is_group_over(t->groups[i])) {
            err = resample_feed(t->groups[i]->resample, frame, f);
        }
    }
    return err;
}

struct track *track_new(const struct demux *demux, int stream)
{
    struct track *t = xcalloc(1, sizeof(*t));
    t->demux = demux;
    t->stream = stream;
    return t;
}

void track_close(struct track *t)
{
    if (t == NULL) {
        return;
    }
    for (int i = 0; i < t->group_count; i++) {
        resample_free(t->groups[i]->resample);
        free(t->groups[i]);
    }
    for (int i = 0; i < t->branch_count; i++) {
        branch_free(t->branches[i]);
    }
    for (int i = 0; i < t->duplicate_count; i++) {
        duplicate_free(t->duplicates[i]);
    }
    decode_close(t->decode);
    free(t);
}

enum err track_add(struct track *t, struct branch *branch, struct failure *f)
{
    struct decode_params params = { t->demux, t->stream, t, on_frame };
    t->branches[t->branch_count++] = branch;
    return t->decode != NULL ? OK : decode_open(&params, &t->decode, f);
}

void track_add_duplicate(struct track *t, struct duplicate *duplicate)
{
    t->duplicates[t->duplicate_count++] = duplicate;
}

int track_stream(const struct track *t)
{
    return t->stream;
}

static bool are_branches_over(const struct track *t)
{
    for (int i = 0; i < t->branch_count; i++) {
        if (!branch_is_over(t->branches[i])) {
            return false;
        }
    }
    return true;
}

enum err track_packet(struct track *t, const AVPacket *packet, struct failure *f)
{
    enum err err = are_branches_over(t) ? OK : decode_packet(t->decode, packet, f);
    for (int i = 0; i < t->duplicate_count && err == OK; i++) {
        if (!duplicate_is_over(t->duplicates[i])) {
            err = duplicate_packet(t->duplicates[i], packet, f);
        }
    }
    return err;
}

bool track_has_started(const struct track *t)
{
    return t->has_started;
}

/* A whole number of seconds is a whole number of samples at any rate, so that the resampler goes on
 * in step. It and the decoder have the lead to forget what was before. */
enum err track_jump(struct track *t, struct demux *demux, AVPacket *packet, int64_t start_us,
                    struct failure *f)
{
    int64_t seconds = (start_us - decode_us(t->decode)) / 1000000 - JUMP_LEAD_S;
    int64_t from = 0;
    int64_t to = 0;
    int64_t at = AV_NOPTS_VALUE;
    if (t->duplicate_count > 0 || seconds < JUMP_WORTH_S || !decode_position(t->decode, &from) ||
        __builtin_add_overflow(from, seconds * demux_stream(demux, t->stream)->time_base.den,
                               &to)) {
        return OK;
    }
    enum err err = demux_jump(demux, t->stream, from, to, packet, &at, f);
    if (err != OK || at == AV_NOPTS_VALUE) {
        return err;
    }
    decode_jump(t->decode, at, at == to ? seconds * 1000000 : 0);
    for (int i = 0; i < t->branch_count && at == to; i++) {
        branch_skip(t->branches[i], seconds);
    }
    return decode_packet(t->decode, packet, f);
}

bool track_is_over(const struct track *t)
{
    for (int i = 0; i < t->duplicate_count; i++) {
        if (!duplicate_is_over(t->duplicates[i])) {
            return false;
        }
    }
    return are_branches_over(t);
}

static enum err finish_decoding(struct track *t, struct failure *f)
{
    enum err err = decode_packet(t->decode, NULL, f);
    err = err != OK ? err : decode_check(t->decode, f);
    for (int i = 0; i < t->group_count && err == OK; i++) {
        err = resample_finish(t->groups[i]->resample, f);
    }
    for (int i = 0; i < t->branch_count && err == OK; i++) {
        err = branch_finish(t->branches[i], f);
    }
    return err;
}

enum err track_finish(struct track *t, struct failure *f)
{
    enum err err = are_branches_over(t) ? OK : finish_decoding(t, f);
    for (int i = 0; i < t->duplicate_count && err == OK; i++) {
        err = duplicate_finish(t->duplicates[i], f);
    }
    return err;
}

bool track_has_changed(const struct track *t)
{
    for (int i = 0; i < t->duplicate_count; i++) {
        if (duplicate_has_changed(t->duplicates[i])) {
            return true;
        }
    }
    return false;
}

enum err track_restart(struct track *t, struct plan *plan)
{
    enum err err = OK;
    for (int i = 0; i < t->branch_count && err == OK; i++) {
        bool is_over = branch_is_over(t->branches[i]);
        plan->outputs[branch_number(t->branches[i])].is_done = is_over;
        err = is_over ? OK : branch_restart(t->branches[i]);
    }
    for (int i = 0; i < t->duplicate_count && err == OK; i++) {
        bool is_over = duplicate_is_over(t->duplicates[i]);
        plan->outputs[duplicate_number(t->duplicates[i])].is_done = is_over;
        err = is_over ? OK : duplicate_restart(t->duplicates[i]);
    }
    return err;
}

int track_outputs(const struct track *t)
{
    int count = 0;
    for (int i = 0; i < t->branch_count; i++) {
        count += branch_has_output(t->branches[i]) ? 1 : 0;
    }
    for (int i = 0; i < t->duplicate_count; i++) {
        count += duplicate_has_output(t->duplicates[i]) ? 1 : 0;
    }
    return count;
}

int64_t track_us(const struct track *t)
{
    int64_t us = t->decode == NULL ? 0 : decode_us(t->decode);
    for (int i = 0; i < t->duplicate_count; i++) {
        int64_t copied_us = duplicate_us(t->duplicates[i]);
        us = copied_us > us ? copied_us : us;
    }
    return us;
}
