/* How often the dependencies are asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdatomic.h>

#include "core/attr.h"
#include "core/clock.h"
#include "service/checks.h"

static atomic_int calls;

static enum err passes(void *ctx, struct error *e)
{
    (void)ctx;
    (void)e;
    atomic_fetch_add(&calls, 1);
    return OK;
}

static enum err fails(void *ctx, struct error *e)
{
    (void)ctx;
    return err_set(e, ERR_BUSY, "never");
}

static void test_how_often(void **state)
{
    static const struct {
        bool info_only;  /* the one that fails */
        int least, most; /* calls of the other one within 2.5 s */
    } rows[] = {
        { false, 2, 3 }, /* every second, until it is there again */
        { true, 1, 1 },  /* every 5 s: it may be so for ever */
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct checks *c = checks_new();
        checks_add(c, "broken", rows[i].info_only, fails, NULL);
        checks_add(c, "fine", false, passes, NULL);
        atomic_store(&calls, 0);
        assert_int_equal(checks_start(c, NULL), OK);
        clock_sleep_ms(2500);
        assert_true(checks_stop(c, 5000));
        assert_in_range(atomic_load(&calls), rows[i].least, rows[i].most);
        assert_int_equal(checks_are_up(c), rows[i].info_only);
        checks_free(c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_how_often),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
