#include "notifier.h"

#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/id.h"
#include "core/log.h"
#include "http/client.h"
#include "mail.h"

#include "core/banned.h"

/* Who takes a notice has this long to send it, before another one may. */
static const int64_t take_ms = 120000;

/* Seconds before each next try; after the last it is given up. Standard Webhooks' schedule for
 * webhooks. */
static const int64_t webhook_delays_s[] = { 5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400 };
static const int64_t mail_delays_s[] = { 10, 60, 300, 1800, 7200, 21600 };

enum outcome { SENT, LATER, REFUSED };

enum { RESULT_SENT, RESULT_LATER, RESULT_REFUSED, RESULT_UNCONFIGURED, RESULTS };

static const char *const results[] = {
    "email,sent",         "email,later",          "email,refused",
    "email,unconfigured", "webhook,sent",         "webhook,later",
    "webhook,refused",    "webhook,unconfigured", NULL,
};

struct metric metric_notifications = { .name = "unreel_notifications_total",
                                       .help = "Notices by channel and result.",
                                       .type = METRIC_COUNTER,
                                       .label = "channel,result",
                                       .values = results };

/* One event per job: it ends once. The same id on every try is the receiver's key. */
static void event_id(const struct job *job, char ret_id[64])
{
    (void)snprintf(ret_id, 64, "evt_%s_%s", job->id, job_state_name(job->state));
}

static bool is_due(const struct job_notice *notice, int64_t now_ms)
{
    return notice->due_at_ms > 0 && notice->sent_at_ms == 0 && notice->due_at_ms <= now_ms;
}

static enum outcome send_mail(struct notifier *n, const struct job *job, struct error *e)
{
    const struct notifier_settings *s = n->settings;
    char id[64];
    event_id(job, id);
    __attribute__((cleanup(buf_release_auto))) struct buf message;
    buf_init(&message, MAIL_MAX);
    if (mail_compose(job, s->smtp_from, s->public_url, id, &message, e) != OK) {
        return REFUSED;
    }
    struct smtp_mail mail = { .url = s->smtp_url,
                              .require_tls = s->smtp_require_tls,
                              .user = s->smtp_user[0] != '\0' ? s->smtp_user : NULL,
                              .password = s->smtp_password[0] != '\0' ? s->smtp_password : NULL,
                              .from = s->smtp_from,
                              .to = job->owner,
                              .message = buf_text(&message),
                              .message_len = message.len,
                              .timeout_ms = 30000 };
    struct span span;
    span_begin(&span, SPAN_CLIENT, job->traceparent, "send mail");
    enum err rc = smtp_send(&mail, e);
    if (rc != OK) {
        span_fail(&span, err_name(rc), e->text);
    }
    span_end(&span);
    if (rc == OK) {
        return SENT;
    }
    return rc == ERR_INVALID ? REFUSED : LATER;
}

static enum outcome send_webhook(struct notifier *n, const struct job *job, int64_t *ret_delay_s,
                                 struct error *e)
{
    char id[64];
    event_id(job, id);
    struct webhook_result result;
    enum err rc = webhook_post(job, id, &n->webhook_secret, n->settings->webhook_allow_private,
                               &result, e);
    *ret_delay_s = result.retry_after_s;
    if (rc == OK) {
        return SENT;
    }
    return rc == ERR_INVALID || rc == ERR_DENIED || result.is_gone ? REFUSED : LATER;
}

/* What the record says after a try. min_delay_s: what the receiver asked for. */
static void note_outcome(struct job_notice *notice, enum outcome outcome, const int64_t *delays_s,
                         size_t delay_count, int64_t min_delay_s)
{
    int64_t now_ms = clock_wall_ms();
    notice->attempts++;
    if (outcome == SENT) {
        notice->sent_at_ms = now_ms;
        notice->due_at_ms = 0;
    } else if (outcome == REFUSED || (size_t)notice->attempts > delay_count) {
        notice->due_at_ms = 0;
    } else {
        int64_t delay_s = delays_s[notice->attempts - 1];
        delay_s = min_delay_s > delay_s ? min_delay_s : delay_s;
        delay_s = delay_s > 86400 ? 86400 : delay_s;
        int64_t jitter_ms = (int64_t)random_below((unsigned)(delay_s * 200 + 1));
        notice->due_at_ms = now_ms + delay_s * 1000 + jitter_ms;
    }
}

