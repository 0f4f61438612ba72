#include "engine/engine.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/mem.h"
#include "core/text.h"
#include "engine/log_lines.h"
#include "engine/session.h"
#include "engine/spawn.h"
#include "engine/zygote.h"

#include "core/banned.h"

#define TICK_MS 250
#define OUTPUT_SLICE 65536

/* One run. Of its descriptors those at their end are -1. */
struct run {
    const struct engine_job *job;
    struct engine_result result;
    struct session session;
    struct spawned child;
    struct log_lines log;
    int64_t started_ms, asked_ms, active_ms;
    uint64_t activity;
    bool has_exited;
    bool told_end;
    int status;
    struct rusage usage;
    int64_t peak_rss_bytes;
    uint8_t slice[OUTPUT_SLICE];
};

void engine_limits_default(struct engine_limits *l)
{
    *l = (struct engine_limits){
        .max_duration_s = (int64_t)6 * 3600,
        .max_output_bytes = 0,
        .memory_bytes = (int64_t)512 << 20,
        .wall_limit_s = (int64_t)3 * 3600,
        .no_progress_limit_s = 60,
    };
}

static enum err limit_hit(struct run *r, enum engine_kill kill, const char *detail, struct error *e)
{
    r->result.kill = kill;
    r->result.problem = PROBLEM_RESOURCE_LIMIT;
    (void)text_copy(r->result.detail, sizeof(r->result.detail), detail);
    return err_set(e, ERR_TOO_BIG, "engine: %s", detail);
}

/* Asks keep_going, and looks at the wall and no-progress limits, when a tick has passed. */
static enum err check_time(struct run *r, struct error *e)
{
    int64_t now_ms = clock_mono_ms();
    if (r->session.activity != r->activity) {
        r->activity = r->session.activity;
        r->active_ms = now_ms;
    }
    if (now_ms - r->asked_ms < TICK_MS) {
        return OK;
    }
    r->asked_ms = now_ms;
    if (r->job->keep_going != NULL && !r->job->keep_going(r->job->ctx)) {
        return err_set(e, ERR_CANCELLED, "the conversion was stopped");
    }
    if (now_ms - r->started_ms > r->job->limits.wall_limit_s * 1000) {
        return limit_hit(r, ENGINE_KILLED_WALL, "The conversion took too long.", e);
    }
    if (now_ms - r->active_ms > r->job->limits.no_progress_limit_s * 1000) {
        return limit_hit(r, ENGINE_KILLED_NO_PROGRESS, "The conversion stopped making progress.",
                         e);
    }
    return OK;
}

static void close_at_end(int *fd)
{
    (void)close(*fd);
    *fd = -1;
}

/* One read(2) of a descriptor that does not block: its bytes into the slice. 0 when there are none
 * now; at its end the descriptor is closed. */
static size_t read_slice(struct run *r, int *fd)
{
    ssize_t got = read(*fd, r->slice, sizeof(r->slice));
    if (got > 0) {
        return (size_t)got;
    }
    if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
        close_at_end(fd);
    }
    return 0;
}

/* Once it has said its last word it waits for our end to close: until then its peak can be read. */
static void tell_end(struct run *r)
{
    if (r->session.end == SESSION_RUNNING || r->told_end) {
        return;
    }
    r->told_end = true;
    r->peak_rss_bytes = spawn_peak_rss(&r->child);
    if (r->child.control >= 0) {
        (void)shutdown(r->child.control, SHUT_WR);
    }
}

static enum err pump_in(struct run *r, struct error *e)
{
    if (r->child.control >= 0) {
        size_t got = read_slice(r, &r->child.control);
        enum err err = session_receive(&r->session, r->slice, got, e);
        if (err != OK) {
            /* A bug or an attack; nothing that is stored is corrupt. */
            e->code = ERR_FAULT;
            r->result.kill = ENGINE_KILLED_PROTOCOL;
            return ERR_FAULT;
        }
        tell_end(r);
    }
    if (r->child.output >= 0) {
        size_t got = read_slice(r, &r->child.output);
        enum err err = got == 0 ? OK : session_output(&r->session, r->slice, got, e);
        if (r->session.is_over_limit) {
            return limit_hit(r, ENGINE_KILLED_OUTPUT, "The MP3 would be larger than the limit.", e);
        }
        if (r->session.is_broken) {
            e->code = ERR_FAULT;
            r->result.kill = ENGINE_KILLED_PROTOCOL;
            return ERR_FAULT;
        }
        if (err != OK) {
            return err;
        }
    }
    if (r->child.log >= 0) {
        size_t got = read_slice(r, &r->child.log);
        log_lines_feed(&r->log, (const char *)r->slice, got);
    }
    return OK;
}

static enum err pump_out(struct run *r, struct error *e)
{
    if (session_can_serve(&r->session)) {
        enum err err = session_serve(&r->session, e);
        if (err != OK) {
            return err;
        }
    }
    size_t len = 0;
    const uint8_t *bytes = session_unsent(&r->session, &len);
    if (len > 0 && r->child.control >= 0 && !r->told_end) {
        ssize_t sent = send(r->child.control, bytes, len, MSG_NOSIGNAL);
        /* A child that is gone is seen by its exit. */
        session_sent(&r->session, sent > 0 ? (size_t)sent : 0);
    }
    return OK;
}

static void reap(struct run *r, int options)
{
    pid_t pid = -1;
    do {
        pid = r->child.zygote == NULL
                  ? wait4(r->child.pid, &r->status, options, &r->usage)
                  : zygote_wait(r->job->zygote, &r->child, options, &r->status, &r->usage);
    } while (pid < 0 && errno == EINTR);
    r->has_exited = pid != 0;
}

