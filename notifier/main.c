/* unreel-notifier: tells owners how their jobs ended, by mail and by signed webhooks. */
#include <string.h>

#include "core/log.h"
#include "http/client.h"
#include "jobs/message.h"
#include "notifier.h"
#include "pipeline/pipeline_config.h"
#include "service/service.h"

#include "core/banned.h"

#define AT(field) offsetof(struct notifier_settings, field)

static const struct config_key keys[] = {
    CONFIG_COMMON_KEYS("9104"),
    PIPELINE_JOBS_KEY(AT(jobs_url)),
    PIPELINE_QUEUE_KEY(AT(queue_url)),
    { "UNREEL_SMTP_URL", CONFIG_URL, AT(smtp_url), "",
      "mail server: smtp://HOST:PORT or smtps://HOST:PORT; empty: no mail", 0, 0, NULL },
    { "UNREEL_SMTP_USER", CONFIG_TEXT, AT(smtp_user), "", "login at the mail server; empty: none",
      0, 0, NULL },
    { "UNREEL_SMTP_PASSWORD", CONFIG_SECRET, AT(smtp_password), "", "its password", 0, 0, NULL },
    { "UNREEL_SMTP_FROM", CONFIG_TEXT, AT(smtp_from), "unreel@localhost.localdomain",
      "sender of the mails", 0, 0, NULL },
    { "UNREEL_SMTP_REQUIRE_TLS", CONFIG_BOOL, AT(smtp_require_tls), "false",
      "send no mail over a connection without TLS (it is used when offered in any case; a login "
      "goes to another machine with TLS only)",
      0, 0, NULL },
    { "UNREEL_PUBLIC_URL", CONFIG_TEXT, AT(public_url), "http://127.0.0.1:8080",
      "where people reach the gateway: for links in mails", 0, 0, NULL },
    { "UNREEL_WEBHOOK_SECRET", CONFIG_SECRET, AT(webhook_secret), "",
      "signs webhooks: whsec_ and base64 of 24 to 64 bytes; empty: no webhooks", 0, 0, NULL },
    { "UNREEL_WEBHOOK_ALLOW_PRIVATE", CONFIG_BOOL, AT(webhook_allow_private), "false",
      "let webhooks call plain http, loopback and private addresses", 0, 0, NULL },
    { "UNREEL_SLOTS", CONFIG_INT, AT(slots), "4", "notices sent at once", 1, 64, NULL },
};

static enum err check_jobs(void *ctx, struct error *e)
{
    return jobs_check(((struct notifier *)ctx)->jobs, e);
}

static enum err check_queue(void *ctx, struct error *e)
{
    return queue_check(((struct notifier *)ctx)->queue, e);
}

static enum err read_secret(struct notifier *n, struct error *e)
{
    if (n->settings->webhook_secret[0] == '\0') {
        log_info("no webhook secret is configured: webhooks are off");
        return OK;
    }
    n->has_webhook_secret = true;
    return webhook_secret_parse(n->settings->webhook_secret, &n->webhook_secret, e);
}

static void stop(void *state)
{
    struct notifier *n = state;
    if (n->consumer != NULL) {
        queue_consumer_cancel(n->consumer);
    }
    notifier_threads_join(n);
    queue_consumer_close(n->consumer);
    queue_close(n->queue);
    jobs_close(n->jobs);
    mem_wipe(&n->webhook_secret, sizeof(n->webhook_secret));
    free(n);
}

static enum err start(struct service *service, void *settings, void **ret_state, struct error *e)
{
    struct notifier *n = xcalloc(1, sizeof(*n));
    n->settings = settings;
    unsigned slots = (unsigned)n->settings->slots;
    metric_register(&metric_notifications);
    enum err rc = http_client_init(e);
    if (rc == OK) {
        rc = read_secret(n, e);
    }
    if (rc == OK) {
        rc = jobs_open(n->settings->jobs_url, slots + 2, &n->jobs, e);
    }
    if (rc == OK) {
        rc = queue_open(n->settings->queue_url, &n->queue, e);
    }
    if (rc == OK) {
        rc = queue_consume(n->queue, JOB_QUEUE_MP3, slots, &n->consumer, e);
    }
    if (rc == OK) {
        rc = notifier_threads_start(n, e);
    }
    if (rc != OK) {
        stop(n);
        return rc;
    }
    if (n->settings->smtp_url[0] == '\0') {
        log_info("no SMTP server is configured: mails are off");
    }
    service_add_check(service, "jobs", false, check_jobs, n);
    service_add_check(service, "queue", false, check_queue, n);
    *ret_state = n;
    return OK;
}

static void drain(void *state)
{
    struct notifier *n = state;
    queue_consumer_cancel(n->consumer);
    notifier_threads_stop(n);
}

static bool is_idle(void *state)
{
    return atomic_load(&((struct notifier *)state)->busy) == 0;
}

int main(int argc, char **argv)
{
    static const struct service_definition definition = {
        .name = "unreel-notifier",
        .summary = "mails owners and calls webhooks when jobs end",
        .keys = keys,
        .key_count = ARRAY_LEN(keys),
        .settings_size = sizeof(struct notifier_settings),
        .start = start,
        .drain = drain,
        .is_idle = is_idle,
        .stop = stop,
    };
    return service_main(&definition, argc, argv);
}
