#include "engine/protocol.h"

#include <string.h>

#include "engine/protocol_wire.h"

#include "core/banned.h"

#define READ_SIZE 16
#define PROGRESS_SIZE 16
#define DONE_SIZE 4
#define FAILED_SIZE 4

static const struct {
    enum protocol_side sender;
    size_t min, max;
} shapes[PROTOCOL_TYPE_MAX] = {
    [PROTOCOL_START] = { PROTOCOL_PARENT, 1, PROTOCOL_SMALL_MAX },
    [PROTOCOL_DATA] = { PROTOCOL_PARENT, 0, PROTOCOL_DATA_MAX },
    [PROTOCOL_READ] = { PROTOCOL_CHILD, READ_SIZE, READ_SIZE },
    [PROTOCOL_INPUT] = { PROTOCOL_CHILD, 1, PROTOCOL_SMALL_MAX },
    [PROTOCOL_PROGRESS] = { PROTOCOL_CHILD, PROGRESS_SIZE, PROGRESS_SIZE },
    [PROTOCOL_OUTPUT] = { PROTOCOL_CHILD, 1, PROTOCOL_SMALL_MAX },
    [PROTOCOL_DONE] = { PROTOCOL_CHILD, DONE_SIZE, DONE_SIZE },
    [PROTOCOL_FAILED] = { PROTOCOL_CHILD, FAILED_SIZE, FAILED_SIZE + PROTOCOL_DETAIL_MAX },
};

void protocol_pack_header(uint8_t dst[PROTOCOL_HEADER_SIZE], enum protocol_type type, size_t len)
{
    wire_put_u32(&dst, (uint32_t)type);
    wire_put_u32(&dst, (uint32_t)len);
}

enum err protocol_unpack_header(const uint8_t src[PROTOCOL_HEADER_SIZE], enum protocol_side sender,
                                enum protocol_type *ret_type, size_t *ret_len, struct error *e)
{
    uint32_t type = wire_take_u32(&src);
    uint32_t len = wire_take_u32(&src);
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

size_t protocol_pack_read(uint8_t *dst, const struct protocol_read *m)
{
    uint8_t *at = dst + PROTOCOL_HEADER_SIZE;
    wire_put_int(&at, (int)m->source);
    wire_put_i64(&at, m->offset);
    wire_put_u32(&at, m->len);
    return wire_finish(dst, at, PROTOCOL_READ);
}

enum err protocol_unpack_read(const uint8_t *src, size_t len, struct protocol_read *ret_m,
                              struct error *e)
{
    if (len != READ_SIZE) {
        return wire_broken(e, "READ");
    }
    bool ok = true;
    struct protocol_read m = { 0 };
    m.source = (enum protocol_source)wire_take_int(&src, PROTOCOL_MEDIA, PROTOCOL_COVER, &ok);
    m.offset = wire_take_int64(&src, 0, INT64_MAX - PROTOCOL_DATA_MAX, &ok);
    m.len = (uint32_t)wire_take_int(&src, 1, PROTOCOL_DATA_MAX, &ok);
    if (!ok) {
        return wire_broken(e, "READ");
    }
    *ret_m = m;
    return OK;
}

size_t protocol_pack_progress(uint8_t *dst, const struct protocol_progress *m)
{
    uint8_t *at = dst + PROTOCOL_HEADER_SIZE;
    wire_put_i64(&at, m->media_us);
    wire_put_i64(&at, m->duration_us);
    return wire_finish(dst, at, PROTOCOL_PROGRESS);
}

enum err protocol_unpack_progress(const uint8_t *src, size_t len, struct protocol_progress *ret_m,
                                  struct error *e)
{
    if (len != PROGRESS_SIZE) {
        return wire_broken(e, "PROGRESS");
    }
    bool ok = true;
    struct protocol_progress m = { 0 };
    m.media_us = wire_take_int64(&src, 0, WIRE_MAX_TIME_US, &ok);
    m.duration_us = wire_take_int64(&src, 0, WIRE_MAX_TIME_US, &ok);
    if (!ok) {
        return wire_broken(e, "PROGRESS");
    }
    *ret_m = m;
    return OK;
}

size_t protocol_pack_done(uint8_t *dst, const struct protocol_done *m)
{
    uint8_t *at = dst + PROTOCOL_HEADER_SIZE;
    wire_put_int(&at, m->output_count);
    return wire_finish(dst, at, PROTOCOL_DONE);
}

enum err protocol_unpack_done(const uint8_t *src, size_t len, struct protocol_done *ret_m,
                              struct error *e)
{
    bool ok = len == DONE_SIZE;
    struct protocol_done m = { ok ? wire_take_int(&src, 0, JOB_OUTPUTS_MAX, &ok) : 0 };
    if (!ok) {
        return wire_broken(e, "DONE");
    }
    *ret_m = m;
    return OK;
}

size_t protocol_pack_failed(uint8_t *dst, const struct protocol_failed *m)
{
    uint8_t *at = dst + PROTOCOL_HEADER_SIZE;
    size_t len = strnlen(m->detail, PROTOCOL_DETAIL_MAX);
    wire_put_int(&at, (int)m->problem);
    memcpy(at, m->detail, len);
    return wire_finish(dst, at + len, PROTOCOL_FAILED);
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
    case PROBLEM_INVALID_OPTION:
    case PROBLEM_TOO_MANY_OUTPUTS:
    case PROBLEM_COVER_NOT_FOUND:
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
        return wire_broken(e, "FAILED");
    }
    bool ok = true;
    int problem = wire_take_int(&src, 0, PROBLEM_MAX - 1, &ok);
    size_t text_len = len - FAILED_SIZE;
    if (!ok || !is_input_problem(problem) || !wire_is_plain((const char *)src, text_len)) {
        return wire_broken(e, "FAILED");
    }
    ret_m->problem = (enum problem)problem;
    memcpy(ret_m->detail, src, text_len);
    ret_m->detail[text_len] = '\0';
    return OK;
}

void protocol_pack_piece(uint8_t dst[PROTOCOL_PIECE_HEADER_SIZE], const struct protocol_piece *m)
{
    wire_put_int(&dst, m->output);
    wire_put_u32(&dst, m->len);
    wire_put_i64(&dst, m->offset);
}

enum err protocol_unpack_piece(const uint8_t src[PROTOCOL_PIECE_HEADER_SIZE],
                               struct protocol_piece *ret_m, struct error *e)
{
    bool ok = true;
    struct protocol_piece m = { 0 };
    m.output = wire_take_int(&src, 0, JOB_OUTPUTS_MAX - 1, &ok);
    m.len = (uint32_t)wire_take_int(&src, 0, PROTOCOL_PIECE_MAX, &ok);
    m.offset = wire_take_int64(&src, 0, INT64_MAX - PROTOCOL_PIECE_MAX, &ok);
    if (!ok) {
        return wire_broken(e, "output");
    }
    *ret_m = m;
    return OK;
}
