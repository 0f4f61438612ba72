#include "plan.h"

#include "core/banned.h"

bool plan_is_measured(const struct plan_output *output)
{
    const struct job_options *o = output->options;
    /* What is copied is not decoded on the way, so its loudness is measured before. */
    bool is_told = o->loudness == JOB_LOUDNESS_TAG && output->may_copy;
    return is_told || o->loudness == JOB_LOUDNESS_NORMALIZE || o->trim_silence != 0;
}

bool plan_has_measuring(const struct plan *plan)
{
    for (int i = 0; i < plan->output_count; i++) {
        if (plan_is_measured(&plan->outputs[i])) {
            return true;
        }
    }
    return false;
}

struct source {
    const struct demux *demux;
    const struct id3_chapter *chapters;
    size_t chapter_count;
};

/* Before any work, where the container says how long the sound is. */
static enum err check_start(const struct plan_output *output, const struct demux *d,
                            struct failure *f)
{
    int64_t promised_us = demux_promised_us(d, output->stream);
    if (promised_us == 0 || output->start_ms * 1000 < promised_us) {
        return OK;
    }
    return failure_set(f, PROBLEM_TRIM_RANGE,
                       "start is at %.3f s, but the sound lasts only %.3f s.",
                       (double)output->start_ms / 1e3, (double)promised_us / 1e6);
}

static enum err add(struct plan *plan, const struct plan_output *output, struct failure *f)
{
    if (plan->output_count == JOB_OUTPUTS_MAX) {
        return failure_set(f, PROBLEM_TOO_MANY_OUTPUTS,
                           "chapters: more than %d MP3s would come of it; keep or none is allowed.",
                           JOB_OUTPUTS_MAX);
    }
    plan->outputs[plan->output_count] = *output;
    plan->outputs[plan->output_count].number = plan->output_count;
    plan->output_count++;
    return OK;
}

/* One output for each chapter, of what lies between start and end. A file without chapters gives
 * one MP3 of the whole. */
static enum err add_chapters(struct plan *plan, const struct plan_output *whole,
                             const struct source *source, struct failure *f)
{
    size_t count = source->chapter_count;
    int before = plan->output_count;
    enum err err = count == 0 ? add(plan, whole, f) : OK;
    for (size_t i = 0; i < count && err == OK; i++) {
        const struct id3_chapter *chapter = &source->chapters[i];
        struct plan_output one = *whole;
        one.chapter = (int)i + 1;
        one.start_ms = chapter->start_ms > whole->start_ms ? chapter->start_ms : whole->start_ms;
        one.end_ms = chapter->end_ms;
        if (whole->end_ms != 0 && whole->end_ms < one.end_ms) {
            one.end_ms = whole->end_ms;
        }
        /* The last one reaches to the end of the sound, wherever that is. */
        if (i == count - 1 && whole->end_ms == 0) {
            one.end_ms = 0;
        }
        if (one.end_ms == 0 || one.start_ms < one.end_ms) {
            err = add(plan, &one, f);
        }
    }
    if (err == OK && plan->output_count == before) {
        return failure_set(f, PROBLEM_TRIM_RANGE, "No chapter lies between start and end.");
    }
    return err;
}

static enum err add_output(struct plan *plan, const struct job_options *options,
                           const struct source *source, struct failure *f)
{
    struct plan_output output = { .options = options,
                                  .start_ms = options->start_ms,
                                  .end_ms = options->end_ms };
    enum err err = demux_find_track(source->demux, options->track, &output.track, &output.stream,
                                    f);
    err = err != OK ? err : check_start(&output, source->demux, f);
    if (err != OK) {
        return err;
    }
    const AVStream *stream = demux_stream(source->demux, output.stream);
    output.may_copy = options->copy == JOB_COPY_AUTO &&
                      stream->codecpar->codec_id == AV_CODEC_ID_MP3;
    return options->chapters == JOB_CHAPTERS_SPLIT ? add_chapters(plan, &output, source, f)
                                                   : add(plan, &output, f);
}

enum err plan_make(const struct job_request *request, const struct demux *d,
                   const struct id3_chapter *chapters, size_t chapter_count, struct plan *ret_plan,
                   struct failure *f)
{
    struct source source = { d, chapters, chapter_count };
    enum err err = OK;
    ret_plan->output_count = 0;
    if (request->output_count == 0) {
        return add_output(ret_plan, &request->options, &source, f);
    }
    for (int i = 0; i < request->output_count && err == OK; i++) {
        err = add_output(ret_plan, &request->outputs[i], &source, f);
    }
    return err;
}

void plan_forbid_copies(struct plan *plan)
{
    for (int i = 0; i < plan->output_count; i++) {
        plan->outputs[i].may_copy = false;
    }
}

void plan_span(const struct plan *plan, const struct demux *d, int64_t *ret_start_us,
               int64_t *ret_end_us)
{
    int64_t start_us = INT64_MAX;
    int64_t end_us = 0;
    bool is_open = false;
    for (int i = 0; i < plan->output_count; i++) {
        const struct plan_output *o = &plan->outputs[i];
        int64_t duration_us = demux_duration_us(d, o->stream);
        int64_t stop_us = o->end_ms * 1000;
        if (stop_us == 0 || (duration_us > 0 && duration_us < stop_us)) {
            stop_us = duration_us;
        }
        is_open |= stop_us == 0;
        start_us = o->start_ms * 1000 < start_us ? o->start_ms * 1000 : start_us;
        end_us = stop_us > end_us ? stop_us : end_us;
    }
    *ret_start_us = start_us;
    *ret_end_us = is_open || end_us <= start_us ? 0 : end_us;
}
