#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/clock.h"
#include "engine/engine.h"
#include "engine/spawn.h"

#include "core/banned.h"

#define CHECK_LIMIT_MS 10000
#define ANSWER_SIZE 512

/* Everything the child prints, until it closes its output or the time is up. */
static size_t read_answer(int fd, char *dst, size_t size)
{
    int64_t end_ms = clock_mono_ms() + CHECK_LIMIT_MS;
    size_t len = 0;
    while (len < size) {
        int64_t left_ms = end_ms - clock_mono_ms();
        struct pollfd ready = { .fd = fd, .events = POLLIN };
        if (left_ms <= 0) {
            return 0;
        }
        if (poll(&ready, 1, (int)left_ms) <= 0) {
            continue;
        }
        ssize_t got = read(fd, dst + len, size - len);
        if (got > 0) {
            len += (size_t)got;
        } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
            return len;
        }
    }
    return len;
}

enum err engine_sandbox_check(const char *program, int *ret_landlock_abi, struct error *e)
{
    struct spawned child;
    enum err err = spawn_engine(program, "--sandbox-check", &child, e);
    if (err != OK) {
        return err;
    }
    char answer[ANSWER_SIZE];
    size_t len = read_answer(child.output, answer, sizeof(answer));
    int status = 0;
    spawn_kill(&child);
    while (waitpid(child.pid, &status, 0) < 0 && errno == EINTR) {
    }
    spawn_close(&child);

    int abi = 0;
    int seccomp = 0;
    json_auto_t *json = json_loadb(answer, len, JSON_REJECT_DUPLICATES, NULL);
    if (json == NULL ||
        json_unpack(json, "{s:i, s:b}", "landlock_abi", &abi, "seccomp", &seccomp) != 0) {
        return err_set(e, ERR_FAULT, "unreel-engine --sandbox-check: no answer");
    }
    if (!seccomp) {
        return err_set(e, ERR_FAULT, "unreel-engine: seccomp is not available here");
    }
    *ret_landlock_abi = abi;
    return OK;
}
