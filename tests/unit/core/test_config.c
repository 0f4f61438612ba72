#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/config.h"
#include "core/mem.h"

/* NOLINTBEGIN(concurrency-mt-unsafe): one thread, and the environment is what is tested. */

struct settings {
    struct config_common common;
    char *title;
    char *password;
    char *url;
    int64_t count;
    int64_t size_bytes;
    bool is_on;
};

static const struct config_key keys[] = {
    CONFIG_COMMON_KEYS("8081"),
    { "UNREEL_TITLE", CONFIG_TEXT, offsetof(struct settings, title), "", "title of the page", 0, 0,
      NULL },
    { "UNREEL_PASSWORD", CONFIG_SECRET, offsetof(struct settings, password), "none", "a secret", 0,
      0, NULL },
    { "UNREEL_STORE_URL", CONFIG_URL, offsetof(struct settings, url), NULL, "where it is | was", 0,
      0, NULL },
    { "UNREEL_COUNT", CONFIG_INT, offsetof(struct settings, count), "3", "how many", 1, 10, NULL },
    { "UNREEL_SIZE", CONFIG_SIZE, offsetof(struct settings, size_bytes), "64KiB",
      "a limit with a long text of help, so that it has to be wrapped when it is shown in columns",
      1024, INT64_C(1) << 40, NULL },
    { "UNREEL_ON", CONFIG_BOOL, offsetof(struct settings, is_on), "true", "whether", 0, 0, NULL },
};

/* Each test starts with the required variable and nothing else of ours. */
static int clean(void **state)
{
    (void)state;
    for (char **entry = environ; *entry != NULL;) {
        if (strncmp(*entry, "UNREEL_", 7) == 0) {
            AUTO(mem_free) char *name = xstrndup(*entry, strcspn(*entry, "="));
            (void)unsetenv(name);
            entry = environ;
        } else {
            entry++;
        }
    }
    return setenv("UNREEL_STORE_URL", "file:/srv", 1);
}

static enum err load(struct settings *s, struct error *e)
{
    *s = (struct settings){ 0 };
    *e = (struct error){ 0 };
    return config_load(keys, ARRAY_LEN(keys), s, e);
}

static void release(struct settings *s)
{
    config_release(keys, ARRAY_LEN(keys), s);
}

static void test_defaults(void **state)
{
    struct settings s;
    struct error e;

    (void)state;
    assert_int_equal(load(&s, &e), OK);
    assert_int_equal(s.common.log_level, 1);
    assert_int_equal(s.common.log_format, 0);
    assert_string_equal(s.common.bind_address, "127.0.0.1");
    assert_int_equal(s.common.ops_port, 8081);
    assert_int_equal(s.common.drain_timeout_s, 30);
    assert_string_equal(s.title, "");
    assert_string_equal(s.password, "none");
    assert_string_equal(s.url, "file:/srv");
    assert_int_equal(s.count, 3);
    assert_int_equal(s.size_bytes, 65536);
    assert_true(s.is_on);
    release(&s);
    assert_null(s.title);
}

static void test_values(void **state)
{
    struct settings s;
    struct error e;

    (void)state;
    (void)setenv("UNREEL_LOG_LEVEL", "error", 1);
    (void)setenv("UNREEL_TITLE", "a title", 1);
    (void)setenv("UNREEL_COUNT", "10", 1);
    (void)setenv("UNREEL_SIZE", "1GiB", 1);
    (void)setenv("UNREEL_ON", "0", 1);
    (void)setenv("UNREEL_TEST_MYSQL_URL", "not ours", 1);
    assert_int_equal(load(&s, &e), OK);
    assert_int_equal(s.common.log_level, 3);
    assert_string_equal(s.title, "a title");
    assert_int_equal(s.count, 10);
    assert_int_equal(s.size_bytes, 1 << 30);
    assert_false(s.is_on);
    release(&s);
}

