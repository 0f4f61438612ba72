#include "partial.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/attr.h"
#include "core/mem.h"

#include "core/banned.h"

static const int endings[] = { SIGINT, SIGTERM, SIGHUP };

/* For the handler only: the paths of those that are open. */
static char *volatile unfinished[PARTIALS_MAX];

static void remove_unfinished(int number)
{
    for (size_t i = 0; i < PARTIALS_MAX; i++) {
        if (unfinished[i] != NULL) {
            (void)unlink(unfinished[i]);
        }
    }
    /* The handler was for one time: this ends the program as the signal would have. */
    (void)raise(number);
}

static void handle_signals(void (*handler)(int number))
{
    struct sigaction action = { .sa_flags = (int)SA_RESETHAND };
    action.sa_handler = handler;
    (void)sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < ARRAY_LEN(endings); i++) {
        (void)sigaction(endings[i], &action, NULL);
    }
}

static void guard(char *path)
{
    for (size_t i = 0; i < PARTIALS_MAX; i++) {
        if (unfinished[i] == NULL) {
            unfinished[i] = path;
            break;
        }
    }
    handle_signals(remove_unfinished);
}

static void unguard(const char *path)
{
    bool is_empty = true;
    for (size_t i = 0; i < PARTIALS_MAX; i++) {
        if (unfinished[i] == path) {
            unfinished[i] = NULL;
        }
        is_empty &= unfinished[i] == NULL;
    }
    if (is_empty) {
        handle_signals(SIG_DFL);
    }
}

static void release(struct partial *p)
{
    if (p->path != NULL) {
        unguard(p->path);
    }
    free(p->path);
    free(p->target);
    *p = (struct partial){ .fd = -1 };
}

/* Where the bytes shall end up: a link stays one. */
static enum err resolve(const char *target, char **ret_target, struct error *e)
{
    struct stat info;
    if (stat(target, &info) != 0) {
        *ret_target = xstrdup(target);
        return OK;
    }
    if (!S_ISREG(info.st_mode)) {
        return err_set(e, ERR_INVALID, "%s is not a regular file", target);
    }
    char *real = realpath(target, NULL);
    if (real == NULL) {
        return err_set_errno(e, ERR_FAULT, errno, "find %s", target);
    }
    *ret_target = real;
    return OK;
}

enum err partial_open(const char *target, struct partial *ret_partial, struct error *e)
{
    struct partial p = { .fd = -1 };
    enum err rc = resolve(target, &p.target, e);
    if (rc != OK) {
        return rc;
    }
    p.path = xasprintf("%s.XXXXXX", p.target);
    p.fd = mkostemp(p.path, O_CLOEXEC);
    if (p.fd < 0) {
        rc = err_set_errno(e, ERR_FAULT, errno, "write %s", target);
        release(&p);
        return rc;
    }
    mode_t mask = umask(0);
    (void)umask(mask);
    (void)fchmod(p.fd, 0666 & ~mask);
    guard(p.path);
    *ret_partial = p;
    return OK;
}

enum err partial_commit(struct partial *p, struct error *e)
{
    int closed = close(p->fd);
    enum err rc = OK;
    if (closed != 0 || rename(p->path, p->target) != 0) {
        rc = err_set_errno(e, ERR_FAULT, errno, "write %s", p->target);
        (void)unlink(p->path);
    }
    release(p);
    return rc;
}

void partial_abort(struct partial *p)
{
    (void)close(p->fd);
    (void)unlink(p->path);
    release(p);
}
