#include "engine/protocol.h"

#include <stdbool.h>
#include <string.h>

#include "core/text.h"

#include "core/banned.h"

#define CONTAINER_SIZE 64
#define CODEC_SIZE 32
#define LANGUAGE_SIZE 16
#define TRACK_SIZE (16 + CODEC_SIZE + LANGUAGE_SIZE)
#define START_SIZE (4 * 7 + 8 * 8 + JOB_TRACK_SIZE)
#define READ_SIZE 12
#define INPUT_SIZE (CONTAINER_SIZE + 12)
#define PROGRESS_SIZE 16
#define DONE_SIZE 32
#define FAILED_SIZE 4

_Static_assert(INPUT_SIZE + TRACK_SIZE * JOB_TRACKS_MAX <= PROTOCOL_SMALL_MAX, "INPUT fits");
_Static_assert(DONE_SIZE + PROTOCOL_TAG_MAX <= PROTOCOL_SMALL_MAX, "DONE fits");
_Static_assert(sizeof(((struct job_input *)NULL)->container) == CONTAINER_SIZE, "job.h's size");
_Static_assert(sizeof(((struct job_track *)NULL)->codec) == CODEC_SIZE, "job.h's size");
_Static_assert(sizeof(((struct job_track *)NULL)->language) == LANGUAGE_SIZE, "job.h's size");

/* 1000 hours: no time on the wire is longer. */
#define MAX_TIME_US ((int64_t)1000 * 3600 * 1000000)

static const struct {
    enum protocol_side sender;
    size_t min, max;
} shapes[PROTOCOL_TYPE_MAX] = {
    [PROTOCOL_START] = { PROTOCOL_PARENT, START_SIZE, START_SIZE },
    [PROTOCOL_DATA] = { PROTOCOL_PARENT, 0, PROTOCOL_DATA_MAX },
    [PROTOCOL_READ] = { PROTOCOL_CHILD, READ_SIZE, READ_SIZE },
    [PROTOCOL_INPUT] = { PROTOCOL_CHILD, INPUT_SIZE, INPUT_SIZE + TRACK_SIZE *JOB_TRACKS_MAX },
    [PROTOCOL_PROGRESS] = { PROTOCOL_CHILD, PROGRESS_SIZE, PROGRESS_SIZE },
    [PROTOCOL_DONE] = { PROTOCOL_CHILD, DONE_SIZE, DONE_SIZE + PROTOCOL_TAG_MAX },
    [PROTOCOL_FAILED] = { PROTOCOL_CHILD, FAILED_SIZE, FAILED_SIZE + PROTOCOL_DETAIL_MAX },
};

/* A place in a frame's bytes; the caller has checked that what it takes is there. */
static void put_u32(uint8_t **at, uint32_t value)
{
    for (int i = 0; i < 4; i++) {
        *(*at)++ = (uint8_t)(value >> (8 * i));
    }
}

static void put_i64(uint8_t **at, int64_t value)
{
    put_u32(at, (uint32_t)(uint64_t)value);
    put_u32(at, (uint32_t)((uint64_t)value >> 32));
}

static void put_int(uint8_t **at, int value)
{
    put_u32(at, (uint32_t)value);
}

/* A text in a field of `size` bytes, filled up with zeros. */
static void put_text(uint8_t **at, const char *text, size_t size)
{
    memset(*at, 0, size);
    memcpy(*at, text, strnlen(text, size - 1));
    *at += size;
}

static uint32_t take_u32(const uint8_t **at)
{
    uint32_t value = 0;
    for (int i = 0; i < 4; i++) {
        value |= (uint32_t) * (*at)++ << (8 * i);
    }
    return value;
}

static int64_t take_i64(const uint8_t **at)
{
    uint64_t low = take_u32(at);
    uint64_t high = take_u32(at);
    return (int64_t)(low | high << 32);
}

/* Clears *ok unless the number lies within [min, max]. */
static int take_int(const uint8_t **at, int min, int max, bool *ok)
{
    uint32_t value = take_u32(at);
    if (value > INT32_MAX || (int)value < min || (int)value > max) {
        *ok = false;
        return min;
    }
    return (int)value;
}

