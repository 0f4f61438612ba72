#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "core/attr.h"
#include "core/id.h"

static void test_new_ids_are_valid_and_differ(void **state)
{
    char ids[64][ID_SIZE];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        id_new(ids[i]);
        assert_true(id_is_valid(ids[i]));
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(ids[i], ids[j]);
        }
    }
}

static void test_validity(void **state)
{
    static const struct {
        const char *text;
        bool is_valid;
    } cases[] = {
        { "0123456789abcdef01234567", true },
        { "0123456789ABCDEF01234567", false },
        { "0123456789abcdef0123456", false },
        { "0123456789abcdef012345678", false },
        { "0123456789abcdef0123456g", false },
        { "", false },
        { NULL, false },
        { "../../../../../etc/passwd", false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(id_is_valid(cases[i].text), cases[i].is_valid);
    }
}

static void test_random_below_stays_below_and_reaches_all(void **state)
{
    unsigned seen[6] = { 0 };

    (void)state;
    for (int i = 0; i < 3000; i++) {
        unsigned value = random_below(6);
        assert_in_range(value, 0, 5);
        seen[value]++;
    }
    for (size_t i = 0; i < ARRAY_LEN(seen); i++) {
        assert_in_range(seen[i], 300, 800);
    }
    assert_int_equal(random_below(1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new_ids_are_valid_and_differ),
        cmocka_unit_test(test_validity),
        cmocka_unit_test(test_random_below_stays_below_and_reaches_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