static void test_refusals_name_the_variable(void **state)
{
    static const struct {
        const char *name;
        const char *value; /* NULL: unset */
        const char *text;  /* what the error says */
    } cases[] = {
        { "UNREEL_STORE_URL", NULL, "UNREEL_STORE_URL is required: where it is | was" },
        { "UNREEL_STORE_URL", "", "UNREEL_STORE_URL must not be empty" },
        { "UNREEL_COUNT", "11", "UNREEL_COUNT must be a number from 1 to 10, not \"11\"" },
        { "UNREEL_COUNT", "", "UNREEL_COUNT must be a number from 1 to 10, not \"\"" },
        { "UNREEL_COUNT", "3x", "UNREEL_COUNT must be a number from 1 to 10, not \"3x\"" },
        { "UNREEL_SIZE", "1KB",
          "UNREEL_SIZE must be a size in bytes (or KiB, MiB, GiB) from 1024 to 1099511627776, not "
          "\"1KB\"" },
        { "UNREEL_ON", "yes", "UNREEL_ON must be true or false, not \"yes\"" },
        { "UNREEL_LOG_LEVEL", "debu",
          "UNREEL_LOG_LEVEL must be one of debug|info|warn|error, not \"debu\"" },
        { "UNREEL_TITEL", "x", "unknown variable UNREEL_TITEL" },
        { "UNREEL_TITLE_FILE", "x", "unknown variable UNREEL_TITLE_FILE" },
        { "UNREEL_TITL", "x", "unknown variable UNREEL_TITL" },
        { "UNREEL_PASSWORD_FILES", "x", "unknown variable UNREEL_PASSWORD_FILES" },
        { "UNREEL_STORE_URL_FILE", "x", "UNREEL_STORE_URL and UNREEL_STORE_URL_FILE are both set" },
        { "UNREEL_PASSWORD_FILE", "/nonexistent/x",
          "UNREEL_PASSWORD_FILE: open /nonexistent/x: No such file or directory" },
        { "UNREEL_PASSWORD_FILE", "/", "UNREEL_PASSWORD_FILE: read /: Is a directory" },
        { "UNREEL_PASSWORD_FILE", "/dev/zero",
          "UNREEL_PASSWORD_FILE: /dev/zero is larger than 64 KiB" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct settings s;
        struct error e;
        (void)clean(state);
        if (cases[i].value == NULL) {
            (void)unsetenv(cases[i].name);
        } else {
            (void)setenv(cases[i].name, cases[i].value, 1);
        }
        assert_int_equal(load(&s, &e), ERR_INVALID);
        assert_string_equal(e.text, cases[i].text);
        assert_null(s.common.bind_address);
        assert_null(s.title);
    }
}

static void write_secret(char *path, const char *content, size_t len)
{
    int fd = mkostemp(path, O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, len), len);
    (void)close(fd);
}

static void test_secret_files(void **state)
{
    static const struct {
        const char *content;
        size_t len;
        const char *value; /* NULL: refused */
    } cases[] = {
        { "hunter2", 7, "hunter2" },       { "hunter2\n", 8, "hunter2" },
        { "hunter2\r\n", 9, "hunter2" },   { "two\nlines\n", 10, "two\nlines" },
        { "hunter2\n\n", 9, "hunter2\n" }, { "", 0, "" },
        { "nul\0byte", 8, NULL },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char path[] = "/tmp/unreel-secret-XXXXXX";
        struct settings s;
        struct error e;
        (void)clean(state);
        write_secret(path, cases[i].content, cases[i].len);
        (void)setenv("UNREEL_PASSWORD_FILE", path, 1);
        assert_int_equal(load(&s, &e), cases[i].value == NULL ? ERR_INVALID : OK);
        if (cases[i].value != NULL) {
            assert_string_equal(s.password, cases[i].value);
        }
        release(&s);
        (void)unlink(path);
    }
}

