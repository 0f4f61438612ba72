#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "command.h"

static const struct option_spec options[] = {
    { "--wait", NULL, "a switch" },
    { "--output", "FILE", "a value" },
};
static const struct command command = { .name = "test",
                                        .arguments = "",
                                        .help = "Tests.",
                                        .options = options,
                                        .option_count = ARRAY_LEN(options) };

static void test_all_forms(void **state)
{
    const char *words[] = { "test",   "one", "--output=a b", "--json", "--output", "--x",
                            "--wait", "-",   "--",           "--wait", NULL };
    struct arguments a;
    size_t option = 0;
    const char *value = NULL;
    (void)state;
    char *argv[ARRAY_LEN(words)] = { NULL };
    for (size_t i = 0; words[i] != NULL; i++) {
        argv[i] = strdup(words[i]);
    }
    arguments_init(&a, &command, (int)ARRAY_LEN(argv) - 1, argv);
    assert_int_equal(arguments_next(&a, &option, &value), ARGUMENT_OPERAND);
    assert_string_equal(value, "one");
    assert_int_equal(arguments_next(&a, &option, &value), ARGUMENT_OPTION);
    assert_int_equal(option, 1);
    assert_string_equal(value, "a b");
    assert_int_equal(arguments_next(&a, &option, &value), ARGUMENT_OPTION);
    assert_true(a.json);
    assert_string_equal(value, "--x");
    assert_int_equal(arguments_next(&a, &option, &value), ARGUMENT_OPTION);
    assert_int_equal(option, 0);
    assert_null(value);
    assert_int_equal(arguments_next(&a, &option, &value), ARGUMENT_OPERAND);
    assert_string_equal(value, "-");
    assert_int_equal(arguments_next(&a, &option, &value), ARGUMENT_OPERAND);
    assert_string_equal(value, "--wait");
    assert_int_equal(arguments_next(&a, &option, &value), ARGUMENT_END);
    assert_false(a.has_failed);
    for (size_t i = 0; i < ARRAY_LEN(argv); i++) {
        free(argv[i]);
    }
}

static void test_mistakes(void **state)
{
    static const char *const mistakes[] = { "--nonsense", "--wait=1", "--output", "--out=x", "-o" };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(mistakes); i++) {
        char *text = strdup(mistakes[i]);
        char *argv[] = { text, text, NULL };
        struct arguments a;
        size_t option = 0;
        const char *value = NULL;
        arguments_init(&a, &command, 2, argv);
        assert_int_equal(arguments_next(&a, &option, &value), ARGUMENT_END);
        assert_true(a.has_failed);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_forms),
        cmocka_unit_test(test_mistakes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
