#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "core/text.h"

static void test_hex(void **state)
{
    char text[9];
    unsigned char bytes[4] = { 0 };

    (void)state;
    text_to_hex(text, "\x00\x7f\xab\xff", 4);
    assert_string_equal(text, "007fabff");
    assert_int_equal(text_from_hex(bytes, 4, "007FabFF"), OK);
    assert_memory_equal(bytes, "\x00\x7f\xab\xff", 4);
    assert_int_equal(text_from_hex(bytes, 4, "00112233x"), ERR_INVALID);
    assert_int_equal(text_from_hex(bytes, 4, "0011223"), ERR_INVALID);
    assert_int_equal(text_from_hex(bytes, 4, "0011223g"), ERR_INVALID);
    assert_memory_equal(bytes, "\x00\x7f\xab\xff", 4);
    assert_int_equal(text_from_hex(bytes, 0, ""), OK);
}

/* RFC 4648, section 10, and the two letters in which the alphabets differ. */
static const struct {
    const char *plain;
    const char *base64;
    const char *base64url;
} vectors[] = {
    { "", "", "" },
    { "f", "Zg==", "Zg" },
    { "fo", "Zm8=", "Zm8" },
    { "foo", "Zm9v", "Zm9v" },
    { "foob", "Zm9vYg==", "Zm9vYg" },
    { "fooba", "Zm9vYmE=", "Zm9vYmE" },
    { "foobar", "Zm9vYmFy", "Zm9vYmFy" },
    { "\xfb\xff\xfe", "+//+", "-__-" },
};

static void test_base64_vectors(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
        size_t len = strlen(vectors[i].plain);
        char text[16];
        char bytes[16];
        size_t got = 99;
        text_to_base64(text, vectors[i].plain, len);
        assert_string_equal(text, vectors[i].base64);
        text_to_base64url(text, vectors[i].plain, len);
        assert_string_equal(text, vectors[i].base64url);
        assert_int_equal(text_from_base64(bytes, sizeof(bytes), vectors[i].base64, &got), OK);
        assert_int_equal(got, len);
        assert_memory_equal(bytes, vectors[i].plain, len);
        const char *url = vectors[i].base64url;
        assert_int_equal(text_from_base64url(bytes, sizeof(bytes), url, strlen(url), &got), OK);
        assert_int_equal(got, len);
        assert_memory_equal(bytes, vectors[i].plain, len);
    }
}

static void test_base64_refuses(void **state)
{
    static const char *const broken[] = {
        "Zg",    "Zg=",  "Zg===", "=",    "====", "Zm9v\n",
        " Zm9v", "Zm-_", "Z===",  "Zm9=", "Zh==", "Z=g=",
    };
    static const char *const broken_url[] = { "Z", "Zg==", "Zh", "Zm9", "Zm+/", "Zm9vY" };
    char bytes[16];
    size_t got = 99;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
        assert_int_equal(text_from_base64(bytes, sizeof(bytes), broken[i], &got), ERR_INVALID);
    }
    for (size_t i = 0; i < ARRAY_LEN(broken_url); i++) {
        size_t len = strlen(broken_url[i]);
        assert_int_equal(text_from_base64url(bytes, sizeof(bytes), broken_url[i], len, &got),
                         ERR_INVALID);
    }
    assert_int_equal(got, 99);
    assert_int_equal(text_from_base64(bytes, 2, "Zm9v", &got), ERR_TOO_BIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hex),
        cmocka_unit_test(test_base64_vectors),
        cmocka_unit_test(test_base64_refuses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
