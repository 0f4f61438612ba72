/* Children of a zygote: forked from an unreel-engine that has loaded its libraries already, which
 * takes a quarter off the CPU time of a 10-s clip (engine/zygote_wire.h).
 *
 * Children of one zygote share its address layout. So a zygote whose child died of a signal is not
 * asked for another: the next child comes from a new one. */
#ifndef UNREEL_ENGINE_ZYGOTE_H
#define UNREEL_ENGINE_ZYGOTE_H

#include <sys/resource.h>

#include "core/error.h"
#include "engine/spawn.h"

struct zygote;

/* program as in engine_job. The process starts with the first child. */
struct zygote *zygote_new(const char *program) MUST_CHECK;
/* All its children have been waited for. NULL is nothing. */
void zygote_free(struct zygote *z);

/* A child as spawn_engine makes one; starts the process where it is not there (any more). Blocks
 * for some milliseconds, for some more when the process starts. ERR_FAULT. Thread-safe. */
enum err zygote_spawn(struct zygote *z, struct spawned *ret_child, struct error *e) MUST_CHECK;
/* As wait4 of the child. When the zygote has died, and its children with it: the pid, and a status
 * that says "exited with 1". Thread-safe. */
pid_t zygote_wait(struct zygote *z, const struct spawned *child, int options, int *ret_status,
                  struct rusage *ret_usage);

#endif
