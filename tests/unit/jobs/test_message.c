#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "core/text.h"
#include "jobs/message.h"

#define FID "0123456789abcdef01234567"
#define MP3 "76543210fedcba9876543210"
#define TRACE "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
#define ANN "\"username\":\"ann@example.org\""
#define STANDARD                                                                                   \
    {                                                                                              \
        .options = {                                                                               \
            .mode = JOB_MODE_VBR,                                                                  \
            .bitrate_kbps = 192,                                                                   \
            .quality = 2,                                                                          \
            .loudness_target_centi_lufs = -1600                                                    \
        }                                                                                          \
    }
#define assert_err(expected, call) assert_string_equal(err_name(expected), err_name(call))

static void test_accepted(void **state)
{
    (void)state;

    static const struct {
        const char *text;
        struct job_message m;
    } rows[] = {
        /* the Python tutorial's two messages */
        { "{\"video_fid\": \"" FID "\", \"mp3_fid\": null, " ANN "}",
          { 0, "", FID, "", "ann@example.org", JOB_SUCCEEDED, STANDARD, "" } },
        { "{\"video_fid\": \"" FID "\", \"mp3_fid\": \"" MP3 "\", " ANN "}",
          { 0, "", FID, MP3, "ann@example.org", JOB_SUCCEEDED, STANDARD, "" } },
        { "{\"version\":1,\"job_id\":\"" MP3 "\",\"video_fid\":\"" FID "\"," ANN
          ",\"state\":\"failed\",\"traceparent\":\"" TRACE
          "\",\"options\":{\"mode\":\"vbr\",\"quality\":4}}",
          { 1,
            MP3,
            FID,
            "",
            "ann@example.org",
            JOB_FAILED,
            { .options = { .mode = JOB_MODE_VBR,
                           .bitrate_kbps = 192,
                           .quality = 4,
                           .loudness_target_centi_lufs = -1600,
                           .copy = JOB_COPY_NEVER } },
            TRACE } },
        /* unknown members and a broken trace context are no reason to refuse */
        { "{\"video_fid\":\"" FID "\"," ANN ",\"x\":[1,{}],\"options\":null,\"traceparent\":\"?\"}",
          { 0, "", FID, "", "ann@example.org", JOB_SUCCEEDED, STANDARD, "" } },
        { " {\"video_fid\":\"" FID "\",\"username\":\"\\u00fc\",\"state\":\"cancelled\"}\n",
          { 0, "", FID, "", "\xc3\xbc", JOB_CANCELLED, STANDARD, "" } },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct job_message m;
        struct error e = { .code = OK };
        if (job_message_parse(rows[i].text, strlen(rows[i].text), &m, &e) != OK) {
            fail_msg("row %zu: %s", i, e.text);
        }
        assert_int_equal(m.version, rows[i].m.version);
        assert_string_equal(m.job_id, rows[i].m.job_id);
        assert_string_equal(m.video_fid, rows[i].m.video_fid);
        assert_string_equal(m.mp3_fid, rows[i].m.mp3_fid);
        assert_string_equal(m.username, rows[i].m.username);
        assert_int_equal(m.state, rows[i].m.state);
        assert_memory_equal(&m.request, &rows[i].m.request, sizeof(m.request));
        assert_string_equal(m.traceparent, rows[i].m.traceparent);
    }
}

