/* Whose address counts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "http/address.h"

#define DEFAULT "127.0.0.0/8,::1"

static void test_client(void **state)
{
    (void)state;

    /* clang-format off */
    const struct {
        const char *trusted, *peer, *forwarded, *expected;
    } rows[] = {
        { DEFAULT, "203.0.113.9", NULL, "203.0.113.9" },
        { DEFAULT, "203.0.113.9", "198.51.100.1", "203.0.113.9" }, /* not a proxy of ours */
        { DEFAULT, "127.0.0.1", NULL, "127.0.0.1" },
        { DEFAULT, "127.0.0.1", "", "127.0.0.1" },
        { DEFAULT, "127.0.0.1", "198.51.100.1", "198.51.100.1" },
        { DEFAULT, "::1", "198.51.100.1", "198.51.100.1" },
        { DEFAULT, "::ffff:127.0.0.1", "198.51.100.1", "198.51.100.1" },
        { DEFAULT, "127.0.0.1", "2001:db8::1", "2001:db8::1" },
        /* What the client wrote itself stands before what our proxy added. */
        { DEFAULT, "127.0.0.1", "10.9.8.7, 198.51.100.1", "198.51.100.1" },
        { DEFAULT, "127.0.0.1", "198.51.100.1, 127.0.0.5", "198.51.100.1" },
        { DEFAULT, "127.0.0.1", "198.51.100.1,127.0.0.5 ,\t127.0.0.6", "198.51.100.1" },
        { DEFAULT, "127.0.0.1", "127.0.0.2, 127.0.0.3", "127.0.0.2" },
        { DEFAULT, "127.0.0.1", "rubbish", "127.0.0.1" },
        { DEFAULT, "127.0.0.1", "198.51.100.1, rubbish", "127.0.0.1" },
        { DEFAULT, "127.0.0.1", ",", "127.0.0.1" },
        { DEFAULT, "127.0.0.1", "198.51.100.1:1234", "127.0.0.1" },
        { "", "127.0.0.1", "198.51.100.1", "127.0.0.1" },
        { "10.0.0.0/8, 2001:db8::/32", "10.1.2.3", "198.51.100.1, 2001:db8:1::5", "198.51.100.1" },
        { "10.0.0.0/9", "10.127.0.1", "198.51.100.1", "198.51.100.1" },
        { "10.0.0.0/9", "10.128.0.1", "198.51.100.1", "10.128.0.1" },
        { "0.0.0.0/0", "203.0.113.9", "198.51.100.1", "198.51.100.1" },
        { "0.0.0.0/0", "2001:db8::1", "198.51.100.1", "2001:db8::1" },
    };

    /* clang-format on */

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(address_list_free) struct address_list *list = NULL;
        assert_int_equal(address_list_parse(rows[i].trusted, &list, NULL), OK);
        char got[ADDRESS_SIZE];
        address_client(list, rows[i].peer, rows[i].forwarded, got);
        if (strcmp(got, rows[i].expected) != 0) {
            fail_msg("row %zu: %s instead of %s", i, got, rows[i].expected);
        }
    }
}

static void test_a_long_chain_ends(void **state)
{
    (void)state;
    AUTO(address_list_free) struct address_list *list = NULL;
    assert_int_equal(address_list_parse(DEFAULT, &list, NULL), OK);
    char chain[4000] = "198.51.100.1";
    for (int i = 0; i < 200; i++) {
        memcpy(chain + strlen(chain), ",127.0.0.1", sizeof(",127.0.0.1"));
    }
    char got[ADDRESS_SIZE];
    address_client(list, "127.0.0.1", chain, got);
    assert_string_equal(got, "127.0.0.1");
}

static void test_bad_lists(void **state)
{
    (void)state;
    static const char *const bad[] = { "localhost", "10.0.0.0/33", "::1/129",     "10.0.0.0/",
                                       "10.0.0",    "10.0.0.0/-1", "10.0.0.0/8x", "1.2.3.4;::1" };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct address_list *list = NULL;
        struct error e = { 0 };
        if (address_list_parse(bad[i], &list, &e) != ERR_INVALID || list != NULL) {
            fail_msg("%s was accepted", bad[i]);
        }
    }
}

static void test_network(void **state)
{
    (void)state;

    const struct {
        const char *address, *expected;
    } rows[] = {
        { "198.51.100.1", "198.51.100.1" },
        { "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::" },
        { "2001:db8:1:2::1", "2001:db8:1:2::" },
        { "::ffff:198.51.100.1", "::ffff:198.51.100.1" },
        { "unknown", "unknown" },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char got[ADDRESS_SIZE];
        address_network(rows[i].address, got);
        assert_string_equal(got, rows[i].expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_client),
        cmocka_unit_test(test_a_long_chain_ends),
        cmocka_unit_test(test_bad_lists),
        cmocka_unit_test(test_network),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
