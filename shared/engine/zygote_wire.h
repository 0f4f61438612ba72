/* Between engine_run's side and a zygote: one SOCK_SEQPACKET socket, one reply for each request.
 *
 * A zygote is an unreel-engine that has loaded its hundred libraries, holds no secret, has one
 * thread, and forks a child for each job (reliability: "a zygote forked before any secret is loaded
 * and any thread exists"). Both ends are of one build on one machine, so structs go as they are. */
#ifndef UNREEL_ENGINE_ZYGOTE_WIRE_H
#define UNREEL_ENGINE_ZYGOTE_WIRE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>

/* The argument that makes a program a zygote; the socket is its descriptor 0. */
#define ZYGOTE_ARGUMENT "--zygote"
#define ZYGOTE_CHILD_FDS 3

enum zygote_command {
    ZYGOTE_FORK = 1, /* with ZYGOTE_CHILD_FDS descriptors: the child's 0, 1 and 2 */
    ZYGOTE_WAIT,     /* wait4 of pid with options: until then the pid stays the child's */
};

struct zygote_request {
    int32_t command;
    int32_t pid;
    int32_t options;
};

struct zygote_reply {
    int32_t pid; /* as fork and wait4 return it; -errno for an error */
    int32_t status;
    struct rusage usage;
};

/* The zygote's own side. Returns true in each child, with its descriptors in place and nothing of
 * the zygote's left open; false once, in the zygote itself, when the other end is closed. Blocks.
 * For a process with one thread. */
bool zygote_serve(void);

#endif
