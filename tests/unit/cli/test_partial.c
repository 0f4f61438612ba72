#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/mem.h"
#include "partial.h"

static char folder[64];

static int setup(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof(folder), "/tmp/unreel-partial-XXXXXX");
    return mkdtemp(folder) != NULL && chdir(folder) == 0 ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    (void)unlink("out");
    (void)unlink("link");
    return chdir("/") == 0 ? rmdir(folder) : -1;
}

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void assert_text(const char *path, const char *wanted)
{
    char text[64] = "";
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    assert_non_null(fgets(text, sizeof(text), file));
    assert_int_equal(fclose(file), 0);
    assert_string_equal(text, wanted);
}

static int count_files(void)
{
    int count = 0;
    DIR *d = opendir(".");
    assert_non_null(d);
    while (readdir(d) != NULL) { /* NOLINT(concurrency-mt-unsafe) */
        count++;
    }
    (void)closedir(d);
    return count - 2;
}

static void test_commit(void **state)
{
    struct partial p;
    struct stat info;
    (void)state;
    write_text("out", "old");
    (void)umask(022);
    assert_int_equal(partial_open("out", &p, NULL), OK);
    assert_int_equal(write(p.fd, "new", 3), 3);
    assert_text("out", "old");
    assert_int_equal(partial_commit(&p, NULL), OK);
    assert_text("out", "new");
    assert_int_equal(stat("out", &info), 0);
    assert_int_equal(info.st_mode & 0777, 0644);
    assert_int_equal(count_files(), 1);
}

static void test_abort(void **state)
{
    struct partial p;
    (void)state;
    write_text("out", "old");
    assert_int_equal(partial_open("out", &p, NULL), OK);
    assert_int_equal(count_files(), 2);
    partial_abort(&p);
    assert_text("out", "old");
    assert_int_equal(count_files(), 1);
}

static void test_a_link_stays(void **state)
{
    struct partial p;
    struct stat info;
    (void)state;
    write_text("out", "old");
    assert_int_equal(symlink("out", "link"), 0);
    assert_int_equal(partial_open("link", &p, NULL), OK);
    assert_int_equal(write(p.fd, "new", 3), 3);
    assert_int_equal(partial_commit(&p, NULL), OK);
    assert_text("out", "new");
    assert_int_equal(lstat("link", &info), 0);
    assert_true(S_ISLNK(info.st_mode));
}

static void test_what_is_no_file_is_refused(void **state)
{
    struct partial p;
    struct error e = { 0 };
    (void)state;
    assert_int_equal(partial_open("/dev/null", &p, &e), ERR_INVALID);
    assert_int_equal(partial_open(".", &p, &e), ERR_INVALID);
    assert_int_equal(partial_open("no/such/folder", &p, &e), ERR_FAULT);
    assert_non_null(strstr(e.text, "no/such/folder"));
}

static void test_a_signal_leaves_nothing(void **state)
{
    (void)state;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct partial p;
        _exit(partial_open("out", &p, NULL) == OK && raise(SIGTERM) == 0 ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGTERM);
    assert_int_equal(count_files(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_commit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_abort, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_link_stays, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_no_file_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_signal_leaves_nothing, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
