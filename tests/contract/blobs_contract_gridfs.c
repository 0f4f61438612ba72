/* GridFS only: what the collections look like when something went wrong, or when another driver
 * wrote them. */
#include "blobs_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mongoc/mongoc.h>

#include "core/buf.h"
#include "core/clock.h"
#include "core/metrics.h"
#include "db/mongo_pool.h"

static char id[ID_SIZE];
static bson_oid_t oid;
static struct mongo_pool *pool;
static mongoc_client_t *client;
static mongoc_collection_t *files;
static mongoc_collection_t *chunks;
static mongoc_collection_t *uploads;

static int connect_raw(void **state)
{
    char database[MONGO_DATABASE_SIZE];
    (void)state;
    if (mongo_pool_open(engine.url, 1, &pool, NULL) != OK ||
        mongo_pool_pop(pool, &client, NULL) != OK) {
        return 1;
    }
    (void)mongo_pool_database(pool, engine.bucket, database);
    files = mongoc_client_get_collection(client, database, "fs.files");
    chunks = mongoc_client_get_collection(client, database, "fs.chunks");
    uploads = mongoc_client_get_collection(client, database, "fs.uploads");
    return 0;
}

static int disconnect_raw(void **state)
{
    (void)state;
    mongoc_collection_destroy(files);
    mongoc_collection_destroy(chunks);
    mongoc_collection_destroy(uploads);
    mongo_pool_push(pool, client);
    mongo_pool_close(pool);
    return 0;
}

static int new_id(void **state)
{
    (void)state;
    id_new(id);
    bson_oid_init_from_string(&oid, id);
    return 0;
}

/* The document is consumed. */
static void insert(mongoc_collection_t *collection, bson_t *doc)
{
    bson_error_t error;
    bool is_ok = mongoc_collection_insert_one(collection, doc, NULL, NULL, &error);
    bson_destroy(doc);
    assert_true(is_ok);
}

static void delete_one(mongoc_collection_t *collection, bson_t *filter)
{
    bson_error_t error;
    bool is_ok = mongoc_collection_delete_one(collection, filter, NULL, NULL, &error);
    bson_destroy(filter);
    assert_true(is_ok);
}

static void insert_chunk(int n, const uint8_t *bytes, size_t len)
{
    insert(chunks, BCON_NEW("files_id", BCON_OID(&oid), "n", BCON_INT32(n), "data",
                            BCON_BIN(BSON_SUBTYPE_BINARY, bytes, (uint32_t)len)));
}

static enum err read_at(int64_t offset, size_t len)
{
    static uint8_t bytes[4 * CHUNK];
    size_t got = 0;
    return blobs_pread(engine.blobs, id, offset, bytes, len, &got, NULL);
}

static void check_missing_chunk(void **state)
{
    (void)state;
    assert_int_equal(put_blob(engine.blobs, id, 40, 3 * CHUNK, 100000), OK);
    delete_one(chunks, BCON_NEW("files_id", BCON_OID(&oid), "n", BCON_INT32(1)));
    assert_int_equal(read_at(0, CHUNK), OK);
    assert_int_equal(read_at(CHUNK, 1), ERR_CORRUPT);
    assert_int_equal(read_at(0, 3 * CHUNK), ERR_CORRUPT);
    assert_int_equal(read_at(CHUNK - 1, 2), ERR_CORRUPT);
    assert_int_equal(read_at(2 * CHUNK, 10), OK);
    delete_one(chunks, BCON_NEW("files_id", BCON_OID(&oid), "n", BCON_INT32(2)));
    assert_int_equal(read_at(2 * CHUNK, 10), ERR_CORRUPT);
}

static int64_t count_errors(void)
{
    static const char line[] = "\nunreel_gridfs_errors_total{op=\"read\"} ";
    AUTO(buf_release) struct buf text;
    buf_init(&text, 1024 * 1024);
    assert_int_equal(metrics_render(&text), OK);
    const char *found = strstr(text.data, line);
    assert_non_null(found);
    return strtoll(found + strlen(line), NULL, 10);
}