static void test_describe_hides_secrets(void **state)
{
    static const struct {
        const char *url;
        const char *shown;
    } cases[] = {
        { "file:/srv", "UNREEL_STORE_URL=file:/srv " },
        { "amqp://u:hunter2@h:5672/v", "UNREEL_STORE_URL=amqp://h:5672/v " },
        { "amqp://u:hun/ter2@h/v?password=hunter2", "UNREEL_STORE_URL=amqp://h/v?*** " },
        { "amqp://u:hunter2@x@h", "UNREEL_STORE_URL=amqp://h " },
        { "mongodb://u:hunter2@a:1,b:2/db?replicaSet=rs",
          "UNREEL_STORE_URL=mongodb://a:1,b:2/db?*** " },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct settings s;
        struct error e;
        (void)clean(state);
        (void)setenv("UNREEL_STORE_URL", cases[i].url, 1);
        (void)setenv("UNREEL_PASSWORD", "hunter2", 1);
        assert_int_equal(load(&s, &e), OK);
        AUTO(mem_free) char *text = config_describe(keys, ARRAY_LEN(keys), &s);
        assert_non_null(strstr(text, cases[i].shown));
        assert_non_null(strstr(text, "UNREEL_LOG_LEVEL=info "));
        assert_non_null(strstr(text, "UNREEL_PASSWORD=*** "));
        assert_non_null(strstr(text, "UNREEL_SIZE=65536 UNREEL_ON=true"));
        assert_null(strstr(text, "hunter"));
        assert_null(strstr(text, "ter2"));
        release(&s);
    }
}

/* What `print` writes to standard output. */
static char *printed(void (*print)(const struct config_key *, size_t))
{
    char path[] = "/tmp/unreel-print-XXXXXX";
    int fd = mkostemp(path, O_CLOEXEC);
    int saved = dup(STDOUT_FILENO);
    char *text = xcalloc(1, 16384);

    assert_true(fd >= 0 && saved >= 0);
    (void)unlink(path);
    (void)fflush(stdout);
    (void)dup2(fd, STDOUT_FILENO);
    print(keys, ARRAY_LEN(keys));
    (void)fflush(stdout);
    (void)dup2(saved, STDOUT_FILENO);
    (void)close(saved);
    assert_true(pread(fd, text, 16383, 0) > 0);
    (void)close(fd);
    return text;
}

static void test_help(void **state)
{
    AUTO(mem_free) char *text = printed(config_print_help);

    (void)state;
    assert_non_null(strstr(text, "  UNREEL_LOG_LEVEL        least level that is logged (debug, "
                                 "info, warn or error) [info]\n"));
    assert_non_null(strstr(text, "  UNREEL_STORE_URL        where it is | was "
                                 "(or UNREEL_STORE_URL_FILE) [required]\n"));
    assert_non_null(strstr(text, "  UNREEL_TITLE            title of the page\n"));
    assert_non_null(strstr(text, "\n                          "));
    for (const char *line = text; *line != '\0'; line += strcspn(line, "\n") + 1) {
        assert_in_range(strcspn(line, "\n"), 1, 100);
    }
}

static void test_markdown(void **state)
{
    AUTO(mem_free) char *text = printed(config_print_markdown);

    (void)state;
    assert_memory_equal(text, "| name | default | meaning |\n|---|---|---|\n", 43);
    assert_non_null(strstr(text, "| `UNREEL_TITLE` |  | title of the page |\n"));
    assert_non_null(strstr(text, "| `UNREEL_STORE_URL` | required | where it is \\| was "
                                 "(or UNREEL_STORE_URL_FILE) |\n"));
    assert_non_null(strstr(text, "| `UNREEL_COUNT` | `3` | how many (1 to 10) |\n"));
    assert_non_null(strstr(text, "(1KiB to 1TiB) |\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_defaults, clean),
        cmocka_unit_test_setup(test_values, clean),
        cmocka_unit_test_setup(test_refusals_name_the_variable, clean),
        cmocka_unit_test_setup(test_secret_files, clean),
        cmocka_unit_test_setup(test_describe_hides_secrets, clean),
        cmocka_unit_test(test_help),
        cmocka_unit_test(test_markdown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* NOLINTEND(concurrency-mt-unsafe) */
