/* What requests say in headers, as people and programs really write them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "core/attr.h"
#include "gateway/headers.h"

static void wait_is_read(void **state)
{
    (void)state;

    static const struct {
        const char *prefer;
        int64_t wait_s;
    } cases[] = {
        { NULL, -1 },
        { "", -1 },
        { "wait=30", 30 },
        { "Wait=30", 30 },
        { "wait = 30", 30 },
        { "wait=\"30\"", 30 },
        { "respond-async, wait=5", 5 },
        { "respond-async,wait=5;x=1", 5 },
        { " , wait=5, wait=7", 5 },
        { "wait=60", 60 },
        { "wait=61", 60 },
        { "wait=99999999999999999999999", 60 },
        { "wait=0", 0 },
        { "wait=-1", -1 },
        { "wait=", -1 },
        { "wait", -1 },
        { "wait=x", -1 },
        { "mywait=30", -1 },
        { "await=30", -1 },
        { "handling=strict; wait=30", -1 },
        { "waitwaitwait=30", -1 },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (headers_wait_s(cases[i].prefer, 60) != cases[i].wait_s) {
            fail_msg("%s", cases[i].prefer);
        }
    }
}

static void keys_are_plain(void **state)
{
    (void)state;

    static const struct {
        const char *text;
        const char *key; /* NULL: refused */
    } cases[] = {
        { "8e03978e-40d5-43dd-bc93-6894a57f9324", "8e03978e-40d5-43dd-bc93-6894a57f9324" },
        { "\"8e03978e\"", "8e03978e" },
        { "1", "1" },
        { "", NULL },
        { "\"", NULL },
        { "\"\"", NULL },
        { "a b", NULL },
        { "a\"b", NULL },
        { "a\\b", NULL },
        { "\xc3\xa4", NULL },
        { "1234567890123456789012345678901234567890", NULL },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char key[40] = "";
        bool is_taken = headers_idempotency_key(key, sizeof(key), cases[i].text);
        if (is_taken != (cases[i].key != NULL) ||
            strcmp(key, cases[i].key != NULL ? cases[i].key : "") != 0) {
            fail_msg("%s", cases[i].text);
        }
    }
}

static void etags_are_compared(void **state)
{
    (void)state;

    static const struct {
        const char *if_none_match;
        bool is_same;
    } cases[] = {
        { NULL, false },       { "", false },      { "\"abc\"", true },
        { "W/\"abc\"", true }, { "*", true },      { " * ", true },
        { "\"abd\"", false },  { "abc", false },   { "\"x\", \"abc\"", true },
        { "\"xabc\"", false }, { "\"*\"", false }, { "\"abcx\",\"y\"", false },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (headers_has_etag(cases[i].if_none_match, "\"abc\"") != cases[i].is_same) {
            fail_msg("%s", cases[i].if_none_match);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wait_is_read),
        cmocka_unit_test(keys_are_plain),
        cmocka_unit_test(etags_are_compared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
