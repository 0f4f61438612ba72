/* What all requests that bring a file have in common: the limits before its first byte, and what a
 * job is called. */
#ifndef UNREEL_GATEWAY_RECEIVE_H
#define UNREEL_GATEWAY_RECEIVE_H

#include "gateway.h"
#include "intake.h"

/* An intake for the request's user; its job has the request's trace context, and "upload" as file
 * name. max_body: bytes that the body may announce. NULL: refused, and answered. On success the
 * caller frees it. */
struct intake *receive_begin(struct http_request *r, struct gateway *g, int64_t max_body);
void receive_reply_too_large(struct http_request *r, const struct gateway *g);
/* Whether the body says that it is a form, where a file itself belongs. */
bool receive_is_form(const struct http_request *r);
/* Sets filename, tag or webhook_url; false for any other name. A value that will not do leaves the
 * job as it is and says in `ret_wrong` why, which is not touched otherwise. */
bool receive_label(struct job *job, const char *name, const char *value,
                   char ret_wrong[JOB_DETAIL_SIZE]);

#endif
