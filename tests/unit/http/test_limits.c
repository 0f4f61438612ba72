/* What the server refuses, and that the refusal arrives. */
#include "fixture.h"
#include "routes.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/attr.h"
#include "core/clock.h"

/* ---- the screen ---- */

struct bytes {
    const char *name;
    const char *at;
    size_t len;
    int status;
    bool is_ours; /* else libmicrohttpd's own answer */
};

#define ROW(name, text, status, is_ours)                                                           \
    {                                                                                              \
        name, text, sizeof(text) - 1, status, is_ours                                              \
    }
/* Executed if anybody takes the end of the request for another one. */
#define SMUGGLED "DELETE /empty HTTP/1.1\r\nHost: a\r\n\r\n"
#define POST "POST /upload HTTP/1.1\r\nHost: a\r\n"

static const struct bytes smuggling[] = {
    ROW("CL and TE",
        POST "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" SMUGGLED, 400,
        true),
    ROW("TE and CL",
        POST "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n" SMUGGLED, 400,
        true),
    ROW("two CL", POST "Content-Length: 0\r\nContent-Length: 40\r\n\r\n" SMUGGLED, 400, true),
    ROW("CL list", POST "Content-Length: 0, 40\r\n\r\n" SMUGGLED, 400, false),
    ROW("two TE", POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400, true),
    ROW("TE: xchunked", POST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" SMUGGLED, 400, true),
    ROW("TE: gzip, chunked", POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400, true),
    ROW("TE with blank at its end", POST "Transfer-Encoding: chunked \r\n\r\n0\r\n\r\n", 400, true),
    ROW("TE in 1.0", "POST /upload HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400,
        true),
    ROW("CL +5", POST "Content-Length: +5\r\n\r\nabcde", 400, false),
    ROW("CL -5", POST "Content-Length: -5\r\n\r\nabcde", 400, false),
    ROW("bare LF", "GET /hello HTTP/1.1\nHost: a\n\n" SMUGGLED, 400, true),
    ROW("bare LF in the request line", "GET /hello HTTP/1.1\nHost: a\r\n\r\n", 400, true),
    ROW("bare LF in a header", "GET /hello HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", 400, true),
    ROW("bare LF at the end", "GET /hello HTTP/1.1\r\nHost: a\r\n\n", 400, true),
    ROW("bare LF before the end", "GET /hello HTTP/1.1\r\nHost: a\n\r\n", 400, true),
    ROW("bare CR", "GET /hello HTTP/1.1\r\nHost: a\r\nX: b\rY: c\r\n\r\n", 400, true),
    ROW("blank before the colon", "GET /hello HTTP/1.1\r\nHost : a\r\n\r\n", 400, false),
    ROW("blank before a colon", "GET /hello HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n", 400, true),
    ROW("no Host", "GET /hello HTTP/1.1\r\nX: a\r\n\r\n", 400, false),
    ROW("two Hosts", "GET /hello HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, true),
    ROW("folded header", "GET /hello HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\nY: d\r\n\r\n", 400, true),
    ROW("folded last header", "GET /hello HTTP/1.1\r\nHost: a\r\nX: b\r\n\tc\r\n\r\n", 400, true),
    ROW("folded TE", POST "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" SMUGGLED, 400, true),
    ROW("folded first line", "GET /hello HTTP/1.1\r\n X: b\r\nHost: a\r\n\r\n", 400, true),
    ROW("NUL in a value", "GET /hello HTTP/1.1\r\nHost: a\r\nX: b\0c\r\nY: d\r\n\r\n", 400, true),
    ROW("NUL in the last value", "GET /hello HTTP/1.1\r\nHost: a\r\nX: b\0c\r\n\r\n", 400, true),
    ROW("NUL in a CL", POST "Content-Length: 0\0001\r\nX: y\r\n\r\n" SMUGGLED, 400, true),
    ROW("NUL in the target", "GET /hello\0 HTTP/1.1\r\nHost: a\r\n\r\n", 400, true),
    ROW("control character", "GET /hello HTTP/1.1\r\nHost: a\r\nX: \x01\r\n\r\n", 400, true),
    ROW("control character in the target", "GET /hel\x7flo HTTP/1.1\r\nHost: a\r\n\r\n", 400, true),
    ROW("chunk extension", POST "Transfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\n\r\n", 201,
        true),
    ROW("blanks around values", "GET /hello HTTP/1.1\r\nHost:  a \r\nX:\t b\t \r\nE:\r\n\r\n", 200,
        true),
    ROW("empty line first", "\r\nGET /hello HTTP/1.1\r\nHost: a\r\n\r\n", 200, true),
};

static void smuggling_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(smuggling); i++) {
        const struct bytes *row = &smuggling[i];
        int fd = fixture_connect(port);
        fixture_send(fd, row->at, row->len);
        struct answer a = fixture_read(fd, false);
        if (a.status != row->status) {
            fail_msg("%s: %s%s", row->name, a.head, a.body);
        }
        if (row->status == 400) {
            const char *connection = answer_header(&a, "Connection");
            if (connection == NULL || strcmp(connection, "close") != 0) {
                fail_msg("%s: the connection stays open", row->name);
            }
            bool is_problem = strstr(a.body, "urn:unreel:problem:bad-request") != NULL;
            if (is_problem != row->is_ours) {
                fail_msg("%s: %s", row->name, a.body);
            }
            /* Whatever follows is not executed. */
            struct answer next = fixture_read(fd, false);
            assert_int_equal(next.status, 0);
            answer_release(&next);
        }
        answer_release(&a);
        close(fd);
    }
}

