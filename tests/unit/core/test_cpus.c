#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sched.h>

#include "core/attr.h"
#include "core/cpus.h"

static void test_quotas(void **state)
{
    (void)state;

    static const struct {
        const char *text;
        int64_t cpus;
    } rows[] = {
        { "max 100000", INT64_MAX }, { "100000 100000", 1 },
        { "150000 100000", 2 },      { "200000 100000", 2 },
        { "1000 100000", 1 },        { "6400000 100000", 64 },
        { "50000 20000", 3 },        { "", INT64_MAX },
        { "100000", INT64_MAX },     { " 100000", INT64_MAX },
        { "0 100000", INT64_MAX },   { "-1 100000", INT64_MAX },
        { "100000 0", INT64_MAX },   { "100000 x", INT64_MAX },
        { "1e5 100000", INT64_MAX }, { "99999999999999999999999999 1", INT64_MAX },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (cpus_of_quota(rows[i].text) != rows[i].cpus) {
            fail_msg("%s: %lld", rows[i].text, (long long)cpus_of_quota(rows[i].text));
        }
    }
}

static void test_affinity(void **state)
{
    (void)state;
    cpu_set_t before;
    cpu_set_t one;
    assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
    assert_in_range(cpus_allowed(), 1, CPU_COUNT(&before));
    CPU_ZERO(&one);
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, &before)) {
            CPU_SET(cpu, &one);
            break;
        }
    }
    assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
    assert_int_equal(cpus_allowed(), 1);
    assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quotas),
        cmocka_unit_test(test_affinity),
    };
    return cmocka_run_group_tests_name("cpus", tests, NULL, NULL);
}
