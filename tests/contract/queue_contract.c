/* The contract of shared/queue: the same cases against every engine. SQLite always, RabbitMQ when
 * UNREEL_TEST_AMQP_URL is set. */
#include "queue_contract.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/id.h"

struct queue *queue;
const char *queue_url;
bool is_amqp;
const int64_t lost_after_ms = 1500;

static char *url_memory;
static char folder[] = "/tmp/unreel-queue-XXXXXX";

static void empty_folder(void)
{
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    struct dirent *entry = readdir(dir);
    while (entry != NULL) {
        if (entry->d_name[0] != '.') {
            char *path = xasprintf("%s/%s", folder, entry->d_name);
            assert_int_equal(unlink(path), 0);
            free(path);
        }
        entry = readdir(dir);
    }
    (void)closedir(dir);
}

static int open_with(const char *options)
{
    char prefix[ID_SIZE];

    id_new(prefix);
    if (is_amqp) {
        const char *base = getenv("UNREEL_TEST_AMQP_URL");
        url_memory = xasprintf("%s%cprefix=%s.%s", base, strchr(base, '?') == NULL ? '?' : '&',
                               prefix, options);
    } else {
        url_memory = xasprintf("sqlite:%s/%s.db?visibility_ms=1000", folder, prefix);
    }
    queue_url = url_memory;
    struct error e = { 0 };
    if (queue_open(queue_url, &queue, &e) != OK) {
        print_error("%s: %s\n", queue_url, e.text);
        return -1;
    }
    return 0;
}

int open_queue(void **state)
{
    (void)state;
    return open_with("");
}

int open_idle_queue(void **state)
{
    (void)state;
    return open_with("&heartbeat=2");
}

int close_queue(void **state)
{
    (void)state;
    queue_close(queue);
    queue = NULL;
    if (is_amqp) {
        amqp_remove_all(queue_url);
    } else {
        empty_folder();
    }
    free(url_memory);
    return 0;
}

void put(const char *name, const char *body)
{
    struct error e = { 0 };

    if (queue_put(queue, name, body, strlen(body), NULL, &e) != OK) {
        fail_msg("put: %s", e.text);
    }
}

struct queue_consumer *consume(const char *name, unsigned prefetch)
{
    struct queue_consumer *c = NULL;

    assert_ok(queue_consume(queue, name, prefetch, &c, NULL));
    return c;
}

struct queue_message *take(struct queue_consumer *c)
{
    struct queue_message *m = NULL;
    struct error e = { 0 };

    if (queue_take(c, 10000, &m, &e) != OK) {
        fail_msg("take: %s", e.text);
    }
    return m;
}

void assert_empty(struct queue_consumer *c)
{
    struct queue_message *m = NULL;

    assert_err(ERR_TIMEOUT, queue_take(c, 300, &m, NULL));
}

void assert_body(const struct queue_message *m, const char *body)
{
    size_t len = 0;
    const char *got = queue_message_body(m, &len);

    assert_int_equal(strlen(body), len);
    assert_memory_equal(body, got, len);
}

void take_and_finish(struct queue_consumer *c, const char *body, enum queue_verdict verdict)
{
    struct queue_message *m = take(c);

    assert_body(m, body);
    assert_ok(queue_finish(m, verdict, NULL));
}

void wait_for_dead(const char *name, size_t count, struct queue_dead *ret_first)
{
    struct queue_dead dead[16];
    size_t got = 0;

    for (int i = 0; i < 100 && got < count; i++) {
        assert_ok(queue_list_dead(queue, name, dead, 16, &got, NULL));
        if (got < count) {
            (void)usleep(50000);
        }
    }
    assert_int_equal(count, got);
    if (ret_first != NULL) {
        *ret_first = dead[0];
    }
}

#define RUN(group, cases, count)                                                                   \
    _cmocka_run_group_tests(is_amqp ? "amqp: " group : "sqlite: " group, cases, count, NULL, NULL)

static int run_engine(void)
{
    int failed = 0;

    failed += RUN("messages", message_cases, message_case_count);
    failed += RUN("dead letters", dead_cases, dead_case_count);
    failed += RUN("events", event_cases, event_case_count);
    failed += RUN("processes", process_cases, process_case_count);
    if (is_amqp) {
        failed += RUN("broker", amqp_cases, amqp_case_count);
    }
    return failed;
}

int main(int argc, char **argv)
{
    int failed = 0;

    if (argc > 1) {
        return child_main(argc, argv);
    }
    if (mkdtemp(folder) == NULL) {
        return 1;
    }
    failed += run_engine();
    if (getenv("UNREEL_TEST_AMQP_URL") != NULL) {
        is_amqp = true;
        failed += run_engine();
        (void)printf("queue_contract: ran against sqlite and amqp\n");
    } else {
        (void)printf("queue_contract: ran against sqlite; SKIPPED amqp: UNREEL_TEST_AMQP_URL is "
                     "not set\n");
    }
    (void)rmdir(folder);
    return failed == 0 ? 0 : 1;
}
