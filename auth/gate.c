#include "auth/gate.h"

#include <pthread.h>

#include "core/mem.h"

#include "core/banned.h"

struct gate {
    pthread_mutex_t lock;
    pthread_cond_t left;
    unsigned slots;
    unsigned queue_max;
    unsigned inside;
    unsigned waiting;
};

struct gate *gate_new(unsigned slots, unsigned queue_max)
{
    struct gate *g = xcalloc(1, sizeof(*g));
    pthread_mutex_init(&g->lock, NULL);
    pthread_cond_init(&g->left, NULL);
    g->slots = slots;
    g->queue_max = queue_max;
    return g;
}

void gate_free(struct gate *g)
{
    if (g == NULL) {
        return;
    }
    pthread_cond_destroy(&g->left);
    pthread_mutex_destroy(&g->lock);
    free(g);
}

enum err gate_enter(struct gate *g, struct error *e)
{
    pthread_mutex_lock(&g->lock);
    if (g->inside == g->slots && g->waiting == g->queue_max) {
        pthread_mutex_unlock(&g->lock);
        return err_set(e, ERR_BUSY, "%u logins are waiting already", g->queue_max);
    }
    g->waiting++;
    while (g->inside == g->slots) {
        pthread_cond_wait(&g->left, &g->lock);
    }
    g->waiting--;
    g->inside++;
    pthread_mutex_unlock(&g->lock);
    return OK;
}

void gate_leave(struct gate *g)
{
    pthread_mutex_lock(&g->lock);
    g->inside--;
    pthread_cond_signal(&g->left);
    pthread_mutex_unlock(&g->lock);
}
