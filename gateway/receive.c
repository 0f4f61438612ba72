#include "receive.h"

#include <stdio.h>
#include <string.h>

#include "core/log.h"
#include "core/text.h"
#include "core/url.h"

#include "core/banned.h"

void receive_reply_too_large(struct http_request *r, const struct gateway *g)
{
    http_reply_problem(r, PROBLEM_INPUT_TOO_LARGE, "A file may have at most %lld bytes.",
                       (long long)g->settings->max_upload_bytes);
}

bool receive_is_form(const struct http_request *r)
{
    const char *type = http_request_header(r, "Content-Type");
    return type != NULL && (text_starts_with(type, "multipart/") ||
                            text_starts_with(type, "application/x-www-form-urlencoded"));
}

struct intake *receive_begin(struct http_request *r, struct gateway *g, int64_t max_body)
{
    if (http_request_content_length(r) > max_body) {
        log_info("upload refused: %lld bytes announced", (long long)http_request_content_length(r));
        receive_reply_too_large(r, g);
        return NULL;
    }
    struct intake *intake = NULL;
    struct error e = { 0 };
    if (intake_new(g, http_request_user(r), &intake, &e) != OK) {
        log_info("upload refused: %s", e.text);
        http_reply_header(r, "Retry-After", "5");
        http_reply_problem(r, PROBLEM_TOO_MANY_REQUESTS,
                           "You have %lld uploads under way; wait for one to end.",
                           (long long)g->settings->max_uploads_per_user);
        return NULL;
    }
    struct job *job = intake_job(intake);
    (void)text_copy(job->traceparent, sizeof(job->traceparent), http_request_traceparent(r));
    (void)text_copy(job->user_id, sizeof(job->user_id), http_request_user_id(r));
    text_clean_filename(job->filename, sizeof(job->filename), "upload");
    log_context_job(job->id);
    return intake;
}

static bool is_webhook_url(const char *text)
{
    if (!text_starts_with(text, "https://") && !text_starts_with(text, "http://")) {
        return false;
    }
    AUTO(url_free) struct url *url = NULL;
    return strlen(text) < JOB_WEBHOOK_SIZE && url_parse(text, &url, NULL) == OK &&
           url->host != NULL;
}

bool receive_label(struct job *job, const char *name, const char *value,
                   char ret_wrong[JOB_DETAIL_SIZE])
{
    if (strcmp(name, "filename") == 0) {
        text_clean_filename(job->filename, sizeof(job->filename), value);
    } else if (strcmp(name, "tag") == 0) {
        if (!text_is_utf8(value, strlen(value)) || !text_copy(job->tag, sizeof(job->tag), value)) {
            (void)snprintf(ret_wrong, JOB_DETAIL_SIZE, "tag: UTF-8 text of at most %d bytes.",
                           JOB_TAG_SIZE - 1);
        }
    } else if (strcmp(name, "webhook_url") == 0) {
        if (!is_webhook_url(value)) {
            (void)snprintf(ret_wrong, JOB_DETAIL_SIZE,
                           "webhook_url: an http(s) address of at most %d bytes.",
                           JOB_WEBHOOK_SIZE - 1);
        } else {
            (void)text_copy(job->webhook_url, sizeof(job->webhook_url), value);
        }
    } else {
        return false;
    }
    return true;
}
