/* Starts programs, restarts one that dies, stops them in order. One supervisor per process. */
#ifndef UNREEL_CLI_SUPERVISOR_H
#define UNREEL_CLI_SUPERVISOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/error.h"

struct child {
    const char *name; /* "unreel-auth" */
    char *path;
    char **environment; /* NULL-terminated "NAME=value" */
    pid_t pid;          /* 0 while it does not run */
    int restarts;
    int last_code; /* with which it ended last; -1: by a signal, or it never did */
    int64_t started_ms;
    int64_t restart_at_ms; /* monotonic; 0: not waiting */
};

/* Blocks the signals that supervisor_wait reports; before anything is started. */
void supervisor_init(void);
/* Waits for SIGTERM, SIGINT or SIGHUP: true when one came within the time. Returns early (false)
 * when a child has ended. */
bool supervisor_wait(int64_t timeout_ms);

/* Starts it; it gets SIGTERM when this process dies. ERR_FAULT when it cannot be started. */
enum err child_start(struct child *c, struct error *e) MUST_CHECK;
/* Collects children that have ended and starts them again after a back-off (0.5 s .. 30 s, afresh
 * after 60 s of health). */
void children_tend(struct child *children, size_t count);
/* SIGTERM, waiting up to timeout_ms; SIGKILL if that was in vain. Another SIGTERM or SIGINT of ours
 * meanwhile is passed on. */
void child_stop(struct child *c, int64_t timeout_ms);

#endif