static const char *const refused[] = {
    "",
    " ",
    "null",
    "[]",
    "\"x\"",
    "{",
    "{}",
    "{" ANN "}",
    "{\"video_fid\":\"" FID "\"}",
    "{\"video_fid\":null," ANN "}",
    "{\"video_fid\":7," ANN "}",
    "{\"video_fid\":\"\"," ANN "}",
    "{\"video_fid\":\"0123456789ABCDEF01234567\"," ANN "}",
    "{\"video_fid\":\"0123456789abcdef0123456\"," ANN "}",
    "{\"video_fid\":\"0123456789abcdef012345678\"," ANN "}",
    "{\"video_fid\":\"../../../../../etc/passw\"," ANN "}",
    "{\"video_fid\":{\"$oid\":\"" FID "\"}," ANN "}",
    "{\"video_fid\":\"" FID "\",\"mp3_fid\":false," ANN "}",
    "{\"video_fid\":\"" FID "\",\"mp3_fid\":\"x\"," ANN "}",
    "{\"video_fid\":\"" FID "\",\"job_id\":1," ANN "}",
    "{\"video_fid\":\"" FID "\",\"username\":null}",
    "{\"video_fid\":\"" FID "\",\"username\":\"\"}",
    "{\"video_fid\":\"" FID "\",\"username\":[\"ann\"]}",
    "{\"video_fid\":\"" FID "\",\"username\":\"a\\nb\"}",
    "{\"video_fid\":\"" FID "\",\"username\":\"a\\u0000b\"}",
    "{\"video_fid\":\"" FID "\",\"username\":\"\xff\"}",
    "{\"video_fid\":\"" FID "\"," ANN ",\"version\":0}",
    "{\"video_fid\":\"" FID "\"," ANN ",\"version\":2}",
    "{\"video_fid\":\"" FID "\"," ANN ",\"version\":1.0}",
    "{\"video_fid\":\"" FID "\"," ANN ",\"version\":\"1\"}",
    "{\"video_fid\":\"" FID "\"," ANN ",\"version\":null}",
    "{\"video_fid\":\"" FID "\"," ANN ",\"version\":18446744073709551617}",
    "{\"video_fid\":\"" FID "\"," ANN ",\"state\":\"queued\"}",
    "{\"video_fid\":\"" FID "\"," ANN ",\"state\":\"done\"}",
    "{\"video_fid\":\"" FID "\"," ANN ",\"state\":1}",
    "{\"video_fid\":\"" FID "\"," ANN ",\"options\":[]}",
    "{\"video_fid\":\"" FID "\"," ANN ",\"options\":{\"bitrate\":9999}}",
    "{\"video_fid\":\"" FID "\"," ANN ",\"options\":{\"bitrate\":100}}",
    "{\"video_fid\":\"" FID "\"," ANN ",\"options\":{\"shell\":\"rm\"}}",
    "{\"video_fid\":\"" FID "\"," ANN ",\"options\":{\"tags\":{\"title\":1}}}",
    "{\"video_fid\":\"" FID "\"," ANN ",\"options\":{\"outputs\":[{\"bitrate\":100}]}}",
    "{\"video_fid\":\"" FID "\"," ANN ",\"options\":{\"outputs\":[{},{},{},{},{},{},{},{},{}]}}",
    "{\"video_fid\":\"" FID "\"," ANN ",\"traceparent\":5}",
    "{\"video_fid\":\"" FID "\"," ANN "," ANN "}",
    "{\"video_fid\":\"" FID "\",\"video_fid\":\"" MP3 "\"," ANN "}",
    "{\"video_fid\":\"" FID "\"," ANN "} x",
    "{\"video_fid\":\"" FID "\"," ANN "}{}",
    "{'video_fid':'" FID "'}",
};

static void test_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        struct job_message m = { .version = 77 };
        struct error e = { .code = OK };
        if (job_message_parse(refused[i], strlen(refused[i]), &m, &e) != ERR_INVALID) {
            fail_msg("accepted: %s", refused[i]);
        }
        assert_int_equal(e.code, ERR_INVALID);
        assert_int_equal(m.version, 77); /* written on OK only */
    }
    static const char with_nul[] = "{\"video_fid\":\"" FID "\"," ANN "}\0";
    struct job_message m;
    assert_err(ERR_INVALID, job_message_parse(with_nul, sizeof(with_nul) - 1, &m, NULL));
    assert_err(ERR_INVALID, job_message_parse(NULL, 0, &m, NULL));
}

/* A message padded by an unknown member to `len` bytes. */
static enum err parse_padded(size_t len)
{
    static const char head[] = "{\"video_fid\":\"" FID "\"," ANN ",\"pad\":\"";
    char *text = xmalloc(len);
    struct job_message m;
    memset(text, 'x', len);
    memcpy(text, head, sizeof(head) - 1);
    memcpy(text + len - 2, "\"}", 2);
    enum err err = job_message_parse(text, len, &m, NULL);
    free(text);
    return err;
}

static void test_sizes(void **state)
{
    (void)state;
    assert_err(OK, parse_padded(JOB_MESSAGE_MAX));
    assert_err(ERR_INVALID, parse_padded(JOB_MESSAGE_MAX + 1));
    assert_err(ERR_INVALID, parse_padded((size_t)1 << 20));
    for (int len = 253; len <= 256; len++) {
        char name[300];
        char text[600];
        memset(name, 'u', sizeof(name));
        name[len] = '\0';
        (void)snprintf(text, sizeof(text), "{\"video_fid\":\"" FID "\",\"username\":\"%s\"}", name);
        struct job_message m;
        assert_err(len < JOB_OWNER_SIZE ? OK : ERR_INVALID,
                   job_message_parse(text, strlen(text), &m, NULL));
    }
    char deep[4000];
    memset(deep, '[', sizeof(deep));
    struct job_message m;
    assert_err(ERR_INVALID, job_message_parse(deep, sizeof(deep), &m, NULL));
}

static void fill(struct job *j)
{
    job_init(j, "ann@example.org");
    memcpy(j->video_fid, j->id, ID_SIZE);
    (void)text_copy(j->mp3_fid, ID_SIZE, MP3);
    (void)text_copy(j->traceparent, TRACEPARENT_SIZE, TRACE);
    (void)text_copy(j->idempotency_key, JOB_IDEMPOTENCY_SIZE, "secret key");
    j->request.options.mode = JOB_MODE_ABR;
    j->state = JOB_SUCCEEDED;
}

