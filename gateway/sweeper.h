/* Collects what gateways and converters left when they were killed: blobs that were never committed
 * and that nobody goes on with, and whole ones that no record names (strays.h).
 *
 * One thread, a look soon after the start and then about once an hour. Several gateways may run
 * theirs at the same time. */
#ifndef UNREEL_GATEWAY_SWEEPER_H
#define UNREEL_GATEWAY_SWEEPER_H

#include <stdatomic.h>

#include "strays.h"

struct sweeper;

struct sweep {
    int64_t age_ms;   /* what is younger stays */
    int64_t pause_ms; /* between the two looks at a whole file that is to go */
    const atomic_bool *is_stopping;
    char cursors[STRAYS_BUCKETS][ID_SIZE]; /* "" at first: kept from one look to the next */
    int64_t left[STRAYS_BUCKETS][2];       /* unfinished and whole: what the last look left */
};

enum err sweeper_start(struct gateway *g, struct sweeper **ret_sweeper, struct error *e) MUST_CHECK;
/* Ends the thread after the removal in hand. NULL is fine. */
void sweeper_stop(struct sweeper *sweeper);

/* One look at both buckets: removes up to 500 uncommitted blobs of each that nobody has written to
 * for age_ms, and up to 500 whole ones that were committed as long ago and that no record names;
 * tells the log and the metric. Returns how many are gone. Ends early when *is_stopping. Blocks. */
size_t sweeper_sweep(struct gateway *g, struct sweep *sweep);

#endif
