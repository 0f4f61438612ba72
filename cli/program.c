#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/mem.h"

#include "core/banned.h"

enum err program_find(const char *name, char **ret_path, struct error *e)
{
    char self[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (len > 0) {
        self[len] = '\0';
        char *slash = strrchr(self, '/');
        AUTO(mem_free) char *beside = xasprintf("%.*s/%s", (int)(slash - self), self, name);
        if (access(beside, X_OK) == 0) {
            *ret_path = TAKE(beside);
            return OK;
        }
    }
    const char *path = getenv("PATH");
    while (path != NULL && *path != '\0') {
        size_t part = strcspn(path, ":");
        AUTO(mem_free) char *candidate = xasprintf("%.*s/%s", (int)part, path, name);
        if (access(candidate, X_OK) == 0) {
            *ret_path = TAKE(candidate);
            return OK;
        }
        path += part + (path[part] == ':' ? 1 : 0);
    }
    return err_set(e, ERR_NOT_FOUND, "%s is not installed beside unreel or on the PATH", name);
}

static enum err read_all(int fd, size_t max, char **ret_text, struct error *e)
{
    __attribute__((cleanup(buf_release_auto))) struct buf text;
    buf_init(&text, max);
    char slice[4096];
    ssize_t len = 0;
    while ((len = read(fd, slice, sizeof(slice))) > 0) {
        if (buf_append(&text, slice, (size_t)len) != OK) {
            return err_set(e, ERR_TOO_BIG, "more than %zu bytes of output", max);
        }
    }
    *ret_text = buf_detach(&text);
    return OK;
}

enum err program_output(const char *path, const char *argument, size_t max, char **ret_text,
                        struct error *e)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) != 0) {
        return err_set_errno(e, ERR_FAULT, errno, "make a pipe");
    }
    pid_t pid = fork();
    if (pid == 0) {
        (void)dup2(fds[1], STDOUT_FILENO);
        char *argv[] = { strdup(path), strdup(argument), NULL };
        char *environment[] = { NULL };
        (void)execve(path, argv, environment);
        _exit(127);
    }
    (void)close(fds[1]);
    enum err rc = pid < 0 ? err_set_errno(e, ERR_FAULT, errno, "start %s", path)
                          : read_all(fds[0], max, ret_text, e);
    (void)close(fds[0]);
    int status = 0;
    if (pid > 0 && (waitpid(pid, &status, 0) != pid || status != 0) && rc == OK) {
        free(*ret_text);
        *ret_text = NULL;
        rc = err_set(e, ERR_FAULT, "%s %s failed", path, argument);
    }
    return rc;
}

enum err program_become(const char *path, char **argv, char **environment, struct error *e)
{
    (void)execve(path, argv, environment);
    return err_set_errno(e, ERR_FAULT, errno, "start %s", path);
}
