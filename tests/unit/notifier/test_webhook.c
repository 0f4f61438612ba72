/* The signature of Standard Webhooks 1.0, against the vector of its own test suite. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "notifier/webhook.h"

static void test_vector(void **state)
{
    (void)state;
    struct webhook_secret secret;
    assert_int_equal(webhook_secret_parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", &secret, NULL),
                     OK);
    assert_int_equal(secret.len, 24);
    char signature[WEBHOOK_SIGNATURE_SIZE];
    webhook_sign(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, "{\"test\": 2432232314}",
                 signature);
    assert_string_equal(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

static void test_secrets_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "whsec_",
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_c2hvcnQ=",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw!",
        "whsec_"
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
        "AAAAAAAAAAAAAAAAAAAAAA",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct webhook_secret secret;
        struct error e = { 0 };
        assert_int_equal(webhook_secret_parse(bad[i], &secret, &e), ERR_INVALID);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vector),
        cmocka_unit_test(test_secrets_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
