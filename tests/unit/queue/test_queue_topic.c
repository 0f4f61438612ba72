#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/attr.h"
#include "queue/queue_topic.h"

static const struct {
    const char *pattern;
    const char *key;
    bool matches;
} matches_table[] = {
    { "job.running", "job.running", true },
    { "job.running", "job.runnin", false },
    { "job.running", "job.running.now", false },
    { "job.*", "job.running", true },
    { "job.*", "job", false },
    { "job.*", "job.a.b", false },
    { "*.running", "job.running", true },
    { "*", "job", true },
    { "*", "", false },
    { "*.*", "job", false },
    { "#", "", true },
    { "#", "job", true },
    { "#", "job.a.b.c", true },
    { "job.#", "job", true },
    { "job.#", "job.a", true },
    { "job.#", "job.a.b", true },
    { "job.#", "jobs.a", false },
    { "#.b", "b", true },
    { "#.b", "a.a.b", true },
    { "#.b", "a.b.a", false },
    { "#.b.#", "a.b.a", true },
    { "#.b.*", "a.b.b.a", true },
    { "#.b.*", "b.b", true },
    { "#.b.*", "a.b", false },
    { "a.#.b.#.c", "a.x.b.y.b.c", true },
    { "a.#.b.#.c", "a.x.y.c", false },
    { "#.#", "", true },
    { "#.*", "a", true },
    { "*.#", "", false },
    { "a.*.#.c", "a.c", false },
    { "a.*.#.c", "a.b.c", true },
    { "a..b", "a..b", true },
    { "a.*.b", "a..b", true },
    { "a", "a.", false },
    { "ab", "a", false },
};

static void patterns_match_as_on_a_topic_exchange(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(matches_table); i++) {
        if (queue_topic_matches(matches_table[i].pattern, matches_table[i].key) !=
            matches_table[i].matches) {
            fail_msg("%s against %s", matches_table[i].pattern, matches_table[i].key);
        }
    }
}

static void keys_have_no_wildcards(void **state)
{
    (void)state;
    assert_true(queue_topic_is_key("job.running"));
    assert_false(queue_topic_is_key(""));
    assert_false(queue_topic_is_key("job.*"));
    assert_false(queue_topic_is_key("#"));
    assert_true(
        queue_topic_is_key("123456789012345678901234567890123456789012345678901234567890123"));
    assert_false(
        queue_topic_is_key("1234567890123456789012345678901234567890123456789012345678901234"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_match_as_on_a_topic_exchange),
        cmocka_unit_test(keys_have_no_wildcards),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
