#include "service/checks.h"

#include <assert.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/metrics.h"
#include "core/text.h"

#include "core/banned.h"

#define CHECKS_MAX 16
#define PERIOD_MS 5000
#define RETRY_MS 1000

enum check_status { CHECK_UNKNOWN, CHECK_UP, CHECK_DOWN };

struct check {
    const char *name;
    bool info_only;
    enum err (*run)(void *ctx, struct error *e);
    void *ctx;
    enum check_status status;
    struct error last_error;
};

struct checks {
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t changed;
    struct check items[CHECKS_MAX]; /* never removed, so the thread may use one without the lock */
    size_t count;
    bool is_started;
    bool is_cancelled;
    bool has_ended;
    bool was_up; /* what the log said last */
    pthread_t thread;
};

static struct metric ready_gauge = {
    .name = "unreel_ready",
    .help = "Whether every dependency answered at the last check.",
    .type = METRIC_GAUGE,
};

struct checks *checks_new(void)
{
    struct checks *c = xcalloc(1, sizeof(*c));
    pthread_condattr_t attr;

    (void)pthread_mutex_init(&c->lock, NULL);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&c->changed, &attr);
    (void)pthread_condattr_destroy(&attr);
    metric_register(&ready_gauge);
    return c;
}

void checks_free(struct checks *c)
{
    if (c == NULL) {
        return;
    }
    (void)pthread_cond_destroy(&c->changed);
    (void)pthread_mutex_destroy(&c->lock);
    free(c);
}

void checks_add(struct checks *c, const char *name, bool info_only,
                enum err (*run)(void *ctx, struct error *e), void *ctx)
{
    (void)pthread_mutex_lock(&c->lock);
    assert(c->count < CHECKS_MAX);
    c->items[c->count] =
        (struct check){ .name = name, .info_only = info_only, .run = run, .ctx = ctx };
    c->count++;
    (void)pthread_cond_broadcast(&c->changed);
    (void)pthread_mutex_unlock(&c->lock);
}

/* ---- with the lock held ---- */

static bool all_up(const struct checks *c)
{
    for (size_t i = 0; i < c->count; i++) {
        if (!c->items[i].info_only && c->items[i].status != CHECK_UP) {
            return false;
        }
    }
    return true;
}

/* Of those that count: what only informs may fail for ever (a kernel without Landlock). */
static bool any_down(const struct checks *c)
{
    for (size_t i = 0; i < c->count; i++) {
        if (!c->items[i].info_only && c->items[i].status == CHECK_DOWN) {
            return true;
        }
    }
    return false;
}

/* Returns when something changed or at the deadline. */
static void wait_until(struct checks *c, int64_t deadline_ms)
{
    struct timespec deadline = { .tv_sec = deadline_ms / 1000,
                                 .tv_nsec = deadline_ms % 1000 * 1000000 };

    (void)pthread_cond_timedwait(&c->changed, &c->lock, &deadline);
}

/* One line per change, not per try. */
static void report_result(struct check *item, enum err err, const struct error *e)
{
    enum check_status status = err == OK ? CHECK_UP : CHECK_DOWN;
    bool has_changed = status != item->status;

    item->status = status;
    item->last_error = *e;
    if (!has_changed || status == CHECK_UP) {
        return;
    }
    if (item->info_only) {
        log_failure(LOG_LEVEL_WARN, err_name(err), "%s: %s", item->name, e->text);
    } else {
        log_failure(LOG_LEVEL_WARN, err_name(err), "not ready: %s: %s", item->name, e->text);
    }
}

static void report_all(struct checks *c)
{
    bool is_up = all_up(c);

    if (is_up && !c->was_up && !c->is_cancelled) {
        log_info("ready");
    }
    c->was_up = is_up;
    metric_set(&ready_gauge, 0, is_up);
}

