/* engine_run against children that behave in every wrong way (evil_child.c): it always returns,
 * with the verdict that the outcome table says. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/text.h"
#include "engine/engine.h"
#include "engine/log_lines.h"
#include "engine/zygote.h"
#include "evil_child.h"

#define INPUT_SIZE ((size_t)1234567)

struct calls {
    const uint8_t *input;
    uint8_t *output;
    size_t output_len, second_len, rewritten;
    int ended; /* outputs, by bits */
    int inputs, progresses, asked, lines;
    size_t line_bytes;
    bool has_bad_line;
    int stop_after; /* keep_going calls; 0: never */
    int64_t read_takes_ms;
    enum err read_fails, write_fails;
    int64_t asked_at_ms, longest_gap_ms;
};

static enum err read_at(void *ctx, int64_t offset, void *dst, size_t len, size_t *ret_len,
                        struct error *e)
{
    struct calls *c = ctx;
    if (c->read_fails != OK) {
        return err_set(e, c->read_fails, "the store is down");
    }
    if (c->read_takes_ms > 0) {
        clock_sleep_ms(c->read_takes_ms);
    }
    size_t left = (size_t)offset < INPUT_SIZE ? INPUT_SIZE - (size_t)offset : 0;
    /* In small pieces, as a store may give it. */
    len = len < 60000 ? len : 60000;
    *ret_len = left < len ? left : len;
    memcpy(dst, c->input + offset, *ret_len);
    return OK;
}

static enum err write_on(void *ctx, int number, const void *bytes, size_t len, struct error *e)
{
    struct calls *c = ctx;
    if (c->write_fails != OK) {
        return err_set(e, c->write_fails, "the disk is full");
    }
    if (number != 0) {
        c->second_len += len;
        return OK;
    }
    if (c->output != NULL && c->output_len + len <= INPUT_SIZE) {
        memcpy(c->output + c->output_len, bytes, len);
    }
    c->output_len += len;
    return OK;
}

static enum err rewrite(void *ctx, int number, int64_t offset, const void *bytes, size_t len,
                        struct error *e)
{
    (void)e;
    struct calls *c = ctx;
    assert_int_equal(number, 0);
    if (c->output != NULL) {
        memcpy(c->output + offset, bytes, len);
    }
    c->rewritten += len;
    return OK;
}

static enum err restart(void *ctx, int number, struct error *e)
{
    (void)e;
    struct calls *c = ctx;
    if (number != 0) {
        c->second_len = 0;
    }
    return OK;
}

static enum err end_output(void *ctx, int number, struct error *e)
{
    (void)e;
    ((struct calls *)ctx)->ended |= 1 << number;
    return OK;
}

static void on_input(void *ctx, const struct job_input *input)
{
    ((struct calls *)ctx)->inputs += strcmp(input->container, "copy") == 0;
}

static void on_progress(void *ctx, double media_time_s, double duration_s)
{
    (void)media_time_s;
    ((struct calls *)ctx)->progresses += duration_s > 1.9 && duration_s < 2.1;
}

static bool keep_going(void *ctx)
{
    struct calls *c = ctx;
    int64_t now_ms = clock_mono_ms();
    if (c->asked > 0 && now_ms - c->asked_at_ms > c->longest_gap_ms) {
        c->longest_gap_ms = now_ms - c->asked_at_ms;
    }
    c->asked_at_ms = now_ms;
    c->asked++;
    return c->stop_after == 0 || c->asked < c->stop_after;
}

static void on_log(void *ctx, const char *line)
{
    struct calls *c = ctx;
    size_t len = strlen(line);
    c->lines++;
    c->line_bytes += len;
    c->has_bad_line |= len >= LOG_LINES_MAX_LINE || !text_is_utf8(line, len) ||
                       strchr(line, 0x01) != NULL;
}

static uint8_t input[INPUT_SIZE];

/* Where the children come from: exec'd for each run, or of a zygote. */
static struct zygote *zygote;

static enum err run(enum evil evil, struct calls *c, struct engine_result *r, struct error *e)
{
    struct job_request request;
    job_request_default(&request);
    c->input = input;
    struct engine_job job = { .program = EVIL_CHILD,
                              .zygote = zygote,
                              .request = &request,
                              .threads = (int)evil,
                              .input_size = INPUT_SIZE,
                              .ctx = c,
                              .read = read_at,
                              .write = write_on,
                              .rewrite = rewrite,
                              .restart = restart,
                              .end_output = end_output,
                              .on_input = on_input,
                              .on_progress = on_progress,
                              .keep_going = keep_going,
                              .on_log = on_log };
    engine_limits_default(&job.limits);
    job.limits.no_progress_limit_s = 1;
    job.limits.max_output_bytes = 3 << 20;
    return engine_run(&job, r, e);
}

