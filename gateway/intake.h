/* One upload on its way in: bytes go to the videos bucket as they arrive; nothing is kept here.
 *
 * Life: intake_new, then intake_write any number of times, then intake_commit; intake_free at any
 * point. What was not committed and accepted leaves nothing behind. Used by one thread. */
#ifndef UNREEL_GATEWAY_INTAKE_H
#define UNREEL_GATEWAY_INTAKE_H

#include "gateway.h"

struct intake;

/* Takes one of the user's upload slots: ERR_BUSY when all are in use. */
enum err intake_new(struct gateway *g, const char *owner, struct intake **ret_intake,
                    struct error *e) MUST_CHECK;
/* The job that is being made: options, tag, filename and so on are set by the caller. */
struct job *intake_job(struct intake *in);
/* ERR_TOO_BIG over the upload limit; otherwise as blob_write. */
enum err intake_write(struct intake *in, const void *bytes, size_t len, struct error *e) MUST_CHECK;
int64_t intake_size(const struct intake *in);
/* Makes the blob durable and fills size_bytes and sha256 of the job. */
enum err intake_commit(struct intake *in, struct error *e) MUST_CHECK;
/* The blob belongs to a job record now: intake_free keeps it. */
void intake_accept(struct intake *in);
/* Removes what was not accepted and gives the slot back. NULL is fine. */
void intake_free(struct intake *in);

/* Counts uploads per user. */
struct upload_slots *upload_slots_new(void);
void upload_slots_free(struct upload_slots *s);

#endif
