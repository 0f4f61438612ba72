#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/attr.h"
#include "core/clock.h"
#include "queue/queue_wake.h"

static char folder[] = "/tmp/unreel-wake-XXXXXX";
static char path[64];

static int make_folder(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL) {
        return -1;
    }
    (void)snprintf(path, sizeof(path), "%s/wake", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    (void)unlink(path);
    return rmdir(folder);
}

static struct queue_wake *open_wake(void)
{
    struct queue_wake *w = NULL;

    assert_int_equal(queue_wake_open(path, &w, NULL), OK);
    return w;
}

static int64_t waited_ms(struct queue_wake *w, int64_t timeout_ms)
{
    int64_t began_ms = clock_mono_ms();

    queue_wake_wait(w, timeout_ms);
    return clock_mono_ms() - began_ms;
}

static void a_touch_ends_the_wait_once(void **state)
{
    (void)state;
    struct queue_wake *w = open_wake();
    assert_in_range(waited_ms(w, 200), 190, 2000);
    queue_wake_touch(path);
    queue_wake_touch(path);
    assert_in_range(waited_ms(w, 5000), 0, 1000);
    assert_in_range(waited_ms(w, 200), 190, 2000);
    queue_wake_close(w);
}

static void *touch_later(void *unused)
{
    (void)usleep(100000);
    queue_wake_touch(path);
    return unused;
}

static void a_touch_wakes_all_that_wait(void **state)
{
    (void)state;
    struct queue_wake *a = open_wake();
    struct queue_wake *b = open_wake();
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, touch_later, NULL), 0);
    assert_in_range(waited_ms(a, 5000), 50, 2000);
    assert_in_range(waited_ms(b, 5000), 0, 1000);
    assert_int_equal(pthread_join(thread, NULL), 0);
    queue_wake_close(a);
    queue_wake_close(b);
}

static void a_removed_file_is_watched_again(void **state)
{
    (void)state;
    struct queue_wake *w = open_wake();
    assert_int_equal(unlink(path), 0);
    assert_in_range(waited_ms(w, 5000), 0, 1000);
    queue_wake_touch(path);
    assert_in_range(waited_ms(w, 5000), 0, 1000);
    queue_wake_close(w);
}

static void an_interrupt_lasts(void **state)
{
    (void)state;
    struct queue_wake *w = open_wake();
    queue_wake_interrupt(w);
    assert_in_range(waited_ms(w, 5000), 0, 1000);
    assert_in_range(waited_ms(w, 5000), 0, 1000);
    queue_wake_close(w);
}

static void the_file_is_private(void **state)
{
    (void)state;
    struct stat info;
    queue_wake_close(open_wake());
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
}

static void a_missing_folder_is_an_error(void **state)
{
    (void)state;
    struct queue_wake *w = NULL;
    struct error e = { 0 };
    assert_int_equal(queue_wake_open("/nowhere/at/all", &w, &e), ERR_FAULT);
    assert_true(e.text[0] != '\0');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_touch_ends_the_wait_once),
        cmocka_unit_test(a_touch_wakes_all_that_wait),
        cmocka_unit_test(a_removed_file_is_watched_again),
        cmocka_unit_test(an_interrupt_lasts),
        cmocka_unit_test(the_file_is_private),
        cmocka_unit_test(a_missing_folder_is_an_error),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
