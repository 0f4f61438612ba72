/* Equal uploads: answered with the MP3s that are there already, which jobs of one owner then share.
 */
#ifndef UNREEL_GATEWAY_REUSE_H
#define UNREEL_GATEWAY_REUSE_H

#include "gateway.h"

/* Whether an earlier job of the same owner made what `job` asks for out of the same bytes, and its
 * MP3s are whole in the store. A job with a picture of its own is never answered so. When the store
 * cannot tell: no. Blocks. */
bool reuse_find(struct gateway *g, const struct job *job, struct job *ret_first);
/* As jobs_create, with the MP3s of `first`. OK: the job is stored; it has succeeded, or it is
 * queued to be converted, as its state says. */
enum err reuse_create(struct gateway *g, struct job *job, const struct job *first,
                      struct error *e) MUST_CHECK;
/* Removes the MP3s that `job` names, or named, unless a job names them still; its own record must
 * be gone, or name them no more. What cannot be removed is logged and stays. */
void reuse_remove_outputs(struct gateway *g, const struct job *job);

#endif
