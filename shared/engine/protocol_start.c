/* START: what is asked for, and within which limits. */
#include "engine/protocol.h"

#include <string.h>

#include "engine/protocol_wire.h"

#include "core/banned.h"

#define OPTIONS_SIZE (13 * 4 + 5 * 8 + JOB_TRACK_SIZE)
#define TAGS_SIZE (4 + JOB_TAG_COUNT * JOB_TAG_TEXT_SIZE)
#define START_SIZE (5 * 4 + 5 * 8 + TAGS_SIZE + OPTIONS_SIZE * (1 + JOB_REQUEST_OUTPUTS_MAX))

_Static_assert(START_SIZE <= PROTOCOL_SMALL_MAX, "START fits");

static void put_options(uint8_t **at, const struct job_options *o)
{
    wire_put_int(at, (int)o->preset);
    wire_put_int(at, (int)o->mode);
    wire_put_int(at, o->bitrate_kbps);
    wire_put_int(at, o->quality);
    wire_put_int(at, o->sample_rate_hz);
    wire_put_int(at, o->channels);
    wire_put_int(at, (int)o->loudness);
    wire_put_int(at, o->loudness_target_centi_lufs);
    wire_put_int(at, o->trim_silence);
    wire_put_int(at, (int)o->chapters);
    wire_put_int(at, (int)o->cover);
    wire_put_int(at, (int)o->id3);
    wire_put_int(at, (int)o->copy);
    wire_put_i64(at, o->start_ms);
    wire_put_i64(at, o->end_ms);
    wire_put_i64(at, o->fade_in_ms);
    wire_put_i64(at, o->fade_out_ms);
    wire_put_i64(at, o->cover_at_ms);
    wire_put_text(at, o->track, JOB_TRACK_SIZE);
}

static void take_options(const uint8_t **at, struct job_options *o, bool *ok)
{
    const int64_t max_ms = WIRE_MAX_TIME_US / 1000;
    o->preset = (enum job_preset)wire_take_int(at, JOB_PRESET_STANDARD, JOB_PRESET_BEST, ok);
    o->mode = (enum job_mode)wire_take_int(at, JOB_MODE_CBR, JOB_MODE_ABR, ok);
    o->bitrate_kbps = wire_take_int(at, 0, 320, ok);
    o->quality = wire_take_int(at, 0, 9, ok);
    o->sample_rate_hz = wire_take_int(at, 0, 48000, ok);
    o->channels = wire_take_int(at, 0, 2, ok);
    o->loudness = (enum job_loudness)wire_take_int(at, JOB_LOUDNESS_OFF, JOB_LOUDNESS_NORMALIZE,
                                                   ok);
    o->loudness_target_centi_lufs = wire_take_int(at, JOB_LOUDNESS_MIN_CENTI_LUFS,
                                                  JOB_LOUDNESS_MAX_CENTI_LUFS, ok);
    o->trim_silence = wire_take_int(at, 0, 1, ok);
    o->chapters = (enum job_chapters)wire_take_int(at, JOB_CHAPTERS_KEEP, JOB_CHAPTERS_NONE, ok);
    o->cover = (enum job_cover)wire_take_int(at, JOB_COVER_KEEP, JOB_COVER_FRAME, ok);
    o->id3 = (enum job_id3)wire_take_int(at, JOB_ID3_V24, JOB_ID3_V23, ok);
    o->copy = (enum job_copy)wire_take_int(at, JOB_COPY_AUTO, JOB_COPY_NEVER, ok);
    o->start_ms = wire_take_int64(at, 0, max_ms, ok);
    o->end_ms = wire_take_int64(at, 0, max_ms, ok);
    o->fade_in_ms = wire_take_int64(at, 0, JOB_FADE_MAX_MS, ok);
    o->fade_out_ms = wire_take_int64(at, 0, JOB_FADE_MAX_MS, ok);
    o->cover_at_ms = wire_take_int64(at, 0, max_ms, ok);
    wire_take_text(at, o->track, JOB_TRACK_SIZE, ok);
}

static void put_request(uint8_t **at, const struct job_request *r)
{
    wire_put_u32(at, r->tags.given);
    for (int i = 0; i < JOB_TAG_COUNT; i++) {
        wire_put_text(at, r->tags.texts[i], JOB_TAG_TEXT_SIZE);
    }
    put_options(at, &r->options);
    wire_put_int(at, r->output_count);
    for (int i = 0; i < JOB_REQUEST_OUTPUTS_MAX; i++) {
        put_options(at, i < r->output_count ? &r->outputs[i] : &r->options);
    }
}

static void take_request(const uint8_t **at, struct job_request *r, bool *ok)
{
    r->tags.given = (unsigned)wire_take_int(at, 0, (1 << JOB_TAG_COUNT) - 1, ok);
    for (int i = 0; i < JOB_TAG_COUNT; i++) {
        wire_take_text(at, r->tags.texts[i], JOB_TAG_TEXT_SIZE, ok);
    }
    take_options(at, &r->options, ok);
    r->output_count = wire_take_int(at, 0, JOB_REQUEST_OUTPUTS_MAX, ok);
    for (int i = 0; i < JOB_REQUEST_OUTPUTS_MAX; i++) {
        take_options(at, &r->outputs[i], ok);
    }
}

size_t protocol_pack_start(uint8_t *dst, const struct protocol_start *m)
{
    uint8_t *at = dst + PROTOCOL_HEADER_SIZE;
    wire_put_u32(&at, PROTOCOL_VERSION);
    put_request(&at, &m->request);
    wire_put_int(&at, m->is_probe ? 1 : 0);
    wire_put_int(&at, m->is_output_stream ? 1 : 0);
    wire_put_int(&at, m->threads);
    wire_put_i64(&at, m->input_size);
    wire_put_i64(&at, m->cover_size);
    wire_put_i64(&at, m->max_duration_s);
    wire_put_i64(&at, m->memory_bytes);
    wire_put_i64(&at, m->cpu_limit_s);
    return wire_finish(dst, at, PROTOCOL_START);
}

enum err protocol_unpack_start(const uint8_t *src, size_t len, struct protocol_start *ret_m,
                               struct error *e)
{
    if (len != START_SIZE || wire_take_u32(&src) != PROTOCOL_VERSION) {
        return wire_broken(e, "START");
    }
    struct protocol_start m;
    memset(&m, 0, sizeof(m));
    bool ok = true;
    take_request(&src, &m.request, &ok);
    m.is_probe = wire_take_bool(&src, &ok);
    m.is_output_stream = wire_take_bool(&src, &ok);
    m.threads = wire_take_int(&src, 1, PROTOCOL_THREADS_MAX, &ok);
    m.input_size = wire_take_int64(&src, -1, INT64_MAX, &ok);
    m.cover_size = wire_take_int64(&src, 0, INT64_MAX, &ok);
    m.max_duration_s = wire_take_int64(&src, 1, WIRE_MAX_TIME_US / 1000000, &ok);
    m.memory_bytes = wire_take_int64(&src, 1, INT64_MAX, &ok);
    m.cpu_limit_s = wire_take_int64(&src, 1, INT32_MAX, &ok);
    if (!ok) {
        return wire_broken(e, "START");
    }
    *ret_m = m;
    return OK;
}
