/* engine_run against a child that is locked in as the real one is and then tries what an attacker
 * would (deed_child.c): it is refused or killed, and the result says by what. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "deed_child.h"
#include "engine/engine.h"
#include "engine/zygote.h"

#define REFUSED "-1, errno 13"

struct deed {
    char name[DEED_NAME_SIZE + 1];
    int64_t output_bytes;
};

static enum err read_at(void *ctx, int64_t offset, void *dst, size_t len, size_t *ret_len,
                        struct error *e)
{
    (void)e;
    const struct deed *d = ctx;
    size_t left = offset < DEED_NAME_SIZE ? (size_t)(DEED_NAME_SIZE - offset) : 0;
    *ret_len = left < len ? left : len;
    memcpy(dst, d->name + (DEED_NAME_SIZE - left), *ret_len);
    return OK;
}

static enum err write_on(void *ctx, int output, const void *bytes, size_t len, struct error *e)
{
    (void)output;
    (void)bytes;
    (void)e;
    ((struct deed *)ctx)->output_bytes += (int64_t)len;
    return OK;
}

/* Where the children come from: exec'd for each run, or of a zygote. */
static struct zygote *zygote;

static enum err run(const char *name, bool is_threads, struct engine_result *ret_result,
                    struct error *e)
{
    struct deed d = { .output_bytes = 0 };
    (void)snprintf(d.name, sizeof(d.name), "%s%s", is_threads ? "+" : "", name);
    struct job_request request;
    job_request_default(&request);
    struct engine_job job = { .program = DEED_CHILD,
                              .zygote = zygote,
                              .request = &request,
                              .threads = is_threads ? 2 : 1,
                              .input_size = DEED_NAME_SIZE,
                              .ctx = &d,
                              .read = read_at,
                              .write = write_on };
    engine_limits_default(&job.limits);
    bool is_lazy = strcmp(name, "sleep") == 0 || strncmp(name, "read", 4) == 0;
    job.limits.no_progress_limit_s = is_lazy ? 1 : 20;
    job.limits.wall_limit_s = strcmp(name, "crawl") == 0 ? 1 : 30;
    job.limits.max_output_bytes = 1 << 20;
    enum err err = engine_run(&job, ret_result, e);
    assert_true(d.output_bytes <= 1 << 20);
    return err;
}

struct row {
    const char *name;
    enum engine_kill kill;
    const char *detail; /* of one that lives on */
};

static const struct row rows[] = {
    { "nothing", ENGINE_NOT_KILLED, "0, errno 0" },
    /* Libraries look for tables of character sets: they are told that they may not. */
    { "open", ENGINE_NOT_KILLED, REFUSED },
    { "open to write", ENGINE_KILLED_SECCOMP, NULL },
    { "open to append", ENGINE_KILLED_SECCOMP, NULL },
    { "open by number", ENGINE_KILLED_SECCOMP, NULL },
    { "openat2", ENGINE_KILLED_SECCOMP, NULL },
    { "socket", ENGINE_KILLED_SECCOMP, NULL },
    { "connect", ENGINE_KILLED_SECCOMP, NULL },
    { "sendmsg", ENGINE_KILLED_SECCOMP, NULL },
    { "fork", ENGINE_KILLED_SECCOMP, NULL },
    { "thread", ENGINE_KILLED_SECCOMP, NULL },
    { "execve", ENGINE_KILLED_SECCOMP, NULL },
    { "ptrace", ENGINE_KILLED_SECCOMP, NULL },
    { "process_vm_readv", ENGINE_KILLED_SECCOMP, NULL },
    { "kill", ENGINE_KILLED_SECCOMP, NULL },
    { "tgkill", ENGINE_KILLED_SECCOMP, NULL },
    { "mmap executable", ENGINE_KILLED_SECCOMP, NULL },
    { "mprotect", ENGINE_KILLED_SECCOMP, NULL },
    { "prctl", ENGINE_KILLED_SECCOMP, NULL },
    { "setrlimit", ENGINE_KILLED_SECCOMP, NULL },
    { "memfd_create", ENGINE_KILLED_SECCOMP, NULL },
    { "io_uring", ENGINE_KILLED_SECCOMP, NULL },
    { "unshare", ENGINE_KILLED_SECCOMP, NULL },
    { "bpf", ENGINE_KILLED_SECCOMP, NULL },
    { "another table", ENGINE_KILLED_SECCOMP, NULL },
    { "memory", ENGINE_KILLED_MEMORY, NULL },
    { "stack", ENGINE_KILLED_SIGNAL, NULL },
    { "spin", ENGINE_KILLED_CPU, NULL },
    { "flood", ENGINE_KILLED_OUTPUT, NULL },
    { "sleep", ENGINE_KILLED_NO_PROGRESS, NULL },
    /* What was read already is no progress. */
    { "read", ENGINE_KILLED_NO_PROGRESS, NULL },
    { "read past the end", ENGINE_KILLED_NO_PROGRESS, NULL },
    { "crawl", ENGINE_KILLED_WALL, NULL },
    { "crash", ENGINE_KILLED_SIGNAL, NULL },
};

/* A limit is the input's fault for good; a bug or an attack is not told to the user. */
static bool is_limit(enum engine_kill kill)
{
    return kill != ENGINE_KILLED_SECCOMP && kill != ENGINE_KILLED_SIGNAL;
}

static void check(const struct row *row, bool is_threads)
{
    struct engine_result r;
    struct error e = { 0 };
    enum err err = run(row->name, is_threads, &r, &e);
    enum err want = row->kill == ENGINE_NOT_KILLED
                        ? ERR_INVALID
                        : (is_limit(row->kill) ? ERR_TOO_BIG : ERR_FAULT);
    if (r.kill != row->kill || err != want) {
        print_message("%s%s: kill %d, %s\n", is_threads ? "+" : "", row->name, (int)r.kill, e.text);
    }
    assert_int_equal(r.kill, row->kill);
    assert_int_equal(err, want);
    if (row->detail != NULL) {
        assert_string_equal(r.detail, row->detail);
        return;
    }
    assert_int_equal(r.problem, is_limit(row->kill) ? PROBLEM_RESOURCE_LIMIT : PROBLEM_NONE);
}

static void test_deeds(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        check(&rows[i], false);
    }
    assert_int_not_equal(access("/tmp/unreel-deed", F_OK), 0);
}

/* The threads were there before the walls, and are behind them all the same. What the parent's
 * clock ends is the same for both. */
static void test_deeds_of_a_thread(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].kill != ENGINE_KILLED_NO_PROGRESS && rows[i].kill != ENGINE_KILLED_WALL) {
            check(&rows[i], true);
        }
    }
}

static int make_zygote(void **state)
{
    (void)state;
    zygote = zygote_new(DEED_CHILD);
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
        cmocka_unit_test(test_deeds),
        cmocka_unit_test(test_deeds_of_a_thread),
    };
    const struct CMUnitTest of_a_zygote[] = {
        cmocka_unit_test(test_deeds_of_a_thread),
    };
    int failed = cmocka_run_group_tests(exec_d, NULL, NULL);
    return failed + cmocka_run_group_tests(of_a_zygote, make_zygote, free_zygote);
}