static void wait_for_events(struct run *r)
{
    size_t unsent = 0;
    (void)session_unsent(&r->session, &unsent);
    short control = (short)(unsent > 0 && !r->told_end ? POLLIN | POLLOUT : POLLIN);
    struct pollfd fds[] = {
        { .fd = r->child.control, .events = control },
        { .fd = r->child.output, .events = POLLIN },
        { .fd = r->child.log, .events = POLLIN },
        { .fd = r->child.pid_fd, .events = POLLIN },
    };
    int ready = poll(fds, 4, session_can_serve(&r->session) ? 0 : TICK_MS);
    if (!r->has_exited && (r->child.pid_fd < 0 || (ready > 0 && fds[3].revents != 0))) {
        reap(r, WNOHANG);
    }
}

/* Until the child has ended and everything that it had written was read. */
static enum err pump(struct run *r, struct error *e)
{
    while (true) {
        enum err err = check_time(r, e);
        err = err != OK ? err : pump_out(r, e);
        /* Again: a slow read of the caller's must not hide a stop. */
        err = err != OK ? err : check_time(r, e);
        if (err != OK) {
            return err;
        }
        wait_for_events(r);
        err = pump_in(r, e);
        if (err != OK) {
            return err;
        }
        bool all_read = r->child.control < 0 && r->child.output < 0 && r->child.log < 0;
        if (r->has_exited && all_read) {
            return OK;
        }
    }
}

/* How the child ended when it did not say it itself (reliability: the outcome table). */
static enum err judge_death(struct run *r, struct error *e)
{
    if (WIFEXITED(r->status) && WEXITSTATUS(r->status) == PROTOCOL_EXIT_NO_MEMORY) {
        return limit_hit(r, ENGINE_KILLED_MEMORY, "The conversion needs too much memory.", e);
    }
    if (!WIFSIGNALED(r->status)) {
        r->result.kill = ENGINE_KILLED_PROTOCOL;
        return err_set(e, ERR_FAULT, "engine: exited with %d and no word", WEXITSTATUS(r->status));
    }
    int number = WTERMSIG(r->status);
    switch (number) {
    case SIGSYS:
        r->result.kill = ENGINE_KILLED_SECCOMP;
        return err_set(e, ERR_FAULT, "engine: killed by its sandbox (forbidden system call)");
    case SIGXCPU:
        return limit_hit(r, ENGINE_KILLED_CPU, "The conversion used too much processor time.", e);
    case SIGKILL:
        return limit_hit(r, ENGINE_KILLED_MEMORY, "The conversion needed too much memory.", e);
    default:
        r->result.kill = ENGINE_KILLED_SIGNAL;
        return err_set(e, ERR_FAULT, "engine: died of signal %d", number);
    }
}

static enum err judge_failed(struct run *r, struct error *e)
{
    const struct protocol_failed *failed = &r->session.failed;
    if (failed->problem == PROBLEM_INTERNAL) {
        return err_set(e, ERR_FAULT, "engine: %s", failed->detail);
    }
    r->result.problem = failed->problem;
    (void)text_copy(r->result.detail, sizeof(r->result.detail), failed->detail);
    switch (failed->problem) {
    case PROBLEM_CORRUPT_INPUT:
        return err_set(e, ERR_CORRUPT, "%s", failed->detail);
    case PROBLEM_DURATION_EXCEEDED:
    case PROBLEM_RESOURCE_LIMIT:
        return err_set(e, ERR_TOO_BIG, "%s", failed->detail);
    default:
        return err_set(e, ERR_INVALID, "%s", failed->detail);
    }
}

static enum err judge(struct run *r, struct error *e)
{
    if (!WIFEXITED(r->status) || WEXITSTATUS(r->status) != 0 || r->session.end == SESSION_RUNNING) {
        return judge_death(r, e);
    }
    if (r->session.end == SESSION_FAILED) {
        return judge_failed(r, e);
    }
    return session_finish(&r->session, &r->result, e);
}

static void measure(struct run *r)
{
    r->result.input_bytes = r->session.input_bytes;
    const struct timeval *user = &r->usage.ru_utime;
    const struct timeval *system = &r->usage.ru_stime;
    r->result.cpu_ms = (int64_t)(user->tv_sec + system->tv_sec) * 1000 +
                       (int64_t)(user->tv_usec + system->tv_usec) / 1000;
    r->result.peak_rss_bytes = r->peak_rss_bytes > 0 ? r->peak_rss_bytes
                                                     : (int64_t)r->usage.ru_maxrss * 1024;
}

enum err engine_run(const struct engine_job *job, struct engine_result *ret_result, struct error *e)
{
    struct error unread = { 0 };
    e = e == NULL ? &unread : e;
    struct run *r = xcalloc(1, sizeof(*r));
    r->job = job;
    r->log = (struct log_lines){ .on_line = job->on_log, .ctx = job->ctx };
    enum err err = job->zygote == NULL ? spawn_engine(job->program, NULL, &r->child, e)
                                       : zygote_spawn(job->zygote, &r->child, e);
    if (err != OK) {
        goto out;
    }
    session_init(&r->session, job);
    r->started_ms = clock_mono_ms();
    r->active_ms = r->started_ms;
    err = pump(r, e);
    if (!r->has_exited) {
        spawn_kill(&r->child);
        reap(r, 0);
    }
    log_lines_end(&r->log);
    if (err == OK) {
        err = judge(r, e);
    }
    measure(r);
    spawn_close(&r->child);
    session_release(&r->session);
out:
    *ret_result = r->result;
    free(r);
    return err;
}