static size_t open_fds(void)
{
    size_t count = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (folder != NULL && readdir(folder) != NULL) {
        count++;
    }
    (void)closedir(folder);
    return count;
}

static const struct {
    enum evil evil;
    enum err want;
    enum problem problem;
    enum engine_kill kill;
} verdicts[] = {
    { EVIL_SILENT_EXIT, ERR_FAULT, PROBLEM_NONE, ENGINE_KILLED_PROTOCOL },
    { EVIL_EXIT_3, ERR_FAULT, PROBLEM_NONE, ENGINE_KILLED_PROTOCOL },
    { EVIL_GARBAGE, ERR_FAULT, PROBLEM_NONE, ENGINE_KILLED_PROTOCOL },
    { EVIL_READ_NEGATIVE, ERR_FAULT, PROBLEM_NONE, ENGINE_KILLED_PROTOCOL },
    { EVIL_READ_MANY, ERR_FAULT, PROBLEM_NONE, ENGINE_KILLED_PROTOCOL },
    { EVIL_FLOOD_OUTPUT, ERR_TOO_BIG, PROBLEM_RESOURCE_LIMIT, ENGINE_KILLED_OUTPUT },
    { EVIL_HANG, ERR_TOO_BIG, PROBLEM_RESOURCE_LIMIT, ENGINE_KILLED_NO_PROGRESS },
    { EVIL_CLOSES_ALL, ERR_TOO_BIG, PROBLEM_RESOURCE_LIMIT, ENGINE_KILLED_NO_PROGRESS },
    { EVIL_NEVER_READS, ERR_TOO_BIG, PROBLEM_RESOURCE_LIMIT, ENGINE_KILLED_NO_PROGRESS },
    { EVIL_BAD_TEXT, ERR_FAULT, PROBLEM_NONE, ENGINE_KILLED_PROTOCOL },
    { EVIL_FAIL_CORRUPT, ERR_CORRUPT, PROBLEM_CORRUPT_INPUT, ENGINE_NOT_KILLED },
    { EVIL_WRONG_COUNT, ERR_FAULT, PROBLEM_NONE, ENGINE_NOT_KILLED },
    { EVIL_EXIT_NO_MEMORY, ERR_TOO_BIG, PROBLEM_RESOURCE_LIMIT, ENGINE_KILLED_MEMORY },
    { EVIL_SEGV, ERR_FAULT, PROBLEM_NONE, ENGINE_KILLED_SIGNAL },
    { EVIL_SIGSYS, ERR_FAULT, PROBLEM_NONE, ENGINE_KILLED_SECCOMP },
    { EVIL_SIGKILL, ERR_TOO_BIG, PROBLEM_RESOURCE_LIMIT, ENGINE_KILLED_MEMORY },
    { EVIL_SIGXCPU, ERR_TOO_BIG, PROBLEM_RESOURCE_LIMIT, ENGINE_KILLED_CPU },
    { EVIL_LOG_FLOOD, ERR_INVALID, PROBLEM_NO_AUDIO, ENGINE_NOT_KILLED },
    { EVIL_FRAME_AFTER_DONE, ERR_FAULT, PROBLEM_NONE, ENGINE_KILLED_PROTOCOL },
    { EVIL_PROGRESS_BACK, ERR_FAULT, PROBLEM_NONE, ENGINE_KILLED_PROTOCOL },
    { EVIL_READ_COVER, ERR_FAULT, PROBLEM_NONE, ENGINE_KILLED_PROTOCOL },
    { EVIL_PIECE_AHEAD, ERR_FAULT, PROBLEM_NONE, ENGINE_KILLED_PROTOCOL },
    { EVIL_PIECE_OVER_THE_END, ERR_FAULT, PROBLEM_NONE, ENGINE_KILLED_PROTOCOL },
    { EVIL_PIECE_AFTER_ITS_END, ERR_FAULT, PROBLEM_NONE, ENGINE_KILLED_PROTOCOL },
    { EVIL_PIECE_NUMBER, ERR_FAULT, PROBLEM_NONE, ENGINE_KILLED_PROTOCOL },
    { EVIL_PIECES_PATCHED_FOR_EVER, ERR_FAULT, PROBLEM_NONE, ENGINE_KILLED_PROTOCOL },
    { EVIL_PIECE_WITHOUT_END, ERR_FAULT, PROBLEM_NONE, ENGINE_NOT_KILLED },
    { EVIL_PIECES_ANEW_FOR_EVER, ERR_FAULT, PROBLEM_NONE, ENGINE_KILLED_PROTOCOL },
};

