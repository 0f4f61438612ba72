/* Starts the child: three descriptors, no environment, nothing else inherited. */
#ifndef UNREEL_ENGINE_SPAWN_H
#define UNREEL_ENGINE_SPAWN_H

#include <stdint.h>
#include <sys/types.h>

#include "core/error.h"

struct spawned {
    pid_t pid;
    int pid_fd;  /* readable once it has exited; -1 when the kernel has none */
    int control; /* our end of its descriptor 0, a socket */
    int output;  /* our end of its 1 */
    int log;     /* our end of its 2 */
};

/* program NULL: unreel-engine beside the running binary, else on PATH. argument NULL: none. Our
 * ends do not block. The caller reaps the child and calls spawn_close. */
enum err spawn_engine(const char *program, const char *argument, struct spawned *ret_child,
                      struct error *e) MUST_CHECK;
/* Closes the descriptors; not the child. */
void spawn_close(struct spawned *child);
/* The most memory that it has had resident so far, in bytes; 0 when that cannot be told. */
int64_t spawn_peak_rss(const struct spawned *child);

#endif
