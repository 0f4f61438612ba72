#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/attr.h"
#include "core/buf.h"
#include "http/multipart.h"

/* Everything that the events said, as text: [name|filename|type]data; */
struct log {
    struct buf text;
    enum err fail_with;
    const char *fail_at; /* "begin", "data", "end" */
};

static enum err note(struct log *log, const char *event, struct error *e)
{
    bool fails = log->fail_at != NULL && strcmp(log->fail_at, event) == 0;
    return fails ? err_set(e, log->fail_with, "as asked") : OK;
}

static enum err on_begin(void *ctx, const struct multipart_part *part, struct error *e)
{
    struct log *log = ctx;
    assert_int_equal(buf_appendf(&log->text, "[%s|%s|%s]", part->name,
                                 part->filename != NULL ? part->filename : "-", part->content_type),
                     OK);
    return note(log, "begin", e);
}

static enum err on_data(void *ctx, const void *bytes, size_t len, struct error *e)
{
    struct log *log = ctx;
    assert_true(len > 0);
    assert_int_equal(buf_append(&log->text, bytes, len), OK);
    return note(log, "data", e);
}

static enum err on_end(void *ctx, struct error *e)
{
    struct log *log = ctx;
    assert_int_equal(buf_append(&log->text, ";", 1), OK);
    return note(log, "end", e);
}

static const struct multipart_events events = { on_begin, on_data, on_end };

struct result {
    enum err err;
    bool is_complete;
    struct log log;
};

/* Feeds the text in two slices, cut at `cut`, and each of them in slices of at most `step`. */
static struct result feed(const char *content_type, const char *text, size_t len, size_t cut,
                          size_t step)
{
    struct result r = { .err = OK };
    struct error e = { 0 };
    struct multipart *m = NULL;
    buf_init(&r.log.text, 100000);
    assert_int_equal(multipart_new(content_type, &events, &r.log, &m, &e), OK);
    for (size_t at = 0; at < len && r.err == OK;) {
        size_t end = at < cut ? cut : len;
        size_t n = end - at < step ? end - at : step;
        /* In memory of its own, so that a read past its end is seen. */
        char *slice = malloc(n);
        memcpy(slice, text + at, n);
        r.err = multipart_feed(m, slice, n, &e);
        free(slice);
        at += n;
    }
    r.is_complete = multipart_is_complete(m);
    multipart_free(m);
    return r;
}

struct form {
    const char *name;
    const char *text;
    size_t len;
    enum err err;
    bool is_complete;
    const char *events;
};

#define FORM(name, text, err, is_complete, events)                                                 \
    {                                                                                              \
        name, text, sizeof(text) - 1, err, is_complete, events                                     \
    }
#define PART "--XX\r\n" DISPOSITION "name=a\r\n\r\n\r\n"
#define PARTS_8 PART PART PART PART PART PART PART PART
#define PARTS_64 PARTS_8 PARTS_8 PARTS_8 PARTS_8 PARTS_8 PARTS_8 PARTS_8 PARTS_8
#define DISPOSITION "Content-Disposition: form-data; "

