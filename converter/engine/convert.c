#include "convert.h"

#include <libavutil/mem.h>
#include <string.h>

#include "demux.h"
#include "failure.h"
#include "head.h"
#include "input.h"
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
    struct head_source head;
    struct job_input described;
    struct plan plan;
    struct branch_measured measured[JOB_OUTPUTS_MAX];
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

/* Opens the file, and tells what it has. */
static enum err probe(struct convert *c, struct failure *f)
{
    enum err err = demux_open(c->input, &c->demux, f);
    if (err != OK) {
        return err;
    }
    demux_describe(c->demux, &c->described);
    return send_input(c);
}

/* The pass that has to be over before the one that encodes begins. */
static enum err measure(struct convert *c, const struct pass_params *params, struct failure *f)
{
    int outputs = 0;
    enum err err = pass_run(params, c->demux, true, &outputs, f);
    if (err != OK) {
        return err;
    }
    demux_close(c->demux);
    c->demux = NULL;
    return demux_open(c->input, &c->demux, f);
}

static enum err run(struct convert *c, struct failure *f)
{
    enum err err = probe(c, f);
    if (err != OK || c->start->is_probe) {
        return err != OK ? err : send_done(c, 0);
    }
    err = plan_make(&c->start->request, c->demux, c->head.chapters, c->head.chapter_count, &c->plan,
                    f);
    struct pass_params params = { .channel = c->channel,
                                  .start = c->start,
                                  .crew = c->crew,
                                  .plan = &c->plan,
                                  .head = &c->head,
                                  .measured = c->measured };
    if (err == OK && plan_has_measuring(&c->plan)) {
        err = measure(c, &params, f);
    }
    int outputs = 0;
    err = err != OK ? err : pass_run(&params, c->demux, false, &outputs, f);
    if (err == OK && outputs == 0) {
        err = failure_set(f, PROBLEM_TRIM_RANGE, "The sound ends before the first chapter begins.");
    }
    return err != OK ? err : send_done(c, outputs);
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
    c->head.tags = &start->request.tags;
    c->input = input_new(channel, start->input_size);
    enum err err = c->input == NULL ? failure_set(&f, PROBLEM_INTERNAL, "no memory for the input")
                                    : run(c, &f);
    demux_close(c->demux);
    input_free(c->input);
    free(c);
    return err == OK || err == ERR_CANCELLED ? err : tell_failed(channel, &f);
}
