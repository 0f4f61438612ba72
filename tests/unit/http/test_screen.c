/* The screen by itself; test_limits.c has it in a server. */
#include "fixture.h"

#include <string.h>

#include "core/attr.h"
#include "http/screen.h"

struct screen_case {
    const char *version, *target;
    const char *headers[8]; /* name, value, name, value, ... */
    const char *complaint;  /* NULL: fine */
};

static const struct screen_case cases[] = {
    { "HTTP/1.1", "/", { "Host", "a" }, NULL },
    { "HTTP/1.1", "/", { "hOST", "a", "content-LENGTH", "5" }, NULL },
    { "HTTP/1.1", "/", { "Host", "a", "Transfer-Encoding", "Chunked" }, NULL },
    { "HTTP/1.0", "/", { NULL }, NULL },
    { "HTTP/1.1", "/", { "Host", "a", "X", "tab\there \xc3\xa9" }, NULL },
    { "HTTP/1.1", "/", { NULL }, "Host header is missing" },
    { "HTTP/2.0", "/", { "Host", "a" }, "protocol" },
    { "", "/", { "Host", "a" }, "protocol" },
    { "HTTP/1.1", "", { "Host", "a" }, "target" },
    { "HTTP/1.1", "/a b", { "Host", "a" }, "target" },
    { "HTTP/1.1", "/\x7f", { "Host", "a" }, "target" },
    { "HTTP/1.1", "/", { "Host", "a", "Host", "a" }, "more than one Host" },
    { "HTTP/1.1",
      "/",
      { "Host", "a", "Content-Length", "5", "Content-Length", "5" },
      "one Content-Length" },
    { "HTTP/1.1",
      "/",
      { "Host", "a", "Content-Length", "5", "Transfer-Encoding", "chunked" },
      "both" },
    { "HTTP/1.1", "/", { "Host", "a", "Content-Length", "" }, "not a number" },
    { "HTTP/1.1", "/", { "Host", "a", "Content-Length", "5x" }, "not a number" },
    { "HTTP/1.1", "/", { "Host", "a", "Content-Length", "9999999999999999999" }, "not a number" },
    { "HTTP/1.1", "/", { "Host", "a", "Transfer-Encoding", "" }, "only Transfer-Encoding" },
    { "HTTP/1.1", "/", { "Host", "a", "Transfer-Encoding", "identity" }, "only Transfer-Encoding" },
    { "HTTP/1.0", "/", { "Transfer-Encoding", "chunked" }, "HTTP/1.0" },
    { "HTTP/1.1", "/", { "Host", "a", "X ", "b" }, "name" },
    { "HTTP/1.1", "/", { "Host", "a", "", "b" }, "name" },
    { "HTTP/1.1", "/", { "Host", "a", "X(", "b" }, "name" },
    { "HTTP/1.1", "/", { "Host", "a", "X", "b\rc" }, "control" },
    { "HTTP/1.1", "/", { "Host", "a", "X", "b\nc" }, "control" },
};

static const char *check(const struct screen_case *c)
{
    struct screen_header headers[4];
    size_t count = 0;
    for (size_t i = 0; i + 1 < ARRAY_LEN(c->headers) && c->headers[i] != NULL; i += 2) {
        headers[count++] = (struct screen_header){ c->headers[i], strlen(c->headers[i]),
                                                   c->headers[i + 1], strlen(c->headers[i + 1]) };
    }
    const struct screen_head head = { c->version, c->target, headers, count };
    return screen_check(&head);
}

static void heads(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *said = check(&cases[i]);
        bool is_right = cases[i].complaint == NULL
                            ? said == NULL
                            : said != NULL && strstr(said, cases[i].complaint) != NULL;
        if (!is_right) {
            fail_msg("case %zu: %s", i, said != NULL ? said : "fine");
        }
    }
}

static void a_nul_is_seen(void **state)
{
    (void)state;
    const struct screen_header headers[] = { { "Host", 4, "a\0b", 3 } };
    const struct screen_head head = { "HTTP/1.1", "/", headers, 1 };
    assert_non_null(screen_check(&head));
}

static void too_many_headers(void **state)
{
    (void)state;
    struct screen_header headers[SCREEN_HEADERS_MAX + 1];
    for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
        headers[i] = (struct screen_header){ "X", 1, "y", 1 };
    }
    headers[0] = (struct screen_header){ "Host", 4, "a", 1 };
    struct screen_head head = { "HTTP/1.1", "/", headers, SCREEN_HEADERS_MAX };
    assert_null(screen_check(&head));
    head.header_count++;
    assert_non_null(screen_check(&head));
}

static void a_tidy_layout(void **state)
{
    (void)state;
    /* As libmicrohttpd leaves "GET /a HTTP/1.1\r\nHost: a\r\nX:b \r\n\r\n". */
    char text[] = "GET\0/a\0HTTP/1.1\0\0Host\0 a\0\0X\0b \0\0\0";
    const struct screen_layout good = { .method = text,
                                        .target = text + 4,
                                        .target_len = 2,
                                        .version = text + 7,
                                        .head_len = sizeof(text) };
    const struct screen_header headers[] = { { text + 17, 4, text + 23, 1 },
                                             { text + 26, 1, text + 28, 2 } };
    assert_true(screen_is_tidy(&good, headers, 2));
    assert_false(screen_is_tidy(&good, headers, 1));
    struct screen_layout bad = good;
    bad.head_len--;
    assert_false(screen_is_tidy(&bad, headers, 2));
    bad = good;
    bad.target_len--;
    assert_false(screen_is_tidy(&bad, headers, 2));
    bad = good;
    bad.method++;
    assert_false(screen_is_tidy(&bad, headers, 2));
    struct screen_header moved[] = { headers[0], headers[1] };
    moved[0].value_len++; /* one byte less between the lines */
    assert_false(screen_is_tidy(&good, moved, 2));
    moved[0] = headers[0];
    moved[1].value = moved[1].name; /* a value that lies elsewhere */
    assert_false(screen_is_tidy(&good, moved, 2));
    text[25] = 'x'; /* something between the lines */
    assert_false(screen_is_tidy(&good, headers, 2));
    text[25] = '\0';
    text[31] = 'x';
    assert_false(screen_is_tidy(&good, headers, 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads),
        cmocka_unit_test(a_nul_is_seen),
        cmocka_unit_test(too_many_headers),
        cmocka_unit_test(a_tidy_layout),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