static void test_round_trip(void **state)
{
    (void)state;
    struct job j;
    struct job_message m;
    fill(&j);
    char *text = job_message_video(&j);
    assert_non_null(strstr(text, "\"mp3_fid\":null"));
    assert_err(OK, job_message_parse(text, strlen(text), &m, NULL));
    assert_string_equal(m.video_fid, j.id);
    assert_string_equal(m.job_id, j.id);
    assert_string_equal(m.mp3_fid, "");
    assert_memory_equal(&m.request, &j.request, sizeof(m.request));
    free(text);

    text = job_message_mp3(&j);
    assert_err(OK, job_message_parse(text, strlen(text), &m, NULL));
    assert_int_equal(m.version, 1);
    assert_string_equal(m.mp3_fid, MP3);
    assert_string_equal(m.username, "ann@example.org");
    assert_string_equal(m.traceparent, TRACE);
    assert_int_equal(m.state, JOB_SUCCEEDED);
    assert_null(strstr(text, "secret key"));
    free(text);
}

/* The largest request: all of its texts twice as long in JSON, all numbers with all their digits.
 */
static void fill_request(struct job_request *r)
{
    static const char output[] = "{\"preset\":\"standard\",\"mode\":\"cbr\",\"bitrate\":320,"
                                 "\"sample_rate\":44100,\"start\":3599990.001,\"end\":3599999.999,"
                                 "\"track\":\"abcd-efghijklmn\",\"fade_in\":29.999,"
                                 "\"fade_out\":29.999,\"loudness\":\"normalize\","
                                 "\"loudness_target\":-69.99,\"trim_silence\":false,"
                                 "\"cover\":3599999.999}";
    char outputs[JOB_REQUEST_OUTPUTS_MAX * sizeof(output) + 2] = "";
    char text[JOB_TAG_TEXT_SIZE];
    memset(text, '"', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    for (int i = 0; i < JOB_TAG_COUNT; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "tags.%s", job_tag_name((enum job_tag_name)i));
        assert_err(OK, job_request_set(r, name, text, NULL));
    }
    size_t len = 0;
    for (int i = 0; i < JOB_REQUEST_OUTPUTS_MAX; i++) {
        len += (size_t)snprintf(outputs + len, sizeof(outputs) - len, "%c%s", i == 0 ? '[' : ',',
                                output);
    }
    (void)snprintf(outputs + len, sizeof(outputs) - len, "]");
    struct error e = { .code = OK };
    if (job_request_set(r, "outputs", outputs, &e) != OK || job_request_settle(r, &e) != OK) {
        fail_msg("%s", e.text);
    }
    r->options = r->outputs[0];
    r->options.given = 0;
}

static void test_largest_request(void **state)
{
    (void)state;
    struct job j;
    struct job_message m;
    fill(&j);
    memset(j.owner, '"', sizeof(j.owner) - 1);
    fill_request(&j.request);
    char *text = job_message_video(&j);
    assert_in_range(strlen(text), 8000, JOB_MESSAGE_MAX);
    assert_err(OK, job_message_parse(text, strlen(text), &m, NULL));
    assert_memory_equal(&m.request, &j.request, sizeof(m.request));
    free(text);
}

/* The largest job there is still fits, and its body is UTF-8 whatever a decoder put into it. */
static void test_event_fits(void **state)
{
    (void)state;
    struct job j;
    fill(&j);
    memset(j.owner, '"', sizeof(j.owner) - 1);
    memset(j.filename, '\\', sizeof(j.filename) - 1);
    memset(j.tag, '\xff', sizeof(j.tag) - 1);
    memset(j.webhook_url, 'w', sizeof(j.webhook_url) - 1);
    j.input.track_count = JOB_TRACKS_MAX;
    for (int i = 0; i < JOB_TRACKS_MAX; i++) {
        memset(j.input.tracks[i].codec, 'c', sizeof(j.input.tracks[i].codec) - 1);
        memset(j.input.tracks[i].language, '\xfe', sizeof(j.input.tracks[i].language) - 1);
    }
    char *text = job_event_body(&j);
    assert_true(strlen(text) > 2000);
    assert_non_null(strstr(text, "\"codec\":\"ccc"));
    free(text);
    fill_request(&j.request);
    j.input.chapter_count = JOB_CHAPTERS_MAX;
    j.output_count = JOB_OUTPUTS_MAX;
    for (int i = 0; i < JOB_CHAPTERS_MAX; i++) {
        memset(j.input.chapters[i].title, '"', sizeof(j.input.chapters[i].title) - 1);
        j.outputs[i] = (struct job_output){ .size_bytes = 1, .chapter = i + 1 };
    }
    text = job_event_body(&j);
    assert_non_null(strstr(text, "\"chapters\":null"));
    assert_non_null(strstr(text, "\"outputs\":null"));
    assert_true(strlen(text) <= JOB_MESSAGE_MAX);
    assert_true(text_is_utf8(text, strlen(text)));
    free(text);
    text = job_message_mp3(&j);
    assert_true(strlen(text) <= JOB_MESSAGE_MAX);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted),   cmocka_unit_test(test_refused),
        cmocka_unit_test(test_sizes),      cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_event_fits), cmocka_unit_test(test_largest_request),
    };
    return cmocka_run_group_tests_name("message", tests, NULL, NULL);
}
