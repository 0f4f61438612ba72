/* The notifier's state. */
#ifndef UNREEL_NOTIFIER_NOTIFIER_H
#define UNREEL_NOTIFIER_NOTIFIER_H

#include <pthread.h>
#include <stdatomic.h>

#include "core/config.h"
#include "core/metrics.h"
#include "jobs/jobs.h"
#include "queue/queue.h"
#include "webhook.h"

struct notifier_settings {
    struct config_common common; /* first */
    char *jobs_url, *queue_url;
    char *smtp_url, *smtp_user, *smtp_password, *smtp_from;
    bool smtp_require_tls;
    char *public_url;
    char *webhook_secret;
    bool webhook_allow_private;
    int64_t slots;
};

struct notifier {
    const struct notifier_settings *settings;
    struct jobs *jobs;
    struct queue *queue;
    struct queue_consumer *consumer;
    bool has_webhook_secret;
    struct webhook_secret webhook_secret;
    atomic_int busy;
    pthread_t *threads; /* slots takers, then the poller */
    int thread_count;
    pthread_mutex_t lock; /* of the next ones, for the poller */
    pthread_cond_t wake;
    bool is_stopping;
    bool was_put_off; /* since the poller looked */
};

extern struct metric metric_notifications;

/* worker.c: threads that take from "mp3", and one that looks for notices that fell due. */
enum err notifier_threads_start(struct notifier *n, struct error *e) MUST_CHECK;
/* A notice was put off: the poller shall look when it is due. */
void notifier_put_off(struct notifier *n);
/* None begins a notice of the records any more; does not wait. Those that take from "mp3" end with
 * their consumer. */
void notifier_threads_stop(struct notifier *n);
void notifier_threads_join(struct notifier *n);

/* notices.c: sends what is due for a job that has ended. Two notifiers never send the same notice
 * at once: each takes it by compare-and-set first. */
void notices_send(struct notifier *n, struct job *job);

#endif
