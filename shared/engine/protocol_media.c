/* INPUT and OUTPUT: what the file has, and what an MP3 became. */
#include "engine/protocol.h"

#include <math.h>
#include <string.h>

#include "engine/protocol_wire.h"

#include "core/banned.h"

#define CONTAINER_SIZE 64
#define CODEC_SIZE 32
#define LANGUAGE_SIZE 16
#define MODE_SIZE 8
#define TRACK_SIZE (16 + CODEC_SIZE + LANGUAGE_SIZE)
#define CHAPTER_SIZE (16 + JOB_TITLE_SIZE)
#define INPUT_SIZE (CONTAINER_SIZE + 16)
#define OUTPUT_SIZE (6 * 4 + 2 * 8 + MODE_SIZE + 5 * 4)
/* Hundredths of a dB or LUFS; nothing that can be heard is farther off. */
#define LEVEL_MAX 100000

_Static_assert(INPUT_SIZE + TRACK_SIZE * JOB_TRACKS_MAX + CHAPTER_SIZE * JOB_CHAPTERS_MAX <=
                   PROTOCOL_SMALL_MAX,
               "INPUT fits");
_Static_assert(sizeof(((struct job_input *)NULL)->container) == CONTAINER_SIZE, "job.h's size");
_Static_assert(sizeof(((struct job_track *)NULL)->codec) == CODEC_SIZE, "job.h's size");
_Static_assert(sizeof(((struct job_track *)NULL)->language) == LANGUAGE_SIZE, "job.h's size");
_Static_assert(sizeof(((struct job_output *)NULL)->mode) == MODE_SIZE, "job.h's size");

static void put_track(uint8_t **at, const struct job_track *t)
{
    wire_put_int(at, t->index);
    wire_put_int(at, t->channels);
    wire_put_int(at, t->sample_rate_hz);
    wire_put_int(at, t->is_default ? 1 : 0);
    wire_put_text(at, t->codec, CODEC_SIZE);
    wire_put_text(at, t->language, LANGUAGE_SIZE);
}

static void take_track(const uint8_t **at, struct job_track *t, bool *ok)
{
    t->index = wire_take_int(at, 0, 1000, ok);
    t->channels = wire_take_int(at, 0, 1024, ok);
    t->sample_rate_hz = wire_take_int(at, 0, INT32_MAX, ok);
    t->is_default = wire_take_bool(at, ok);
    wire_take_text(at, t->codec, CODEC_SIZE, ok);
    wire_take_text(at, t->language, LANGUAGE_SIZE, ok);
}

size_t protocol_pack_input(uint8_t *dst, const struct job_input *m)
{
    uint8_t *at = dst + PROTOCOL_HEADER_SIZE;
    wire_put_text(&at, m->container, CONTAINER_SIZE);
    wire_put_i64(&at, (int64_t)(m->duration_s * 1e6));
    wire_put_int(&at, m->track_count);
    wire_put_int(&at, m->chapter_count);
    for (int i = 0; i < m->track_count; i++) {
        put_track(&at, &m->tracks[i]);
    }
    for (int i = 0; i < m->chapter_count; i++) {
        wire_put_i64(&at, m->chapters[i].start_ms);
        wire_put_i64(&at, m->chapters[i].end_ms);
        wire_put_text(&at, m->chapters[i].title, JOB_TITLE_SIZE);
    }
    return wire_finish(dst, at, PROTOCOL_INPUT);
}

static void take_chapter(const uint8_t **at, struct job_chapter *c, bool *ok)
{
    c->start_ms = wire_take_int64(at, 0, WIRE_MAX_TIME_US / 1000, ok);
    c->end_ms = wire_take_int64(at, c->start_ms, WIRE_MAX_TIME_US / 1000, ok);
    wire_take_text(at, c->title, JOB_TITLE_SIZE, ok);
}