static void check_errors_are_counted(void **state)
{
    (void)state;
    int64_t before = count_errors();
    assert_int_equal(read_at(0, 10), ERR_NOT_FOUND);
    assert_int_equal(count_errors(), before);
    assert_int_equal(put_blob(engine.blobs, id, 40, CHUNK, 100000), OK);
    delete_one(chunks, BCON_NEW("files_id", BCON_OID(&oid), "n", BCON_INT32(0)));
    assert_int_equal(read_at(0, 10), ERR_CORRUPT);
    assert_int_equal(count_errors(), before + 1);
}

static void check_short_and_long_chunk(void **state)
{
    static const size_t lens[] = { CHUNK - 1, 1, CHUNK + 1 };
    static uint8_t bytes[CHUNK + 1];
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
        (void)new_id(NULL);
        assert_int_equal(put_blob(engine.blobs, id, 41, 2 * CHUNK, 100000), OK);
        delete_one(chunks, BCON_NEW("files_id", BCON_OID(&oid), "n", BCON_INT32(0)));
        insert_chunk(0, bytes, lens[i]);
        assert_int_equal(read_at(0, 10), ERR_CORRUPT);
        assert_int_equal(read_at(CHUNK, 10), OK);
    }
}

static void check_broken_documents(void **state)
{
    struct blob_stat st;
    (void)state;
    insert(files,
           BCON_NEW("_id", BCON_OID(&oid), "length", BCON_INT32(10), "chunkSize", BCON_INT32(0)));
    assert_int_equal(blobs_stat(engine.blobs, id, &st, NULL), ERR_CORRUPT);
    assert_int_equal(read_at(0, 10), ERR_CORRUPT);
    (void)new_id(NULL);
    insert(files,
           BCON_NEW("_id", BCON_OID(&oid), "length", BCON_INT32(10), "chunkSize", BCON_INT32(100)));
    insert(chunks, BCON_NEW("files_id", BCON_OID(&oid), "n", BCON_INT32(0), "data",
                            BCON_UTF8("0123456789")));
    assert_int_equal(blobs_stat(engine.blobs, id, &st, NULL), OK);
    assert_int_equal(read_at(0, 10), ERR_CORRUPT);
}

/* Other drivers: other chunk sizes, other types of number, no metadata. */
static void check_foreign_file(void **state)
{
    uint8_t bytes[250];
    uint8_t stored[260];
    struct blob_stat st;
    size_t got = 0;
    (void)state;
    fill(42, 0, bytes, sizeof(bytes));
    insert(files, BCON_NEW("_id", BCON_OID(&oid), "length", BCON_DOUBLE(250), "chunkSize",
                           BCON_INT64(100), "uploadDate", BCON_DATE_TIME(1234567890123)));
    insert_chunk(0, bytes, 100);
    insert_chunk(1, bytes + 100, 100);
    insert_chunk(2, bytes + 200, 50);
    assert_int_equal(blobs_stat(engine.blobs, id, &st, NULL), OK);
    assert_true(st.is_committed);
    assert_int_equal(st.size_bytes, 250);
    assert_int_equal(st.created_at_ms, 1234567890123);
    assert_string_equal(st.sha256, "");
    assert_string_equal(st.filename, "");
    assert_int_equal(blobs_pread(engine.blobs, id, 90, stored, sizeof(stored), &got, NULL), OK);
    assert_int_equal(got, 160);
    assert_memory_equal(stored, bytes + 90, 160);
}

/* Files of other drivers are listed as such, broken ones and ids that are none of ours passed over;
 * page after page, to the end. */
