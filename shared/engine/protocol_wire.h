/* Numbers and texts of a frame: little-endian, bounded, checked. Used by protocol_*.c only. */
#ifndef UNREEL_ENGINE_PROTOCOL_WIRE_H
#define UNREEL_ENGINE_PROTOCOL_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/error.h"
#include "core/text.h"
#include "engine/protocol.h"

/* 1000 hours: no time on the wire is longer. */
#define WIRE_MAX_TIME_US ((int64_t)1000 * 3600 * 1000000)

/* A place in a frame's bytes; the caller has checked that what it takes is there. */
static inline void wire_put_u32(uint8_t **at, uint32_t value)
{
    for (int i = 0; i < 4; i++) {
        *(*at)++ = (uint8_t)(value >> (8 * i));
    }
}

static inline void wire_put_i64(uint8_t **at, int64_t value)
{
    wire_put_u32(at, (uint32_t)(uint64_t)value);
    wire_put_u32(at, (uint32_t)((uint64_t)value >> 32));
}

static inline void wire_put_int(uint8_t **at, int value)
{
    wire_put_u32(at, (uint32_t)value);
}

/* A text in a field of `size` bytes, filled up with zeros. */
static inline void wire_put_text(uint8_t **at, const char *text, size_t size)
{
    memset(*at, 0, size);
    memcpy(*at, text, strnlen(text, size - 1));
    *at += size;
}

static inline uint32_t wire_take_u32(const uint8_t **at)
{
    uint32_t value = 0;
    for (int i = 0; i < 4; i++) {
        value |= (uint32_t) * (*at)++ << (8 * i);
    }
    return value;
}

static inline int64_t wire_take_i64(const uint8_t **at)
{
    uint64_t low = wire_take_u32(at);
    uint64_t high = wire_take_u32(at);
    return (int64_t)(low | high << 32);
}

/* Clears *ok unless the number lies within [min, max]. */
static inline int wire_take_int(const uint8_t **at, int min, int max, bool *ok)
{
    int32_t value = (int32_t)wire_take_u32(at);
    if (value < min || value > max) {
        *ok = false;
        return min;
    }
    return value;
}

static inline bool wire_take_bool(const uint8_t **at, bool *ok)
{
    return wire_take_int(at, 0, 1, ok) != 0;
}

static inline int64_t wire_take_int64(const uint8_t **at, int64_t min, int64_t max, bool *ok)
{
    int64_t value = wire_take_i64(at);
    if (value < min || value > max) {
        *ok = false;
        return min;
    }
    return value;
}

static inline bool wire_is_plain(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f) {
            return false;
        }
    }
    return text_is_utf8(text, len);
}

/* Clears *ok unless the field ends with a NUL and holds plain text before it. */
static inline void wire_take_text(const uint8_t **at, char *ret_text, size_t size, bool *ok)
{
    memcpy(ret_text, *at, size);
    *at += size;
    size_t len = strnlen(ret_text, size);
    if (len == size || !wire_is_plain(ret_text, len)) {
        *ok = false;
        ret_text[0] = '\0';
    }
}

static inline enum err wire_broken(struct error *e, const char *what)
{
    return err_set(e, ERR_CORRUPT, "engine protocol: bad %s frame", what);
}

/* Writes the header of the frame whose payload ends at `end`; the frame's length. */
static inline size_t wire_finish(uint8_t *dst, const uint8_t *end, enum protocol_type type)
{
    size_t len = (size_t)(end - dst);
    protocol_pack_header(dst, type, len - PROTOCOL_HEADER_SIZE);
    return len;
}

#endif