static int64_t take_int64(const uint8_t **at, int64_t min, int64_t max, bool *ok)
{
    int64_t value = take_i64(at);
    if (value < min || value > max) {
        *ok = false;
        return min;
    }
    return value;
}

static bool is_plain_text(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f) {
            return false;
        }
    }
    return text_is_utf8(text, len);
}

/* Clears *ok unless the field ends with a NUL and holds plain text before it. */
static void take_text(const uint8_t **at, char *ret_text, size_t size, bool *ok)
{
    memcpy(ret_text, *at, size);
    *at += size;
    size_t len = strnlen(ret_text, size);
    if (len == size || !is_plain_text(ret_text, len)) {
        *ok = false;
        ret_text[0] = '\0';
    }
}

static enum err broken(struct error *e, const char *what)
{
    return err_set(e, ERR_CORRUPT, "engine protocol: bad %s frame", what);
}

void protocol_pack_header(uint8_t dst[PROTOCOL_HEADER_SIZE], enum protocol_type type, size_t len)
{
    put_u32(&dst, (uint32_t)type);
    put_u32(&dst, (uint32_t)len);
}

enum err protocol_unpack_header(const uint8_t src[PROTOCOL_HEADER_SIZE], enum protocol_side sender,
                                enum protocol_type *ret_type, size_t *ret_len, struct error *e)
{
    uint32_t type = take_u32(&src);
    uint32_t len = take_u32(&src);
    if (type < PROTOCOL_START || type >= PROTOCOL_TYPE_MAX || shapes[type].sender != sender) {
        return err_set(e, ERR_CORRUPT, "engine protocol: unexpected frame type %u", type);
    }
    if (len < shapes[type].min || len > shapes[type].max) {
        return err_set(e, ERR_CORRUPT, "engine protocol: frame type %u with %u bytes", type, len);
    }
    *ret_type = (enum protocol_type)type;
    *ret_len = len;
    return OK;
}

static size_t finish_frame(uint8_t *dst, const uint8_t *end, enum protocol_type type)
{
    size_t len = (size_t)(end - dst);
    protocol_pack_header(dst, type, len - PROTOCOL_HEADER_SIZE);
    return len;
}

size_t protocol_pack_start(uint8_t *dst, const struct protocol_start *m)
{
    uint8_t *at = dst + PROTOCOL_HEADER_SIZE;
    put_u32(&at, PROTOCOL_VERSION);
    put_int(&at, (int)m->options.mode);
    put_int(&at, m->options.bitrate_kbps);
    put_int(&at, m->options.quality);
    put_int(&at, m->options.sample_rate_hz);
    put_int(&at, m->options.channels);
    put_i64(&at, m->options.start_ms);
    put_i64(&at, m->options.end_ms);
    put_i64(&at, m->options.fade_in_ms);
    put_i64(&at, m->options.fade_out_ms);
    put_text(&at, m->options.track, JOB_TRACK_SIZE);
    put_int(&at, m->threads);
    put_i64(&at, m->input_size);
    put_i64(&at, m->max_duration_s);
    put_i64(&at, m->memory_bytes);
    put_i64(&at, m->cpu_limit_s);
    return finish_frame(dst, at, PROTOCOL_START);
}

enum err protocol_unpack_start(const uint8_t *src, size_t len, struct protocol_start *ret_m,
                               struct error *e)
{
    if (len != START_SIZE || take_u32(&src) != PROTOCOL_VERSION) {
        return broken(e, "START");
    }
    struct protocol_start m = { 0 };
    bool ok = true;
    m.options.mode = (enum job_mode)take_int(&src, JOB_MODE_CBR, JOB_MODE_ABR, &ok);
    m.options.bitrate_kbps = take_int(&src, 0, 320, &ok);
    m.options.quality = take_int(&src, 0, 9, &ok);
    m.options.sample_rate_hz = take_int(&src, 0, 48000, &ok);
    m.options.channels = take_int(&src, 0, 2, &ok);
    m.options.start_ms = take_int64(&src, 0, MAX_TIME_US / 1000, &ok);
    m.options.end_ms = take_int64(&src, 0, MAX_TIME_US / 1000, &ok);
    m.options.fade_in_ms = take_int64(&src, 0, JOB_FADE_MAX_MS, &ok);
    m.options.fade_out_ms = take_int64(&src, 0, JOB_FADE_MAX_MS, &ok);
    take_text(&src, m.options.track, JOB_TRACK_SIZE, &ok);
    m.threads = take_int(&src, 1, PROTOCOL_THREADS_MAX, &ok);
    m.input_size = take_int64(&src, -1, INT64_MAX, &ok);
    m.max_duration_s = take_int64(&src, 1, MAX_TIME_US / 1000000, &ok);
    m.memory_bytes = take_int64(&src, 1, INT64_MAX, &ok);
    m.cpu_limit_s = take_int64(&src, 1, INT32_MAX, &ok);
    if (!ok) {
        return broken(e, "START");
    }
    *ret_m = m;
    return OK;
}

