/* A job's record as a BSON document that people can read in a shell: ids are ObjectIds, times are
 * dates, the rest is natural. For this folder's MongoDB engine. */
#ifndef UNREEL_JOBS_MONGO_RECORD_H
#define UNREEL_JOBS_MONGO_RECORD_H

#include "jobs/job.h"

struct _bson_t;

/* Appends the members of the record to `doc`, but for its id. */
void mongo_record_append(struct _bson_t *doc, const struct job *j);
enum err mongo_record_read(const struct _bson_t *doc, struct job *ret_job,
                           struct error *e) MUST_CHECK;

#endif
