/* The fetch of auth's keys: what it makes of the answer, and how long it may take. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "gateway.h"
#include "http/client.h"
#include "routes.h"

static struct http_call asked;
static int status;

enum err __wrap_http_client_call(const struct http_call *call, struct http_response *ret,
                                 struct error *e);

enum err __wrap_http_client_call(const struct http_call *call, struct http_response *ret,
                                 struct error *e)
{
    asked = *call;
    if (status == 0) {
        return err_set(e, ERR_BUSY, "refused");
    }
    ret->status = status;
    buf_init(&ret->body, 1024);
    return buf_append(&ret->body, "{}", 2);
}

static void test_keys(void **state)
{
    (void)state;

    static const struct {
        int status;
        enum err err;
    } cases[] = { { 200, OK }, { 503, ERR_BUSY }, { 0, ERR_BUSY } };
    struct gateway_settings settings = { .auth_url = (char[]){ "http://auth" } };
    struct gateway g = { .settings = &settings };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(mem_free) char *json = NULL;
        status = cases[i].status;
        assert_int_equal(login_fetch_jwks(&g, &json, NULL), cases[i].err);
        assert_true((json != NULL) == (cases[i].err == OK));
        /* Less than the 8 s that the end of the service waits for a check of readiness. */
        assert_in_range(asked.timeout_ms, 1000, 6000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_keys) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