size_t protocol_pack_read(uint8_t *dst, const struct protocol_read *m)
{
    uint8_t *at = dst + PROTOCOL_HEADER_SIZE;
    put_i64(&at, m->offset);
    put_u32(&at, m->len);
    return finish_frame(dst, at, PROTOCOL_READ);
}

enum err protocol_unpack_read(const uint8_t *src, size_t len, struct protocol_read *ret_m,
                              struct error *e)
{
    if (len != READ_SIZE) {
        return broken(e, "READ");
    }
    bool ok = true;
    struct protocol_read m = { 0 };
    m.offset = take_int64(&src, 0, INT64_MAX - PROTOCOL_DATA_MAX, &ok);
    m.len = (uint32_t)take_int(&src, 1, PROTOCOL_DATA_MAX, &ok);
    if (!ok) {
        return broken(e, "READ");
    }
    *ret_m = m;
    return OK;
}

size_t protocol_pack_input(uint8_t *dst, const struct job_input *m)
{
    uint8_t *at = dst + PROTOCOL_HEADER_SIZE;
    int count = m->track_count < JOB_TRACKS_MAX ? m->track_count : JOB_TRACKS_MAX;
    put_text(&at, m->container, CONTAINER_SIZE);
    put_i64(&at, (int64_t)(m->duration_s * 1e6));
    put_int(&at, count);
    for (int i = 0; i < count; i++) {
        const struct job_track *t = &m->tracks[i];
        put_int(&at, t->index);
        put_int(&at, t->channels);
        put_int(&at, t->sample_rate_hz);
        put_int(&at, t->is_default ? 1 : 0);
        put_text(&at, t->codec, CODEC_SIZE);
        put_text(&at, t->language, LANGUAGE_SIZE);
    }
    return finish_frame(dst, at, PROTOCOL_INPUT);
}

enum err protocol_unpack_input(const uint8_t *src, size_t len, struct job_input *ret_m,
                               struct error *e)
{
    if (len < INPUT_SIZE) {
        return broken(e, "INPUT");
    }
    struct job_input m = { 0 };
    bool ok = true;
    take_text(&src, m.container, CONTAINER_SIZE, &ok);
    m.duration_s = (double)take_int64(&src, 0, MAX_TIME_US, &ok) / 1e6;
    m.track_count = take_int(&src, 0, JOB_TRACKS_MAX, &ok);
    if (!ok || len != INPUT_SIZE + (size_t)m.track_count * TRACK_SIZE) {
        return broken(e, "INPUT");
    }
    for (int i = 0; i < m.track_count; i++) {
        struct job_track *t = &m.tracks[i];
        t->index = take_int(&src, 0, 1000, &ok);
        t->channels = take_int(&src, 0, 1024, &ok);
        t->sample_rate_hz = take_int(&src, 0, INT32_MAX, &ok);
        t->is_default = take_int(&src, 0, 1, &ok) != 0;
        take_text(&src, t->codec, CODEC_SIZE, &ok);
        take_text(&src, t->language, LANGUAGE_SIZE, &ok);
    }
    if (!ok) {
        return broken(e, "INPUT");
    }
    *ret_m = m;
    return OK;
}

size_t protocol_pack_progress(uint8_t *dst, const struct protocol_progress *m)
{
    uint8_t *at = dst + PROTOCOL_HEADER_SIZE;
    put_i64(&at, m->media_us);
    put_i64(&at, m->duration_us);
    return finish_frame(dst, at, PROTOCOL_PROGRESS);
}

