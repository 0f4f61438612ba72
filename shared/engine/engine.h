/* Runs unreel-engine, the sandboxed child that decodes and encodes: one process per file (exec'd,
 * or forked from a zygote), three descriptors, no environment. Used by the converter and by `unreel
 * convert`. The wire between the two is engine/protocol.h. */
#ifndef UNREEL_ENGINE_ENGINE_H
#define UNREEL_ENGINE_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"
#include "core/problem.h"
#include "jobs/job.h"

struct zygote; /* engine/zygote.h: for who runs many files */

/* Added to memory_bytes for each thread: the sound of the longest segment, what LAME makes of it,
 * LAME's own state and a stack. */
#define ENGINE_THREAD_BYTES ((int64_t)24 << 20)

/* The same for each output after the first. */
#define ENGINE_OUTPUT_BYTES ((int64_t)48 << 20)

#define ENGINE_THREADS_MAX 64 /* as PROTOCOL_THREADS_MAX */

struct engine_limits {
    int64_t max_duration_s;      /* decoded audio; default 6 h */
    int64_t max_output_bytes;    /* of all outputs; 0: from the duration and the bitrates */
    int64_t memory_bytes;        /* RLIMIT_AS, without ENGINE_THREAD_BYTES; default 512 MiB */
    int64_t wall_limit_s;        /* default 3 h */
    int64_t no_progress_limit_s; /* default 60 */
};

void engine_limits_default(struct engine_limits *l);

struct engine_job {
    const char *program; /* path of unreel-engine; NULL: beside the running binary, else on PATH */
    struct zygote *zygote; /* the child comes from it, and program is not looked at; NULL: exec'd */
    const struct job_request *request; /* settled */
    bool is_probe;                     /* only on_input is wanted: nothing is converted */
    bool
        is_output_stream; /* rewrite is never called: the MP3s get no tag that tells their length */
    struct engine_limits limits;
    int threads;        /* for the encoder, 1 to 64; the output does not depend on it */
    int64_t input_size; /* bytes; of an input still growing: what is known, or -1 */
    int64_t cover_size; /* of the picture for JOB_COVER_UPLOAD; 0: there is none */
    void *ctx;          /* for the callbacks, which all run on the caller's thread */
    /* Positional read of the input, as blobs_pread. A failure ends the run and is its result. */
    enum err (*read)(void *ctx, int64_t offset, void *dst, size_t len, size_t *ret_len,
                     struct error *e);
    /* The same of the picture; NULL when there is none. */
    enum err (*read_cover)(void *ctx, int64_t offset, void *dst, size_t len, size_t *ret_len,
                           struct error *e);
    /* Bytes of an output, at its present end. Outputs have numbers below JOB_OUTPUTS_MAX; the first
     * bytes of one begin it, and several may be open at a time. */
    enum err (*write)(void *ctx, int output, const void *bytes, size_t len, struct error *e);
    /* Replaces bytes of an open output, within what was written. */
    enum err (*rewrite)(void *ctx, int output, int64_t offset, const void *bytes, size_t len,
                        struct error *e);
    /* Takes back what was written of an open output; what is written next begins it anew. */
    enum err (*restart)(void *ctx, int output, struct error *e);
    /* The output is whole; nothing follows. NULL: not wanted. */
    enum err (*end_output)(void *ctx, int output, struct error *e);
    /* When the container has been read. */
    void (*on_input)(void *ctx, const struct job_input *input);
    /* About every 100 ms of work; media_time_s of the audio encoded so far. */
    void (*on_progress)(void *ctx, double media_time_s, double duration_s);
    /* At least once per second, busy or not: false ends the run with ERR_CANCELLED. */
    bool (*keep_going)(void *ctx);
    /* A line of the child's log (bounded: 64 KiB in all). */
    void (*on_log)(void *ctx, const char *line);
};

/* What ended a child that had not said its last word. */
enum engine_kill {
    ENGINE_NOT_KILLED = 0,
    ENGINE_KILLED_SECCOMP, /* a forbidden system call: permanent after two tries */
    ENGINE_KILLED_MEMORY,
    ENGINE_KILLED_CPU,
    ENGINE_KILLED_WALL,
    ENGINE_KILLED_NO_PROGRESS,
    ENGINE_KILLED_OUTPUT,   /* more than max_output_bytes */
    ENGINE_KILLED_SIGNAL,   /* any other signal: a bug in a decoder */
    ENGINE_KILLED_PROTOCOL, /* it broke the protocol, or went without a word */
    ENGINE_KILL_MAX
};

struct engine_result {
    int output_count;
    /* fid and sha256 left empty; size_bytes counted here, never trusted from the child. */
    struct job_output outputs[JOB_OUTPUTS_MAX];
    int numbers[JOB_OUTPUTS_MAX]; /* by which write knew them; rising, perhaps with gaps */
    int64_t input_bytes;          /* that the child has read; a part read twice counts twice */
    int64_t cpu_ms;               /* of the child */
    int64_t peak_rss_bytes;
    /* When the run failed on the input itself: */
    enum problem problem;         /* PROBLEM_NONE: see the error code */
    char detail[JOB_DETAIL_SIZE]; /* in the user's terms */
    enum engine_kill kill;        /* ENGINE_NOT_KILLED also when the caller ended the run */
};

/* Blocks until the child has ended. OK: everything was written. ERR_INVALID / ERR_CORRUPT /
 * ERR_TOO_BIG: the input is at fault, *ret_result says the problem: permanent. ERR_CANCELLED:
 * keep_going said so. Others (what read and write returned, a child that died): transient, but for
 * ret_result->problem PROBLEM_RESOURCE_LIMIT (killed for memory, CPU, wall clock or no progress):
 * permanent. Thread-safe. */
enum err engine_run(const struct engine_job *job, struct engine_result *ret_result,
                    struct error *e) MUST_CHECK;

/* What the sandbox can do here, by asking a child (`unreel-engine --sandbox-check`): Landlock ABI,
 * 0 when the kernel has none. ERR_FAULT when seccomp cannot be had. */
enum err engine_sandbox_check(const char *program, int *ret_landlock_abi,
                              struct error *e) MUST_CHECK;

#endif