static void a_folded_head_in_pieces_is_refused(void **state)
{
    (void)state;
    static const char text[] = "GET /hello HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n";
    int fd = fixture_connect(port);
    for (size_t i = 0; i < sizeof(text) - 1; i++) {
        fixture_send(fd, text + i, 1);
        clock_sleep_ms(1);
    }
    struct answer a = fixture_read(fd, false);
    assert_int_equal(a.status, 400);
    answer_release(&a);
    close(fd);
}

static void send_headers(int fd, int count, size_t value_len)
{
    char *value = malloc(value_len + 1);
    memset(value, 'v', value_len);
    value[value_len] = '\0';
    size_t size = (value_len + 32) * (size_t)count + 100;
    char *text = malloc(size);
    size_t len = (size_t)snprintf(text, size, "GET /hello HTTP/1.1\r\nHost: a\r\n");
    for (int i = 1; i < count; i++) {
        len += (size_t)snprintf(text + len, size - len, "X-%d: %s\r\n", i, value);
    }
    len += (size_t)snprintf(text + len, size - len, "\r\n");
    fixture_send(fd, text, len);
    free(text);
    free(value);
}

static void large_heads_are_refused(void **state)
{
    (void)state;

    static const struct {
        size_t value_len;
        int count;
        int status;
    } cases[] = {
        { 10, 64, 200 },   { 10, 65, 400 },   { 1, 200, 400 },
        { 15000, 2, 200 }, { 17000, 2, 431 }, { 40000, 2, 431 },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int fd = fixture_connect(port);
        send_headers(fd, cases[i].count, cases[i].value_len);
        struct answer a = fixture_read(fd, false);
        if (a.status != cases[i].status) {
            fail_msg("%d headers of %zu: %s", cases[i].count, cases[i].value_len, a.head);
        }
        answer_release(&a);
        close(fd);
    }
}

/* ---- answers before the end of the body ---- */

