#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/mem.h"
#include "environment.h"

/* NOLINTBEGIN(concurrency-mt-unsafe): one thread */

static char auth_names[] = "UNREEL_PORT\nUNREEL_ADMIN_PASSWORD\n";
static char gateway_names[] = "UNREEL_PORT\nUNREEL_MAX_UPLOAD_BYTES";
static char *const names[] = { auth_names, gateway_names };

static const char *value_of(const struct environment *env, const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < env->count; i++) {
        if (strncmp(env->list[i], name, len) == 0 && env->list[i][len] == '=') {
            return env->list[i] + len + 1;
        }
    }
    return NULL;
}

static int clean(void **state)
{
    (void)state;
    return clearenv();
}

static void test_only_known_names_are_inherited(void **state)
{
    struct environment env = { 0 };
    (void)state;
    (void)setenv("HOME", "/somewhere", 1);
    (void)setenv("UNREEL_PORT", "1", 1);
    (void)setenv("UNREEL_ADMIN_PASSWORD_FILE", "/secret", 1);
    (void)setenv("UNREEL_MAX_UPLOAD_BYTES", "2", 1);
    (void)setenv("UNREEL_TEST_MYSQL_URL", "x", 1);
    environment_inherit(&env, auth_names);
    assert_string_equal(value_of(&env, "HOME"), "/somewhere");
    assert_string_equal(value_of(&env, "UNREEL_PORT"), "1");
    assert_string_equal(value_of(&env, "UNREEL_ADMIN_PASSWORD_FILE"), "/secret");
    assert_null(value_of(&env, "UNREEL_MAX_UPLOAD_BYTES"));
    assert_null(env.list[env.count]);
    environment_release(env.list);
}

static void test_name_and_its_file_are_one(void **state)
{
    struct environment env = { 0 };
    (void)state;
    environment_add(&env, xstrdup("UNREEL_A_FILE=/secret"));
    environment_add(&env, xstrdup("UNREEL_BC=1"));
    assert_true(environment_has(&env, "UNREEL_A=x"));
    assert_true(environment_has(&env, "UNREEL_BC"));
    assert_false(environment_has(&env, "UNREEL_B=1"));
    assert_false(environment_has(&env, "UNREEL_BCD=1"));
    environment_release(env.list);
}

static void test_unknown_names_are_refused(void **state)
{
    struct error e = { 0 };
    (void)state;
    (void)setenv("OTHER", "1", 1);
    (void)setenv("UNREEL_TEST_ANYTHING", "1", 1);
    (void)setenv("UNREEL_MAX_UPLOAD_BYTES", "1", 1);
    assert_int_equal(environment_check(names, ARRAY_LEN(names), &e), OK);
    (void)setenv("UNREEL_MAX_UPLOAD", "secret", 1);
    assert_int_equal(environment_check(names, ARRAY_LEN(names), &e), ERR_INVALID);
    assert_non_null(strstr(e.text, "UNREEL_MAX_UPLOAD"));
    assert_null(strstr(e.text, "secret"));
}

static void test_places(void **state)
{
    (void)state;
    (void)setenv("HOME", "/h", 1);
    AUTO(mem_free) char *at_home = environment_data_folder();
    assert_string_equal(at_home, "/h/.local/share/unreel");
    (void)setenv("XDG_DATA_HOME", "/x", 1);
    AUTO(mem_free) char *at_xdg = environment_data_folder();
    assert_string_equal(at_xdg, "/x/unreel");
    AUTO(mem_free) char *url = environment_sqlite_url("/my data", "queue.db");
    assert_string_equal(url, "sqlite:/my data/queue.db");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_only_known_names_are_inherited, clean),
        cmocka_unit_test_setup(test_name_and_its_file_are_one, clean),
        cmocka_unit_test_setup(test_unknown_names_are_refused, clean),
        cmocka_unit_test_setup(test_places, clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* NOLINTEND(concurrency-mt-unsafe) */
