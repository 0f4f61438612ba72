/* Starts programs, restarts one that dies, stops them in order. One supervisor per process. */
#ifndef UNREEL_CLI_SUPERVISOR_H
#define UNREEL_CLI_SUPERVISOR_H

#include <stdint.h>
#include <sys/types.h>

#include "core/error.h"

struct child {
    const char *name; /* "unreel-auth" */
    char *path;
    char **environment; /* NULL-terminated "NAME=value" */
    pid_t pid;          /* 0 while it does not run */
    int restarts;
    int64_t started_ms;
    int64_t restart_at_ms; /* monotonic; 0: not waiting */
};

/* Starts it; it gets SIGTERM when this process dies. ERR_FAULT when it cannot be started. */
enum err child_start(struct child *c, struct error *e) MUST_CHECK;
/* Collects children that have ended and starts them again after a back-off (0.5 s .. 30 s, afresh
 * after 60 s of health). */
void children_tend(struct child *children, size_t count);
/* SIGTERM to each in order of the array, waiting up to timeout_ms for each; SIGKILL for what is
 * left. */
void children_stop(struct child *children, size_t count, int64_t timeout_ms);

#endif
