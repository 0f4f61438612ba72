/* Worker threads that take tasks in the order of their submission.
 *
 * They are made before the sandbox shuts, which allows no clone, and made small: the limit on
 * address space counts their stacks. Signals are the main thread's affair. */
#ifndef UNREEL_CONVERTER_ENGINE_CREW_H
#define UNREEL_CONVERTER_ENGINE_CREW_H

#include <stdbool.h>

#include "core/error.h"
#include "core/mem.h"

#define CREW_THREADS_MAX 64

struct crew;

/* The caller's, and alive until it is done. */
struct crew_task {
    void (*run)(struct crew_task *task);
    struct crew_task *next;
    bool is_done; /* the crew's: see crew_is_done */
};

/* 1 thread is the caller's own: none is made, and a task runs when it is submitted. When this has
 * returned, every thread is up: it makes none of the calls that begin a thread any more. */
enum err crew_new(int threads, struct crew **ret_crew, struct error *e) MUST_CHECK;
/* Ends the threads, after what was submitted. Not needed before exit. */
void crew_free(struct crew *crew);
DEFINE_AUTO(struct crew *, crew_free)

int crew_threads(const struct crew *crew);
void crew_submit(struct crew *crew, struct crew_task *task);
bool crew_is_done(struct crew *crew, const struct crew_task *task);
/* Blocks until a submitted task has been run; what it wrote can be read then. */
void crew_wait(struct crew *crew, const struct crew_task *task);

#endif
