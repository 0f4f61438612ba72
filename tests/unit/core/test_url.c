#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "core/attr.h"
#include "core/url.h"

static void assert_text(const char *found, const char *wanted)
{
    if (wanted == NULL) {
        assert_null(found);
    } else {
        assert_non_null(found);
        assert_string_equal(found, wanted);
    }
}

static void test_parse(void **state)
{
    static const struct {
        const char *text;

        struct {
            const char *scheme, *user, *password, *host;
            int port;
            const char *path, *query;
        } url;
    } cases[] = {
        { "amqp://guest:p%40ss@mq.example:5672/vh%2Fost?heartbeat=10",
          { "amqp", "guest", "p@ss", "mq.example", 5672, "/vh/ost", "heartbeat=10" } },
        { "HTTP://Host", { "http", NULL, NULL, "Host", 0, "", NULL } },
        { "http://host/", { "http", NULL, NULL, "host", 0, "/", NULL } },
        { "http://host?a=b", { "http", NULL, NULL, "host", 0, "", "a=b" } },
        { "http://[::1]:80/x", { "http", NULL, NULL, "::1", 80, "/x", NULL } },
        { "http://[::1]", { "http", NULL, NULL, "::1", 0, "", NULL } },
        { "smtp://user@host", { "smtp", "user", NULL, "host", 0, "", NULL } },
        { "smtp://user:@host", { "smtp", "user", "", "host", 0, "", NULL } },
        { "amqp://a:b:c@host", { "amqp", "a", "b:c", "host", 0, "", NULL } },
        { "amqp://a@b:c@host", { "amqp", "a@b", "c", "host", 0, "", NULL } },
        { "mongodb://u:p@a:1,b:2/db?replicaSet=rs",
          { "mongodb", "u", "p", "a:1,b:2", 0, "/db", "replicaSet=rs" } },
        { "sqlite:/var/lib/a%20b.db", { "sqlite", NULL, NULL, NULL, 0, "/var/lib/a b.db", NULL } },
        { "file:///srv/blobs", { "file", NULL, NULL, NULL, 0, "/srv/blobs", NULL } },
        { "sqlite:data.db", { "sqlite", NULL, NULL, NULL, 0, "data.db", NULL } },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(url_free) struct url *u = NULL;
        assert_int_equal(url_parse(cases[i].text, &u, NULL), OK);
        assert_text(u->scheme, cases[i].url.scheme);
        assert_text(u->user, cases[i].url.user);
        assert_text(u->password, cases[i].url.password);
        assert_text(u->host, cases[i].url.host);
        assert_int_equal(u->port, cases[i].url.port);
        assert_text(u->path, cases[i].url.path);
        assert_text(u->query, cases[i].url.query);
    }
}

static void test_refused(void **state)
{
    static const char *const broken[] = {
        "",
        "/path",
        "1http://host",
        "://host",
        "http://user:hunter2@",
        "http://user:hunter2@:80",
        "http://user:hunter2@host:0",
        "http://user:hunter2@host:65536",
        "http://user:hunter2@host:",
        "http://user:hunter2@host:8o",
        "http://user:hunter2%2@host",
        "http://user:hunter2@host/%zz",
        "http://user:hunter2@[::1",
        "http://user:hunter2@[::1]80",
        "http://user:hunter2@ho st",
        "http://user:hunter2@host/a\nb",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
        struct url *u = NULL;
        struct error e = { 0 };
        enum err err = url_parse(broken[i], &u, &e);
        assert_int_equal(err, ERR_INVALID);
        assert_null(u);
        assert_null(strstr(e.text, "hunter2"));
        assert_true(strlen(e.text) > 0);
    }
    char longest[5000];
    struct url *u = NULL;
    memset(longest, 'a', sizeof(longest));
    memcpy(longest, "file:/", 6);
    longest[sizeof(longest) - 1] = '\0';
    assert_int_equal(url_parse(longest, &u, NULL), ERR_INVALID);
}

static void test_query(void **state)
{
    static const struct {
        const char *key;
        const char *value;
    } cases[] = {
        { "a", "1" },  { "ab", "x y" }, { "c", "" },    { "b", NULL },
        { "d", NULL }, { "bad", NULL }, { "e", "p+q" },
    };
    AUTO(url_free) struct url *u = NULL;
    AUTO(url_free) struct url *plain = NULL;

    (void)state;
    assert_int_equal(url_parse("amqp://h/?ab=x+y&a=1&a=2&c=&d&bad=%z&e=p%2Bq&", &u, NULL), OK);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(mem_free) char *value = url_query_value(u, cases[i].key);
        assert_text(value, cases[i].value);
    }
    assert_int_equal(url_parse("amqp://h", &plain, NULL), OK);
    assert_null(url_query_value(plain, "a"));
    url_free(NULL);
}

static void test_scheme(void **state)
{
    (void)state;
    assert_true(url_has_scheme("mongodb://x", "mongodb"));
    assert_true(url_has_scheme("MongoDB://x", "mongodb"));
    assert_true(url_has_scheme("mongodb+srv://x", "mongodb+srv"));
    assert_false(url_has_scheme("mongodb+srv://x", "mongodb"));
    assert_false(url_has_scheme("mongodb", "mongodb"));
    assert_false(url_has_scheme("", ""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_query),
        cmocka_unit_test(test_scheme),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
