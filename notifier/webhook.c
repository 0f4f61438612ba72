#include "webhook.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/mem.h"
#include "core/text.h"
#include "http/client.h"

#include "core/banned.h"

static const int post_timeout_ms = 20000;

enum err webhook_secret_parse(const char *text, struct webhook_secret *ret_secret, struct error *e)
{
    struct webhook_secret secret = { .len = 0 };
    if (!text_starts_with(text, "whsec_") ||
        text_from_base64(secret.bytes, sizeof(secret.bytes), text + 6, &secret.len) != OK ||
        secret.len < 24) {
        return err_set(e, ERR_INVALID, "a webhook secret is whsec_ and base64 of 24 to 64 bytes");
    }
    *ret_secret = secret;
    return OK;
}

void webhook_sign(const struct webhook_secret *secret, const char *id, int64_t timestamp_s,
                  const char *body, char ret_signature[WEBHOOK_SIGNATURE_SIZE])
{
    AUTO(mem_free) char *signed_text = xasprintf("%s.%lld.%s", id, (long long)timestamp_s, body);
    unsigned char mac[32];
    unsigned len = 0;
    if (HMAC(EVP_sha256(), secret->bytes, (int)secret->len, (unsigned char *)signed_text,
             strlen(signed_text), mac, &len) == NULL) {
        abort(); /* only for want of memory */
    }
    (void)snprintf(ret_signature, WEBHOOK_SIGNATURE_SIZE, "v1,");
    text_to_base64(ret_signature + 3, mac, sizeof(mac));
}

static char *compose(const struct job *job)
{
    char now[CLOCK_TEXT_SIZE];
    char type[32];
    clock_format(now, clock_wall_ms());
    (void)snprintf(type, sizeof(type), "job.%s", job_state_name(job->state));
    json_t *body = json_pack("{s:s, s:s, s:o}", "type", type, "timestamp", now, "data",
                             job_to_json(job));
    char *text = json_dumps(body, JSON_COMPACT | JSON_REAL_PRECISION(12));
    json_decref(body);
    if (text == NULL) {
        abort(); /* only for want of memory */
    }
    return text;
}

enum err webhook_post(const struct job *job, const char *event_id,
                      const struct webhook_secret *secret, bool allow_private,
                      struct webhook_result *ret_result, struct error *e)
{
    AUTO(mem_free) char *body = compose(job);
    int64_t timestamp_s = clock_wall_ms() / 1000;
    char signature[WEBHOOK_SIGNATURE_SIZE];
    webhook_sign(secret, event_id, timestamp_s, body, signature);
    AUTO(mem_free) char *id = xasprintf("webhook-id: %s", event_id);
    AUTO(mem_free) char *time = xasprintf("webhook-timestamp: %lld", (long long)timestamp_s);
    AUTO(mem_free) char *sign = xasprintf("webhook-signature: %s", signature);
    const char *const headers[] = { "Content-Type: application/json", id, time, sign, NULL };
    struct http_call call = { .method = "POST",
                              .url = job->webhook_url,
                              .headers = headers,
                              .traceparent = job->traceparent,
                              .body = body,
                              .body_len = strlen(body),
                              .timeout_ms = post_timeout_ms,
                              .public_only = !allow_private };
    struct http_response answer = { 0 };
    enum err rc = http_client_call(&call, &answer, e);
    ret_result->retry_after_s = -1;
    ret_result->is_gone = false;
    if (rc != OK) {
        return rc;
    }
    ret_result->retry_after_s = answer.retry_after_s;
    ret_result->is_gone = answer.status == 410;
    if (answer.status < 200 || answer.status > 299) {
        rc = err_set(e, ERR_BUSY, "the receiver answered %d", answer.status);
    }
    http_response_release(&answer);
    return rc;
}