static void log_outcome(const char *channel, size_t base, enum outcome outcome,
                        const struct job_notice *notice, const struct error *e)
{
    metric_add(&metric_notifications, base + (size_t)outcome, 1);
    if (outcome == SENT) {
        log_info("%s sent, try %d", channel, notice->attempts);
    } else if (notice->due_at_ms > 0) {
        log_failure(LOG_LEVEL_WARN, err_name(e->code), "%s failed, try %d, again in %lld s: %s",
                    channel, notice->attempts,
                    (long long)((notice->due_at_ms - clock_wall_ms()) / 1000), e->text);
    } else {
        log_failure(LOG_LEVEL_ERROR, err_name(e->code), "%s given up after try %d: %s", channel,
                    notice->attempts, e->text);
    }
}

static void store_notices(struct notifier *n, struct job *job)
{
    struct error e = { 0 };
    for (int try = 1; try <= 3; try++) {
        enum err rc = jobs_mark_notices(n->jobs, job, &e);
        if (rc == OK || rc == ERR_NOT_FOUND) {
            return;
        }
        if (rc == ERR_CONFLICT) {
            /* Something else of the record changed (its announced mark): our part is ours alone. */
            struct job now;
            if (jobs_get(n->jobs, job->id, NULL, &now, &e) == OK) {
                now.email = job->email;
                now.webhook = job->webhook;
                *job = now;
            }
        } else {
            clock_sleep_ms(200);
        }
    }
    log_failure(LOG_LEVEL_ERROR, err_name(e.code),
                "a notice's result could not be stored; it may be sent again: %s", e.text);
}

/* Without a way to send there is nothing to wait for: logged and counted. */
static void drop_unconfigured(struct notifier *n, struct job *job, bool *mail_due,
                              bool *webhook_due)
{
    if (*mail_due && job->state == JOB_CANCELLED) {
        job->email.due_at_ms = 0; /* who cancelled knows */
        *mail_due = false;
    }
    if (*mail_due && n->settings->smtp_url[0] == '\0') {
        log_info("no SMTP server is configured; no mail about the %s job",
                 job_state_name(job->state));
        metric_add(&metric_notifications, RESULT_UNCONFIGURED, 1);
        job->email.due_at_ms = 0;
        *mail_due = false;
    }
    if (*webhook_due && !n->has_webhook_secret) {
        log_warn("no UNREEL_WEBHOOK_SECRET is configured; the webhook is not sent");
        metric_add(&metric_notifications, RESULTS + RESULT_UNCONFIGURED, 1);
        job->webhook.due_at_ms = 0;
        *webhook_due = false;
    }
}

void notices_send(struct notifier *n, struct job *job)
{
    int64_t now_ms = clock_wall_ms();
    bool mail_due = is_due(&job->email, now_ms);
    bool webhook_due = is_due(&job->webhook, now_ms);
    if (!mail_due && !webhook_due) {
        return;
    }
    drop_unconfigured(n, job, &mail_due, &webhook_due);
    if (mail_due) {
        job->email.due_at_ms = now_ms + take_ms;
    }
    if (webhook_due) {
        job->webhook.due_at_ms = now_ms + take_ms;
    }
    struct error e = { 0 };
    if (jobs_mark_notices(n->jobs, job, &e) != OK) {
        return; /* another notifier has it, or the store is down: it stays due */
    }
    if (mail_due) {
        enum outcome outcome = send_mail(n, job, &e);
        note_outcome(&job->email, outcome, mail_delays_s, ARRAY_LEN(mail_delays_s), 0);
        log_outcome("mail", 0, outcome, &job->email, &e);
        /* Now, not when the webhook is through: who is killed while a receiver hangs must not have
         * the mail sent again. */
        store_notices(n, job);
    }
    if (webhook_due) {
        int64_t min_delay_s = 0;
        enum outcome outcome = send_webhook(n, job, &min_delay_s, &e);
        note_outcome(&job->webhook, outcome, webhook_delays_s, ARRAY_LEN(webhook_delays_s),
                     min_delay_s);
        log_outcome("webhook", RESULTS, outcome, &job->webhook, &e);
        store_notices(n, job);
    }
    if (job->email.due_at_ms > 0 || job->webhook.due_at_ms > 0) {
        notifier_put_off(n);
    }
}
