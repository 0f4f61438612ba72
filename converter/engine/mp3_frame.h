/* One frame of MPEG layer III as its header and side information tell it: no Huffman codes. */
#ifndef UNREEL_CONVERTER_ENGINE_MP3_FRAME_H
#define UNREEL_CONVERTER_ENGINE_MP3_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Header, checksum and the longest side information: what mp3_frame_parse looks at. */
#define MP3_FRAME_HEAD_MAX 38
/* 320 kbit/s at 32 kHz, or 160 kbit/s at 8 kHz, padded. */
#define MP3_FRAME_LEN_MAX 1441
/* So far back main data may reach (MPEG-2: 255). */
#define MP3_FRAME_RESERVOIR_MAX 511

struct mp3_frame {
    size_t len;      /* of the whole frame */
    size_t head_len; /* header, checksum, side information: main data lie behind, up to len */
    int version;     /* 1: MPEG-1; 0: MPEG-2 and 2.5 */
    int bitrate_kbps;
    int sample_rate_hz;
    int channels;
    int samples;
    int main_data_begin;         /* bytes of main data before this frame that belong to it */
    uint8_t last_block_types[2]; /* of each channel, in the last granule */
    bool is_broken;              /* the side information is none: a decoder lets the frame out */
};

/* False: no such frame begins here, or fewer than MP3_FRAME_HEAD_MAX bytes do not hold its head.
 * Free format is no frame here. */
bool mp3_frame_parse(const uint8_t *bytes, size_t len, struct mp3_frame *ret_frame);

/* A silent frame of the kind of `model` (a frame's header): rate, mode, flags; without checksum and
 * padding. It has room for `main_len` bytes of main data at least (MPEG-1: up to 900, others up to
 * 400), which are zeros: of this bitrate if that is enough, else of the lowest that is. */
void mp3_frame_make(const uint8_t *model, int bitrate_kbps, size_t main_len,
                    uint8_t dst[MP3_FRAME_LEN_MAX], struct mp3_frame *ret_frame);
/* The same with these main data at its end and nothing else in the reservoir: for a frame that
 * reaches back to what is not in the stream. Up to MP3_FRAME_RESERVOIR_MAX bytes. Of this bitrate
 * if its frames are not too short for that, and not too long. */
void mp3_frame_make_reservoir(const uint8_t *model, int bitrate_kbps, const uint8_t *main_data,
                              size_t main_len, uint8_t dst[MP3_FRAME_LEN_MAX],
                              struct mp3_frame *ret_frame);

#endif