static void read_all_then_answer(const char *head, size_t body_len, int status)
{
    /* As a client that only reads when it has sent everything. */
    static char block[65536];
    int fd = fixture_connect(port);
    fixture_send_text(fd, head);
    size_t left = body_len;
    while (left > 0) {
        size_t len = left < sizeof(block) ? left : sizeof(block);
        fixture_send(fd, block, len);
        left -= len;
    }
    struct answer a = fixture_read(fd, false);
    assert_int_equal(a.status, status);
    assert_non_null(strstr(a.body, "urn:unreel:problem:"));
    answer_release(&a);
    close(fd);
}

static void a_refusal_reaches_a_client_that_is_sending(void **state)
{
    (void)state;
    const size_t size = (size_t)50 * 1024 * 1024;
    for (int i = 0; i < 20; i++) {
        read_all_then_answer(
            "POST /private HTTP/1.1\r\nHost: a\r\nContent-Length: 52428800\r\n\r\n", size, 401);
        read_all_then_answer(
            "POST /upload?limit=9 HTTP/1.1\r\nHost: a\r\nContent-Length: 52428800\r\n\r\n", size,
            413);
    }
    assert_int_equal(seen.bytes, 0);
}

static void a_refused_body_is_answered_in_the_middle(void **state)
{
    (void)state;
    /* Chunked, so that only `data` can refuse; a client that reads when all is sent. */
    for (int i = 0; i < 5; i++) {
        int fd = fixture_connect(port);
        fixture_send_text(fd, "POST /upload?limit=100000 HTTP/1.1\r\nHost: a\r\n"
                              "Transfer-Encoding: chunked\r\n\r\n");
        static char chunk[65536];
        for (int n = 0; n < 400; n++) {
            fixture_send_text(fd, "10000\r\n");
            fixture_send(fd, chunk, sizeof(chunk));
            fixture_send_text(fd, "\r\n");
        }
        fixture_send_text(fd, "0\r\n\r\n");
        struct answer a = fixture_read(fd, false);
        assert_int_equal(a.status, 413);
        assert_string_equal(answer_header(&a, "Connection"), "close");
        assert_string_equal(answer_header(&a, "X-Content-Type-Options"), "nosniff");
        assert_non_null(strstr(a.body, "more than 100000 bytes"));
        answer_release(&a);
        close(fd);
        wait_until(&seen.observed, i + 1);
        assert_int_equal(seen.last_status, 413);
    }
    /* A kept body too. */
    int fd = fixture_connect(port);
    fixture_send_text(
        fd, "POST /json HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n7d0\r\n");
    static char body[2000];
    fixture_send(fd, body, sizeof(body));
    struct answer a = fixture_read(fd, false);
    assert_int_equal(a.status, 413);
    answer_release(&a);
    close(fd);
}

static void curl_sees_the_refusal(void **state)
{
    (void)state;
    char name[] = "/tmp/unreel-http-XXXXXX";
    int file = mkstemp(name);
    assert_true(file >= 0);
    assert_int_equal(ftruncate(file, (off_t)50 * 1024 * 1024), 0);
    close(file);
    static const char *const expects[] = { "", "-H Expect:" };
    for (int i = 0; i < 20; i++) {
        char command[512];
        (void)snprintf(command, sizeof(command),
                       "curl -s -o /dev/null -w '%%{http_code}' %s -H 'Authorization: Bearer bad' "
                       "-F file=@%s http://127.0.0.1:%d/private",
                       expects[i % 2], name, port);
        FILE *pipe = popen(command, "re"); /* NOLINT(cert-env33-c): every word is ours */
        char text[16] = "";
        assert_non_null(pipe);
        assert_non_null(fgets(text, sizeof(text), pipe));
        (void)pclose(pipe);
        assert_string_equal(text, "401");
    }
    (void)unlink(name);
    assert_int_equal(seen.begun, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVED(smuggling_is_refused),
        SERVED(a_folded_head_in_pieces_is_refused),
        SERVED(large_heads_are_refused),
        SERVED(a_refusal_reaches_a_client_that_is_sending),
        SERVED(a_refused_body_is_answered_in_the_middle),
        SERVED(curl_sees_the_refusal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