static const struct form forms[] = {
    FORM("one file",
         "--XX\r\n" DISPOSITION "name=\"file\"; filename=\"a.mp4\"\r\nContent-Type: video/mp4\r\n"
         "\r\nabc\r\n--XX--\r\n",
         OK, true, "[file|a.mp4|video/mp4]abc;"),
    FORM("two parts",
         "--XX\r\n" DISPOSITION "name=tag\r\n\r\nx y\r\n--XX\r\n" DISPOSITION
         "name=\"f\"; filename=\"\"\r\n\r\n\r\n--XX--",
         OK, true, "[tag|-|]x y;[f||];"),
    FORM("preamble and epilogue",
         "hello\r\n--X\r\n--XX\r\n" DISPOSITION "name=a\r\n\r\nb\r\n--XX--\r\nbye --XX\r\n", OK,
         true, "[a|-|]b;"),
    FORM("no headers", "--XX\r\n\r\nabc\r\n--XX--\r\n", OK, true, "[|-|]abc;"),
    FORM("padded delimiter", "--XX \t\r\n\r\nabc\r\n--XX\t\r\n\r\nd\r\n--XX--", OK, true,
         "[|-|]abc;[|-|]d;"),
    FORM("almost delimiters", "--XX\r\n\r\n\r\r\n\r\n-\r\n--\r\n--X\r\n--Y\r\r\n--x\r\n\r\n--XX--",
         OK, true, "[|-|]\r\r\n\r\n-\r\n--\r\n--X\r\n--Y\r\r\n--x\r\n;"),
    FORM("boundary without line end is data", "--XX\r\n\r\nab--XX--\n--XX--\r\n--XX--", OK, true,
         "[|-|]ab--XX--\n--XX--;"),
    FORM("binary", "--XX\r\n\r\n\0\xff\r\0\n\r\n--XX--", OK, true, NULL),
    FORM("escapes of browsers and curl",
         "--XX\r\n" DISPOSITION
         "name=\"a%22b\"; filename=\"q\\\"r\\\\s%22t%41.mp4\"\r\n\r\n\r\n--XX--",
         OK, true, "[a\"b|q\"r\\s\"t%41.mp4|];"),
    FORM("windows path",
         "--XX\r\n" DISPOSITION "name=f; filename=\"C:\\new\\a.mp4\"\r\n\r\n\r\n--XX--", OK, true,
         "[f|C:\\new\\a.mp4|];"),
    FORM("extended name",
         "--XX\r\n" DISPOSITION "name=f; filename=\"x.mp4\"; filename*=UTF-8''na%C3%AFve%20.mp4"
         "\r\n\r\n\r\n--XX--",
         OK, true, "[f|na\xc3\xafve .mp4|];"),
    FORM("extended name that is broken",
         "--XX\r\n" DISPOSITION
         "name=f; filename=\"x.mp4\"; filename*=UTF-8''%zz\r\n\r\n\r\n--XX--",
         OK, true, "[f|x.mp4|];"),
    FORM("extended name in another charset",
         "--XX\r\n" DISPOSITION "name=f; filename*=latin1''%E9; filename=x\r\n\r\n\r\n--XX--", OK,
         true, "[f|x|];"),
    FORM("semicolon in quotes",
         "--XX\r\n" DISPOSITION "filename=\"a;b=c.mp4\" ; name=f ;\r\n\r\n\r\n--XX--", OK, true,
         "[f|a;b=c.mp4|];"),
    FORM("names in any case",
         "--XX\r\ncontent-disposition: Form-Data; NAME=f; FileName=x\r\n"
         "CONTENT-type:  a/b\r\nX-Other: y\r\n\r\n\r\n--XX--",
         OK, true, "[f|x|a/b];"),
    FORM("cut in the data", "--XX\r\n\r\nabc", OK, false, "[|-|]abc"),
    FORM("cut in the delimiter", "--XX\r\n\r\nabc\r\n--X", OK, false, "[|-|]abc"),
    FORM("cut before the last dash", "--XX\r\n\r\nabc\r\n--XX-", OK, false, "[|-|]abc;"),
    FORM("cut in the head", "--XX\r\nContent-Type: a", OK, false, ""),
    FORM("nothing", "", OK, false, ""),
    FORM("no delimiter", "abc\r\ndef\r\n", OK, false, ""),
    FORM("delimiter with more behind it", "--XX\r\n\r\nabc\r\n--XXY\r\n", ERR_INVALID, false, NULL),
    FORM("line end without CR", "--XX\n\nabc\n--XX--", ERR_INVALID, false, NULL),
    FORM("header without colon", "--XX\r\nabc\r\n\r\n", ERR_INVALID, false, NULL),
    FORM("disposition without end", "--XX\r\n" DISPOSITION "name=\"a\r\n\r\n", ERR_INVALID, false,
         NULL),
    FORM("disposition of another kind", "--XX\r\nContent-Disposition: attachment\r\n\r\n",
         ERR_INVALID, false, NULL),
    FORM("two names", "--XX\r\n" DISPOSITION "name=a; name=b\r\n\r\n", ERR_INVALID, false, NULL),
    FORM("two dispositions", "--XX\r\n" DISPOSITION "name=a\r\n" DISPOSITION "name=b\r\n\r\n",
         ERR_INVALID, false, NULL),
    FORM("NUL in the head", "--XX\r\nX: a\0b\r\n\r\n", ERR_INVALID, false, NULL),
    FORM("64 parts", PARTS_64 "--XX--", OK, true, NULL),
    FORM("65 parts", PARTS_64 PART "--XX--", ERR_TOO_BIG, false, NULL),
};

static void check(const struct form *form, size_t cut, size_t step)
{
    struct result r = feed("multipart/form-data; boundary=XX", form->text, form->len, cut, step);
    bool is_right = r.err == form->err && r.is_complete == form->is_complete &&
                    (form->events == NULL || strcmp(buf_text(&r.log.text), form->events) == 0);
    if (!is_right) {
        fail_msg("%s, cut at %zu, steps of %zu: %s, %s, %s", form->name, cut, step, err_name(r.err),
                 r.is_complete ? "complete" : "not complete", buf_text(&r.log.text));
    }
    buf_release(&r.log.text);
}

static void forms_cut_anywhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        for (size_t cut = 0; cut <= forms[i].len; cut++) {
            check(&forms[i], cut, SIZE_MAX);
        }
        for (size_t step = 1; step <= 7; step++) {
            check(&forms[i], 0, step);
        }
    }
}

