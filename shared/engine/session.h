/* The parent's side of the protocol, without the process: frames in, frames out, outputs counted.
 *
 * Nothing that the child says is believed: a frame that is wrong, late or too many ends the run. */
#ifndef UNREEL_ENGINE_SESSION_H
#define UNREEL_ENGINE_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "engine/engine.h"
#include "engine/protocol.h"

enum session_end { SESSION_RUNNING, SESSION_DONE, SESSION_FAILED };

struct session_output {
    int64_t size_bytes;
    int patches, restarts;
    bool has_ended;
    bool is_told; /* by OUTPUT */
    struct job_output said;
};

struct session {
    const struct engine_job *job;
    int64_t max_output_bytes;
    int64_t output_bytes;                           /* of all outputs */
    struct session_output outputs[JOB_OUTPUTS_MAX]; /* by number */
    int output_count;                               /* that have begun */
    struct protocol_piece piece;                    /* that is being received */
    size_t piece_left;                              /* bytes of it that are still to come */
    size_t piece_header_len;
    uint8_t piece_header[PROTOCOL_PIECE_HEADER_SIZE];
    int64_t input_bytes; /* given to the child */
    int64_t cost_bytes;  /* of all answers, whatever they brought */
    int64_t furthest;    /* the end of the input as far as it was given */
    int64_t media_us;
    uint64_t activity; /* grows with everything that counts as progress */
    bool has_input;
    bool is_over_limit; /* max_output_bytes */
    bool is_broken;     /* a piece that is none */
    enum session_end end;
    struct protocol_done done;     /* SESSION_DONE */
    struct protocol_failed failed; /* SESSION_FAILED */
    struct protocol_read reads[PROTOCOL_READS_MAX];
    size_t read_count;
    size_t in_len;
    uint8_t in[PROTOCOL_HEADER_SIZE + PROTOCOL_SMALL_MAX];
    size_t out_len, out_sent; /* of out: one frame at a time */
    uint8_t *out;             /* PROTOCOL_HEADER_SIZE + PROTOCOL_DATA_MAX bytes */
};

/* The job stays the caller's. Puts START into out. */
void session_init(struct session *s, const struct engine_job *job);
void session_release(struct session *s);

/* Bytes from the child's descriptor 0: any split of any number of frames. ERR_CORRUPT: it broke the
 * protocol. */
enum err session_receive(struct session *s, const uint8_t *bytes, size_t len,
                         struct error *e) MUST_CHECK;
/* Bytes from its descriptor 1: any split of any number of pieces. ERR_TOO_BIG, with is_over_limit
 * set; ERR_CORRUPT, with is_broken set; or what the job's callbacks returned. */
enum err session_output(struct session *s, const uint8_t *bytes, size_t len,
                        struct error *e) MUST_CHECK;
/* Whether a READ waits and out is free. */
bool session_can_serve(const struct session *s);
/* Answers the oldest READ into out. What read returned. */
enum err session_serve(struct session *s, struct error *e) MUST_CHECK;
/* What is still to be sent of out, and that len bytes of it were. */
const uint8_t *session_unsent(const struct session *s, size_t *ret_len);
void session_sent(struct session *s, size_t len);

/* After the child has ended well: checks what it said against what was counted, and describes the
 * outputs. */
enum err session_finish(struct session *s, struct engine_result *result,
                        struct error *e) MUST_CHECK;

#endif
