#include "engine/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/mem.h"
#include "core/text.h"

#include "core/banned.h"

#define ENGINE_NAME "unreel-engine"

static void close_fd(int *fd)
{
    if (*fd >= 0) {
        (void)close(*fd);
    }
    *fd = -1;
}

/* Moves a descriptor out of 0..2, where dup2 in the child would trample on it. */
static bool raise_fd(int *fd)
{
    if (*fd > 2) {
        return true;
    }
    int raised = fcntl(*fd, F_DUPFD_CLOEXEC, 3);
    if (raised < 0) {
        return false;
    }
    (void)close(*fd);
    *fd = raised;
    return true;
}

static bool open_ends(struct spawn_ends *ends)
{
    for (int i = 0; i < 3; i++) {
        int pair[2];
        int failed = i == 0 ? socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)
                            : pipe2(pair, O_CLOEXEC);
        if (failed != 0) {
            return false;
        }
        ends->ours[i] = pair[0];
        ends->theirs[i] = pair[1];
        if (!raise_fd(&ends->ours[i]) || !raise_fd(&ends->theirs[i]) ||
            fcntl(ends->ours[i], F_SETFL, O_NONBLOCK) != 0) {
            return false;
        }
    }
    /* A chunk goes into it whole, as far as the kernel allows: each part is a switch to the child
     * and back. */
    int buffer_bytes = 512 << 10;
    (void)setsockopt(ends->ours[0], SOL_SOCKET, SO_SNDBUF, &buffer_bytes, sizeof(buffer_bytes));
    return true;
}

/* The sibling of the running binary, when there is one. */
static bool find_sibling(char ret_path[PATH_MAX])
{
    ssize_t len = readlink("/proc/self/exe", ret_path, PATH_MAX - 1);
    if (len <= 0) {
        return false;
    }
    ret_path[len] = '\0';
    char *slash = strrchr(ret_path, '/');
    if (slash == NULL) {
        return false;
    }
    size_t room = (size_t)(ret_path + PATH_MAX - (slash + 1));
    return text_copy(slash + 1, room, ENGINE_NAME) && access(ret_path, X_OK) == 0;
}

/* A process group of its own keeps a terminal's Ctrl-C away from it: its parent decides. */
static int set_attributes(posix_spawnattr_t *attributes)
{
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    int failed = posix_spawnattr_setflags(
        attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    failed = failed != 0 ? failed : posix_spawnattr_setsigmask(attributes, &none);
    failed = failed != 0 ? failed : posix_spawnattr_setsigdefault(attributes, &all);
    return failed != 0 ? failed : posix_spawnattr_setpgroup(attributes, 0);
}

static int set_descriptors(posix_spawn_file_actions_t *actions, const int fds[3])
{
    for (int i = 0; i < 3; i++) {
        int failed = posix_spawn_file_actions_adddup2(actions, fds[i], i);
        if (failed != 0) {
            return failed;
        }
    }
    return posix_spawn_file_actions_addclosefrom_np(actions, 3);
}

static int start(const char *program, const char *argument, const int fds[3], pid_t *ret_pid)
{
    char *argv[] = { xstrdup(program), argument == NULL ? NULL : xstrdup(argument), NULL };
    char *environment[] = { NULL };
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int failed = posix_spawn_file_actions_init(&actions);
    if (failed != 0) {
        goto out;
    }
    failed = posix_spawnattr_init(&attributes);
    if (failed != 0) {
        goto out_actions;
    }
    failed = set_descriptors(&actions, fds);
    failed = failed != 0 ? failed : set_attributes(&attributes);
    if (failed == 0) {
        failed = strchr(program, '/') == NULL
                     ? posix_spawnp(ret_pid, program, &actions, &attributes, argv, environment)
                     : posix_spawn(ret_pid, program, &actions, &attributes, argv, environment);
    }
    (void)posix_spawnattr_destroy(&attributes);
out_actions:
    (void)posix_spawn_file_actions_destroy(&actions);
out:
    free(argv[0]);
    free(argv[1]);
    return failed;
}

enum err spawn_program(const char *program, const char *argument, const int fds[3], pid_t *ret_pid,
                       struct error *e)
{
    char sibling[PATH_MAX];
    if (program == NULL) {
        program = find_sibling(sibling) ? sibling : ENGINE_NAME;
    }
    int failed = start(program, argument, fds, ret_pid);
    return failed == 0 ? OK : err_set_errno(e, ERR_FAULT, failed, "start %s", program);
}

enum err spawn_open_ends(struct spawn_ends *ends, struct error *e)
{
    *ends = (struct spawn_ends){ { -1, -1, -1 }, { -1, -1, -1 } };
    if (!open_ends(ends)) {
        int saved = errno;
        spawn_close_ends(ends);
        return err_set_errno(e, ERR_FAULT, saved, "pipes for an engine");
    }
    return OK;
}

void spawn_close_ends(struct spawn_ends *ends)
{
    for (int i = 0; i < 3; i++) {
        close_fd(&ends->ours[i]);
        close_fd(&ends->theirs[i]);
    }
}

void spawn_adopt(struct spawn_ends *ends, pid_t pid, struct zygote_process *zygote,
                 struct spawned *ret_child)
{
    *ret_child = (struct spawned){
        .pid = pid,
        .pid_fd = (int)syscall(SYS_pidfd_open, pid, 0),
        .control = ends->ours[0],
        .output = ends->ours[1],
        .log = ends->ours[2],
        .zygote = zygote,
    };
    for (int i = 0; i < 3; i++) {
        close_fd(&ends->theirs[i]);
    }
}

enum err spawn_engine(const char *program, const char *argument, struct spawned *ret_child,
                      struct error *e)
{
    struct spawn_ends ends;
    pid_t pid = 0;
    enum err err = spawn_open_ends(&ends, e);
    if (err != OK) {
        return err;
    }
    err = spawn_program(program, argument, ends.theirs, &pid, e);
    if (err != OK) {
        spawn_close_ends(&ends);
        return err;
    }
    spawn_adopt(&ends, pid, NULL, ret_child);
    return OK;
}

void spawn_kill(const struct spawned *child)
{
    /* By its descriptor, where there is one: a pid may be somebody else's by now. */
    if (child->pid_fd >= 0) {
        (void)syscall(SYS_pidfd_send_signal, child->pid_fd, SIGKILL, NULL, 0);
    } else {
        (void)kill(child->pid, SIGKILL);
    }
}

void spawn_close(struct spawned *child)
{
    close_fd(&child->pid_fd);
    close_fd(&child->control);
    close_fd(&child->output);
    close_fd(&child->log);
}

/* rusage will not do: its maximum counts the parent's own pages, which were the child's for a
 * moment before its exec. */
int64_t spawn_peak_rss(const struct spawned *child)
{
    char path[64];
    (void)snprintf(path, sizeof(path), "/proc/%d/status", (int)child->pid);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return 0;
    }
    int64_t kib = 0;
    char line[256];
    while (fgets(line, sizeof(line), file) != NULL) {
        if (text_starts_with(line, "VmHWM:")) {
            kib = strtoll(line + strlen("VmHWM:"), NULL, 10);
            break;
        }
    }
    (void)fclose(file);
    return kib * 1024;
}
