/* A child that breaks the protocol, for host_test.c. */
#include "evil_child.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "engine/protocol.h"
#include "engine/zygote_wire.h"

static uint8_t frame[PROTOCOL_HEADER_SIZE + PROTOCOL_SMALL_MAX];
static uint8_t data[PROTOCOL_DATA_MAX];

static void give(int fd, const void *bytes, size_t len)
{
    const char *at = bytes;
    while (len > 0) {
        ssize_t done = write(fd, at, len);
        if (done <= 0) {
            _exit(9);
        }
        at += done;
        len -= (size_t)done;
    }
}

static void get(void *dst, size_t len)
{
    char *at = dst;
    while (len > 0) {
        ssize_t got = read(0, at, len);
        if (got <= 0) {
            _exit(9);
        }
        at += got;
        len -= (size_t)got;
    }
}

static size_t get_frame(void)
{
    uint8_t header[PROTOCOL_HEADER_SIZE];
    enum protocol_type type = PROTOCOL_TYPE_MAX;
    size_t len = 0;
    get(header, sizeof(header));
    if (protocol_unpack_header(header, PROTOCOL_PARENT, &type, &len, NULL) != OK) {
        _exit(8);
    }
    get(data, len);
    return len;
}

static void fail(enum problem problem, const char *detail)
{
    struct protocol_failed m = { .problem = problem };
    (void)snprintf(m.detail, sizeof(m.detail), "%s", detail);
    give(0, frame, protocol_pack_failed(frame, &m));
}

static void done(int64_t bytes)
{
    struct protocol_done m = { bytes, 2000000, 128, 44100, 2, 4, "TAG!" };
    give(0, frame, protocol_pack_done(frame, &m));
}

static void copy(void)
{
    int64_t at = 0;
    size_t len = 0;
    struct job_input input = { .container = "copy", .duration_s = 2, .track_count = 1 };
    give(0, frame, protocol_pack_input(frame, &input));
    do {
        struct protocol_read m = { at, 100000 };
        give(0, frame, protocol_pack_read(frame, &m));
        len = get_frame();
        give(1, data, len);
        at += (int64_t)len;
        struct protocol_progress progress = { at, 2000000 };
        give(0, frame, protocol_pack_progress(frame, &progress));
    } while (len == 100000);
    done(at);
}

static void read_many(void)
{
    static uint8_t many[64 * (PROTOCOL_HEADER_SIZE + 12)];
    size_t len = 0;
    for (int i = 0; i < 64; i++) {
        struct protocol_read m = { i, 1 };
        len += protocol_pack_read(many + len, &m);
    }
    give(0, many, len);
}

static void look_around(char *const *environment)
{
    char text[JOB_DETAIL_SIZE];
    int open_fds = 0;
    for (int fd = 0; fd < 256; fd++) {
        open_fds += lseek(fd, 0, SEEK_CUR) >= 0 || errno != EBADF;
    }
    sigset_t blocked;
    (void)sigprocmask(SIG_BLOCK, NULL, &blocked);
    struct sigaction on_pipe;
    (void)sigaction(SIGPIPE, NULL, &on_pipe);
    (void)snprintf(text, sizeof(text), "fds %d env %s own group %d blocked %d ignored %d", open_fds,
                   environment[0] == NULL ? "none" : environment[0], getpgrp() == getpid(),
                   sigismember(&blocked, SIGTERM), on_pipe.sa_handler == SIG_IGN);
    fail(PROBLEM_NO_AUDIO, text);
}

static void end_by(int number)
{
    struct rlimit none = { 0, 0 };
    (void)setrlimit(RLIMIT_CORE, &none);
    (void)signal(number, SIG_DFL);
    (void)kill(getpid(), number);
    (void)pause();
}

static void misbehave_in_words(enum evil evil)
{
    struct protocol_read negative = { -5, 10 };
    struct protocol_progress progress = { 2000, 0 };
    switch (evil) {
    case EVIL_GARBAGE:
        give(0, "This is no frame at all.", 24);
        break;
    case EVIL_READ_NEGATIVE:
        give(0, frame, protocol_pack_read(frame, &negative));
        break;
    case EVIL_READ_MANY:
        read_many();
        break;
    case EVIL_BAD_TEXT:
        fail(PROBLEM_NO_AUDIO, "\xff\xfe");
        break;
    case EVIL_FAIL_CORRUPT:
        fail(PROBLEM_CORRUPT_INPUT, "The file is broken.");
        break;
    case EVIL_WRONG_COUNT:
        give(1, "12345678", 8);
        done(9);
        break;
    case EVIL_FRAME_AFTER_DONE:
        done(0);
        fail(PROBLEM_NO_AUDIO, "x");
        break;
    case EVIL_PROGRESS_BACK:
        give(0, frame, protocol_pack_progress(frame, &progress));
        progress.media_us = 1000;
        give(0, frame, protocol_pack_progress(frame, &progress));
        break;
    default:
        break;
    }
}

static void misbehave(enum evil evil)
{
    static const char noise[] = "line\x01 of noise \xff\n";
    struct protocol_read read = { 0, PROTOCOL_DATA_MAX };
    switch (evil) {
    case EVIL_EXIT_3:
        _exit(3);
    case EVIL_FLOOD_OUTPUT:
        for (;;) {
            give(1, data, sizeof(data));
        }
    case EVIL_NEVER_READS:
        give(0, frame, protocol_pack_read(frame, &read));
        (void)pause();
        break;
    case EVIL_HANG:
        (void)pause();
        break;
    case EVIL_SEGV:
        end_by(SIGSEGV);
        break;
    case EVIL_SIGSYS:
        end_by(SIGSYS);
        break;
    case EVIL_SIGKILL:
        end_by(SIGKILL);
        break;
    case EVIL_SIGXCPU:
        end_by(SIGXCPU);
        break;
    case EVIL_LOG_FLOOD:
        for (int i = 0; i < 20000; i++) {
            give(2, noise, sizeof(noise) - 1);
        }
        fail(PROBLEM_NO_AUDIO, "done");
        break;
    case EVIL_CLOSES_ALL:
        (void)close(0);
        (void)close(1);
        (void)close(2);
        (void)pause();
        break;
    default:
        misbehave_in_words(evil);
        break;
    }
}

int main(int argc, char **argv, char **environment)
{
    if (argc == 2 && strcmp(argv[1], ZYGOTE_ARGUMENT) == 0 && !zygote_serve()) {
        return 0;
    }
    struct protocol_start start;
    size_t len = get_frame();
    if (protocol_unpack_start(data, len, &start, NULL) != OK) {
        return 7;
    }
    if (start.threads == EVIL_COPY) {
        copy();
    } else if (start.threads == EVIL_LOOK_AROUND) {
        look_around(environment);
    } else if (start.threads != EVIL_SILENT_EXIT) {
        misbehave((enum evil)start.threads);
    }
    if (start.threads != EVIL_SILENT_EXIT) {
        /* As the real one: until the parent closes its end. */
        while (read(0, data, sizeof(data)) > 0) {
        }
    }
    _exit(0);
}
