/* Collects whole files that no record names: what is left when a gateway dies between an upload's
 * commit and its record, a converter between the commit of its MP3s and the end of the job, anybody
 * between the removal of a record and of its files, and what a restored backup has too many.
 *
 * Nothing goes that a record names, or will ever name:
 * - A file is looked up by its id, on an index, among all that name files: video and cover of every
 *   job, its MP3s, and the MP3s of another job that it is about to share. Whatever is no clear "no"
 *   keeps the file.
 * - Ids are random and never used again, and a new record names a new file within minutes of the
 *   file's commit (a batch of commits, a few tries to store the record). The age, hours at least
 *   and counted from the commit, is far more, and more than clocks differ. A repeated request
 *   brings a file of its own. Who was stopped for so long in between has lost its claim, or its
 *   client.
 * - A machine that slept, or whose clock was set right, may find a file old that is new: so those
 *   without a record are looked up again some time later, just before they go.
 * - A new record that names an old file (a retry, a probe, an equal upload) takes it from a record
 *   that is there; what holds between those and a removal (shared/jobs/jobs.h) holds here, since
 *   here too it is looked whether the last record is gone, and then the file removed.
 * - Files of other programs, which may have no records, are no strays.
 * - More files without a record than with one mean a job store that is the wrong one, or was
 * emptied: then nothing is removed, and the log says so. A stray of a new installation waits until
 * there are other old files.
 *
 * Bounded: a look goes on where the one before ended, reads a page of ids at a time, and asks for
 * the old ones only. */
#ifndef UNREEL_GATEWAY_STRAYS_H
#define UNREEL_GATEWAY_STRAYS_H

#include <stdatomic.h>

#include "gateway.h"

enum strays_bucket { STRAYS_VIDEOS, STRAYS_MP3S, STRAYS_BUCKETS }; /* as the metric's values */

/* One look at one bucket. */
struct strays_look {
    enum strays_bucket bucket;
    int64_t before_ms; /* wall clock: committed since then, a file is let alone */
    int64_t pause_ms;  /* between the two looks at a file */
    const atomic_bool *is_stopping;
};

/* Removes files, a line in the log for each; *ret_left: how many it found and could not or would
 * not remove; untouched when the store could not be asked. cursor: where the look goes on, "" at
 * first. Returns how many are gone. The first failure is in *ret_first, unless there is one. Ends
 * early when *is_stopping. Blocks. */
size_t strays_sweep(struct gateway *g, const struct strays_look *look, char cursor[ID_SIZE],
                    int64_t *ret_left, struct error *ret_first);

#endif
