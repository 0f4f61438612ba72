#include "pass.h"

#include "core/clock.h"
#include "lookahead.h"
#include "track.h"

#include "core/banned.h"

#define PROGRESS_EVERY_US 100000
/* What measuring takes of the time of both passes, in percent. */
#define MEASURING_PERCENT 10

struct pass {
    const struct pass_params *params;
    bool is_measuring;
    struct lookahead lookahead;
    struct track *tracks[JOB_OUTPUTS_MAX];
    int track_count;
    int64_t from_us, to_us; /* of the sound that is wanted; to 0: not known */
    bool has_jumped;        /* to the first start, or tried */
    int64_t told_at_us;
};

static struct track *find_track(const struct pass *p, int stream)
{
    for (int i = 0; i < p->track_count; i++) {
        if (track_stream(p->tracks[i]) == stream) {
            return p->tracks[i];
        }
    }
    return NULL;
}

/* With many outputs at a time there is work for all threads without much waiting for each. */
static int encoder_buffers(const struct plan *plan)
{
    return plan->output_count == 1 ? 0 : plan->output_count == 2 ? 3 : 2;
}

static struct branch_params params_of(const struct pass *p, int number)
{
    const struct pass_params *params = p->params;
    return (struct branch_params){
        .output = &params->plan->outputs[number],
        .channel = params->channel,
        .crew = params->crew,
        .heads = params->heads,
        .max_duration_s = params->start->max_duration_s,
        .encoder_buffers = encoder_buffers(params->plan),
        .is_stream = params->start->is_output_stream,
        .is_measuring = p->is_measuring,
        .measured = &params->measured[number],
    };
}

static bool is_wanted(const struct pass *p, const struct plan_output *output)
{
    return !output->is_done && (!p->is_measuring || plan_is_measured(output));
}

static void select_tracks(struct pass *p)
{
    const struct plan *plan = p->params->plan;
    for (int i = 0; i < plan->output_count; i++) {
        int stream = plan->outputs[i].stream;
        if (is_wanted(p, &plan->outputs[i]) && find_track(p, stream) == NULL) {
            p->tracks[p->track_count++] = track_new(p->lookahead.demux, stream);
            demux_select(p->lookahead.demux, stream);
        }
    }
}

static enum err add_outputs(struct pass *p, struct failure *f)
{
    const struct plan *plan = p->params->plan;
    enum err err = OK;
    for (int i = 0; i < plan->output_count && err == OK; i++) {
        const struct plan_output *output = &plan->outputs[i];
        struct branch_params params = params_of(p, i);
        struct track *track = find_track(p, output->stream);
        if (!is_wanted(p, output)) {
            continue;
        }
        if (!p->is_measuring && duplicate_is_possible(&p->lookahead, output)) {
            track_add_duplicate(track, duplicate_new(&params, p->lookahead.demux));
        } else {
            err = track_add(track, branch_new(&params), f);
        }
    }
    return err;
}

/* How far the sound that is wanted has come, with the share of the other pass. */
static int64_t position_us(const struct pass *p)
{
    int64_t us = 0;
    for (int i = 0; i < p->track_count; i++) {
        int64_t track = track_us(p->tracks[i]);
        us = track > us ? track : us;
    }
    us = us > p->from_us ? us - p->from_us : 0;
    int64_t whole_us = p->to_us == 0 ? 0 : p->to_us - p->from_us;
    if (whole_us > 0 && us > whole_us) {
        us = whole_us;
    }
    /* Of two shares, where there is no whole: that of the second pass, so that it never goes back.
     */
    if (p->is_measuring && whole_us == 0) {
        return 0;
    }
    if (p->is_measuring) {
        return us * MEASURING_PERCENT / 100;
    }
    if (plan_has_measuring(p->params->plan)) {
        return us * (100 - MEASURING_PERCENT) / 100 + whole_us * MEASURING_PERCENT / 100;
    }
    return us;
}

