/* A gate before expensive work: so many inside, so many waiting, the rest is sent away.
 * Thread-safe. */
#ifndef UNREEL_AUTH_GATE_H
#define UNREEL_AUTH_GATE_H

#include "core/error.h"

struct gate;

struct gate *gate_new(unsigned slots, unsigned queue_max) MUST_CHECK;
/* Nobody may be inside or waiting. NULL is fine. */
void gate_free(struct gate *g);
/* Waits for a slot, which the caller gives back with gate_leave. ERR_BUSY at once when the queue is
 * full. */
enum err gate_enter(struct gate *g, struct error *e) MUST_CHECK;
void gate_leave(struct gate *g);

#endif
