/* Wakes waiters in any process of this host through a small file that inotify watches.
 *
 * A waiter opens its watch, looks whether there is something to do, and waits when there is not: a
 * touch after the watch was opened ends the next wait at once. */
#ifndef UNREEL_QUEUE_QUEUE_WAKE_H
#define UNREEL_QUEUE_QUEUE_WAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"
#include "core/mem.h"

struct queue_wake;

/* Wakes all that watch `path`; the file is made when it is missing. A failure is not reported: a
 * waiter looks again by itself after some seconds. */
void queue_wake_touch(const char *path);

/* On OK the caller owns *ret_wake (queue_wake_close). */
enum err queue_wake_open(const char *path, struct queue_wake **ret_wake,
                         struct error *e) MUST_CHECK;
/* Nobody may be waiting. NULL is fine. */
void queue_wake_close(struct queue_wake *w);
DEFINE_AUTO(struct queue_wake *, queue_wake_close)

/* Returns after a touch, after queue_wake_interrupt, or after timeout_ms. One thread at a time. */
void queue_wake_wait(struct queue_wake *w, int64_t timeout_ms);
/* Ends this wait and all later ones at once. From any thread. */
void queue_wake_interrupt(struct queue_wake *w);

#endif
