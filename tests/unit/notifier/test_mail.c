/* The mail: headers that nobody can break, a subject in any script, two parts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/text.h"
#include "notifier/mail.h"

static struct job succeeded(const char *filename)
{
    struct job job;
    job_init(&job, "ann@example.org");
    job.state = JOB_SUCCEEDED;
    (void)text_copy(job.filename, sizeof(job.filename), filename);
    (void)text_copy(job.mp3_fid, sizeof(job.mp3_fid), "00112233445566778899aabb");
    return job;
}

/* The decoded text of all base64 lines from `from` up to an empty line or a boundary. */
static void decode_lines(const char *from, char *out, size_t size)
{
    size_t used = 0;
    while (*from != '\0' && *from != '\r' && *from != '-') {
        size_t len = strcspn(from, "\r");
        char line[80];
        assert_true(len < sizeof(line));
        memcpy(line, from, len);
        line[len] = '\0';
        size_t decoded = 0;
        assert_int_equal(text_from_base64(out + used, size - used - 1, line, &decoded), OK);
        used += decoded;
        from += len + 2;
    }
    out[used] = '\0';
}

static void test_parts(void **state)
{
    (void)state;
    struct job job = succeeded("a<b>&\"c\".mp4");
    struct buf mail;
    buf_init(&mail, MAIL_MAX);
    assert_int_equal(
        mail_compose(&job, "unreel@example.org", "http://host:1/", "evt_1", &mail, NULL), OK);
    const char *text = buf_text(&mail);
    assert_non_null(strstr(text, "From: Unreel <unreel@example.org>\r\n"));
    assert_non_null(strstr(text, "To: <ann@example.org>\r\n"));
    assert_non_null(strstr(text, "Message-ID: <evt_1@unreel>\r\n"));
    char body[4096];
    const char *plain = strstr(text, "text/plain");
    assert_non_null(plain);
    decode_lines(strstr(plain, "\r\n\r\n") + 4, body, sizeof(body));
    assert_non_null(strstr(body, "a<b>&\"c\".mp4 has been converted."));
    assert_non_null(strstr(body, "http://host:1/download?fid=00112233445566778899aabb"));
    const char *html = strstr(text, "text/html");
    assert_non_null(html);
    decode_lines(strstr(html, "\r\n\r\n") + 4, body, sizeof(body));
    assert_non_null(strstr(body, "a&lt;b&gt;&amp;&quot;c&quot;.mp4 has been converted."));
    assert_null(strstr(body, "<b>"));
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '\n') {
            assert_int_equal(c[-1], '\r');
        }
    }
    buf_release(&mail);
}

/* Each MP3 by its name, in both parts; and the largest mail there is fits. */
static void test_several_outputs(void **state)
{
    (void)state;
    struct job job = succeeded("<clip>.mp4");
    struct buf mail;
    char body[4096];
    job.output_count = 2;
    (void)text_copy(job.outputs[0].fid, ID_SIZE, job.mp3_fid);
    (void)text_copy(job.outputs[1].fid, ID_SIZE, "aabbccddeeff001122334455");
    buf_init(&mail, MAIL_MAX);
    assert_int_equal(mail_compose(&job, "a@b", "http://h", "e", &mail, NULL), OK);
    decode_lines(strstr(strstr(buf_text(&mail), "text/plain"), "\r\n\r\n") + 4, body, sizeof(body));
    assert_non_null(strstr(body, "<clip>.mp3\nhttp://h/download?fid=00112233445566778899aabb\n"));
    assert_non_null(strstr(body, "<clip>-2.mp3\nhttp://h/download?fid=aabbccddeeff001122334455\n"));
    decode_lines(strstr(strstr(buf_text(&mail), "text/html"), "\r\n\r\n") + 4, body, sizeof(body));
    assert_non_null(strstr(body, "<a href=\"http://h/download?fid=aabbccddeeff001122334455\">"
                                 "&lt;clip&gt;-2.mp3</a>"));
    buf_release(&mail);

    char url[1001];
    memset(url, 'u', sizeof(url) - 1);
    url[sizeof(url) - 1] = '\0';
    memset(job.filename, '"', sizeof(job.filename) - 1);
    job.output_count = JOB_OUTPUTS_MAX;
    job.input.chapter_count = JOB_CHAPTERS_MAX;
    for (int i = 0; i < JOB_OUTPUTS_MAX; i++) {
        job.outputs[i].chapter = i + 1;
        memset(job.input.chapters[i].title, '"', JOB_TITLE_SIZE - 1);
        (void)text_copy(job.outputs[i].fid, ID_SIZE, job.mp3_fid);
    }
    buf_init(&mail, MAIL_MAX);
    assert_int_equal(mail_compose(&job, "a@b", url, "e", &mail, NULL), OK);
    buf_release(&mail);
}

