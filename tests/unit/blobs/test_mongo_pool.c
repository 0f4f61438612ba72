#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include <mongoc/mongoc.h>

#include "core/clock.h"
#include "db/mongo_pool.h"

/* What the driver was told, read back from a client's URL. */
static void check_defaults(void **state)
{
    static const char *const urls[] = { "mongodb://127.0.0.1:1",
                                        "mongodb://127.0.0.1:1,127.0.0.1:2/",
                                        "mongodb://127.0.0.1:1/?prefix=a_",
                                        "mongodb://127.0.0.1:1?prefix=a_&" };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
        struct mongo_pool *p = NULL;
        mongoc_client_t *client = NULL;
        assert_int_equal(mongo_pool_open(urls[i], 3, &p, NULL), OK);
        assert_int_equal(mongo_pool_pop(p, &client, NULL), OK);
        const mongoc_uri_t *uri = mongoc_client_get_uri(client);
        assert_int_equal(mongoc_uri_get_option_as_int32(uri, "serverselectiontimeoutms", 0), 5000);
        assert_int_equal(mongoc_uri_get_option_as_int32(uri, "connecttimeoutms", 0), 5000);
        assert_int_equal(mongoc_uri_get_option_as_int32(uri, "sockettimeoutms", 0), 30000);
        assert_int_equal(mongoc_uri_get_option_as_int32(uri, "waitqueuetimeoutms", 0), 5000);
        assert_int_equal(mongoc_uri_get_option_as_int32(uri, "maxpoolsize", 0), 3);
        const mongoc_write_concern_t *concern = mongoc_uri_get_write_concern(uri);
        assert_true(mongoc_write_concern_get_wmajority(concern));
        assert_true(mongoc_write_concern_get_journal(concern));
        assert_int_equal(mongoc_write_concern_get_wtimeout_int64(concern), 30000);
        mongo_pool_push(p, client);
        mongo_pool_close(p);
    }
}

static void check_url_wins(void **state)
{
    struct mongo_pool *p = NULL;
    mongoc_client_t *client = NULL;
    (void)state;
    assert_int_equal(
        mongo_pool_open("mongodb://h/x?ServerSelectionTimeoutMS=7&w=2&maxPoolSize=9", 3, &p, NULL),
        OK);
    assert_int_equal(mongo_pool_pop(p, &client, NULL), OK);
    const mongoc_uri_t *uri = mongoc_client_get_uri(client);
    assert_int_equal(mongoc_uri_get_option_as_int32(uri, "serverselectiontimeoutms", 0), 7);
    assert_int_equal(mongoc_uri_get_option_as_int32(uri, "maxpoolsize", 0), 9);
    assert_int_equal(mongoc_write_concern_get_w(mongoc_uri_get_write_concern(uri)), 2);
    mongo_pool_push(p, client);
    mongo_pool_close(p);
}

static void check_prefix(void **state)
{
    static const struct {
        const char *url;
        const char *database;
    } cases[] = {
        { "mongodb://h/", "videos" },
        { "mongodb://h/?prefix=", "videos" },
        { "mongodb://h/?prefix=a_", "a_videos" },
        { "mongodb://h/?w=1&prefix=b-&tls=false", "b-videos" },
        { "mongodb://h/?prefix=a.b", NULL },
        { "mongodb://h/?prefix=a/b", NULL },
        { "mongodb://h/?prefix=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", NULL },
        { "mongodb://", NULL },
        { "http://h/", NULL },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct mongo_pool *p = NULL;
        char name[MONGO_DATABASE_SIZE];
        struct error e = { .code = OK };
        enum err err = mongo_pool_open(cases[i].url, 1, &p, &e);
        assert_int_equal(err, cases[i].database != NULL ? OK : ERR_INVALID);
        if (err == OK) {
            assert_string_equal(mongo_pool_database(p, "videos", name), cases[i].database);
        }
        mongo_pool_close(p);
    }
}

static void check_no_server(void **state)
{
    struct mongo_pool *p = NULL;
    struct error e;
    int64_t start = clock_mono_ms();
    (void)state;
    assert_int_equal(
        mongo_pool_open("mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=100", 1, &p, &e), OK);
    assert_int_equal(mongo_pool_ping(p, &e), ERR_BUSY);
    assert_true(clock_mono_ms() - start < 3000);
    mongo_pool_close(p);
}

static void check_wait_for_a_client(void **state)
{
    struct mongo_pool *p = NULL;
    mongoc_client_t *first = NULL;
    mongoc_client_t *second = NULL;
    (void)state;
    assert_int_equal(mongo_pool_open("mongodb://127.0.0.1:1/?waitQueueTimeoutMS=50", 1, &p, NULL),
                     OK);
    assert_int_equal(mongo_pool_pop(p, &first, NULL), OK);
    assert_int_equal(mongo_pool_pop(p, &second, NULL), ERR_BUSY);
    mongo_pool_push(p, first);
    assert_int_equal(mongo_pool_pop(p, &second, NULL), OK);
    mongo_pool_push(p, second);
    mongo_pool_close(p);
}

static void check_error_codes(void **state)
{
    static const struct {
        uint32_t domain;
        uint32_t code;
        enum err err;
    } cases[] = {
        { MONGOC_ERROR_SERVER, 11000, ERR_EXISTS },
        { MONGOC_ERROR_COLLECTION, 11000, ERR_EXISTS },
        { MONGOC_ERROR_SERVER, 10107, ERR_BUSY },
        { MONGOC_ERROR_SERVER, 91, ERR_BUSY },
        { MONGOC_ERROR_SERVER, 13, ERR_FAULT },
        { MONGOC_ERROR_STREAM, 4, ERR_BUSY },
        { MONGOC_ERROR_SERVER_SELECTION, 13053, ERR_BUSY },
        { MONGOC_ERROR_WRITE_CONCERN, 64, ERR_BUSY },
        { MONGOC_ERROR_BSON, 1, ERR_FAULT },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct error e;
        bson_error_t error = { .domain = cases[i].domain, .code = cases[i].code };
        (void)snprintf(error.message, sizeof(error.message), "words");
        assert_int_equal(mongo_error(&error, "find", &e), cases[i].err);
        assert_int_equal(e.code, cases[i].err);
        assert_string_equal(e.text, "mongodb: find: words");
    }
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(check_defaults),
        cmocka_unit_test(check_url_wins),
        cmocka_unit_test(check_prefix),
        cmocka_unit_test(check_no_server),
        cmocka_unit_test(check_wait_for_a_client),
        cmocka_unit_test(check_error_codes),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
