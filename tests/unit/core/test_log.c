#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <limits.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/log.h"

/* What was written to standard error since begin_capture. */
static int saved_stderr;
static int capture;

static void begin_capture(void)
{
    char path[] = "/tmp/unreel-log-XXXXXX";

    capture = mkostemp(path, O_CLOEXEC);
    assert_true(capture >= 0);
    (void)unlink(path);
    saved_stderr = dup(STDERR_FILENO);
    assert_true(dup2(capture, STDERR_FILENO) >= 0);
}

static size_t end_capture(char *dst, size_t size)
{
    (void)dup2(saved_stderr, STDERR_FILENO);
    (void)close(saved_stderr);
    ssize_t got = pread(capture, dst, size - 1, 0);
    (void)close(capture);
    assert_true(got >= 0);
    dst[got] = '\0';
    return (size_t)got;
}

static char output[65536];

static void test_json_line(void **state)
{
    (void)state;
    log_init("unreel-test", LOG_LEVEL_INFO, LOG_FORMAT_JSON);
    log_context(NULL, NULL);
    begin_capture();
    log_debug("not shown");
    log_info("job %d", 7);
    log_context("4bf92f3577b34da6a3ce929d0e0e4736", "0123456789abcdef01234567");
    log_warn("a\"b\\c\nd\x1b[31m\xff \xc2\x9b gr\xc3\xbcn");
    log_context(NULL, "");
    log_line_from("engine", LOG_LEVEL_ERROR, "from a child");
    end_capture(output, sizeof(output));

    const char *line = output;
    assert_memory_equal(line, "{\"time\":\"20", 11);
    assert_string_equal(line + 33, strstr(line, "\",\"level\":\"info\""));
    assert_non_null(
        strstr(line, "Z\",\"level\":\"info\",\"service\":\"unreel-test\",\"msg\":\"job 7\"}\n"));
    assert_null(strstr(output, "not shown"));
    assert_non_null(strstr(output,
                           "\"msg\":\"a\\\"b\\\\c\\nd\\u001b[31m\\ufffd \\u009b gr\xc3\xbcn\","
                           "\"trace_id\":\"4bf92f3577b34da6a3ce929d0e0e4736\","
                           "\"job_id\":\"0123456789abcdef01234567\"}\n"));
    assert_non_null(strstr(output, "\"level\":\"error\",\"service\":\"unreel-test\","
                                   "\"source\":\"engine\",\"msg\":\"from a child\"}\n"));
}

static void test_context_and_code(void **state)
{
    (void)state;
    log_init("t", LOG_LEVEL_INFO, LOG_FORMAT_JSON);
    log_context("4bf92f3577b34da6a3ce929d0e0e4736", NULL);
    log_context_user("89abcdef");
    begin_capture();
    log_info("known");
    log_context_job("0123456789abcdef01234567");
    log_context_attempt(2);
    errno = ENOENT;
    log_failure(LOG_LEVEL_WARN, "corrupt-input", "job failed: %s", "why");
    assert_int_equal(errno, ENOENT);
    log_failure(LOG_LEVEL_INFO, NULL, "no code");
    log_failure(LOG_LEVEL_DEBUG, "x", "not shown");
    log_context("abc", NULL);
    log_info("another");
    end_capture(output, sizeof(output));
    log_context(NULL, NULL);
    assert_non_null(strstr(output, "\"msg\":\"known\","
                                   "\"trace_id\":\"4bf92f3577b34da6a3ce929d0e0e4736\","
                                   "\"user_id\":\"89abcdef\"}\n"));
    assert_non_null(strstr(output,
                           "\"level\":\"warn\",\"service\":\"t\",\"msg\":\"job failed: why\","
                           "\"trace_id\":\"4bf92f3577b34da6a3ce929d0e0e4736\","
                           "\"job_id\":\"0123456789abcdef01234567\","
                           "\"user_id\":\"89abcdef\",\"attempt\":2,"
                           "\"error.code\":\"corrupt-input\"}\n"));
    assert_non_null(strstr(output, "\"attempt\":2}\n"));
    assert_null(strstr(output, "not shown"));
    assert_non_null(strstr(output, "\"msg\":\"another\",\"trace_id\":\"abc\"}\n"));
}

