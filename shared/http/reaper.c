#include "http/reaper.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <time.h>

#include "core/clock.h"
#include "core/mem.h"

#include "core/banned.h"

/* In a crowd a head that has been arriving for longer than this is the first to go, and so is a
 * body that was slower than it may be for as long. */
#define CROWD_PATIENCE_MS 1000
/* Younger heads are given up in need only, when there are half as many again, and never before
 * this: an honest client's follows on the heels of its connection. */
#define CROWD_HEAD_MS 50

struct watched {
    struct reaper *reaper;
    struct watched *prev, *next;
    int fd;
    bool is_shut;
    enum watch_phase phase;
    int64_t deadline_ms; /* of the phase */
    /* The current window of a body. */
    int64_t window_end_ms;
    int64_t window_bytes;
    int64_t window_working_us;
    /* Written by the connection's thread without the lock. */
    _Atomic int64_t bytes;
    _Atomic int64_t working_us;
    _Atomic int64_t working_since_us; /* 0: waiting for the client */
};

struct reaper {
    struct reaper_options options;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread;
    struct watched *first;
    size_t count;    /* of those that are not shut */
    int64_t wake_ms; /* when the thread wakes next */
    bool is_stopping;
};

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void shut_down(struct watched *w)
{
    (void)shutdown(w->fd, SHUT_RDWR);
    w->reaper->count -= w->is_shut ? 0 : 1;
    w->is_shut = true;
    w->phase = WATCH_FREE;
    w->deadline_ms = INT64_MAX;
    w->window_end_ms = INT64_MAX;
}

static void begin_window(struct watched *w, int64_t now_ms)
{
    w->window_end_ms = now_ms + w->reaper->options.window_ms;
    w->window_bytes = atomic_load(&w->bytes);
    w->window_working_us = atomic_load(&w->working_us);
}

/* Whether the client has sent too little for the part of the window in which we waited for it; so
 * much of the window is over. */
static bool is_too_slow(const struct watched *w, int64_t elapsed_ms)
{
    if (atomic_load(&w->working_since_us) != 0) {
        return false;
    }
    const struct reaper_options *o = &w->reaper->options;
    int64_t waited_ms = elapsed_ms -
                        (atomic_load(&w->working_us) - w->window_working_us) / INT64_C(1000);
    int64_t bytes = atomic_load(&w->bytes) - w->window_bytes;
    return bytes * 1000 < o->body_min_bytes_per_s * waited_ms;
}

/* Returns when this connection is to be looked at again. */
static int64_t inspect(struct watched *w, int64_t now_ms)
{
    if (now_ms >= w->deadline_ms) {
        shut_down(w);
    } else if (now_ms >= w->window_end_ms) {
        if (is_too_slow(w, w->reaper->options.window_ms)) {
            shut_down(w);
        } else {
            begin_window(w, now_ms);
        }
    }
    return earlier(w->deadline_ms, w->window_end_ms);
}

static bool is_in_need(const struct reaper *r)
{
    return r->count > r->options.crowded + r->options.crowded / 2;
}

/* How little is lost with a connection; 0: it must stay. */
static int expendability(const struct watched *w, int64_t now_ms)
{
    const struct reaper_options *o = &w->reaper->options;
    int64_t elapsed_ms;
    switch (w->phase) {
    case WATCH_HEADER:
        elapsed_ms = now_ms - (w->deadline_ms - o->header_ms);
        if (elapsed_ms >= CROWD_PATIENCE_MS) {
            return 4;
        }
        return elapsed_ms >= CROWD_HEAD_MS && is_in_need(w->reaper) ? 1 : 0;
    case WATCH_IDLE:
        return 3;
    case WATCH_BODY:
        elapsed_ms = now_ms - (w->window_end_ms - o->window_ms);
        return elapsed_ms >= CROWD_PATIENCE_MS && is_too_slow(w, elapsed_ms) ? 2 : 0;
    case WATCH_FREE:
        break;
    }
    return 0;
}

/* Of equals the one that has waited longest: the newest come first in the list. */
static void give_one_up(struct reaper *r)
{
    int64_t now_ms = clock_mono_ms();
    struct watched *victim = NULL;
    int most = 0;
    for (struct watched *w = r->first; w != NULL; w = w->next) {
        int much = expendability(w, now_ms);
        if (much > most || (much == most && much > 0 && w->deadline_ms <= victim->deadline_ms)) {
            victim = w;
            most = much;
        }
    }
    if (victim != NULL) {
        shut_down(victim);
    }
}

static void wait_until(struct reaper *r, int64_t wake_ms)
{
    if (wake_ms == INT64_MAX) {
        (void)pthread_cond_wait(&r->changed, &r->lock);
        return;
    }
    struct timespec at = { .tv_sec = (time_t)(wake_ms / 1000),
                           .tv_nsec = (long)(wake_ms % 1000) * 1000000L };
    (void)pthread_cond_timedwait(&r->changed, &r->lock, &at);
}