enum err protocol_unpack_progress(const uint8_t *src, size_t len, struct protocol_progress *ret_m,
                                  struct error *e)
{
    if (len != PROGRESS_SIZE) {
        return broken(e, "PROGRESS");
    }
    bool ok = true;
    struct protocol_progress m = { 0 };
    m.media_us = take_int64(&src, 0, MAX_TIME_US, &ok);
    m.duration_us = take_int64(&src, 0, MAX_TIME_US, &ok);
    if (!ok) {
        return broken(e, "PROGRESS");
    }
    *ret_m = m;
    return OK;
}

size_t protocol_pack_done(uint8_t *dst, const struct protocol_done *m)
{
    uint8_t *at = dst + PROTOCOL_HEADER_SIZE;
    put_i64(&at, m->output_bytes);
    put_i64(&at, m->duration_us);
    put_int(&at, m->bitrate_kbps);
    put_int(&at, m->sample_rate_hz);
    put_int(&at, m->channels);
    put_u32(&at, m->tag_len);
    memcpy(at, m->tag, m->tag_len);
    return finish_frame(dst, at + m->tag_len, PROTOCOL_DONE);
}

enum err protocol_unpack_done(const uint8_t *src, size_t len, struct protocol_done *ret_m,
                              struct error *e)
{
    if (len < DONE_SIZE) {
        return broken(e, "DONE");
    }
    bool ok = true;
    struct protocol_done m = { 0 };
    m.output_bytes = take_int64(&src, 0, INT64_MAX, &ok);
    m.duration_us = take_int64(&src, 0, MAX_TIME_US, &ok);
    m.bitrate_kbps = take_int(&src, 0, 640, &ok);
    m.sample_rate_hz = take_int(&src, 8000, 48000, &ok);
    m.channels = take_int(&src, 1, 2, &ok);
    m.tag_len = (uint32_t)take_int(&src, 0, PROTOCOL_TAG_MAX, &ok);
    if (!ok || len != DONE_SIZE + (size_t)m.tag_len || m.tag_len > m.output_bytes) {
        return broken(e, "DONE");
    }
    memcpy(m.tag, src, m.tag_len);
    *ret_m = m;
    return OK;
}

size_t protocol_pack_failed(uint8_t *dst, const struct protocol_failed *m)
{
    uint8_t *at = dst + PROTOCOL_HEADER_SIZE;
    size_t len = strnlen(m->detail, PROTOCOL_DETAIL_MAX);
    put_int(&at, (int)m->problem);
    memcpy(at, m->detail, len);
    return finish_frame(dst, at + len, PROTOCOL_FAILED);
}

/* What the input can be accused of; everything else is for others to say. */
static bool is_input_problem(int problem)
{
    switch (problem) {
    case PROBLEM_UNSUPPORTED_FORMAT:
    case PROBLEM_UNSUPPORTED_CODEC:
    case PROBLEM_CORRUPT_INPUT:
    case PROBLEM_ENCRYPTED_INPUT:
    case PROBLEM_NO_AUDIO:
    case PROBLEM_TRACK_NOT_FOUND:
    case PROBLEM_TRIM_RANGE:
    case PROBLEM_DURATION_EXCEEDED:
    case PROBLEM_RESOURCE_LIMIT:
    case PROBLEM_INTERNAL:
        return true;
    default:
        return false;
    }
}

enum err protocol_unpack_failed(const uint8_t *src, size_t len, struct protocol_failed *ret_m,
                                struct error *e)
{
    if (len < FAILED_SIZE || len > FAILED_SIZE + PROTOCOL_DETAIL_MAX) {
        return broken(e, "FAILED");
    }
    bool ok = true;
    int problem = take_int(&src, 0, PROBLEM_MAX - 1, &ok);
    size_t text_len = len - FAILED_SIZE;
    if (!ok || !is_input_problem(problem) || !is_plain_text((const char *)src, text_len)) {
        return broken(e, "FAILED");
    }
    ret_m->problem = (enum problem)problem;
    memcpy(ret_m->detail, src, text_len);
    ret_m->detail[text_len] = '\0';
    return OK;
}
