/* Several processes on one queue: the suite runs itself again as a helper. */
#include "queue_contract.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/clock.h"

#define PUT_COUNT 41
#define WAKE_LIMIT_US 10000

struct child {
    pid_t pid;
    FILE *output;
};

static struct child start_child(const char *role)
{
    int fds[2];
    struct child child;

    assert_int_equal(pipe(fds), 0);
    child.pid = fork();
    assert_true(child.pid >= 0);
    if (child.pid == 0) {
        (void)dup2(fds[1], STDOUT_FILENO);
        (void)close(fds[0]);
        (void)execl("/proc/self/exe", "queue_contract", role, queue_url, (char *)NULL);
        _exit(127);
    }
    (void)close(fds[1]);
    child.output = fdopen(fds[0], "r");
    assert_non_null(child.output);
    return child;
}

static void assert_says(const struct child *child, const char *expected)
{
    char line[64] = "";

    assert_non_null(fgets(line, sizeof(line), child->output));
    assert_string_equal(line, expected);
}

static void end_child(struct child *child, int signal)
{
    int status = 0;

    if (signal != 0) {
        (void)kill(child->pid, signal);
    }
    assert_int_equal(waitpid(child->pid, &status, 0), child->pid);
    if (signal == 0) {
        assert_int_equal(status, 0);
    }
    (void)fclose(child->output);
}

static int compare(const void *a, const void *b)
{
    long long x = *(const long long *)a;
    long long y = *(const long long *)b;

    return x < y ? -1 : x > y;
}

/* From the return of put in one process to the return of take in another. */
static void a_put_wakes_a_taker_in_another_process(void **state)
{
    (void)state;
    struct child child = start_child("measure");
    long long delays_us[PUT_COUNT];
    assert_says(&child, "ready\n");
    for (int i = 0; i < PUT_COUNT; i++) {
        char line[64];
        (void)usleep(30000);
        put("video", "now");
        long long put_us = clock_mono_us();
        assert_non_null(fgets(line, sizeof(line), child.output));
        delays_us[i] = strtoll(line, NULL, 10) - put_us;
    }
    end_child(&child, 0);
    qsort(delays_us, PUT_COUNT, sizeof(delays_us[0]), compare);
    print_message("wake-up: median %lld us, worst %lld us\n", delays_us[PUT_COUNT / 2],
                  delays_us[PUT_COUNT - 1]);
    assert_true(delays_us[PUT_COUNT / 2] < WAKE_LIMIT_US);
}

static void a_killed_process_gives_its_message_back(void **state)
{
    (void)state;
    struct child child = start_child("hold");
    put("video", "held");
    assert_says(&child, "taken\n");
    end_child(&child, SIGKILL);
    struct queue_consumer *c = consume("video", 1);
    struct queue_message *m = take(c);
    assert_body(m, "held");
    assert_true(queue_message_is_redelivered(m));
    assert_ok(queue_finish(m, QUEUE_DONE, NULL));
    queue_consumer_close(c);
}

static int measure(struct queue_consumer *c)
{
    (void)printf("ready\n");
    (void)fflush(stdout);
    for (int i = 0; i < PUT_COUNT; i++) {
        struct queue_message *m = NULL;
        if (queue_take(c, 20000, &m, NULL) != OK) {
            return 1;
        }
        (void)printf("%lld\n", (long long)clock_mono_us());
        (void)fflush(stdout);
        if (queue_finish(m, QUEUE_DONE, NULL) != OK) {
            return 1;
        }
    }
    return 0;
}

static int hold(struct queue_consumer *c)
{
    struct queue_message *m = NULL;

    if (queue_take(c, 20000, &m, NULL) != OK) {
        return 1;
    }
    (void)printf("taken\n");
    (void)fflush(stdout);
    (void)sleep(60);
    queue_message_free(m);
    return 1;
}

int child_main(int argc, char **argv)
{
    struct queue *q = NULL;
    struct queue_consumer *c = NULL;
    int rc = 2;

    if (argc == 3 && queue_open(argv[2], &q, NULL) == OK &&
        queue_consume(q, "video", 1, &c, NULL) == OK) {
        rc = strcmp(argv[1], "measure") == 0 ? measure(c) : hold(c);
    }
    queue_consumer_close(c);
    queue_close(q);
    return rc;
}

const struct CMUnitTest process_cases[] = {
    CASE(a_put_wakes_a_taker_in_another_process),
    CASE(a_killed_process_gives_its_message_back),
};
const size_t process_case_count = ARRAY_LEN(process_cases);
