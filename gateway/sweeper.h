/* Collects what a gateway or converter left half-written when it was killed: blobs that were never
 * committed, which no record names and nobody goes on with.
 *
 * One thread, a look soon after the start and then about once an hour. Several gateways may run
 * theirs at the same time. */
#ifndef UNREEL_GATEWAY_SWEEPER_H
#define UNREEL_GATEWAY_SWEEPER_H

#include <stdatomic.h>

#include "gateway.h"

struct sweeper;

enum err sweeper_start(struct gateway *g, struct sweeper **ret_sweeper, struct error *e) MUST_CHECK;
/* Ends the thread after the removal in hand. NULL is fine. */
void sweeper_stop(struct sweeper *sweeper);

/* One look at both buckets: removes up to 500 uncommitted blobs of each that nobody has written to
 * for age_ms, and tells the log and the metric. Returns how many are gone. Ends early when
 * *is_stopping. Blocks. */
size_t sweeper_sweep(struct gateway *g, int64_t age_ms, const atomic_bool *is_stopping);

#endif
