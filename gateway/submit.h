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

#endif
