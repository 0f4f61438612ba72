/* Outgoing webhooks: Standard Webhooks 1.0.0. */
#ifndef UNREEL_NOTIFIER_WEBHOOK_H
#define UNREEL_NOTIFIER_WEBHOOK_H

#include "jobs/job.h"

#define WEBHOOK_SIGNATURE_SIZE 64
#define WEBHOOK_SECRET_MAX 64

struct webhook_secret {
    unsigned char bytes[WEBHOOK_SECRET_MAX];
    size_t len;
};

/* "whsec_" + base64 of 24 to 64 bytes. ERR_INVALID otherwise. */
enum err webhook_secret_parse(const char *text, struct webhook_secret *ret_secret,
                              struct error *e) MUST_CHECK;
/* "v1,<base64>": HMAC-SHA256 over id.timestamp.body. */
void webhook_sign(const struct webhook_secret *secret, const char *id, int64_t timestamp_s,
                  const char *body, char ret_signature[WEBHOOK_SIGNATURE_SIZE]);

struct webhook_result {
    int64_t retry_after_s; /* -1: the receiver did not say */
    bool is_gone;          /* 410: never again */
};

/* Posts {"type","timestamp","data"} to job->webhook_url. OK on 2xx. ERR_DENIED: an address that may
 * not be called; ERR_INVALID: a bad URL: both for good. Others: try later. Blocks for 20 s at most.
 * `allow_private` lets it call loopback and private addresses and plain http. */
enum err webhook_post(const struct job *job, const char *event_id,
                      const struct webhook_secret *secret, bool allow_private,
                      struct webhook_result *ret_result, struct error *e) MUST_CHECK;

#endif
