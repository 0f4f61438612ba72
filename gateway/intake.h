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
/* The same for the picture that comes with the file; its id becomes the job's cover_fid.
 * ERR_TOO_BIG over its limit; ERR_INVALID when it begins as no JPEG and no PNG does. Then no byte
 * of it stays. */
enum err intake_write_cover(struct intake *in, const void *bytes, size_t len,
                            struct error *e) MUST_CHECK;
/* Whether `job` came with the same picture, or both with none; after intake_commit. ERR_NOT_FOUND
 * and others: its picture cannot be looked at. */
enum err intake_is_same_cover(struct intake *in, const struct job *job, bool *ret_is_same,
                              struct error *e) MUST_CHECK;
/* Makes the blobs durable and fills size_bytes and sha256 of the job. */
enum err intake_commit(struct intake *in, struct error *e) MUST_CHECK;
/* The blobs belong to a job record now: intake_free keeps it. */
void intake_accept(struct intake *in);
/* Removes what was not accepted and gives the slot back. NULL is fine. */
void intake_free(struct intake *in);

/* Counts uploads per user. */
struct upload_slots *upload_slots_new(void);
void upload_slots_free(struct upload_slots *s);

#endif
