#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/mem.h"

static int freed;

static void counted_free(char *p)
{
    if (p != NULL) {
        freed++;
        free(p);
    }
}
DEFINE_AUTO(char *, counted_free)

static char *make(int keep)
{
    AUTO(counted_free) char *p = xstrdup("text");

    return keep ? TAKE(p) : NULL;
}

static void test_auto_frees_what_was_not_taken(void **state)
{
    (void)state;
    freed = 0;
    assert_null(make(0));
    assert_int_equal(freed, 1);
    AUTO(mem_free) char *kept = make(1);
    assert_int_equal(freed, 1);
    assert_string_equal(kept, "text");
}

static void test_sizes_of_zero(void **state)
{
    (void)state;
    AUTO(mem_free) void *a = xmalloc(0);
    AUTO(mem_free) void *b = xcalloc(0, 8);
    AUTO(mem_free) void *c = xrealloc(xmalloc(4), 0);
    assert_non_null(a);
    assert_non_null(b);
    assert_non_null(c);
}

static void test_copies(void **state)
{
    (void)state;
    AUTO(mem_free) char *a = xstrndup("abcdef", 3);
    AUTO(mem_free) char *b = xstrndup("ab", 30);
    AUTO(mem_free) char *c = xasprintf("%d-%s", 7, "x");
    assert_string_equal(a, "abc");
    assert_string_equal(b, "ab");
    assert_string_equal(c, "7-x");
}

static void test_wipe(void **state)
{
    char secret[8] = "secret!";
    static const char zeros[8];

    (void)state;
    mem_wipe(secret, sizeof(secret));
    assert_memory_equal(secret, zeros, sizeof(secret));
    mem_wipe(NULL, 0);
}

/* A sanitizer's malloc ends the process itself, unless told. */
const char *__asan_default_options(void);
const char *__tsan_default_options(void);

const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

const char *__tsan_default_options(void)
{
    return "allocator_may_return_null=1";
}

static void end_with_7(void)
{
    _exit(7);
}

/* How a process ends that asks for more than there can be. */
static int end_of_a_glutton(void (*end)(void))
{
    pid_t pid = fork();
    if (pid == 0) {
        (void)close(STDERR_FILENO);
        mem_on_exhausted(end);
        volatile size_t too_much = SIZE_MAX / 4;
        free(xmalloc(too_much));
        _exit(1);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void test_exhausted(void **state)
{
    (void)state;
    int status = end_of_a_glutton(end_with_7);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    assert_true(WIFSIGNALED(end_of_a_glutton(NULL)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_auto_frees_what_was_not_taken),
        cmocka_unit_test(test_sizes_of_zero),
        cmocka_unit_test(test_copies),
        cmocka_unit_test(test_wipe),
        cmocka_unit_test(test_exhausted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