static void test_verdicts(void **state)
{
    (void)state;
    struct calls first = { 0 };
    struct engine_result ignored;
    assert_int_equal(run(EVIL_SILENT_EXIT, &first, &ignored, NULL), ERR_FAULT);
    size_t fds = open_fds();
    for (size_t i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++) {
        struct calls c = { 0 };
        struct engine_result r;
        struct error e = { 0 };
        enum err err = run(verdicts[i].evil, &c, &r, &e);
        if (err != verdicts[i].want || r.problem != verdicts[i].problem) {
            print_message("evil %d: %s, %s\n", (int)verdicts[i].evil, err_name(err), e.text);
        }
        assert_int_equal(err, verdicts[i].want);
        assert_int_equal(e.code, verdicts[i].want);
        assert_int_equal(r.problem, verdicts[i].problem);
        assert_true((r.detail[0] != '\0') == (r.problem != PROBLEM_NONE));
        assert_int_equal(r.kill, verdicts[i].kill);
        assert_true(c.output_len <= 3 << 20);
        assert_true(c.line_bytes <= LOG_LINES_MAX_TOTAL);
        assert_false(c.has_bad_line);
        assert_int_equal(r.output_count, 0);
    }
    /* The last child of the table died of a signal: a zygote is started for the next one only. */
    (void)run(EVIL_SILENT_EXIT, &first, &ignored, NULL);
    assert_int_equal(open_fds(), fds);
}

static void test_a_good_one(void **state)
{
    (void)state;
    struct calls c = { .output = malloc(INPUT_SIZE) };
    struct engine_result r;
    for (size_t i = 0; i < INPUT_SIZE; i++) {
        input[i] = (uint8_t)(i * 7 / 3);
    }
    assert_int_equal(run(EVIL_COPY, &c, &r, NULL), OK);
    assert_int_equal(c.output_len, INPUT_SIZE);
    assert_memory_equal(c.output + 7, "TAG!", 4);
    memcpy(c.output + 7, input + 7, 4);
    assert_memory_equal(c.output, input, INPUT_SIZE);
    assert_int_equal(c.rewritten, 4);
    assert_int_equal(c.ended, 5);
    assert_int_equal(c.inputs, 1);
    assert_int_equal(c.progresses, 25);
    assert_int_equal(r.output_count, 2);
    assert_int_equal(r.numbers[1], 2);
    assert_int_equal(r.outputs[0].size_bytes, INPUT_SIZE);
    assert_int_equal(r.outputs[1].size_bytes, 1000);
    assert_int_equal(c.second_len, 1000);
    assert_int_equal(r.input_bytes, INPUT_SIZE);
    assert_string_equal(r.outputs[0].mode, "vbr");
    assert_int_equal(r.outputs[0].bitrate_kbps, 128);
    assert_true(r.peak_rss_bytes > 100000);
    assert_int_equal(r.problem, PROBLEM_NONE);
    free(c.output);
}

/* Three descriptors and nothing else of the parent's. */
static void test_child_sees_nothing(void **state)
{
    (void)state;
    struct calls c = { 0 };
    struct engine_result r;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)setenv("UNREEL_SECRET", "hunter2", 1);
    int leaked = dup(1); /* without O_CLOEXEC */
    for (int i = 0; i < 2; i++) {
        assert_int_equal(run(EVIL_LOOK_AROUND, &c, &r, NULL), ERR_INVALID);
    }
    assert_string_equal(r.detail, "fds 3 env none own group 1 blocked 0 ignored 0");
    (void)close(leaked);
}

static void test_stops_when_told(void **state)
{
    (void)state;

    static const enum evil evils[] = { EVIL_HANG, EVIL_NEVER_READS, EVIL_CLOSES_ALL };

    for (size_t i = 0; i < sizeof(evils) / sizeof(evils[0]); i++) {
        struct calls c = { .stop_after = 2 };
        struct engine_result r;
        int64_t start_ms = clock_mono_ms();
        assert_int_equal(run(evils[i], &c, &r, NULL), ERR_CANCELLED);
        assert_int_equal(r.problem, PROBLEM_NONE);
        assert_true(clock_mono_ms() - start_ms < 900);
        assert_int_equal(c.asked, 2);
    }
}