static void *run(void *arg)
{
    struct reaper *r = arg;
    (void)pthread_mutex_lock(&r->lock);
    while (!r->is_stopping) {
        int64_t now_ms = clock_mono_ms();
        int64_t wake_ms = INT64_MAX;
        for (struct watched *w = r->first; w != NULL; w = w->next) {
            wake_ms = earlier(wake_ms, inspect(w, now_ms));
        }
        r->wake_ms = wake_ms;
        wait_until(r, wake_ms);
    }
    (void)pthread_mutex_unlock(&r->lock);
    return NULL;
}

enum err reaper_start(const struct reaper_options *options, struct reaper **ret_reaper,
                      struct error *e)
{
    struct reaper *r = xcalloc(1, sizeof(*r));
    r->options = *options;
    r->wake_ms = INT64_MAX;
    (void)pthread_mutex_init(&r->lock, NULL);
    pthread_condattr_t attr;
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&r->changed, &attr);
    (void)pthread_condattr_destroy(&attr);
    int failed = pthread_create(&r->thread, NULL, run, r);
    if (failed != 0) {
        (void)pthread_cond_destroy(&r->changed);
        (void)pthread_mutex_destroy(&r->lock);
        free(r);
        return err_set_errno(e, ERR_FAULT, failed, "start the thread of the deadlines");
    }
    *ret_reaper = r;
    return OK;
}

void reaper_stop(struct reaper *r)
{
    if (r == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&r->lock);
    r->is_stopping = true;
    (void)pthread_cond_signal(&r->changed);
    (void)pthread_mutex_unlock(&r->lock);
    (void)pthread_join(r->thread, NULL);
    (void)pthread_cond_destroy(&r->changed);
    (void)pthread_mutex_destroy(&r->lock);
    free(r);
}

static void set_phase_locked(struct watched *w, enum watch_phase phase)
{
    struct reaper *r = w->reaper;
    int64_t now_ms = clock_mono_ms();
    w->phase = phase;
    w->window_end_ms = INT64_MAX;
    switch (phase) {
    case WATCH_HEADER:
        w->deadline_ms = now_ms + r->options.header_ms;
        break;
    case WATCH_BODY:
        w->deadline_ms = now_ms + r->options.body_deadline_ms;
        begin_window(w, now_ms);
        break;
    case WATCH_IDLE:
        /* A request that is on its way just then meets a reset. No server can help that; a client
         * asks again on a new connection (RFC 9112, 9.5). */
        w->deadline_ms = now_ms + r->options.idle_ms;
        break;
    case WATCH_FREE:
        w->deadline_ms = INT64_MAX;
        break;
    }
    if (earlier(w->deadline_ms, w->window_end_ms) < r->wake_ms) {
        (void)pthread_cond_signal(&r->changed);
    }
}

struct watched *reaper_watch(struct reaper *r, int fd)
{
    struct watched *w = xcalloc(1, sizeof(*w));
    w->reaper = r;
    w->fd = fd;
    (void)pthread_mutex_lock(&r->lock);
    w->next = r->first;
    if (r->first != NULL) {
        r->first->prev = w;
    }
    r->first = w;
    r->count++;
    set_phase_locked(w, WATCH_HEADER);
    if (r->options.crowded > 0 && r->count > r->options.crowded) {
        give_one_up(r);
    }
    (void)pthread_mutex_unlock(&r->lock);
    return w;
}

void reaper_forget(struct watched *w)
{
    struct reaper *r = w->reaper;
    (void)pthread_mutex_lock(&r->lock);
    r->count -= w->is_shut ? 0 : 1;
    if (w->prev != NULL) {
        w->prev->next = w->next;
    } else {
        r->first = w->next;
    }
    if (w->next != NULL) {
        w->next->prev = w->prev;
    }
    (void)pthread_mutex_unlock(&r->lock);
    free(w);
}

void reaper_set_phase(struct watched *w, enum watch_phase phase)
{
    struct reaper *r = w->reaper;
    (void)pthread_mutex_lock(&r->lock);
    /* The first request's deadline runs from the accept, not from its first line. */
    if (!(phase == WATCH_HEADER && w->phase == WATCH_HEADER)) {
        set_phase_locked(w, phase);
    }
    (void)pthread_mutex_unlock(&r->lock);
}

void reaper_slice_begins(struct watched *w)
{
    atomic_store_explicit(&w->working_since_us, clock_mono_us(), memory_order_relaxed);
}

void reaper_slice_ends(struct watched *w, size_t len)
{
    int64_t since_us = atomic_load_explicit(&w->working_since_us, memory_order_relaxed);
    atomic_fetch_add_explicit(&w->working_us, clock_mono_us() - since_us, memory_order_relaxed);
    atomic_fetch_add_explicit(&w->bytes, (int64_t)len, memory_order_relaxed);
    atomic_store_explicit(&w->working_since_us, 0, memory_order_relaxed);
}

void reaper_shutdown_all(struct reaper *r)
{
    (void)pthread_mutex_lock(&r->lock);
    for (struct watched *w = r->first; w != NULL; w = w->next) {
        shut_down(w);
    }
    (void)pthread_mutex_unlock(&r->lock);
}
