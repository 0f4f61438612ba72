#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <string.h>

#include "core/mem.h"
#include "core/metrics.h"
#include "core/version.h"

static const char *const results[] = { "ok", "say \"no\"\\", NULL };
static struct metric tries = {
    .name = "unreel_tries_total",
    .help = "Tries.",
    .type = METRIC_COUNTER,
    .label = "result",
    .values = results,
};

static struct metric waiting = {
    .name = "unreel_waiting",
    .help = "What waits.",
    .type = METRIC_GAUGE,
};

static const char *const routes[] = { "/a,2xx", "/b,5xx", NULL };
static const double bounds[] = { 0.005, 0.5, 10 };
static struct metric seconds = {
    .name = "unreel_seconds",
    .help = "Seconds.",
    .type = METRIC_HISTOGRAM,
    .label = "route,code",
    .values = routes,
    .buckets = bounds,
    .bucket_count = ARRAY_LEN(bounds),
};

static const char *const calls[] = { "/c{a,b},GET,2xx", "/d,,5xx", NULL };
static struct metric requests = {
    .name = "unreel_calls_total",
    .help = "Calls.",
    .type = METRIC_COUNTER,
    .label = "route,method,code",
    .values = calls,
};

static struct metric unregistered = {
    .name = "unreel_unregistered",
    .help = "None.",
    .type = METRIC_COUNTER,
};

static int set_up(void **state)
{
    (void)state;
    metric_register(&tries);
    metric_register(&waiting);
    metric_register(&seconds);
    metric_register(&requests);
    metric_register(&tries);
    return 0;
}

static char *rendered(void)
{
    struct buf out;

    buf_init(&out, 65536);
    assert_int_equal(metrics_render(&out), OK);
    return buf_detach(&out);
}

static void test_text(void **state)
{
    static const char wanted[] = "# HELP unreel_tries_total Tries.\n"
                                 "# TYPE unreel_tries_total counter\n"
                                 "unreel_tries_total{result=\"ok\"} 3\n"
                                 "unreel_tries_total{result=\"say \\\"no\\\"\\\\\"} 1\n"
                                 "# HELP unreel_waiting What waits.\n"
                                 "# TYPE unreel_waiting gauge\n"
                                 "unreel_waiting -2\n"
                                 "# HELP unreel_seconds Seconds.\n"
                                 "# TYPE unreel_seconds histogram\n"
                                 "unreel_seconds_bucket{route=\"/a\",code=\"2xx\",le=\"0.005\"} 1\n"
                                 "unreel_seconds_bucket{route=\"/a\",code=\"2xx\",le=\"0.5\"} 2\n"
                                 "unreel_seconds_bucket{route=\"/a\",code=\"2xx\",le=\"10\"} 2\n"
                                 "unreel_seconds_bucket{route=\"/a\",code=\"2xx\",le=\"+Inf\"} 3\n"
                                 "unreel_seconds_sum{route=\"/a\",code=\"2xx\"} 11.505000\n"
                                 "unreel_seconds_count{route=\"/a\",code=\"2xx\"} 3\n"
                                 "unreel_seconds_bucket{route=\"/b\",code=\"5xx\",le=\"0.005\"} 0\n"
                                 "unreel_seconds_bucket{route=\"/b\",code=\"5xx\",le=\"0.5\"} 0\n"
                                 "unreel_seconds_bucket{route=\"/b\",code=\"5xx\",le=\"10\"} 0\n"
                                 "unreel_seconds_bucket{route=\"/b\",code=\"5xx\",le=\"+Inf\"} 0\n"
                                 "unreel_seconds_sum{route=\"/b\",code=\"5xx\"} 0.000000\n"
                                 "unreel_seconds_count{route=\"/b\",code=\"5xx\"} 0\n"
                                 "# HELP unreel_calls_total Calls.\n"
                                 "# TYPE unreel_calls_total counter\n"
                                 "unreel_calls_total{route=\"/c{a,b}\",method=\"GET\","
                                 "code=\"2xx\"} 0\n"
                                 "unreel_calls_total{route=\"/d\",method=\"\",code=\"5xx\"} 7\n"
                                 "# HELP unreel_build_info The version that runs.\n";

    (void)state;
    metric_add(&tries, 0, 2);
    metric_add(&tries, 0, 1);
    metric_add(&tries, 1, 1);
    metric_set(&waiting, 0, 5);
    metric_add(&waiting, 0, -7);
    metric_add(&requests, 1, 7);
    metric_observe(&seconds, 0, 0.005);
    metric_observe(&seconds, 0, 0.5);
    metric_observe(&seconds, 0, 11);
    AUTO(mem_free) char *text = rendered();
    text[strlen(wanted) < strlen(text) ? strlen(wanted) : strlen(text)] = '\0';
    assert_string_equal(text, wanted);
    assert_int_equal(metric_get(&tries, 0), 3);
    assert_int_equal(metric_get(&waiting, 0), -2);
    assert_int_equal(metric_get(&seconds, 0), 3);
}

static void test_process(void **state)
{
    AUTO(mem_free)
    char *build_info = xasprintf("\nunreel_build_info{version=\"%s\"} 1\n", version_text());
    const char *const names[] = {
        build_info,
        "\nprocess_resident_memory_bytes ",
        "\nprocess_cpu_seconds_total ",
        "\nprocess_open_fds ",
        "\nprocess_max_fds ",
        "\nprocess_threads 1\n",
        "\nprocess_start_time_seconds 1",
    };
    AUTO(mem_free) char *text = rendered();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        assert_non_null(strstr(text, names[i]));
    }
    assert_null(strstr(text, "process_resident_memory_bytes 0\n"));
    assert_null(strstr(text, "process_open_fds 0\n"));
}

static void test_unregistered_does_nothing(void **state)
{
    (void)state;
    metric_add(&unregistered, 0, 1);
    metric_set(&unregistered, 0, 1);
    metric_observe(&unregistered, 0, 1);
    assert_int_equal(metric_get(&unregistered, 0), 0);
}

static void test_small_buffer(void **state)
{
    AUTO(buf_release) struct buf out;

    (void)state;
    buf_init(&out, 100);
    assert_int_equal(metrics_render(&out), ERR_TOO_BIG);
}

static void *count_up(void *arg)
{
    (void)arg;
    for (int i = 0; i < 1000; i++) {
        metric_add(&waiting, 0, 1);
        metric_observe(&seconds, 1, 0.1);
    }
    return NULL;
}

static void test_threads_lose_nothing(void **state)
{
    pthread_t threads[4];

    (void)state;
    metric_set(&waiting, 0, 0);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, count_up, NULL), 0);
    }
    /* Rendering goes on beside the updates. */
    AUTO(mem_free) char *during = rendered();
    assert_non_null(strstr(during, "\nunreel_waiting "));
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_int_equal(metric_get(&waiting, 0), 4000);
    assert_int_equal(metric_get(&seconds, 1), 4000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_process),
        cmocka_unit_test(test_unregistered_does_nothing),
        cmocka_unit_test(test_small_buffer),
        cmocka_unit_test(test_threads_lose_nothing),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
