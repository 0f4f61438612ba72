/* The parent's side of the protocol, without the process: frames in, frames out, output counted.
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

struct session {
    const struct engine_job *job;
    int64_t max_output_bytes;
    int64_t output_bytes;
    int64_t input_bytes; /* given to the child */
    int64_t media_us;
    uint64_t activity; /* grows with everything that counts as progress */
    bool has_input;
    bool is_over_limit; /* max_output_bytes */
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
/* Bytes from its descriptor 1. ERR_TOO_BIG, with is_over_limit set; or what write
 * returned. */
enum err session_output(struct session *s, const uint8_t *bytes, size_t len,
                        struct error *e) MUST_CHECK;
/* Whether a READ waits and out is free. */
bool session_can_serve(const struct session *s);
/* Answers the oldest READ into out. What read returned. */
enum err session_serve(struct session *s, struct error *e) MUST_CHECK;
/* What is still to be sent of out, and that len bytes of it were. */
const uint8_t *session_unsent(const struct session *s, size_t *ret_len);
void session_sent(struct session *s, size_t len);

/* After the child has ended well: checks DONE against what was counted, gives the tag frame to
 * rewrite_head, and describes the output. */
enum err session_finish(struct session *s, struct job_output *ret_output,
                        struct error *e) MUST_CHECK;

#endif
