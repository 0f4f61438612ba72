#include "convert.h"

#include <libavutil/mem.h>
#include <string.h>

#include "demux.h"
#include "failure.h"
#include "head.h"
#include "input.h"
#include "metadata.h"
#include "pass.h"
#include "plan.h"

#include "core/banned.h"

/* One allocation of libav's at most. */
#define MAX_ALLOC ((size_t)256 << 20)

struct convert {
    const struct channel *channel;
    const struct protocol_start *start;
    struct crew *crew;
    struct input *input;
    struct demux *demux;
    struct heads *heads;
    struct job_input described;
    struct plan plan;
    struct branch_measured measured[JOB_OUTPUTS_MAX];
    int64_t told_us;
};

static enum err send_input(const struct convert *c)
{
    uint8_t frame[PROTOCOL_HEADER_SIZE + PROTOCOL_SMALL_MAX];
    size_t len = protocol_pack_input(frame, &c->described);
    return channel_send(c->channel, frame, len);
}

static enum err send_done(const struct convert *c, int outputs)
{
    struct protocol_done m = { outputs };
    uint8_t frame[PROTOCOL_HEADER_SIZE + PROTOCOL_SMALL_MAX];
    size_t len = protocol_pack_done(frame, &m);
    return channel_send(c->channel, frame, len);
}

/* What the container says besides its tracks; of the track that is taken unless told otherwise. */
static void describe_more(struct convert *c)
{
    struct failure none;
    int track = 0;
    int stream = 0;
    if (demux_find_track(c->demux, "", &track, &stream, &none) == OK) {
        AUTO(mem_free) struct metadata *m = xmalloc(sizeof(*m));
        metadata_read(demux_container(c->demux), demux_stream(c->demux, stream), m);
        metadata_describe(m, &c->described);
        heads_describe(c->heads, m);
    }
}

/* Opens the file, and tells what it has. */
static enum err probe(struct convert *c, struct failure *f)
{
    enum err err = demux_open(c->input, &c->demux, f);
    if (err != OK) {
        return err;
    }
    demux_describe(c->demux, &c->described);
    describe_more(c);
    return send_input(c);
}

static void close_demux(struct convert *c)
{
    demux_close(c->demux);
    c->demux = NULL;
}

/* Once more from the start. */
static enum err reopen(struct convert *c, struct failure *f)
{
    close_demux(c);
    return demux_open(c->input, &c->demux, f);
}

static enum err take_frames(struct convert *c, struct failure *f)
{
    close_demux(c);
    enum err err = heads_take_frames(c->heads, &c->plan, c->input, f);
    return err != OK ? err : reopen(c, f);
}

static enum err run_passes(struct convert *c, struct failure *f)
{
    struct pass_params params = { .channel = c->channel,
                                  .start = c->start,
                                  .crew = c->crew,
                                  .plan = &c->plan,
                                  .heads = c->heads,
                                  .measured = c->measured,
                                  .told_us = &c->told_us };
    struct pass_result result = { 0 };
    enum err err = OK;
    if (plan_has_measuring(&c->plan)) {
        err = pass_run(&params, c->demux, true, &result, f);
        err = err != OK ? err : reopen(c, f);
    }
    err = err != OK ? err : pass_run(&params, c->demux, false, &result, f);
    int outputs = result.outputs;
    if (err == OK && result.is_broken_off) {
        plan_forbid_copies(&c->plan);
        err = reopen(c, f);
        err = err != OK ? err : pass_run(&params, c->demux, false, &result, f);
        outputs += result.outputs;
    }
    if (err == OK && outputs == 0) {
        return failure_set(f, PROBLEM_TRIM_RANGE,
                           "The sound ends before the first chapter begins.");
    }
    return err != OK ? err : send_done(c, outputs);
}

static enum err run(struct convert *c, struct failure *f)
{
    enum err err = probe(c, f);
    if (err != OK || c->start->is_probe) {
        return err != OK ? err : send_done(c, 0);
    }
    const struct metadata *m = heads_metadata(c->heads);
    err = plan_make(&c->start->request, c->demux, m->chapters, m->chapter_count, &c->plan, f);
    if (err == OK && heads_wants_frames(&c->plan)) {
        err = take_frames(c, f);
    }
    return err != OK ? err : run_passes(c, f);
}

static enum err tell_failed(const struct channel *channel, const struct failure *f)
{
    struct protocol_failed m = { .problem = f->problem };
    memcpy(m.detail, f->detail, sizeof(m.detail));
    uint8_t frame[PROTOCOL_HEADER_SIZE + PROTOCOL_SMALL_MAX];
    size_t len = protocol_pack_failed(frame, &m);
    return channel_send(channel, frame, len);
}

enum err convert_run(const struct channel *channel, const struct protocol_start *start,
                     struct crew *crew)
{
    struct failure f = { 0 };
    av_max_alloc(MAX_ALLOC);
    if (start->input_size == 0) {
        (void)failure_set(&f, PROBLEM_UNSUPPORTED_FORMAT, "The file is empty.");
        return tell_failed(channel, &f);
    }
    struct convert *c = xcalloc(1, sizeof(*c));
    c->channel = channel;
    c->start = start;
    c->crew = crew;
    enum err err = heads_new(channel, start, &c->heads, &f);
    c->input = err == OK ? input_new(channel, start->input_size) : NULL;
    if (err == OK && c->input == NULL) {
        err = failure_set(&f, PROBLEM_RESOURCE_LIMIT, "The conversion needs too much memory.");
    }
    err = err != OK ? err : run(c, &f);
    demux_close(c->demux);
    heads_free(c->heads);
    input_free(c->input);
    free(c);
    return err == OK || err == ERR_CANCELLED ? err : tell_failed(channel, &f);
}
