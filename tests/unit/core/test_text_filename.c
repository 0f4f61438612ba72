#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "core/text.h"

static void test_names(void **state)
{
    static const struct {
        const char *name;
        const char *clean;
    } cases[] = {
        { "video.mp4", "video.mp4" },
        { "", "upload" },
        { ".", "upload" },
        { "..", "upload" },
        { "   ", "upload" },
        { "../../etc/passwd", "passwd" },
        { "C:\\Users\\ann\\clip.mov", "clip.mov" },
        { "dir/", "upload" },
        { "a\nb\r\x01\x7f.mp4", "ab.mp4" },
        { " name .mp4 ", "name .mp4" },
        { "say \"hi\".mp4", "say \"hi\".mp4" },
        { "\xe6\x97\xa5\xe6\x9c\xac.mp4", "\xe6\x97\xa5\xe6\x9c\xac.mp4" },
        { "a\xff.mp4", "a\xef\xbf\xbd.mp4" },
        { "evil\xe2\x80\xae"
          "4pm.exe",
          "evil4pm.exe" },
        { "c1\xc2\x9b.mp4", "c1.mp4" },
        { ".hidden", ".hidden" },
    };

    char dst[64];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        text_clean_filename(dst, sizeof(dst), cases[i].name);
        assert_string_equal(dst, cases[i].clean);
    }
}

static void test_cut(void **state)
{
    char dst[12];
    char longest[9000];

    (void)state;
    text_clean_filename(dst, sizeof(dst), "a-very-long-name.mp4");
    assert_string_equal(dst, "a-very-.mp4");
    text_clean_filename(dst, sizeof(dst), "123456\xc3\xa4\xc3\xa4\xc3\xa4.mp4");
    assert_string_equal(dst, "123456.mp4");
    text_clean_filename(dst, sizeof(dst), "exactly.mp4");
    assert_string_equal(dst, "exactly.mp4");
    text_clean_filename(dst, sizeof(dst), "name.extension-that-is-none");
    assert_string_equal(dst, "name.extens");
    text_clean_filename(dst, 4, "name.mp4");
    assert_string_equal(dst, "nam");
    text_clean_filename(dst, 1, "name.mp4");
    assert_string_equal(dst, "");
    memset(longest, 'x', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    text_clean_filename(dst, sizeof(dst), longest);
    assert_string_equal(dst, "xxxxxxxxxxx");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
