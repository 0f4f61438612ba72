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

static void piece(int output, int64_t offset, const void *bytes, size_t len)
{
    uint8_t header[PROTOCOL_PIECE_HEADER_SIZE];
    struct protocol_piece m = { output, (uint32_t)len, offset };
    protocol_pack_piece(header, &m);
    give(1, header, sizeof(header));
    give(1, bytes, len);
}

static void tell_output(int number, int64_t bytes)
{
    struct protocol_output m = { .number = number,
                                 .output = { .size_bytes = bytes,
                                             .duration_s = 2,
                                             .mode = "vbr",
                                             .bitrate_kbps = 128,
                                             .sample_rate_hz = 44100,
                                             .channels = 2 } };
    give(0, frame, protocol_pack_output(frame, &m));
}

static void done(int outputs)
{
    struct protocol_done m = { outputs };
    give(0, frame, protocol_pack_done(frame, &m));
}

/* The input comes back as output 0, with four bytes patched, and the head of it as output 2. */
static void copy(void)
{
    int64_t at = 0;
    size_t len = 0;
    struct job_input input = { .container = "copy", .duration_s = 2, .track_count = 1 };
    give(0, frame, protocol_pack_input(frame, &input));
    do {
        struct protocol_read m = { PROTOCOL_MEDIA, at, 50000 };
        give(0, frame, protocol_pack_read(frame, &m));
        len = get_frame();
        piece(0, at, data, len);
        if (at == 0) {
            piece(2, 0, data + 1000, 500);
            piece(2, 0, NULL, 0);
            piece(2, 0, data, 1000);
        }
        at += (int64_t)len;
        struct protocol_progress progress = { at, 2000000 };
        give(0, frame, protocol_pack_progress(frame, &progress));
    } while (len == 50000);
    piece(0, 7, "TAG!", 4);
    piece(0, at, NULL, 0);
    tell_output(0, at);
    piece(2, 1000, NULL, 0);
    tell_output(2, 1000);
    done(2);
}

static void misplace_piece(enum evil evil)
{
    piece(0, 0, "12345678", 8);
    switch (evil) {
    case EVIL_PIECE_AHEAD:
        piece(0, 9, "x", 1);
        break;
    case EVIL_PIECE_OVER_THE_END:
        piece(0, 6, "abc", 3);
        break;
    case EVIL_PIECE_AFTER_ITS_END:
        piece(0, 8, NULL, 0);
        piece(0, 8, "x", 1);
        break;
    case EVIL_PIECE_NUMBER:
        piece(JOB_OUTPUTS_MAX, 0, "x", 1);
        break;
    case EVIL_PIECES_PATCHED_FOR_EVER:
        for (int i = 0; i <= PROTOCOL_PATCHES_MAX; i++) {
            piece(0, 1, "x", 1);
        }
        break;
    case EVIL_PIECES_ANEW_FOR_EVER:
        for (int i = 0; i < 2; i++) {
            piece(0, 0, NULL, 0);
            piece(0, 0, "12345678", 8);
        }
        piece(0, 8, NULL, 0);
        break;
    case EVIL_PIECE_WITHOUT_END:
    default:
        break;
    }
    tell_output(0, 8);
    done(1);
}

static void read_many(void)
{
    static uint8_t many[64 * (PROTOCOL_HEADER_SIZE + 16)];
    size_t len = 0;
    for (int i = 0; i < 64; i++) {
        struct protocol_read m = { PROTOCOL_MEDIA, i, 1 };
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
    struct protocol_read negative = { PROTOCOL_MEDIA, -5, 10 };
    struct protocol_read cover = { PROTOCOL_COVER, 0, 10 };
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
    case EVIL_READ_COVER:
        give(0, frame, protocol_pack_read(frame, &cover));
        break;
    case EVIL_WRONG_COUNT:
        piece(0, 0, "12345678", 8);
        piece(0, 8, NULL, 0);
        tell_output(0, 9);
        done(1);
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
        misplace_piece(evil);
        break;
    }
}

static void misbehave(enum evil evil)
{
    static const char noise[] = "line\x01 of noise \xff\n";
    struct protocol_read read = { PROTOCOL_MEDIA, 0, PROTOCOL_DATA_MAX };
    switch (evil) {
    case EVIL_EXIT_3:
        _exit(3);
    case EVIL_EXIT_NO_MEMORY:
        _exit(PROTOCOL_EXIT_NO_MEMORY);
    case EVIL_FLOOD_OUTPUT:
        for (int64_t at = 0;; at += PROTOCOL_PIECE_MAX) {
            piece(0, at, data, PROTOCOL_PIECE_MAX);
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