static void test_callers_errors_come_back(void **state)
{
    (void)state;
    struct engine_result r;
    struct error e = { 0 };
    struct calls reads = { .read_fails = ERR_BUSY };
    assert_int_equal(run(EVIL_COPY, &reads, &r, &e), ERR_BUSY);
    assert_string_equal(e.text, "the store is down");
    assert_int_equal(r.problem, PROBLEM_NONE);
    struct calls writes = { .write_fails = ERR_TOO_BIG };
    assert_int_equal(run(EVIL_COPY, &writes, &r, &e), ERR_TOO_BIG);
    assert_string_equal(e.text, "the disk is full");
    assert_int_equal(r.problem, PROBLEM_NONE);
}

/* keep_going is asked between slow reads, and a slow store is not the child's standstill. */
static void test_slow_reads(void **state)
{
    (void)state;
    struct calls c = { .read_takes_ms = 150 };
    struct engine_result r;
    assert_int_equal(run(EVIL_COPY, &c, &r, NULL), OK);
    assert_true(c.asked >= 8);
    assert_true(c.longest_gap_ms < 1000);
}

static void test_no_program(void **state)
{
    (void)state;
    struct job_request request;
    job_request_default(&request);
    struct engine_job job = { .program = "/nonexistent/unreel-engine", .request = &request };
    engine_limits_default(&job.limits);
    struct engine_result r;
    struct error e = { 0 };
    assert_int_equal(engine_run(&job, &r, &e), ERR_FAULT);
    assert_non_null(strstr(e.text, "/nonexistent/unreel-engine"));
    int abi = -1;
    assert_int_equal(engine_sandbox_check(job.program, &abi, &e), ERR_FAULT);
}

static void test_sandbox_check(void **state)
{
    (void)state;
    int abi = -1;
    struct error e = { 0 };
    assert_int_equal(engine_sandbox_check(UNREEL_ENGINE, &abi, &e), OK);
    assert_in_range(abi, 0, 1000);
    /* It says nothing that could be understood. */
    assert_int_equal(engine_sandbox_check("/bin/true", &abi, &e), ERR_FAULT);
}

#define LINES_SIZE 3000

static void count_line(void *ctx, const char *line)
{
    char *all = ctx;
    size_t len = strlen(all);
    (void)snprintf(all + len, LINES_SIZE - len, "%s|", line);
}

static void test_log_lines(void **state)
{
    (void)state;
    char all[LINES_SIZE] = "";
    struct log_lines l = { .on_line = count_line, .ctx = all };
    log_lines_feed(&l, "one\ntw", 6);
    log_lines_feed(&l, "o\n\n\x1b[31mred\n", 12);
    log_lines_feed(&l, "gr\xc3\xbc\xc3\n\xc3\xbc", 8);
    log_lines_end(&l);
    assert_string_equal(all, "one|two|?[31mred|gr???|\xc3\xbc|");
}

static int make_zygote(void **state)
{
    (void)state;
    zygote = zygote_new(EVIL_CHILD);
    return 0;
}

static int free_zygote(void **state)
{
    (void)state;
    zygote_free(zygote);
    zygote = NULL;
    return 0;
}

int main(void)
{
    const struct CMUnitTest exec_d[] = {
        cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_a_good_one),
        cmocka_unit_test(test_child_sees_nothing),
        cmocka_unit_test(test_stops_when_told),
        cmocka_unit_test(test_callers_errors_come_back),
        cmocka_unit_test(test_slow_reads),
        cmocka_unit_test(test_no_program),
        cmocka_unit_test(test_sandbox_check),
        cmocka_unit_test(test_log_lines),
    };
    const struct CMUnitTest of_a_zygote[] = {
        cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_a_good_one),
        cmocka_unit_test(test_child_sees_nothing),
        cmocka_unit_test(test_stops_when_told),
        cmocka_unit_test(test_callers_errors_come_back),
    };
    int failed = cmocka_run_group_tests(exec_d, NULL, NULL);
    return failed + cmocka_run_group_tests(of_a_zygote, make_zygote, free_zygote);
}
