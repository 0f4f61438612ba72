/* Starts the child: three descriptors, no environment, nothing else inherited. */
#ifndef UNREEL_ENGINE_SPAWN_H
#define UNREEL_ENGINE_SPAWN_H

#include <stdint.h>
#include <sys/types.h>

#include "core/error.h"

struct zygote_process;

/* Pipes to a child that is to be: our ends and its own, for its descriptors 0 (a socket), 1 and 2;
 * -1 where there is none. */
struct spawn_ends {
    int ours[3];
    int theirs[3];
};

struct spawned {
    pid_t pid;
    int pid_fd;                    /* readable once it has exited; -1 when the kernel has none */
    int control;                   /* our end of its descriptor 0, a socket */
    int output;                    /* our end of its 1 */
    int log;                       /* our end of its 2 */
    struct zygote_process *zygote; /* whose child it is; NULL: ours */
};

/* program NULL: unreel-engine beside the running binary, else on PATH. argument NULL: none. Our
 * ends do not block. The caller reaps the child and calls spawn_close. */
enum err spawn_engine(const char *program, const char *argument, struct spawned *ret_child,
                      struct error *e) MUST_CHECK;
/* The parts of it. Starts a process with fds as its 0, 1 and 2; fds above 2, or in their place. */
enum err spawn_program(const char *program, const char *argument, const int fds[3], pid_t *ret_pid,
                       struct error *e) MUST_CHECK;
enum err spawn_open_ends(struct spawn_ends *ends, struct error *e) MUST_CHECK;
void spawn_close_ends(struct spawn_ends *ends);
/* Takes our ends over, closes the child's. */
void spawn_adopt(struct spawn_ends *ends, pid_t pid, struct zygote_process *zygote,
                 struct spawned *ret_child);

/* SIGKILL. */
void spawn_kill(const struct spawned *child);
/* Closes the descriptors; not the child. */
void spawn_close(struct spawned *child);
/* The most memory that it has had resident so far, in bytes; 0 when that cannot be told. */
int64_t spawn_peak_rss(const struct spawned *child);

#endif
