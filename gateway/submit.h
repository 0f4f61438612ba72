/* From a received file to an accepted job: file first, then the record, then the publish
 * (reliability Q1). */
#ifndef UNREEL_GATEWAY_SUBMIT_H
#define UNREEL_GATEWAY_SUBMIT_H

#include "gateway.h"
#include "intake.h"

/* Commits the upload, makes its job, hands it to the relay and answers: 202 with the job, 200 when
 * it has succeeded (with the MP3s of an equal upload), or a problem. */
void submit_upload(struct http_request *r, struct gateway *g, struct intake *in);
/* Makes the record of a new job and hands it to the relay. On failure the caller keeps the files.
 */
enum err submit_job(struct gateway *g, struct job *job, struct error *e) MUST_CHECK;
/* After submit_job has failed: a store that failed half-way may have the record after all. OK: it
 * has, and the upload is to be accepted. When even that cannot be told, the file stays. */
enum err submit_look_again(struct gateway *g, struct intake *in) MUST_CHECK;
/* Waits until the job has ended, for wait_s at most; shorter when the client goes away, the service
 * stops or the job is removed. *job becomes what it is then. */
void submit_wait(struct http_request *r, struct gateway *g, struct job *job, int64_t wait_s);
/* Preference-Applied: the client's wait was honoured. */
void submit_tell_wait(struct http_request *r, int64_t wait_s);

#endif
