#include "id3_frames.h"

#include <stdbool.h>
#include <string.h>

#include "core/mem.h"
#include "core/text.h"

#include "core/banned.h"

#define FRAME_HEADER_SIZE 10
#define REPLACEMENT 0xFFFD

void id3_frames_release(struct id3_frames *w)
{
    free(w->bytes);
    w->bytes = NULL;
    w->len = w->capacity = 0;
}

void id3_put(struct id3_frames *w, const void *bytes, size_t len)
{
    if (len == 0) {
        return;
    }
    if (w->capacity - w->len < len) {
        w->capacity = 2 * w->capacity + len;
        w->bytes = xrealloc(w->bytes, w->capacity);
    }
    memcpy(w->bytes + w->len, bytes, len);
    w->len += len;
}

void id3_put_string(struct id3_frames *w, const char *ascii)
{
    id3_put(w, ascii, strlen(ascii) + 1);
}

static void write_u32(uint8_t dst[4], uint32_t value)
{
    for (unsigned i = 0; i < 4; i++) {
        dst[i] = (uint8_t)(value >> 8 * (3 - i));
    }
}

/* Seven bits in each byte: it never looks like the start of an MPEG frame. */
static void write_synchsafe(uint8_t dst[4], size_t value)
{
    for (unsigned i = 0; i < 4; i++) {
        dst[i] = (uint8_t)(value >> 7 * (3 - i) & 0x7F);
    }
}

void id3_put_u32(struct id3_frames *w, uint32_t value)
{
    uint8_t bytes[4];
    write_u32(bytes, value);
    id3_put(w, bytes, sizeof(bytes));
}

size_t id3_frame_begin(struct id3_frames *w, const char *id)
{
    static const uint8_t size_and_flags[FRAME_HEADER_SIZE - 4];
    size_t at = w->len;
    id3_put(w, id, 4);
    id3_put(w, size_and_flags, sizeof(size_and_flags));
    return at;
}

void id3_frame_end(struct id3_frames *w, size_t at)
{
    size_t len = w->len - at - FRAME_HEADER_SIZE;
    if (w->version == JOB_ID3_V24) {
        write_synchsafe(w->bytes + at + 4, len);
    } else {
        write_u32(w->bytes + at + 4, (uint32_t)len);
    }
}

enum id3_encoding id3_encoding_for(const struct id3_frames *w, const char *text)
{
    for (size_t i = 0; text[i] != '\0'; i++) {
        if ((unsigned char)text[i] >= 0x80) {
            return w->version == JOB_ID3_V24 ? ID3_UTF8 : ID3_UTF16;
        }
    }
    return ID3_ASCII;
}

static size_t write_utf8(uint8_t dst[4], uint32_t code)
{
    if (code < 0x80) {
        dst[0] = (uint8_t)code;
        return 1;
    }
    size_t len = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = len - 1; i > 0; i--, code >>= 6) {
        dst[i] = (uint8_t)(0x80 | (code & 0x3F));
    }
    dst[0] = (uint8_t)(0xF00U >> len | code);
    return len;
}

static void write_unit(uint8_t *dst, uint32_t unit)
{
    dst[0] = (uint8_t)unit;
    dst[1] = (uint8_t)(unit >> 8);
}

/* Little-endian, as everybody writes it. */
static size_t write_utf16(uint8_t dst[4], uint32_t code)
{
    if (code < 0x10000) {
        write_unit(dst, code);
        return 2;
    }
    write_unit(dst, 0xD800 + ((code - 0x10000) >> 10));
    write_unit(dst + 2, 0xDC00 + ((code - 0x10000) & 0x3FF));
    return 4;
}

size_t id3_put_text(struct id3_frames *w, enum id3_encoding encoding, const char *text,
                    size_t limit)
{
    size_t start = w->len;
    size_t left = strlen(text);
    if (encoding == ID3_UTF16 && limit >= 2) {
        id3_put(w, "\xFF\xFE", 2);
    }
    while (left > 0) {
        uint8_t bytes[4];
        uint32_t code = REPLACEMENT;
        size_t read = text_utf8_next(text, left, &code);
        size_t len = encoding == ID3_UTF16 ? write_utf16(bytes, read == 0 ? REPLACEMENT : code)
                                           : write_utf8(bytes, read == 0 ? REPLACEMENT : code);
        if (w->len - start + len > limit) {
            break;
        }
        id3_put(w, bytes, len);
        text += read == 0 ? 1 : read;
        left -= read == 0 ? 1 : read;
    }
    return w->len - start;
}

size_t id3_put_text_frame(struct id3_frames *w, const char *id, const char *text, size_t limit)
{
    size_t at = id3_frame_begin(w, id);
    uint8_t encoding = (uint8_t)id3_encoding_for(w, text);
    id3_put(w, &encoding, 1);
    size_t len = id3_put_text(w, encoding, text, limit);
    id3_frame_end(w, at);
    return len;
}

void id3_write_header(uint8_t dst[ID3_HEADER_SIZE], enum job_id3 version, size_t len)
{
    memcpy(dst, "ID3", 3);
    dst[3] = version == JOB_ID3_V24 ? 4 : 3;
    dst[4] = 0;
    dst[5] = 0;
    write_synchsafe(dst + 6, len);
}
