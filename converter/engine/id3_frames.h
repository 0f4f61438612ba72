/* Frames of ID3v2.4 and v2.3, appended to memory that grows. */
#ifndef UNREEL_CONVERTER_ENGINE_ID3_FRAMES_H
#define UNREEL_CONVERTER_ENGINE_ID3_FRAMES_H

#include <stddef.h>
#include <stdint.h>

#include "jobs/options.h"

struct id3_frames {
    enum job_id3 version;
    uint8_t *bytes;
    size_t len, capacity;
};

/* Frees the bytes. */
void id3_frames_release(struct id3_frames *w);

void id3_put(struct id3_frames *w, const void *bytes, size_t len);
/* The bytes of the text with its NUL. */
void id3_put_string(struct id3_frames *w, const char *ascii);
/* Big-endian. */
void id3_put_u32(struct id3_frames *w, uint32_t value);

/* A frame (or a sub-frame) whose content is put between the two; `at` is what begin returned. */
size_t id3_frame_begin(struct id3_frames *w, const char *id);
void id3_frame_end(struct id3_frames *w, size_t at);

/* How a text is written: ASCII as it is; anything else as UTF-8 in v2.4 and as UTF-16 with a byte
 * order mark in v2.3 (what its readers take for ISO 8859-1 is often their own country's code).
 * Bytes that are no UTF-8 become U+FFFD. */
enum id3_encoding { ID3_ASCII = 0, ID3_UTF16 = 1, ID3_UTF8 = 3 };
enum id3_encoding id3_encoding_for(const struct id3_frames *w, const char *text);
/* Appends `limit` bytes at most, cut between two characters, and no terminator. Returns how many
 * there were. */
size_t id3_put_text(struct id3_frames *w, enum id3_encoding encoding, const char *text,
                    size_t limit);
/* A text frame: T..., with `limit` for its text. Returns the text's bytes. */
size_t id3_put_text_frame(struct id3_frames *w, const char *id, const char *text, size_t limit);

/* Ten bytes to dst: the tag's header; `len` is what follows it, below 256 MiB. */
#define ID3_HEADER_SIZE 10
void id3_write_header(uint8_t dst[ID3_HEADER_SIZE], enum job_id3 version, size_t len);

#endif