enum err protocol_unpack_input(const uint8_t *src, size_t len, struct job_input *ret_m,
                               struct error *e)
{
    if (len < INPUT_SIZE) {
        return wire_broken(e, "INPUT");
    }
    struct job_input m;
    memset(&m, 0, sizeof(m));
    bool ok = true;
    wire_take_text(&src, m.container, CONTAINER_SIZE, &ok);
    m.duration_s = (double)wire_take_int64(&src, 0, WIRE_MAX_TIME_US, &ok) / 1e6;
    m.track_count = wire_take_int(&src, 0, JOB_TRACKS_MAX, &ok);
    m.chapter_count = wire_take_int(&src, 0, JOB_CHAPTERS_MAX, &ok);
    if (!ok || len != INPUT_SIZE + (size_t)m.track_count * TRACK_SIZE +
                          (size_t)m.chapter_count * CHAPTER_SIZE) {
        return wire_broken(e, "INPUT");
    }
    for (int i = 0; i < m.track_count; i++) {
        take_track(&src, &m.tracks[i], &ok);
    }
    for (int i = 0; i < m.chapter_count; i++) {
        take_chapter(&src, &m.chapters[i], &ok);
    }
    if (!ok) {
        return wire_broken(e, "INPUT");
    }
    *ret_m = m;
    return OK;
}

static void put_level(uint8_t **at, double level)
{
    wire_put_int(at, (int)lround(level * 100));
}

static double take_level(const uint8_t **at, bool *ok)
{
    return wire_take_int(at, -LEVEL_MAX, LEVEL_MAX, ok) / 100.0;
}

size_t protocol_pack_output(uint8_t *dst, const struct protocol_output *m)
{
    uint8_t *at = dst + PROTOCOL_HEADER_SIZE;
    const struct job_output *o = &m->output;
    wire_put_int(&at, m->number);
    wire_put_i64(&at, o->size_bytes);
    wire_put_i64(&at, (int64_t)(o->duration_s * 1e6));
    wire_put_text(&at, o->mode, MODE_SIZE);
    wire_put_int(&at, o->bitrate_kbps);
    wire_put_int(&at, o->sample_rate_hz);
    wire_put_int(&at, o->channels);
    wire_put_int(&at, o->track);
    wire_put_int(&at, o->chapter);
    wire_put_int(&at, o->loudness.is_measured ? 1 : 0);
    put_level(&at, o->loudness.integrated_lufs);
    put_level(&at, o->loudness.true_peak_dbtp);
    put_level(&at, o->loudness.range_lu);
    put_level(&at, o->loudness.gain_db);
    return wire_finish(dst, at, PROTOCOL_OUTPUT);
}

enum err protocol_unpack_output(const uint8_t *src, size_t len, struct protocol_output *ret_m,
                                struct error *e)
{
    if (len != OUTPUT_SIZE) {
        return wire_broken(e, "OUTPUT");
    }
    struct protocol_output m;
    memset(&m, 0, sizeof(m));
    struct job_output *o = &m.output;
    bool ok = true;
    m.number = wire_take_int(&src, 0, JOB_OUTPUTS_MAX - 1, &ok);
    o->size_bytes = wire_take_int64(&src, 1, INT64_MAX, &ok);
    o->duration_s = (double)wire_take_int64(&src, 0, WIRE_MAX_TIME_US, &ok) / 1e6;
    wire_take_text(&src, o->mode, MODE_SIZE, &ok);
    o->bitrate_kbps = wire_take_int(&src, 0, 640, &ok);
    o->sample_rate_hz = wire_take_int(&src, 8000, 48000, &ok);
    o->channels = wire_take_int(&src, 1, 2, &ok);
    o->track = wire_take_int(&src, 0, JOB_TRACKS_MAX - 1, &ok);
    o->chapter = wire_take_int(&src, 0, JOB_CHAPTERS_MAX, &ok);
    o->loudness.is_measured = wire_take_bool(&src, &ok);
    o->loudness.integrated_lufs = take_level(&src, &ok);
    o->loudness.true_peak_dbtp = take_level(&src, &ok);
    o->loudness.range_lu = take_level(&src, &ok);
    o->loudness.gain_db = take_level(&src, &ok);
    if (!ok) {
        return wire_broken(e, "OUTPUT");
    }
    *ret_m = m;
    return OK;
}