static void check_foreign_list(void **state)
{
    struct blob_entry page[2];
    char cursor[ID_SIZE] = "";
    size_t count = 0;
    int foreign = 0;
    int ours = 0;
    (void)state;
    insert(files,
           BCON_NEW("_id", BCON_OID(&oid), "length", BCON_INT32(250), "chunkSize", BCON_INT32(100),
                    "uploadDate", BCON_DATE_TIME(1000), "metadata", BCON_NULL));
    AUTO(mem_free) char *broken = xasprintf("broken %s", id);
    insert(files, BCON_NEW("_id", BCON_UTF8(broken), "length", BCON_INT32(1)));
    insert(files, BCON_NEW("length", BCON_INT32(1)));
    char put[ID_SIZE];
    id_new(put);
    assert_int_equal(put_blob(engine.blobs, put, 47, 100, 100), OK);
    do {
        assert_int_equal(blobs_list(engine.blobs, cursor, page, ARRAY_LEN(page), &count, NULL), OK);
        for (size_t i = 0; i < count; i++) {
            foreign += strcmp(page[i].id, id) == 0 && page[i].committed_at_ms == 0;
            ours += strcmp(page[i].id, put) == 0 && page[i].committed_at_ms > 0;
        }
    } while (cursor[0] != '\0');
    assert_int_equal(foreign, 1);
    assert_int_equal(ours, 1);
    bson_t *by_name = BCON_NEW("_id", BCON_UTF8(broken));
    assert_true(mongoc_collection_delete_one(files, by_name, NULL, NULL, NULL));
    bson_destroy(by_name);
}

/* The answer to an insert was lost, but it had worked. */
static void check_repeated_chunk(void **state)
{
    static uint8_t bytes[CHUNK];
    struct blob_writer *w = NULL;
    (void)state;
    fill(43, 0, bytes, sizeof(bytes));
    assert_int_equal(blobs_create(engine.blobs, id, &meta, &w, NULL), OK);
    insert_chunk(0, bytes, CHUNK);
    assert_int_equal(write_span(w, 43, 0, 5 * CHUNK, 100000), OK);
    assert_int_equal(blob_commit(w, NULL, NULL), OK);
    assert_true(has_bytes(engine.other, id, 43, 5 * CHUNK));
}

static void check_foreign_chunk(void **state)
{
    struct blob_writer *w = NULL;
    (void)state;
    assert_int_equal(blobs_create(engine.blobs, id, &meta, &w, NULL), OK);
    insert_chunk(0, (const uint8_t *)"something else", 14);
    assert_int_equal(write_span(w, 44, 0, 100, 100), OK);
    assert_int_equal(blob_commit(w, NULL, NULL), ERR_CONFLICT);
    blob_abort(w);
    assert_false(store_has_trace(id));
}

/* The writer died between the commit and the removal of its mark. */
static void check_stale_mark(void **state)
{
    char ids[4][ID_SIZE];
    size_t count = 0;
    bson_error_t error;
    (void)state;
    assert_int_equal(put_blob(engine.blobs, id, 45, 100, 100), OK);
    insert(uploads, BCON_NEW("_id", BCON_OID(&oid), "createdAt", BCON_DATE_TIME(1000), "touchedAt",
                             BCON_DATE_TIME(1000)));
    assert_int_equal(blobs_list_orphans(engine.blobs, 5000, ids, 4, &count, NULL), OK);
    assert_int_equal(count, 0);
    assert_true(has_bytes(engine.blobs, id, 45, 100));
    bson_t *filter = BCON_NEW("_id", BCON_OID(&oid));
    assert_int_equal(mongoc_collection_count_documents(uploads, filter, NULL, NULL, NULL, &error),
                     0);
    bson_destroy(filter);
}

/* Whoever removed the blob died in the middle: nobody can use it, and it is found as an orphan. */
static void check_broken_removal(void **state)
{
    char ids[4][ID_SIZE];
    struct blob_stat st;
    struct blob_writer *w = NULL;
    int64_t offset = 0;
    size_t count = 0;
    (void)state;
    insert(uploads, BCON_NEW("_id", BCON_OID(&oid), "removedAt", BCON_DATE_TIME(1000), "touchedAt",
                             BCON_DATE_TIME(1000)));
    insert_chunk(1, (const uint8_t *)"x", 1);
    assert_int_equal(blobs_stat(engine.blobs, id, &st, NULL), ERR_NOT_FOUND);
    assert_int_equal(blobs_resume(engine.blobs, id, &w, &offset, NULL), ERR_NOT_FOUND);
    assert_int_equal(read_at(0, 10), ERR_NOT_FOUND);
    assert_int_equal(blobs_list_orphans(engine.blobs, 5000, ids, 4, &count, NULL), OK);
    assert_int_equal(count, 1);
    assert_string_equal(ids[0], id);
    assert_int_equal(blobs_remove(engine.blobs, id, NULL), OK);
    assert_false(store_has_trace(id));
}

