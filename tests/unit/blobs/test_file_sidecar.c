#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "blobs/file_sidecar.h"

static void check_round_trip(void **state)
{
    const struct sidecar in = { .owner = "ann@example.org",
                                .filename = "a \"quoted\"\n\xe6\x97\xa5.mp4",
                                .content_type = "video/mp4",
                                .sha256 = "abc",
                                .size_bytes = INT64_C(1) << 40,
                                .created_at_ms = 1234567890123 };
    struct sidecar out;
    (void)state;
    char *json = sidecar_encode(&in);
    assert_non_null(json);
    assert_int_equal(sidecar_decode(json, strlen(json), &out, NULL), OK);
    free(json);
    assert_string_equal(out.owner, in.owner);
    assert_string_equal(out.filename, in.filename);
    assert_string_equal(out.content_type, in.content_type);
    assert_string_equal(out.sha256, in.sha256);
    assert_int_equal(out.size_bytes, in.size_bytes);
    assert_int_equal(out.created_at_ms, in.created_at_ms);
}

/* The longest of everything fits the size that is read. */
static void check_longest(void **state)
{
    struct sidecar in = { .size_bytes = INT64_MAX, .created_at_ms = INT64_MAX };
    struct sidecar out;
    (void)state;
    memset(in.owner, 1, sizeof(in.owner) - 1); /* each becomes \u0001 */
    memset(in.filename, 1, sizeof(in.filename) - 1);
    memset(in.content_type, 1, sizeof(in.content_type) - 1);
    memset(in.sha256, 'a', sizeof(in.sha256) - 1);
    char *json = sidecar_encode(&in);
    assert_non_null(json);
    assert_true(strlen(json) < SIDECAR_SIZE_MAX);
    assert_int_equal(sidecar_decode(json, strlen(json), &out, NULL), OK);
    assert_memory_equal(out.filename, in.filename, sizeof(in.filename));
    free(json);
}

static void check_hostile(void **state)
{
    static const struct {
        const char *json;
        enum err err;
    } cases[] = {
        { "", ERR_CORRUPT },
        { "[]", ERR_CORRUPT },
        { "{", ERR_CORRUPT },
        { "{\"owner\":1", ERR_CORRUPT },
        { "{\"size_bytes\":-1}", ERR_CORRUPT },
        { "{\"owner\":\"a\",\"owner\":\"b\"}", ERR_CORRUPT },
        { "{}", OK },
        { "{\"owner\":1,\"size_bytes\":\"x\",\"sha256\":null}", OK },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct sidecar out;
        assert_int_equal(sidecar_decode(cases[i].json, strlen(cases[i].json), &out, NULL),
                         cases[i].err);
        if (cases[i].err == OK) {
            assert_string_equal(out.owner, "");
            assert_string_equal(out.sha256, "");
            assert_int_equal(out.size_bytes, 0);
        }
    }
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(check_round_trip),
        cmocka_unit_test(check_longest),
        cmocka_unit_test(check_hostile),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