/* Gives up the lock while the check runs. */
static void run_one(struct checks *c, struct check *item)
{
    struct error e = { 0 };

    (void)pthread_mutex_unlock(&c->lock);
    enum err err = item->run(item->ctx, &e);
    if (err != OK && e.text[0] == '\0') {
        err_set(&e, err, "%s", err_text(err));
    }
    (void)pthread_mutex_lock(&c->lock);
    if (!c->is_cancelled) {
        report_result(item, err, &e);
    }
}

static void *run_thread(void *arg)
{
    struct checks *c = arg;

    (void)pthread_mutex_lock(&c->lock);
    while (!c->is_cancelled) {
        size_t seen = c->count;
        for (size_t i = 0; i < c->count && !c->is_cancelled; i++) {
            run_one(c, &c->items[i]);
        }
        report_all(c);
        int64_t next_ms = clock_mono_ms() + (any_down(c) ? RETRY_MS : PERIOD_MS);
        /* A check that was added meanwhile does not wait. */
        while (!c->is_cancelled && c->count == seen && clock_mono_ms() < next_ms) {
            wait_until(c, next_ms);
        }
    }
    c->has_ended = true;
    (void)pthread_cond_broadcast(&c->changed);
    (void)pthread_mutex_unlock(&c->lock);
    return NULL;
}

/* ---- without the lock ---- */

enum err checks_start(struct checks *c, struct error *e)
{
    int errnum = pthread_create(&c->thread, NULL, run_thread, c);

    if (errnum != 0) {
        return err_set_errno(e, ERR_FAULT, errnum, "start the thread of checks");
    }
    c->is_started = true;
    return OK;
}

void checks_cancel(struct checks *c)
{
    (void)pthread_mutex_lock(&c->lock);
    c->is_cancelled = true;
    metric_set(&ready_gauge, 0, 0);
    (void)pthread_cond_broadcast(&c->changed);
    (void)pthread_mutex_unlock(&c->lock);
}

bool checks_stop(struct checks *c, int64_t timeout_ms)
{
    int64_t deadline_ms = clock_mono_ms() + timeout_ms;

    checks_cancel(c);
    if (!c->is_started) {
        return true;
    }
    (void)pthread_mutex_lock(&c->lock);
    while (!c->has_ended && clock_mono_ms() < deadline_ms) {
        wait_until(c, deadline_ms);
    }
    bool has_ended = c->has_ended;
    (void)pthread_mutex_unlock(&c->lock);
    if (!has_ended) {
        (void)pthread_detach(c->thread);
        return false;
    }
    (void)pthread_join(c->thread, NULL);
    c->is_started = false;
    return true;
}

bool checks_are_up(struct checks *c)
{
    (void)pthread_mutex_lock(&c->lock);
    bool is_up = all_up(c);
    (void)pthread_mutex_unlock(&c->lock);
    return is_up;
}

static const char *status_name(const struct check *item)
{
    switch (item->status) {
    case CHECK_UP:
        return "up";
    case CHECK_DOWN:
        return item->info_only ? "warn" : "down";
    case CHECK_UNKNOWN:
        break;
    }
    return "unknown";
}

/* Why it failed, or what a check that passed has to say; not what it stumbled over before it
 * passed. A text that is not UTF-8 cannot be told as JSON. */
static const char *detail_of(const struct check *item)
{
    const struct error *e = &item->last_error;

    if (item->status != CHECK_DOWN && e->code != OK) {
        return "";
    }
    return text_is_utf8(e->text, strlen(e->text)) ? e->text : err_text(e->code);
}

json_t *checks_report(struct checks *c)
{
    json_t *report = json_object();

    (void)pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < c->count; i++) {
        const struct check *item = &c->items[i];
        json_t *entry = json_pack("{s:s, s:s}", "status", status_name(item), "detail",
                                  detail_of(item));
        (void)json_object_set_new(report, item->name, entry);
    }
    (void)pthread_mutex_unlock(&c->lock);
    return report;
}
