#include "output.h"

#include <math.h>
#include <string.h>

#include "core/banned.h"

#define REPLAYGAIN_REFERENCE_LUFS (-18.0)

void output_init(struct output *o, const struct channel *channel, const struct plan_output *plan,
                 bool is_stream)
{
    o->plan = plan;
    o->is_stream = is_stream;
    o->head = NULL;
    o->head_len = 0;
    sink_init(&o->sink, channel, plan->number);
}

void output_release(struct output *o)
{
    id3_free(o->head);
    o->head = NULL;
}

bool output_has_begun(const struct output *o)
{
    return o->sink.size_bytes > 0;
}

enum err output_begin(struct output *o, const struct heads *heads, int64_t start_ms, int64_t end_ms)
{
    o->head = heads_make(heads, o->plan, start_ms, end_ms);
    if (o->head == NULL) {
        return OK;
    }
    const uint8_t *bytes = id3_bytes(o->head, &o->head_len);
    return sink_append(&o->sink, bytes, o->head_len);
}

enum err output_append(struct output *o, const uint8_t *bytes, size_t len)
{
    return sink_append(&o->sink, bytes, len);
}

enum err output_restart(struct output *o)
{
    output_release(o);
    return sink_restart(&o->sink);
}

void output_report_loudness(struct output *o, const struct loudness_result *r, double gain_db,
                            struct job_output *report)
{
    if (!r->is_measured) {
        return;
    }
    report->loudness = (struct job_loudness_report){ true, r->integrated_lufs, r->true_peak_dbtp,
                                                     r->range_lu, gain_db };
    if (o->head != NULL) {
        id3_set_replaygain(o->head, REPLAYGAIN_REFERENCE_LUFS - r->integrated_lufs,
                           pow(10, r->true_peak_dbtp / 20));
    }
}

static enum err patch(struct output *o, const uint8_t *tag_frame, size_t tag_len,
                      int64_t duration_ms)
{
    enum err err = sink_patch(&o->sink, (int64_t)o->head_len, tag_frame, tag_len);
    if (err != OK || o->head == NULL) {
        return err;
    }
    size_t offset = 0;
    size_t len = 0;
    id3_set_duration(o->head, duration_ms);
    const uint8_t *bytes = id3_patch(o->head, &offset, &len);
    return sink_patch(&o->sink, (int64_t)offset, bytes, len);
}

enum err output_finish(struct output *o, const uint8_t *tag_frame, size_t tag_len,
                       const struct job_output *report)
{
    struct protocol_output m = { .number = o->plan->number, .output = *report };
    m.output.size_bytes = o->sink.size_bytes;
    m.output.track = o->plan->track;
    m.output.chapter = o->plan->chapter;
    enum err err = o->is_stream ? OK
                                : patch(o, tag_frame, tag_len, (int64_t)(report->duration_s * 1e3));
    err = err != OK ? err : sink_end(&o->sink);
    if (err != OK) {
        return err;
    }
    uint8_t frame[PROTOCOL_HEADER_SIZE + PROTOCOL_SMALL_MAX];
    size_t len = protocol_pack_output(frame, &m);
    return channel_send(o->sink.channel, frame, len);
}
