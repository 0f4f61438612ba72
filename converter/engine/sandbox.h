/* The walls around the decoder, put up before the first byte of input is read: resource limits, no
 * new privileges, no dump, death with the parent, Landlock without a single rule, seccomp with a
 * short list of calls that need no file and no network. */
#ifndef UNREEL_CONVERTER_ENGINE_SANDBOX_H
#define UNREEL_CONVERTER_ENGINE_SANDBOX_H

#include <stdint.h>

#include "core/error.h"

struct sandbox_limits {
    int64_t memory_bytes; /* of address space */
    int64_t cpu_s;
    int64_t file_bytes; /* of a regular file that one of its descriptors is */
};

/* Not to be undone. Landlock is best effort (a kernel may have none); everything else must work.
 * A forbidden call kills the process by SIGSYS, but open for reading, ioctl and their like only
 * fail: libraries try them. Single-threaded when called. */
enum err sandbox_enter(const struct sandbox_limits *limits, struct error *e) MUST_CHECK;

/* The same in two steps, for a process with threads: they are made between the two. What the first
 * does holds for its own thread and those made later; the second finds all threads, and from then
 * on none can be made. */
enum err sandbox_begin(struct error *e) MUST_CHECK;
enum err sandbox_shut(const struct sandbox_limits *limits, struct error *e) MUST_CHECK;

/* 0: the kernel has none. */
int sandbox_landlock_abi(void);

/* The names of the allowed calls, for a test; NULL at the end. */
const char *const *sandbox_allowed_calls(void);

#endif