static void test_long_lines_are_cut_and_stay_json(void **state)
{
    static char text[20000];
    static const char *const fillers[] = { "x", "\x01", "\"", "\xe2\x82\xac", "\xff" };

    (void)state;
    log_init("unreel-test", LOG_LEVEL_INFO, LOG_FORMAT_JSON);
    log_context("4bf92f3577b34da6a3ce929d0e0e4736", "0123456789abcdef01234567");
    log_context_user("0123456789abcdef0123456789abcdef0123456789abcdef and more");
    log_context_attempt(INT_MIN);
    for (size_t i = 0; i < ARRAY_LEN(fillers); i++) {
        size_t step = strlen(fillers[i]);
        for (size_t at = 0; at < sizeof(text); at++) {
            text[at] = fillers[i][at % step];
        }
        text[sizeof(text) - 1] = '\0';
        begin_capture();
        log_line_from("engine", LOG_LEVEL_INFO, text);
        log_failure(LOG_LEVEL_INFO, "0123456789abcdef0123456789abcdef0123456789abcdef and more",
                    "%s", text);
        size_t len = end_capture(output, sizeof(output));
        char *second = strchr(output, '\n') + 1;
        assert_in_range(second - output, 6000, 8192);
        assert_in_range(len - (size_t)(second - output), 6000, 8192);
        const char *tail = "\",\"trace_id\":\"4bf92f3577b34da6a3ce929d0e0e4736\","
                           "\"job_id\":\"0123456789abcdef01234567\","
                           "\"user_id\":\"0123456789abcdef0123456789abcdef0123456789abcdef\","
                           "\"attempt\":-2147483648}\n";
        static const char code[] =
            ",\"error.code\":\"0123456789abcdef0123456789abcdef0123456789abcdef\"}\n";
        assert_memory_equal(second - strlen(tail), tail, strlen(tail));
        assert_string_equal(output + len - strlen(code), code);
        const char *in_second = output + len - strlen(code) - (strlen(tail) - 2);
        assert_memory_equal(in_second, tail, strlen(tail) - 2);
        assert_int_not_equal(in_second[-1], '\\');
    }
    log_context(NULL, NULL);
}

static void test_text_line(void **state)
{
    (void)state;
    log_init("unreel-test", LOG_LEVEL_DEBUG, LOG_FORMAT_TEXT);
    log_context("abc\n\"", NULL);
    begin_capture();
    log_debug("quote \" and\nnewline \x1b[0m");
    end_capture(output, sizeof(output));
    assert_non_null(
        strstr(output, "Z DEBUG unreel-test: quote \" and\\nnewline \\u001b[0m trace=abc??\n"));
    /* No terminal, so no colour. */
    assert_null(strchr(output, '\033'));
    log_context(NULL, NULL);
}

static void test_auto_is_json_without_a_terminal(void **state)
{
    (void)state;
    begin_capture();
    log_init("unreel-test", LOG_LEVEL_INFO, LOG_FORMAT_AUTO);
    errno = ENOENT;
    log_error("x");
    assert_int_equal(errno, ENOENT);
    end_capture(output, sizeof(output));
    assert_int_equal(output[0], '{');
}

static void *log_from_thread(void *arg)
{
    log_context(arg, NULL);
    for (int i = 0; i < 100; i++) {
        log_info("line");
    }
    return NULL;
}

static void test_threads_have_their_own_context(void **state)
{
    pthread_t threads[3];
    char names[3][2] = { "A", "B", "C" };
    size_t counts[3] = { 0 };

    (void)state;
    log_init("t", LOG_LEVEL_INFO, LOG_FORMAT_JSON);
    begin_capture();
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, log_from_thread, names[i]), 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    log_info("line"); /* here there is none */
    end_capture(output, sizeof(output));
    static const char wanted[] = "\"service\":\"t\",\"msg\":\"line\",\"trace_id\":\"";
    const char *at = strstr(output, wanted);
    while (at != NULL) {
        at += strlen(wanted);
        assert_in_range(at[0], 'A', 'C');
        counts[at[0] - 'A']++;
        at = strstr(at, wanted);
    }
    for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
        assert_int_equal(counts[i], 100);
    }
}

static void test_mask(void **state)
{
    static const struct {
        const char *email;
        const char *masked;
    } cases[] = {
        { "ann@example.org", "a…@example.org" },
        { "a@b", "a…@b" },
        { "\xc3\xa4nn@example.org", "\xc3\xa4…@example.org" },
        { "x@y@example.org", "x…@example.org" },
        { "@example.org", "…" },
        { "ann", "…" },
        { "", "…" },
        { "\xff@example.org", "…" },
    };

    char dst[LOG_MASK_SIZE];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_string_equal(log_mask_email(dst, cases[i].email), cases[i].masked);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_line),
        cmocka_unit_test(test_context_and_code),
        cmocka_unit_test(test_long_lines_are_cut_and_stay_json),
        cmocka_unit_test(test_text_line),
        cmocka_unit_test(test_auto_is_json_without_a_terminal),
        cmocka_unit_test(test_threads_have_their_own_context),
        cmocka_unit_test(test_mask),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
