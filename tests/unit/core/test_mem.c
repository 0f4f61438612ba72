#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_auto_frees_what_was_not_taken),
        cmocka_unit_test(test_sizes_of_zero),
        cmocka_unit_test(test_copies),
        cmocka_unit_test(test_wipe),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
