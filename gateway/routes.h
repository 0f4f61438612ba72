/* The gateway's routes as a table; openapi.yaml is checked against it. */
#ifndef UNREEL_GATEWAY_ROUTES_H
#define UNREEL_GATEWAY_ROUTES_H

#include "gateway.h"

extern const struct http_route gateway_routes[];
extern const size_t gateway_route_count;

/* access.c */
bool access_authorize(struct http_request *r, enum http_access access, void *ctx);
void access_observe(const struct http_request *r, const struct http_route *route, int status,
                    int64_t duration_us, void *ctx);
/* login.c */
void login_handle(struct http_request *r, void *ctx);
/* For token_verifier_new; ctx is the struct gateway. */
enum err login_fetch_jwks(void *ctx, char **ret_json, struct error *e);
/* upload.c */
void upload_form_begin(struct http_request *r, void *ctx);
void upload_raw_begin(struct http_request *r, void *ctx);
enum err upload_data(struct http_request *r, void *ctx, const void *bytes, size_t len,
                     struct error *e);
void upload_handle(struct http_request *r, void *ctx);
void upload_done(struct http_request *r, void *ctx);
/* job_routes.c */
void job_list_handle(struct http_request *r, void *ctx);
void job_get_handle(struct http_request *r, void *ctx);
/* job_actions.c */
void job_cancel_handle(struct http_request *r, void *ctx);
void job_retry_handle(struct http_request *r, void *ctx);
void job_delete_handle(struct http_request *r, void *ctx);
/* Removes a job's record, and its files as far as no other job has them. Files that cannot be
 * removed are logged. ERR_NOT_FOUND: it is gone already. */
enum err job_remove(struct gateway *g, const struct job *job, struct error *e) MUST_CHECK;
/* probe.c */
void probe_begin(struct http_request *r, void *ctx);
enum err probe_data(struct http_request *r, void *ctx, const void *bytes, size_t len,
                    struct error *e);
void probe_handle(struct http_request *r, void *ctx);
void probe_done(struct http_request *r, void *ctx);
/* download.c */
void download_handle(struct http_request *r, void *ctx);
/* pages.c */
void page_home_handle(struct http_request *r, void *ctx);
void page_openapi_handle(struct http_request *r, void *ctx);

/* Answers for an error of the stores: 404 for NOT_FOUND, 503 for BUSY, else 500; logs it. */
void reply_store_error(struct http_request *r, const struct error *e);
/* 202, Location and the job. */
void reply_job(struct http_request *r, int status, const struct job *j);

#endif