static void test_failed_job_says_why(void **state)
{
    (void)state;
    struct job job = succeeded("x.mp4");
    job.state = JOB_FAILED;
    job.error.problem = PROBLEM_NO_AUDIO;
    (void)text_copy(job.error.detail, sizeof(job.error.detail), "The video has no sound.");
    struct buf mail;
    buf_init(&mail, MAIL_MAX);
    assert_int_equal(mail_compose(&job, "a@b", "http://h", "e", &mail, NULL), OK);
    char body[4096];
    decode_lines(strstr(strstr(buf_text(&mail), "text/plain"), "\r\n\r\n") + 4, body, sizeof(body));
    assert_non_null(strstr(body, "The video has no sound."));
    buf_release(&mail);
}

/* Encoded words are at most 75 characters, cut between characters, and decode to the subject. */
static void test_subject_in_other_scripts(void **state)
{
    (void)state;
    struct job job = succeeded("Überraschung 漢字仮名交じり文の長い名前でありますから折り返す.mp4");
    struct buf mail;
    buf_init(&mail, MAIL_MAX);
    assert_int_equal(mail_compose(&job, "a@b", "http://h", "e", &mail, NULL), OK);
    const char *word = strstr(buf_text(&mail), "Subject:");
    const char *end = strstr(word, "\r\nMessage-ID");
    char subject[1024] = "";
    size_t used = 0;
    while ((word = strstr(word, "=?UTF-8?B?")) != NULL && word < end) {
        const char *stop = strstr(word + 10, "?=");
        size_t len = (size_t)(stop - word) - 10;
        assert_true(len + 12 <= 75);
        char encoded[80];
        memcpy(encoded, word + 10, len);
        encoded[len] = '\0';
        size_t decoded = 0;
        assert_int_equal(
            text_from_base64(subject + used, sizeof(subject) - used - 1, encoded, &decoded), OK);
        assert_true(text_is_utf8(subject + used, decoded));
        used += decoded;
        word = stop;
    }
    subject[used] = '\0';
    char wanted[JOB_FILENAME_SIZE + 64];
    (void)snprintf(wanted, sizeof(wanted), "Your MP3 is ready: %s", job.filename);
    assert_string_equal(subject, wanted);
    buf_release(&mail);
}

static void test_addresses_refused(void **state)
{
    (void)state;
    static const char *const bad[] = { "",      "nobody",          "@x",        "a@",
                                       "a b@c", "a@b\r\nBcc: d@e", "a@b>,<c@d", "a@b,c@d" };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct job job = succeeded("x.mp4");
        (void)text_copy(job.owner, sizeof(job.owner), bad[i]);
        struct buf mail;
        buf_init(&mail, MAIL_MAX);
        assert_int_equal(mail_compose(&job, "a@b", "http://h", "e", &mail, NULL), ERR_INVALID);
        buf_release(&mail);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_several_outputs),
        cmocka_unit_test(test_failed_job_says_why),
        cmocka_unit_test(test_subject_in_other_scripts),
        cmocka_unit_test(test_addresses_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
