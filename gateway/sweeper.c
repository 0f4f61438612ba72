#include "sweeper.h"

#include <pthread.h>

#include "core/clock.h"
#include "core/log.h"

#include "core/banned.h"

#define ORPHANS_MAX 500 /* of one bucket in one run */

static const int64_t first_delay_ms = 20 * 1000LL;
static const int64_t sweep_every_ms = 3600 * 1000LL;
static const int64_t second_look_ms = 15 * 1000LL;

struct sweeper {
    struct gateway *gateway;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    atomic_bool is_stopping;
};

/* The list may be some time old when its turn comes: what has been committed meanwhile stays. */
static enum err remove_orphan(struct blobs *blobs, const char *id, struct error *e)
{
    struct blob_stat st;
    enum err rc = blobs_stat(blobs, id, &st, e);
    if (rc == OK && st.is_committed) {
        return ERR_EXISTS;
    }
    if (rc == OK || rc == ERR_CORRUPT) {
        rc = blobs_remove(blobs, id, e);
    }
    return rc;
}

/* *ret_left: what is still there, as far as it was seen; untouched when nothing was. */
static size_t remove_unfinished(struct blobs *blobs, int64_t before_ms,
                                const atomic_bool *is_stopping, int64_t *ret_left,
                                struct error *ret_first)
{
    AUTO(mem_free) char(*ids)[ID_SIZE] = xcalloc(ORPHANS_MAX, sizeof(*ids));
    size_t count = 0;
    size_t removed = 0;
    size_t settled = 0; /* committed meanwhile, or gone */
    if (blobs_list_orphans(blobs, before_ms, ids, ORPHANS_MAX, &count, ret_first) != OK) {
        return 0;
    }
    for (size_t i = 0; i < count && !atomic_load(is_stopping); i++) {
        struct error e = { 0 };
        enum err rc = remove_orphan(blobs, ids[i], &e);
        if (rc == OK) {
            removed++;
        } else if (rc == ERR_EXISTS || rc == ERR_NOT_FOUND) {
            settled++;
        } else if (ret_first->code == OK) {
            *ret_first = e;
        }
        if (rc == ERR_BUSY || rc == ERR_TIMEOUT) {
            break; /* the store is away: the next run is soon enough */
        }
    }
    *ret_left = (int64_t)(count - removed - settled);
    return removed;
}

size_t sweeper_sweep(struct gateway *g, struct sweep *sweep)
{
    struct blobs *const buckets[] = { [STRAYS_VIDEOS] = g->videos, [STRAYS_MP3S] = g->mp3s };
    int64_t before_ms = clock_wall_ms() - sweep->age_ms;
    struct error first = { 0 };
    size_t unfinished = 0;
    size_t strays = 0;
    for (size_t i = 0; i < ARRAY_LEN(buckets) && !atomic_load(sweep->is_stopping); i++) {
        int64_t *left = sweep->left[i];
        struct strays_look look = { .bucket = (enum strays_bucket)i,
                                    .before_ms = before_ms,
                                    .pause_ms = sweep->pause_ms,
                                    .is_stopping = sweep->is_stopping };
        size_t counts[] = {
            remove_unfinished(buckets[i], before_ms, sweep->is_stopping, &left[0], &first),
            strays_sweep(g, &look, sweep->cursors[i], &left[1], &first),
        };
        metric_add(&metric_orphans_removed, i, (int64_t)(counts[0] + counts[1]));
        metric_set(&metric_orphans_left, i, left[0] + left[1]);
        unfinished += counts[0];
        strays += counts[1];
    }
    if (first.code != OK) {
        log_failure(LOG_LEVEL_WARN, err_name(first.code),
                    "some files that nobody needs could not be looked for or removed; the next run "
                    "tries again: %s",
                    first.text);
    }
    if (unfinished > 0) {
        log_info("%zu unfinished files removed that nobody has written to for %lld s", unfinished,
                 (long long)(sweep->age_ms / 1000));
    }
    return unfinished + strays;
}

/* From three to five quarters of it, so that gateways that start together do not sweep together. */
static int64_t jittered_ms(int64_t delay_ms)
{
    return delay_ms * 3 / 4 + clock_backoff_ms(1, delay_ms / 2, delay_ms / 2);
}

static void *run(void *arg)
{
    struct sweeper *s = arg;
    struct sweep sweep = { .age_ms = s->gateway->settings->orphan_age_s * 1000,
                           .pause_ms = second_look_ms,
                           .is_stopping = &s->is_stopping };
    int64_t next_ms = clock_mono_ms() + jittered_ms(first_delay_ms);
    (void)pthread_mutex_lock(&s->lock);
    while (!atomic_load(&s->is_stopping)) {
        struct timespec deadline = { .tv_sec = next_ms / 1000,
                                     .tv_nsec = next_ms % 1000 * 1000000 };
        (void)pthread_cond_timedwait(&s->wake, &s->lock, &deadline);
        if (atomic_load(&s->is_stopping) || clock_mono_ms() < next_ms) {
            continue;
        }
        (void)pthread_mutex_unlock(&s->lock);
        (void)sweeper_sweep(s->gateway, &sweep);
        next_ms = clock_mono_ms() + jittered_ms(sweep_every_ms);
        (void)pthread_mutex_lock(&s->lock);
    }
    (void)pthread_mutex_unlock(&s->lock);
    return NULL;
}

enum err sweeper_start(struct gateway *g, struct sweeper **ret_sweeper, struct error *e)
{
    struct sweeper *s = xcalloc(1, sizeof(*s));
    s->gateway = g;
    (void)pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&s->wake, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    int rc = pthread_create(&s->thread, NULL, run, s);
    if (rc != 0) {
        free(s);
        return err_set_errno(e, ERR_FAULT, rc, "start the sweeper's thread");
    }
    *ret_sweeper = s;
    return OK;
}

void sweeper_stop(struct sweeper *sweeper)
{
    if (sweeper == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&sweeper->lock);
    atomic_store(&sweeper->is_stopping, true);
    (void)pthread_cond_signal(&sweeper->wake);
    (void)pthread_mutex_unlock(&sweeper->lock);
    (void)pthread_join(sweeper->thread, NULL);
    (void)pthread_mutex_destroy(&sweeper->lock);
    (void)pthread_cond_destroy(&sweeper->wake);
    free(sweeper);
}
