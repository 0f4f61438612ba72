#include "crew.h"

#include <malloc.h>
#include <pthread.h>
#include <signal.h>

#include "core/banned.h"

/* LAME keeps some 60 KiB of a frame's arrays on the stack. */
#define STACK_SIZE ((size_t)512 << 10)

struct crew {
    pthread_mutex_t lock;
    pthread_cond_t has_task; /* or the end */
    pthread_cond_t has_done; /* or a thread that is up */
    struct crew_task *first, *last;
    bool is_ending;
    int threads; /* as asked for */
    int made, up;
    pthread_t ids[CREW_THREADS_MAX];
};

static struct crew_task *take(struct crew *crew)
{
    while (crew->first == NULL && !crew->is_ending) {
        (void)pthread_cond_wait(&crew->has_task, &crew->lock);
    }
    struct crew_task *task = crew->first;
    if (task != NULL) {
        crew->first = task->next;
        crew->last = crew->first == NULL ? NULL : crew->last;
    }
    return task;
}

static void *work(void *arg)
{
    struct crew *crew = arg;
    (void)pthread_mutex_lock(&crew->lock);
    crew->up++;
    (void)pthread_cond_signal(&crew->has_done);
    for (struct crew_task *task = take(crew); task != NULL; task = take(crew)) {
        (void)pthread_mutex_unlock(&crew->lock);
        task->run(task);
        (void)pthread_mutex_lock(&crew->lock);
        task->is_done = true;
        (void)pthread_cond_signal(&crew->has_done);
    }
    (void)pthread_mutex_unlock(&crew->lock);
    return NULL;
}

/* Signals stay blocked in the threads. */
static int make_threads(struct crew *crew)
{
    sigset_t all;
    sigset_t before;
    pthread_attr_t attr;
    (void)sigfillset(&all);
    int failed = pthread_attr_init(&attr);
    if (failed != 0) {
        return failed;
    }
    failed = pthread_attr_setstacksize(&attr, STACK_SIZE);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    while (failed == 0 && crew->made < crew->threads) {
        failed = pthread_create(&crew->ids[crew->made], &attr, work, crew);
        crew->made += failed == 0 ? 1 : 0;
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_attr_destroy(&attr);
    return failed;
}

enum err crew_new(int threads, struct crew **ret_crew, struct error *e)
{
    if (threads < 1 || threads > CREW_THREADS_MAX) {
        return err_set(e, ERR_INVALID, "%d threads", threads);
    }
    AUTO(crew_free) struct crew *crew = xcalloc(1, sizeof(*crew));
    (void)pthread_mutex_init(&crew->lock, NULL);
    (void)pthread_cond_init(&crew->has_task, NULL);
    (void)pthread_cond_init(&crew->has_done, NULL);
    crew->threads = threads;
    if (threads > 1) {
        /* An arena of its own for each thread would grow by mprotect, which the sandbox forbids,
         * and reserve 64 MiB of the address space. */
        /* NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread yet. */
        (void)mallopt(M_ARENA_MAX, 1);
        int failed = make_threads(crew);
        if (failed != 0) {
            return err_set_errno(e, ERR_FAULT, failed, "%d threads", threads);
        }
    }
    /* A thread registers itself with the kernel when it starts. */
    (void)pthread_mutex_lock(&crew->lock);
    while (crew->up < crew->made) {
        (void)pthread_cond_wait(&crew->has_done, &crew->lock);
    }
    (void)pthread_mutex_unlock(&crew->lock);
    *ret_crew = TAKE(crew);
    return OK;
}

void crew_free(struct crew *crew)
{
    if (crew == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&crew->lock);
    crew->is_ending = true;
    (void)pthread_cond_broadcast(&crew->has_task);
    (void)pthread_mutex_unlock(&crew->lock);
    for (int i = 0; i < crew->made; i++) {
        (void)pthread_join(crew->ids[i], NULL);
    }
    (void)pthread_cond_destroy(&crew->has_done);
    (void)pthread_cond_destroy(&crew->has_task);
    (void)pthread_mutex_destroy(&crew->lock);
    free(crew);
}

int crew_threads(const struct crew *crew)
{
    return crew->threads;
}

void crew_submit(struct crew *crew, struct crew_task *task)
{
    task->next = NULL;
    task->is_done = false;
    if (crew->made == 0) {
        task->run(task);
        task->is_done = true;
        return;
    }
    (void)pthread_mutex_lock(&crew->lock);
    if (crew->last == NULL) {
        crew->first = task;
    } else {
        crew->last->next = task;
    }
    crew->last = task;
    (void)pthread_cond_signal(&crew->has_task);
    (void)pthread_mutex_unlock(&crew->lock);
}

bool crew_is_done(struct crew *crew, const struct crew_task *task)
{
    (void)pthread_mutex_lock(&crew->lock);
    bool is_done = task->is_done;
    (void)pthread_mutex_unlock(&crew->lock);
    return is_done;
}

void crew_wait(struct crew *crew, const struct crew_task *task)
{
    (void)pthread_mutex_lock(&crew->lock);
    while (!task->is_done) {
        (void)pthread_cond_wait(&crew->has_done, &crew->lock);
    }
    (void)pthread_mutex_unlock(&crew->lock);
}