static void binary_data_is_kept(void **state)
{
    (void)state;
    static const char head[] = "--XX\r\n\r\n";
    static const char tail[] = "\r\n--XX--\r\n";
    /* What looks like the beginning of a delimiter, again and again. */
    char body[4000];
    for (size_t i = 0; i < sizeof(body); i++) {
        body[i] = "\r\n--X\r\n-"[i % 9];
        if (i % 3 == 0) {
            body[i] = (char)((i / 3) & 0x7f);
        }
    }
    char text[sizeof(head) + sizeof(body) + sizeof(tail)];
    size_t len = 0;
    memcpy(text, head, sizeof(head) - 1);
    len += sizeof(head) - 1;
    memcpy(text + len, body, sizeof(body));
    len += sizeof(body);
    memcpy(text + len, tail, sizeof(tail) - 1);
    len += sizeof(tail) - 1;
    for (size_t step = 1; step < 100; step++) {
        struct result r = feed("multipart/form-data; boundary=XX", text, len, 0, step);
        assert_true(r.is_complete);
        assert_int_equal(r.log.text.len, sizeof(body) + strlen("[|-|]") + 1);
        assert_memory_equal(r.log.text.data + strlen("[|-|]"), body, sizeof(body));
        buf_release(&r.log.text);
    }
}

static void content_types(void **state)
{
    (void)state;

    static const struct {
        const char *type;
        bool is_good;
    } types[] = {
        { "multipart/form-data; boundary=XX", true },
        { "Multipart/Form-Data;BOUNDARY=XX", true },
        { "multipart/form-data; boundary=\"XX\"", true },
        { "multipart/form-data; charset=utf-8; boundary=XX; x=y", true },
        { "multipart/form-data; boundary=\"XX\" ; charset=\"a;b\"", true },
        { "multipart/form-data; "
          "boundary=1234567890123456789012345678901234567890123456789012345678901234567890",
          true },
        { "multipart/form-data; "
          "boundary=12345678901234567890123456789012345678901234567890123456789012345678901",
          false },
        { "multipart/form-data; boundary=", false },
        { "multipart/form-data; boundary=\"\"", false },
        { "multipart/form-data; boundary=\"XX", false },
        { "multipart/form-data; boundary=\"X \"", false },
        { "multipart/form-data; boundary=\"X\\\"\"", false },
        { "multipart/form-data; boundary=X\xc3\xa9", false },
        { "multipart/form-data; boundary=XX; boundary=YY", false },
        { "multipart/form-data; boundary", false },
        { "multipart/form-data", false },
        { "multipart/form-database; boundary=XX", false },
        { "multipart/mixed; boundary=XX", false },
        { "video/mp4", false },
        { "", false },
        { NULL, false },
    };

    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        struct multipart *m = NULL;
        struct error e = { 0 };
        enum err err = multipart_new(types[i].type, &events, NULL, &m, &e);
        if ((err == OK) != types[i].is_good || (err != OK && err != ERR_INVALID)) {
            fail_msg("%s", types[i].type);
        }
        multipart_free(m);
    }
    multipart_free(NULL);
}

static void failures_of_events_end_it(void **state)
{
    (void)state;
    static const char text[] = "--XX\r\n\r\nabc\r\n--XX--";
    static const char *const at[] = { "begin", "data", "end" };
    for (size_t i = 0; i < ARRAY_LEN(at); i++) {
        struct log log = { .fail_with = ERR_BUSY, .fail_at = at[i] };
        struct multipart *m = NULL;
        struct error e = { 0 };
        buf_init(&log.text, 1000);
        assert_int_equal(multipart_new("multipart/form-data; boundary=XX", &events, &log, &m, &e),
                         OK);
        assert_int_equal(multipart_feed(m, text, sizeof(text) - 1, &e), ERR_BUSY);
        assert_string_equal(e.text, "as asked");
        size_t len = log.text.len;
        assert_int_equal(multipart_feed(m, text, sizeof(text) - 1, &e), ERR_BUSY);
        assert_int_equal(log.text.len, len);
        assert_false(multipart_is_complete(m));
        multipart_free(m);
        buf_release(&log.text);
    }
}

static void a_long_head_is_refused(void **state)
{
    (void)state;
    char text[6000];
    int len = snprintf(text, sizeof(text), "--XX\r\nX: %04500d\r\n\r\n", 0);
    for (size_t step = 1; step < 6000; step += 1999) {
        struct result r = feed("multipart/form-data; boundary=XX", text, (size_t)len, 0, step);
        assert_int_equal(r.err, ERR_TOO_BIG);
        buf_release(&r.log.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms_cut_anywhere),     cmocka_unit_test(binary_data_is_kept),
        cmocka_unit_test(content_types),          cmocka_unit_test(failures_of_events_end_it),
        cmocka_unit_test(a_long_head_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
