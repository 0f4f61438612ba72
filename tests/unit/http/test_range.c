#include "fixture.h"

#include <string.h>

#include "core/attr.h"
#include "http/range.h"

static void ranges(void **state)
{
    (void)state;

    static const struct {
        const char *header, *if_range;
        int64_t size;
        enum http_range_kind kind;
        int64_t offset, len;
    } cases[] = {
        { NULL, NULL, 100, HTTP_RANGE_WHOLE, 0, 100 },
        { "bytes=0-0", NULL, 100, HTTP_RANGE_PART, 0, 1 },
        { "bytes=0-", NULL, 100, HTTP_RANGE_PART, 0, 100 },
        { "bytes=10-19", NULL, 100, HTTP_RANGE_PART, 10, 10 },
        { "bytes=10-1000", NULL, 100, HTTP_RANGE_PART, 10, 90 },
        { "bytes=99-", NULL, 100, HTTP_RANGE_PART, 99, 1 },
        { "bytes=100-", NULL, 100, HTTP_RANGE_UNSATISFIABLE, 0, 0 },
        { "bytes=100-200", NULL, 100, HTTP_RANGE_UNSATISFIABLE, 0, 0 },
        { "bytes=-10", NULL, 100, HTTP_RANGE_PART, 90, 10 },
        { "bytes=-1000", NULL, 100, HTTP_RANGE_PART, 0, 100 },
        { "bytes=-0", NULL, 100, HTTP_RANGE_UNSATISFIABLE, 0, 0 },
        { "bytes=0-0", NULL, 0, HTTP_RANGE_UNSATISFIABLE, 0, 0 },
        { "bytes=-5", NULL, 0, HTTP_RANGE_UNSATISFIABLE, 0, 0 },
        { "Bytes= 1-2 ", NULL, 100, HTTP_RANGE_PART, 1, 2 },
        { "bytes=0-1,5-6", NULL, 100, HTTP_RANGE_WHOLE, 0, 100 },
        { "bytes=5-4", NULL, 100, HTTP_RANGE_WHOLE, 0, 100 },
        { "bytes=a-b", NULL, 100, HTTP_RANGE_WHOLE, 0, 100 },
        { "bytes=1", NULL, 100, HTTP_RANGE_WHOLE, 0, 100 },
        { "bytes=", NULL, 100, HTTP_RANGE_WHOLE, 0, 100 },
        { "bytes=-", NULL, 100, HTTP_RANGE_WHOLE, 0, 100 },
        { "bytes=--1", NULL, 100, HTTP_RANGE_WHOLE, 0, 100 },
        { "bytes=1-2x", NULL, 100, HTTP_RANGE_WHOLE, 0, 100 },
        { "bytes=+1-2", NULL, 100, HTTP_RANGE_WHOLE, 0, 100 },
        { "items=1-2", NULL, 100, HTTP_RANGE_WHOLE, 0, 100 },
        { "byte", NULL, 100, HTTP_RANGE_WHOLE, 0, 100 },
        { "", NULL, 100, HTTP_RANGE_WHOLE, 0, 100 },
        { "bytes=99999999999999999999-", NULL, 100, HTTP_RANGE_WHOLE, 0, 100 },
        { "bytes=0-99999999999999999999", NULL, 100, HTTP_RANGE_WHOLE, 0, 100 },
        { "bytes=0-999999999999999999", NULL, 100, HTTP_RANGE_PART, 0, 100 },
        { "bytes=1-2", "\"e\"", 100, HTTP_RANGE_PART, 1, 2 },
        { "bytes=1-2", "\"f\"", 100, HTTP_RANGE_WHOLE, 0, 100 },
        { "bytes=1-2", "W/\"e\"", 100, HTTP_RANGE_WHOLE, 0, 100 },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct http_range r = http_range_parse(cases[i].header, cases[i].if_range, "\"e\"",
                                               cases[i].size);
        if (r.kind != cases[i].kind || r.offset != cases[i].offset || r.len != cases[i].len) {
            fail_msg("%s of %lld: kind %d, %lld+%lld",
                     cases[i].header != NULL ? cases[i].header : "(none)", (long long)cases[i].size,
                     (int)r.kind, (long long)r.offset, (long long)r.len);
        }
    }
    struct http_range r = http_range_parse("bytes=1-2", "\"e\"", NULL, 100);
    assert_int_equal(r.kind, HTTP_RANGE_WHOLE);
}

static void dispositions(void **state)
{
    (void)state;

    static const struct {
        const char *filename, *expected;
    } cases[] = {
        { "a.mp3", "attachment; filename=\"a.mp3\"; filename*=UTF-8''a.mp3" },
        { "a b.mp3", "attachment; filename=\"a b.mp3\"; filename*=UTF-8''a%20b.mp3" },
        { "q\"\\.mp3", "attachment; filename=\"q__.mp3\"; filename*=UTF-8''q%22%5C.mp3" },
        { "50%.mp3", "attachment; filename=\"50_.mp3\"; filename*=UTF-8''50%25.mp3" },
        { "na\xc3\xafve.mp3",
          "attachment; filename=\"na_ve.mp3\"; filename*=UTF-8''na%C3%AFve.mp3" },
        { "\xe6\x97\xa5\xe6\x9c\xac.mp3",
          "attachment; filename=\"__.mp3\"; filename*=UTF-8''%E6%97%A5%E6%9C%AC.mp3" },
        { "a\r\nX: y.mp3", "attachment; filename=\"a__X: y.mp3\"; filename*=UTF-8''aX%3A%20y.mp3" },
        { "", "attachment; filename=\"\"; filename*=UTF-8''" },
    };

    char text[1200];
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        http_content_disposition(text, sizeof(text), cases[i].filename);
        assert_string_equal(text, cases[i].expected);
    }
    char name[256];
    memset(name, 0xe6, 255);
    name[255] = '\0';
    http_content_disposition(text, sizeof(text), name);
    assert_non_null(strstr(text, "UTF-8''%E6"));
    http_content_disposition(text, 40, name);
    assert_string_equal(text, "attachment");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(ranges), cmocka_unit_test(dispositions) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