static void check_documents(void **state)
{
    const bson_t *doc = NULL;
    bson_iter_t it;
    (void)state;
    assert_int_equal(put_blob(engine.blobs, id, 46, CHUNK + 1, 100000), OK);
    bson_t *filter = BCON_NEW("_id", BCON_OID(&oid));
    mongoc_cursor_t *cursor = mongoc_collection_find_with_opts(files, filter, NULL, NULL);
    assert_true(mongoc_cursor_next(cursor, &doc));
    assert_true(bson_iter_init_find(&it, doc, "length") && BSON_ITER_HOLDS_INT64(&it));
    assert_true(bson_iter_init_find(&it, doc, "chunkSize") && BSON_ITER_HOLDS_INT32(&it));
    assert_int_equal(bson_iter_int32(&it), CHUNK);
    assert_true(bson_iter_init_find(&it, doc, "uploadDate") && BSON_ITER_HOLDS_DATE_TIME(&it));
    mongoc_cursor_destroy(cursor);
    bson_destroy(filter);
    filter = BCON_NEW("files_id", BCON_OID(&oid), "n", BCON_INT32(1));
    cursor = mongoc_collection_find_with_opts(chunks, filter, NULL, NULL);
    assert_true(mongoc_cursor_next(cursor, &doc));
    assert_int_equal(bson_count_keys(doc), 4);
    assert_true(bson_iter_init_find(&it, doc, "n") && BSON_ITER_HOLDS_INT32(&it));
    assert_true(bson_iter_init_find(&it, doc, "_id") && BSON_ITER_HOLDS_OID(&it));
    mongoc_cursor_destroy(cursor);
    bson_destroy(filter);
}

static void check_server_down(void **state)
{
    struct blobs *b = NULL;
    struct blob_stat st;
    struct blob_writer *w = NULL;
    struct error e;
    (void)state;
    int64_t start = clock_mono_ms();
    assert_int_equal(
        blobs_open("mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=100", "videos", 1, &b, &e), OK);
    assert_int_equal(blobs_check(b, &e), ERR_BUSY);
    assert_int_equal(blobs_stat(b, id, &st, &e), ERR_BUSY);
    assert_int_equal(blobs_create(b, id, &meta, &w, &e), ERR_BUSY);
    blobs_close(b);
    assert_true(clock_mono_ms() - start < 5000);
}

static void check_hidden_password(void **state)
{
    struct blobs *b = NULL;
    struct error e;
    (void)state;
    assert_int_equal(blobs_open("mongodb://ann:se:cret@/?x", "videos", 1, &b, &e), ERR_INVALID);
    assert_null(strstr(e.text, "cret"));
    assert_int_equal(blobs_open("mongodb://h/?prefix=a.b", "videos", 1, &b, &e), ERR_INVALID);
}

#define CASE(function) cmocka_unit_test_setup(function, new_id)

int run_gridfs_cases(void)
{
    const struct CMUnitTest cases[] = {
        CASE(check_missing_chunk),        CASE(check_errors_are_counted),
        CASE(check_short_and_long_chunk), CASE(check_broken_documents),
        CASE(check_foreign_file),         CASE(check_repeated_chunk),
        CASE(check_foreign_chunk),        CASE(check_stale_mark),
        CASE(check_broken_removal),       CASE(check_documents),
        CASE(check_server_down),          CASE(check_hidden_password),
        CASE(check_foreign_list),
    };
    return cmocka_run_group_tests(cases, connect_raw, disconnect_raw);
}
