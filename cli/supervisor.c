#include "supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command.h"
#include "core/clock.h"

#include "core/banned.h"

static const int64_t healthy_after_ms = 60000;

static void signals(sigset_t *ret_set)
{
    static const int numbers[] = { SIGTERM, SIGINT, SIGHUP, SIGCHLD };
    (void)sigemptyset(ret_set);
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        (void)sigaddset(ret_set, numbers[i]);
    }
}

void supervisor_init(void)
{
    sigset_t set;
    signals(&set);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
}

bool supervisor_wait(int64_t timeout_ms)
{
    sigset_t set;
    signals(&set);
    struct timespec timeout = { .tv_sec = timeout_ms / 1000,
                                .tv_nsec = (timeout_ms % 1000) * 1000000 };
    int number = sigtimedwait(&set, NULL, &timeout);
    return number > 0 && number != SIGCHLD;
}

/* In the new process. An own group: Ctrl-C reaches the supervisor, which stops them in order. */
static void become_child(const struct child *c, pid_t parent)
{
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) {
        _exit(EXIT_FAILURE); /* the parent died before the line above */
    }
    (void)setpgid(0, 0);
    int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    (void)dup2(nothing, STDIN_FILENO);
    char *argv[] = { c->path, NULL };
    (void)execve(c->path, argv, c->environment);
    _exit(127);
}

enum err child_start(struct child *c, struct error *e)
{
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid < 0) {
        return err_set_errno(e, ERR_FAULT, errno, "start %s", c->name);
    }
    if (pid == 0) {
        become_child(c, parent);
    }
    c->pid = pid;
    c->started_ms = clock_mono_ms();
    c->restart_at_ms = 0;
    return OK;
}

static void note_end(struct child *c, int status)
{
    int64_t now_ms = clock_mono_ms();
    c->pid = 0;
    c->restarts = now_ms - c->started_ms >= healthy_after_ms ? 1 : c->restarts + 1;
    int64_t delay_ms = 500;
    for (int i = 1; i < c->restarts && delay_ms < 30000; i++) {
        delay_ms *= 2;
    }
    c->restart_at_ms = now_ms + delay_ms;
    c->last_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    if (WIFSIGNALED(status)) {
        say_error("%s was ended by signal %d", c->name, WTERMSIG(status));
    } else {
        say_error("%s ended with code %d", c->name, WEXITSTATUS(status));
    }
}

void children_tend(struct child *children, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct child *c = &children[i];
        int status = 0;
        if (c->pid > 0 && waitpid(c->pid, &status, WNOHANG) == c->pid) {
            note_end(c, status);
        }
        if (c->pid == 0 && c->restart_at_ms > 0 && clock_mono_ms() >= c->restart_at_ms) {
            struct error e = { 0 };
            say_error("%s is started again", c->name);
            if (child_start(c, &e) != OK) {
                say_error("%s", e.text);
                c->restart_at_ms = clock_mono_ms() + 5000;
            }
        }
    }
}

void child_stop(struct child *c, int64_t timeout_ms)
{
    c->restart_at_ms = 0;
    if (c->pid <= 0) {
        return;
    }
    (void)kill(c->pid, SIGTERM);
    int64_t deadline_ms = clock_mono_ms() + timeout_ms;
    while (waitpid(c->pid, NULL, WNOHANG) == 0) {
        int64_t left_ms = deadline_ms - clock_mono_ms();
        if (left_ms <= 0) {
            say_error("%s does not stop; it is killed", c->name);
            (void)kill(c->pid, SIGKILL);
            (void)waitpid(c->pid, NULL, 0);
            break;
        }
        if (supervisor_wait(left_ms < 100 ? left_ms : 100)) {
            (void)kill(c->pid, SIGTERM);
        }
    }
    c->pid = 0;
}
