/* Which names of a language mean the same. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/mem.h"
#include "engine_child/language.h"

static const struct {
    const char *wanted, *listed;
    bool matches;
} rows[] = {
    { "deu", "ger", true },      { "ger", "deu", true },
    { "de", "ger", true },       { "de", "deu", true },
    { "de-DE", "ger", true },    { "DE-de", "deu", true },
    { "deu", "de-CH", true },    { "de-DE", "de-DE", true },
    { "de-de", "deu-DE", true }, { "de-DE", "de-CH", false },
    { "zh", "chi", true },       { "zho", "chi", true },
    { "zh-Hant", "chi", true },  { "zh-Hant", "zh-Hans", false },
    { "fr", "fre", true },       { "fra", "fre", true },
    { "cs", "cze", true },       { "cs", "ces", true },
    { "en", "eng", true },       { "en", "enm", false },
    { "en", "", false },         { "en", "e", false },
    { "e", "en", false },        { "de", "den", false },
    { "yue", "YUE", true },      { "yue-HK", "yue", true },
    { "yue", "chi", false },     { "und", "und", true },
    { "en", "und", false },      { "ger", "eng,ger", true },
    { "de", "eng,deu", true },   { "fr", "eng,ger", false },
    { "en", ",,eng,", true },    { "en-US", "ger,en-GB", false },
    { "no", "nor", true },       { "nb", "nor", false },
};

static void test_matches(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (language_matches(rows[i].wanted, rows[i].listed) != rows[i].matches) {
            fail_msg("%s in %s", rows[i].wanted, rows[i].listed);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_matches) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
