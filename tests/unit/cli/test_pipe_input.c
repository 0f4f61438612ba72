/* A pipe read by position: on, ahead, back as far as it is kept, and what is said beyond. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/mem.h"
#include "pipe_input.h"

#define WINDOW 1000
#define TOTAL 20000

static uint8_t byte_at(int64_t offset)
{
    return (uint8_t)(offset * 7 + offset / 251);
}

/* A pipe with TOTAL bytes, which it has room for. */
static int full_pipe(void)
{
    static uint8_t bytes[TOTAL];
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    for (int i = 0; i < TOTAL; i++) {
        bytes[i] = byte_at(i);
    }
    assert_int_equal(write(ends[1], bytes, TOTAL), TOTAL);
    assert_int_equal(close(ends[1]), 0);
    return ends[0];
}

static void assert_read(struct pipe_input *p, int64_t offset, size_t len, size_t wanted)
{
    uint8_t bytes[TOTAL];
    size_t got = TOTAL + 1;
    struct error e = { 0 };
    assert_int_equal(pipe_input_read(p, offset, bytes, len, &got, &e), OK);
    assert_int_equal(got, wanted);
    for (size_t i = 0; i < got; i++) {
        assert_int_equal(bytes[i], byte_at(offset + (int64_t)i));
    }
}

static void assert_lost(struct pipe_input *p, int64_t offset)
{
    uint8_t byte = 0;
    size_t got = 0;
    struct error e = { 0 };
    assert_int_equal(pipe_input_read(p, offset, &byte, 1, &got, &e), ERR_INVALID);
    assert_non_null(strstr(e.text, "pipe"));
    assert_non_null(strstr(e.text, "give it as a file"));
}

static void test_on_and_back(void **state)
{
    (void)state;
    int fd = full_pipe();
    AUTO(pipe_input_free) struct pipe_input *p = pipe_input_new(fd, WINDOW);
    assert_read(p, 0, 10, 10);
    assert_read(p, 0, 1000, 1000);
    assert_read(p, 400, 600, 600);
    assert_read(p, 900, 600, 600); /* across what is kept and what comes */
    assert_read(p, 500, 1000, 1000);
    assert_lost(p, 499);
    assert_read(p, 500, 1, 1); /* a refusal loses nothing */
    assert_read(p, 1500, 0, 0);
    assert_int_equal(close(fd), 0);
}

static void test_ahead(void **state)
{
    (void)state;
    int fd = full_pipe();
    AUTO(pipe_input_free) struct pipe_input *p = pipe_input_new(fd, WINDOW);
    assert_read(p, 7777, 100, 100);
    assert_read(p, 6877, 1000, 1000);
    assert_lost(p, 6876);
    assert_read(p, 9000, 5000, 5000); /* more than is kept */
    assert_read(p, 13000, 1000, 1000);
    assert_lost(p, 12999);
    assert_int_equal(close(fd), 0);
}

static void test_the_end(void **state)
{
    (void)state;
    int fd = full_pipe();
    AUTO(pipe_input_free) struct pipe_input *p = pipe_input_new(fd, WINDOW);
    assert_read(p, TOTAL - 50, 100, 50);
    assert_read(p, TOTAL, 100, 0);
    assert_read(p, TOTAL + 5000, 100, 0);
    assert_read(p, TOTAL - 1000, 2000, 1000);
    assert_lost(p, TOTAL - 1001);
    assert_int_equal(close(fd), 0);
}

/* Bytes that come in small pieces, over time, are waited for. */
static void test_a_slow_writer(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        for (int i = 0; i < 2100; i += 7) {
            uint8_t piece[7];
            for (int k = 0; k < 7; k++) {
                piece[k] = byte_at(i + k);
            }
            if (write(ends[1], piece, sizeof(piece)) != (ssize_t)sizeof(piece) ||
                (i % 700 == 0 && usleep(10000) != 0)) {
                _exit(1);
            }
        }
        _exit(0);
    }
    assert_int_equal(close(ends[1]), 0);
    AUTO(pipe_input_free) struct pipe_input *p = pipe_input_new(ends[0], WINDOW);
    assert_read(p, 0, 900, 900);
    assert_read(p, 100, 900, 900);
    assert_read(p, 1200, 1000, 900);
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(close(ends[0]), 0);
}

static void test_what_cannot_be_read(void **state)
{
    (void)state;
    int ends[2];
    uint8_t byte = 0;
    size_t got = 0;
    struct error e = { 0 };
    assert_int_equal(pipe(ends), 0);
    AUTO(pipe_input_free) struct pipe_input *p = pipe_input_new(ends[1], WINDOW);
    assert_int_equal(pipe_input_read(p, 0, &byte, 1, &got, &e), ERR_FAULT);
    assert_int_equal(close(ends[0]), 0);
    assert_int_equal(close(ends[1]), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_on_and_back),
        cmocka_unit_test(test_ahead),
        cmocka_unit_test(test_the_end),
        cmocka_unit_test(test_a_slow_writer),
        cmocka_unit_test(test_what_cannot_be_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
