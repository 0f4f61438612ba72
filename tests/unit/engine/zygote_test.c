/* When a zygote is kept and when it is left, whatever its children do. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/clock.h"
#include "engine/zygote.h"

static pid_t parent_of(pid_t pid)
{
    char path[64];
    char line[256];
    int parent = -1;
    (void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    while (parent < 0 && fgets(line, sizeof(line), file) != NULL) {
        (void)sscanf(line, "PPid: %d", &parent);
    }
    (void)fclose(file);
    return parent;
}

/* Ends a child by a signal, or by closing its input; its status. */
static int end(struct zygote *z, struct spawned *child, int number)
{
    int status = -1;
    struct rusage usage;
    if (number != 0) {
        assert_int_equal(kill(child->pid, number), 0);
    }
    (void)close(child->control);
    child->control = -1;
    assert_int_equal(zygote_wait(z, child, 0, &status, &usage), child->pid);
    spawn_close(child);
    return status;
}

static bool is_gone(pid_t pid)
{
    for (int i = 0; i < 100; i++) {
        if (kill(pid, 0) != 0) {
            return true;
        }
        clock_sleep_ms(10);
    }
    return false;
}

static void test_kept_until_a_child_dies_of_a_signal(void **state)
{
    (void)state;
    struct zygote *z = zygote_new(EVIL_CHILD);
    struct spawned a, b;
    assert_int_equal(zygote_spawn(z, &a, NULL), OK);
    pid_t first = parent_of(a.pid);
    assert_int_not_equal(first, getpid());
    assert_true(WIFEXITED(end(z, &a, 0)));
    assert_int_equal(zygote_spawn(z, &a, NULL), OK);
    assert_int_equal(zygote_spawn(z, &b, NULL), OK);
    assert_int_equal(parent_of(a.pid), first);
    assert_int_equal(parent_of(b.pid), first);
    assert_int_equal(WTERMSIG(end(z, &a, SIGKILL)), SIGKILL);
    /* It is left, but b is still its child. */
    assert_int_equal(zygote_spawn(z, &a, NULL), OK);
    assert_int_not_equal(parent_of(a.pid), first);
    assert_true(WIFEXITED(end(z, &b, 0)));
    assert_true(is_gone(first));
    pid_t second = parent_of(a.pid);
    assert_true(WIFEXITED(end(z, &a, 0)));
    zygote_free(z);
    assert_true(is_gone(second));
}

/* A zygote that was killed costs the runs of its children, and nothing after. */
static void test_a_dead_zygote_is_replaced(void **state)
{
    (void)state;
    struct zygote *z = zygote_new(EVIL_CHILD);
    struct spawned child;
    assert_int_equal(zygote_spawn(z, &child, NULL), OK);
    pid_t first = parent_of(child.pid);
    assert_int_equal(kill(first, SIGKILL), 0);
    assert_int_equal(WEXITSTATUS(end(z, &child, 0)), 1);
    assert_int_equal(zygote_spawn(z, &child, NULL), OK);
    pid_t second = parent_of(child.pid);
    assert_int_not_equal(second, first);
    assert_true(WIFEXITED(end(z, &child, 0)));
    /* Dead between two children. */
    assert_int_equal(kill(second, SIGKILL), 0);
    assert_int_equal(zygote_spawn(z, &child, NULL), OK);
    assert_true(WIFEXITED(end(z, &child, 0)));
    zygote_free(z);
}

static void test_no_program(void **state)
{
    (void)state;
    struct spawned child;
    struct error e = { 0 };
    struct zygote *z = zygote_new("/nonexistent/unreel-engine");
    assert_int_equal(zygote_spawn(z, &child, &e), ERR_FAULT);
    assert_non_null(strstr(e.text, "/nonexistent/unreel-engine"));
    zygote_free(z);
    /* It starts, and knows nothing of zygotes. */
    z = zygote_new("/bin/true");
    assert_int_equal(zygote_spawn(z, &child, &e), ERR_FAULT);
    zygote_free(z);
}

static void *run_some(void *arg)
{
    for (int i = 0; i < 40; i++) {
        struct spawned child;
        assert_int_equal(zygote_spawn(arg, &child, NULL), OK);
        int number = i % 8 == 7 ? SIGKILL : 0;
        int status = end(arg, &child, number);
        assert_int_equal(WIFSIGNALED(status) ? WTERMSIG(status) : 0, number);
    }
    return NULL;
}

static void test_from_several_threads(void **state)
{
    (void)state;
    struct zygote *z = zygote_new(EVIL_CHILD);
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, run_some, z), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    zygote_free(z);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kept_until_a_child_dies_of_a_signal),
        cmocka_unit_test(test_a_dead_zygote_is_replaced),
        cmocka_unit_test(test_no_program),
        cmocka_unit_test(test_from_several_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
