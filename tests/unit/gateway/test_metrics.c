/* How an answer is counted: by its route's pattern, its method and the class of its status. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway.h"

static const struct http_route routes[] = {
    { .method = "GET", .path = "/v1/jobs/{id}" },
    { .method = "POST", .path = "/upload" },
};
static const struct http_route copied = { .method = "POST", .path = "/upload" };
static const struct http_route foreign = { .method = "GET", .path = "/upload" };

static void test_labels(void **state)
{
    static const struct {
        const struct http_route *route;
        int status;
        const char *label;
    } rows[] = {
        { &routes[0], 200, "/v1/jobs/{id},GET,2xx" },
        { &routes[0], 404, "/v1/jobs/{id},GET,4xx" },
        { &routes[1], 307, "/upload,POST,3xx" },
        { &copied, 599, "/upload,POST,5xx" },
        { NULL, 404, "none,none,4xx" },
        { &foreign, 405, "none,none,4xx" },
        { &routes[0], 0, "/v1/jobs/{id},GET,none" },
        { NULL, 0, "none,none,none" },
        { &routes[0], 600, "/v1/jobs/{id},GET,5xx" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        size_t value = gateway_metrics_request(routes, ARRAY_LEN(routes), rows[i].route,
                                               rows[i].status);
        assert_string_equal(metric_http_requests.values[value], rows[i].label);
    }
}

static void test_each_label_is_there_once(void **state)
{
    size_t count = 0;
    (void)state;
    while (metric_http_requests.values[count] != NULL) {
        count++;
    }
    assert_int_equal(count, (ARRAY_LEN(routes) + 1) * 5);
}

static int set_up(void **state)
{
    (void)state;
    gateway_metrics_register(routes, ARRAY_LEN(routes));
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_labels),
        cmocka_unit_test(test_each_label_is_there_once),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