static enum err tell_progress(struct pass *p)
{
    int64_t now_us = clock_mono_us();
    if (now_us - p->told_at_us < PROGRESS_EVERY_US) {
        return OK;
    }
    p->told_at_us = now_us;
    int64_t us = position_us(p);
    int64_t *told_us = p->params->told_us;
    *told_us = us > *told_us ? us : *told_us;
    struct protocol_progress m = { *told_us, p->to_us == 0 ? 0 : p->to_us - p->from_us };
    uint8_t frame[PROTOCOL_HEADER_SIZE + PROTOCOL_SMALL_MAX];
    size_t len = protocol_pack_progress(frame, &m);
    return channel_send(p->params->channel, frame, len);
}

static bool is_over(const struct pass *p)
{
    for (int i = 0; i < p->track_count; i++) {
        if (!track_is_over(p->tracks[i])) {
            return false;
        }
    }
    return true;
}

/* Once the first track is under way: what nobody wants is not read, where that can be. */
static enum err jump(struct pass *p, AVPacket *packet, struct failure *f)
{
    if (p->has_jumped || p->track_count != 1 || p->lookahead.count > 0 ||
        !track_has_started(p->tracks[0])) {
        return OK;
    }
    p->has_jumped = true;
    enum err err = track_jump(p->tracks[0], p->lookahead.demux, packet, p->from_us, f);
    av_packet_unref(packet);
    return err;
}

static enum err read_packets(struct pass *p, AVPacket *packet, struct failure *f)
{
    while (!is_over(p)) {
        bool is_end = false;
        enum err err = lookahead_read(&p->lookahead, packet, &is_end, f);
        if (err != OK || is_end) {
            return err;
        }
        struct track *track = find_track(p, packet->stream_index);
        err = track == NULL ? OK : track_packet(track, packet, f);
        av_packet_unref(packet);
        err = err != OK ? err : jump(p, packet, f);
        err = err != OK ? err : tell_progress(p);
        if (err != OK) {
            return err;
        }
    }
    return OK;
}

static enum err run(struct pass *p, struct failure *f)
{
    plan_span(p->params->plan, p->lookahead.demux, &p->from_us, &p->to_us);
    select_tracks(p);
    enum err err = add_outputs(p, f);
    if (err != OK) {
        return err;
    }
    AVPacket *packet = av_packet_alloc();
    if (packet == NULL) {
        return failure_set(f, PROBLEM_RESOURCE_LIMIT, "The conversion needs too much memory.");
    }
    err = read_packets(p, packet, f);
    av_packet_free(&packet);
    for (int i = 0; i < p->track_count && err == OK; i++) {
        err = track_finish(p->tracks[i], f);
    }
    return err;
}

/* A failure that is none: what cannot be copied to its end is encoded. Into a stream it has gone
 * already. */
static bool is_to_be_repeated(const struct pass *p)
{
    bool has_changed = false;
    for (int i = 0; i < p->track_count; i++) {
        has_changed |= track_has_changed(p->tracks[i]);
    }
    return has_changed && !p->params->start->is_output_stream;
}

static enum err restart(const struct pass *p, struct pass_result *result)
{
    enum err err = OK;
    result->is_broken_off = true;
    for (int i = 0; i < p->track_count && err == OK; i++) {
        err = track_restart(p->tracks[i], p->params->plan);
    }
    return err;
}

enum err pass_run(const struct pass_params *params, struct demux *demux, bool is_measuring,
                  struct pass_result *ret_result, struct failure *f)
{
    struct pass p = { .params = params,
                      .is_measuring = is_measuring,
                      .lookahead = { .demux = demux },
                      .told_at_us = clock_mono_us() };
    *ret_result = (struct pass_result){ 0 };
    enum err err = run(&p, f);
    if (err != OK && err != ERR_CANCELLED && is_to_be_repeated(&p)) {
        err = restart(&p, ret_result);
    }
    lookahead_release(&p.lookahead);
    for (int i = 0; i < p.track_count; i++) {
        ret_result->outputs += track_outputs(p.tracks[i]);
        track_close(p.tracks[i]);
    }
    return err;
}
