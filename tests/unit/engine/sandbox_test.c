/* The walls themselves: each row does one thing in a process of its own, behind them. Built twice:
 * with the build's sanitizers, and without them for the real list of calls. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine_child/crew.h"
#include "engine_child/sandbox.h"

/* What a process that lives on exits with; anything else is a failed expectation. */
#define FINE 42

static int open_file(void)
{
    return open("/etc/passwd", O_RDONLY | O_CLOEXEC) == -1 && errno == EACCES ? FINE : 1;
}

static int make_file(void)
{
    return open("/tmp/unreel-sandbox", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
}

static int make_socket(void)
{
    return socket(AF_INET, SOCK_STREAM, 0);
}

static int run_program(void)
{
    return (int)syscall(SYS_execve, "/bin/true", NULL, NULL);
}

static int clone_self(void)
{
    return (int)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

static int trace_parent(void)
{
    return (int)syscall(SYS_ptrace, 16, getppid(), 0, 0);
}

static int kill_parent(void)
{
    return kill(getppid(), 0);
}

static int map_executable(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
           MAP_FAILED;
}

static int remove_file(void)
{
    return unlink("/tmp/unreel-sandbox");
}

static int work(void)
{
    static void *kept[50];
    void *memory = malloc((size_t)8 << 20);
    if (memory == NULL) {
        return 1;
    }
    memset(memory, 1, (size_t)8 << 20);
    /* Small ones as well: an arena of the thread's own would grow by mprotect. */
    for (size_t i = 0; i < 500; i++) {
        void *small = malloc(20000);
        if (small == NULL) {
            abort();
        }
        memset(small, 1, 20000);
        free(kept[i % 50]);
        kept[i % 50] = small;
    }
    for (size_t i = 0; i < 50; i++) {
        free(kept[i]);
    }
    char byte = 'x';
    bool is_written = write(2, &byte, 0) == 0;
    free(memory);
    return is_written ? FINE : 1;
}

static int abort_self(void)
{
    abort();
}

#ifdef UNREEL_PLAIN
static int take_memory(void)
{
    return malloc((size_t)2 << 30) == NULL ? FINE : 1;
}

static int spin(void)
{
    for (volatile uint64_t i = 0;; i++) {
    }
    return 1;
}
#endif

static const struct {
    const char *name;
    int (*act)(void);
    int signal; /* 0: exits with FINE */
} rows[] = {
    { "work", work, 0 },
    { "open a file", open_file, 0 },
    { "make a file", make_file, SIGSYS },
    { "socket", make_socket, SIGSYS },
    { "execve", run_program, SIGSYS },
    { "clone", clone_self, SIGSYS },
    { "ptrace", trace_parent, SIGSYS },
    { "kill", kill_parent, SIGSYS },
    { "unlink", remove_file, SIGSYS },
    { "mmap executable", map_executable, SIGSYS },
    { "abort", abort_self, SIGABRT },
#ifdef UNREEL_PLAIN
    { "take memory", take_memory, 0 },
    { "spin", spin, SIGXCPU },
#endif
};

struct act_task {
    struct crew_task task;
    int (*act)(void);
    int result;
};

static void run_act(struct crew_task *task)
{
    struct act_task *a = (struct act_task *)(void *)task;
    a->result = a->act();
}

/* By the process's own thread, or by one that was there before the walls. */
static int lock_in_and_act(int (*act)(void), int threads)
{
    struct sandbox_limits limits = { (int64_t)512 << 20, 1, 0 };
    struct error e;
    struct crew *crew = NULL;
    struct act_task task = { .task = { .run = run_act }, .act = act };
    (void)close(STDERR_FILENO);
    (void)open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (threads == 0) {
        return sandbox_enter(&limits, &e) == OK ? act() : 3;
    }
    if (sandbox_begin(&e) != OK || crew_new(threads, &crew, &e) != OK ||
        sandbox_shut(&limits, &e) != OK) {
        return 3;
    }
    crew_submit(crew, &task.task);
    crew_wait(crew, &task.task);
    return task.result;
}

static int in_sandbox(int (*act)(void), int threads)
{
    pid_t pid = fork();
    if (pid == 0) {
        _exit(lock_in_and_act(act, threads));
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void check_walls(int threads)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int status = in_sandbox(rows[i].act, threads);
        bool is_right = rows[i].signal == 0
                            ? WIFEXITED(status) && WEXITSTATUS(status) == FINE
                            : WIFSIGNALED(status) && WTERMSIG(status) == rows[i].signal;
        if (!is_right) {
            print_message("%s: status 0x%x\n", rows[i].name, (unsigned)status);
        }
        assert_true(is_right);
    }
}

static void test_walls(void **state)
{
    (void)state;
    check_walls(0);
}

/* A thread that was there before is behind them too. */
static void test_walls_around_threads(void **state)
{
    (void)state;
    check_walls(2);
}

/* A thread makes calls when it starts that are not allowed later: none may be late. */
static void test_threads_are_up(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        int status = in_sandbox(work, i % 2 == 0 ? 64 : 8);
        if (status != FINE << 8) {
            print_message("round %d: status 0x%x\n", i, (unsigned)status);
        }
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == FINE);
    }
}

static void *do_nothing(void *arg)
{
    return arg;
}

static int make_thread(void)
{
    pthread_t id;
    return pthread_create(&id, NULL, do_nothing, NULL);
}

static void test_no_thread_later(void **state)
{
    (void)state;
    int status = in_sandbox(make_thread, 2);
    assert_true(WIFSIGNALED(status));
#ifdef UNREEL_PLAIN
    assert_int_equal(WTERMSIG(status), SIGSYS);
#endif
}

static int look_at_limits(void)
{
    static const int resources[] = { RLIMIT_NOFILE, RLIMIT_NPROC, RLIMIT_CORE, RLIMIT_FSIZE };
    for (size_t i = 0; i < sizeof(resources) / sizeof(resources[0]); i++) {
        struct rlimit limit;
        /* A raised limit would be a way out. */
        if (syscall(SYS_prlimit64, 0, resources[i], NULL, &limit) != 0 || limit.rlim_max > 3) {
            return 1;
        }
    }
    return FINE;
}

static void test_limits(void **state)
{
    (void)state;
    /* prlimit64 is allowed in a build with a sanitizer only. */
    int status = in_sandbox(look_at_limits, 0);
#ifdef UNREEL_PLAIN
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
#else
    assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == FINE);
#endif
}

static void test_list_is_short(void **state)
{
    (void)state;
    static const char *const never[] = {
        "open",   "openat",   "socket", "connect", "clone",   "clone3", "fork",          "vfork",
        "execve", "execveat", "ptrace", "kill",    "sendmsg", "mount",  "io_uring_setup"
    };
    size_t count = 0;
    const char *const *calls = sandbox_allowed_calls();
    for (; calls[count] != NULL; count++) {
        for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++) {
            assert_string_not_equal(calls[count], never[i]);
        }
    }
#ifdef UNREEL_PLAIN
    /* mmap and tgkill are not in the list, for they have conditions. */
    assert_in_range(count, 15, 28);
#else
    assert_in_range(count, 15, 40);
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_walls),          cmocka_unit_test(test_walls_around_threads),
        cmocka_unit_test(test_threads_are_up), cmocka_unit_test(test_no_thread_later),
        cmocka_unit_test(test_limits),         cmocka_unit_test(test_list_is_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
