/* The wire between engine_run and its child, unreel-engine. Both sides use only this file.
 *
 * Descriptor 0 of the child is a stream socket, both ways; 1 is a pipe for the MP3s' bytes; 2 is a
 * pipe for its log. All numbers are little-endian.
 *
 * On 0 travel frames: type u32, length u32, payload. Every type has a direction and a range of
 * lengths; anything else is a protocol error, which ends the run.
 *
 *   parent   START once, first; then one DATA for each READ, in the order of the READs. A DATA
 *            shorter than asked for ends where the input ends.
 *   child    READ (PROTOCOL_READS_MAX unanswered at most), INPUT once, PROGRESS, OUTPUT for each
 *            output that is whole, and at the end DONE or FAILED. DONE comes after the last
 *            write(2) to descriptor 1 has returned. After DONE or FAILED the child says nothing
 *            more and exits with 0.
 *
 * On 1 travel pieces of the outputs: output u32, length u32, offset u64, bytes. An output is a
 * number below JOB_OUTPUTS_MAX; the first piece of one begins it. A piece at the output's present
 * end is appended; one that lies before it is a patch (PROTOCOL_PATCHES_MAX for each output: tag
 * frames are known last). A piece without bytes ends its output, at its end; nothing follows. One
 * at 0 takes back all of an output that has not ended: what comes then begins it anew (once). */
#ifndef UNREEL_ENGINE_PROTOCOL_H
#define UNREEL_ENGINE_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/problem.h"
#include "jobs/job.h"

#define PROTOCOL_VERSION 2
#define PROTOCOL_HEADER_SIZE 8
#define PROTOCOL_DATA_MAX 1048576
#define PROTOCOL_READS_MAX 4
#define PROTOCOL_THREADS_MAX 64
#define PROTOCOL_PIECE_HEADER_SIZE 16
#define PROTOCOL_PIECE_MAX 65536
#define PROTOCOL_PATCHES_MAX 8
#define PROTOCOL_DETAIL_MAX (JOB_DETAIL_SIZE - 1)
/* What the child exits with, and no last word, when it can get no more memory. */
#define PROTOCOL_EXIT_NO_MEMORY 12
/* No frame but DATA is longer. */
#define PROTOCOL_SMALL_MAX 16384

enum protocol_type {
    PROTOCOL_START = 1,
    PROTOCOL_DATA,
    PROTOCOL_READ,
    PROTOCOL_INPUT,
    PROTOCOL_PROGRESS,
    PROTOCOL_OUTPUT,
    PROTOCOL_DONE,
    PROTOCOL_FAILED,
    PROTOCOL_TYPE_MAX
};

enum protocol_side { PROTOCOL_PARENT, PROTOCOL_CHILD };

/* What a READ reads. */
enum protocol_source { PROTOCOL_MEDIA, PROTOCOL_COVER };

struct protocol_start {
    struct job_request request;
    bool is_probe;         /* INPUT is all that is wanted */
    bool is_output_stream; /* nothing is patched, and no place is kept for what would be */
    int threads;
    int64_t input_size; /* -1: not known yet */
    int64_t cover_size; /* of the picture that came with the request; 0: none */
    int64_t max_duration_s;
    int64_t memory_bytes;
    int64_t cpu_limit_s;
};

struct protocol_read {
    enum protocol_source source;
    int64_t offset;
    uint32_t len;
};

struct protocol_progress {
    int64_t media_us;
    int64_t duration_us; /* 0: not known */
};

struct protocol_output {
    int number;
    struct job_output output; /* without fid and sha256 */
};

struct protocol_done {
    int output_count;
};

struct protocol_piece {
    int output;
    uint32_t len; /* 0: the output ends */
    int64_t offset;
};

struct protocol_failed {
    enum problem problem;
    char detail[JOB_DETAIL_SIZE];
};

/* Writes the header of a frame. */
void protocol_pack_header(uint8_t dst[PROTOCOL_HEADER_SIZE], enum protocol_type type, size_t len);
/* Checks that `sender` may send this type with this length. ERR_CORRUPT otherwise. */
enum err protocol_unpack_header(const uint8_t src[PROTOCOL_HEADER_SIZE], enum protocol_side sender,
                                enum protocol_type *ret_type, size_t *ret_len,
                                struct error *e) MUST_CHECK;

/* Each writes a whole frame with its header to dst, which has room for PROTOCOL_HEADER_SIZE +
 * PROTOCOL_SMALL_MAX bytes, and returns its length. */
size_t protocol_pack_start(uint8_t *dst, const struct protocol_start *m);
size_t protocol_pack_read(uint8_t *dst, const struct protocol_read *m);
size_t protocol_pack_input(uint8_t *dst, const struct job_input *m);
size_t protocol_pack_progress(uint8_t *dst, const struct protocol_progress *m);
size_t protocol_pack_output(uint8_t *dst, const struct protocol_output *m);
size_t protocol_pack_done(uint8_t *dst, const struct protocol_done *m);
size_t protocol_pack_failed(uint8_t *dst, const struct protocol_failed *m);

/* Each checks the payload of a frame whole: lengths, ranges, texts (UTF-8, terminated, no control
 * characters). ERR_CORRUPT, and nothing is written, when anything is wrong. */
enum err protocol_unpack_start(const uint8_t *src, size_t len, struct protocol_start *ret_m,
                               struct error *e) MUST_CHECK;
enum err protocol_unpack_read(const uint8_t *src, size_t len, struct protocol_read *ret_m,
                              struct error *e) MUST_CHECK;
enum err protocol_unpack_input(const uint8_t *src, size_t len, struct job_input *ret_m,
                               struct error *e) MUST_CHECK;
enum err protocol_unpack_progress(const uint8_t *src, size_t len, struct protocol_progress *ret_m,
                                  struct error *e) MUST_CHECK;
enum err protocol_unpack_output(const uint8_t *src, size_t len, struct protocol_output *ret_m,
                                struct error *e) MUST_CHECK;
enum err protocol_unpack_done(const uint8_t *src, size_t len, struct protocol_done *ret_m,
                              struct error *e) MUST_CHECK;
enum err protocol_unpack_failed(const uint8_t *src, size_t len, struct protocol_failed *ret_m,
                                struct error *e) MUST_CHECK;

/* The header of a piece on descriptor 1. */
void protocol_pack_piece(uint8_t dst[PROTOCOL_PIECE_HEADER_SIZE], const struct protocol_piece *m);
enum err protocol_unpack_piece(const uint8_t src[PROTOCOL_PIECE_HEADER_SIZE],
                               struct protocol_piece *ret_m, struct error *e) MUST_CHECK;

#endif
