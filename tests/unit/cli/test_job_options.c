/* Options on the command line, and the body of an upload. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/attr.h"
#include "job_options.h"
#include "jobs/request.h"
#include "upload_body.h"

static const struct option_spec specs[] = { JOB_OPTION_SPECS };

static const struct option_spec *find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(specs); i++) {
        if (strcmp(specs[i].name, name) == 0) {
            return &specs[i];
        }
    }
    fail_msg("there is no %s", name);
    return NULL;
}

static void test_read(void **state)
{
    (void)state;

    static const struct {
        const char *option, *text;
        const char *name, *value, *cover_path; /* name NULL: refused */
    } rows[] = {
        { "--sample-rate", "44100", "sample_rate", "44100", NULL },
        { "--trim-silence", NULL, "trim_silence", "on", NULL },
        { "--set", "title=a=b", "tags.title", "a=b", NULL },
        { "--set", "album_artist=", "tags.album_artist", "", NULL },
        { "--set", "title", NULL, NULL, NULL },
        { "--set", "=x", NULL, NULL, NULL },
        { "--set", "a_name_that_is_longer_than_any_tag=x", NULL, NULL, NULL },
        { "--cover", "keep", "cover", "keep", NULL },
        { "--cover", "none", "cover", "none", NULL },
        { "--cover", "1:30", "cover", "1:30", NULL },
        { "--cover", "me.jpg", "cover", "upload", "me.jpg" },
        { "--cover", "./90", "cover", "upload", "./90" },
        { "--cover", "upload", "cover", "upload", "upload" },
        { "--outputs", "[{}]", "outputs", "[{}]", NULL },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct job_option o;
        struct error e = { .code = OK };
        enum err err = job_option_read(find(rows[i].option), rows[i].text, &o, &e);
        assert_int_equal(err, rows[i].name == NULL ? ERR_INVALID : OK);
        if (rows[i].name == NULL) {
            assert_non_null(strstr(e.text, "--set"));
            continue;
        }
        assert_string_equal(o.name, rows[i].name);
        assert_string_equal(o.value, rows[i].value);
        assert_int_equal(o.cover_path == NULL, rows[i].cover_path == NULL);
        assert_true(o.cover_path == NULL || strcmp(o.cover_path, rows[i].cover_path) == 0);
    }
}

/* Each option of the table can be given on the command line. */
static void test_all_options_are_there(void **state)
{
    (void)state;
    size_t count = 0;
    const struct job_option_info *table = job_option_table(&count);
    assert_int_equal(ARRAY_LEN(specs), JOB_OPTION_COUNT);
    assert_int_equal(JOB_OPTION_COUNT, count + 2); /* --set, --outputs */
    for (size_t i = 0; i < count; i++) {
        struct job_option o;
        assert_int_equal(job_option_read(&specs[i], "1", &o, NULL), OK);
        assert_string_equal(o.name, table[i].name);
    }
}

static char *write_file(char *path, const char *text)
{
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    (void)close(fd);
    return path;
}

/* All of it, in small slices. */
static size_t read_all(struct upload_body *b, char *dst, size_t size)
{
    size_t len = 0;
    size_t got = 1;
    while (got > 0) {
        size_t room = size - len - 1 < 7 ? size - len - 1 : 7;
        assert_int_equal(upload_body_read(b, dst + len, room, &got), OK);
        len += got;
    }
    dst[len] = '\0';
    return len;
}

static void test_body(void **state)
{
    (void)state;
    char video[] = "/tmp/unreel-body-XXXXXX";
    char cover[] = "/tmp/unreel-cover-XXXXXX";
    char body[4096];
    struct upload_body b;
    struct error e = { .code = OK };
    assert_int_equal(upload_body_open(&b, write_file(video, "the video"), NULL, &e), OK);
    assert_int_equal(b.size, 9);
    assert_int_equal(read_all(&b, body, sizeof(body)), 9);
    assert_string_equal(body, "the video");
    assert_string_equal(b.content_type, "Content-Type: application/octet-stream");
    upload_body_close(&b);

    assert_int_equal(upload_body_open(&b, video, write_file(cover, "the picture"), &e), OK);
    assert_int_equal(read_all(&b, body, sizeof(body)), b.size);
    const char *boundary = strstr(b.content_type, "boundary=");
    assert_non_null(boundary);
    const char *picture = strstr(body,
                                 "name=\"cover\"; filename=\"cover\"\r\n\r\nthe picture\r\n--");
    const char *file = strstr(body, "name=\"file\"; filename=\"video\"\r\n\r\nthe video\r\n--");
    assert_true(picture != NULL && file > picture);
    const char *name = strstr(file, "name=\"filename\"\r\n\r\n");
    assert_non_null(name);
    assert_non_null(strstr(name, video + strlen("/tmp/")));
    assert_non_null(strstr(name, boundary + strlen("boundary=")));
    assert_string_equal(body + b.size - 4, "--\r\n");
    upload_body_close(&b);

    assert_int_equal(upload_body_open(&b, "/tmp", NULL, &e), ERR_NOT_FOUND);
    assert_int_equal(upload_body_open(&b, video, "/nonexistent", &e), ERR_NOT_FOUND);
    assert_non_null(strstr(e.text, "/nonexistent"));
    assert_int_equal(upload_body_open(&b, video, "/dev/zero", &e), ERR_INVALID);
    (void)unlink(video);
    (void)unlink(cover);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_all_options_are_there),
        cmocka_unit_test(test_body),
    };
    return cmocka_run_group_tests_name("job options", tests, NULL, NULL);
}
