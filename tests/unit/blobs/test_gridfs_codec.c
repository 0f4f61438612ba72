#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "blobs/gridfs_codec.h"

#define ID "0123456789abcdef01234567"

/* Each row is a document; it is freed after the call. */
static enum err decode_file(bson_t *doc, struct gridfs_file *file)
{
    enum err err = gridfs_decode_file(doc, file, NULL);
    bson_destroy(doc);
    return err;
}

static void check_numbers_of_files(void **state)
{
    struct gridfs_file f;
    (void)state;
    assert_int_equal(decode_file(BCON_NEW("length", BCON_INT32(7), "chunkSize", BCON_INT32(3)), &f),
                     OK);
    assert_int_equal(f.length, 7);
    assert_int_equal(f.chunk_size, 3);
    assert_int_equal(decode_file(BCON_NEW("length", BCON_INT64(INT64_C(1) << 40), "chunkSize",
                                          BCON_DOUBLE(261120.0)),
                                 &f),
                     OK);
    assert_int_equal(f.length, INT64_C(1) << 40);
    assert_int_equal(f.chunk_size, 261120);
    assert_int_equal(
        decode_file(BCON_NEW("length", BCON_DOUBLE(1e9), "chunkSize", BCON_INT64(1)), &f), OK);
    assert_int_equal(f.length, 1000000000);
}

static void check_broken_files(void **state)
{
    bson_t *docs[] = {
        BCON_NEW("length", BCON_INT32(7)),
        BCON_NEW("chunkSize", BCON_INT32(7)),
        BCON_NEW("length", BCON_INT32(-1), "chunkSize", BCON_INT32(7)),
        BCON_NEW("length", BCON_INT32(1), "chunkSize", BCON_INT32(0)),
        BCON_NEW("length", BCON_INT32(1), "chunkSize", BCON_INT32(-5)),
        BCON_NEW("length", BCON_INT32(1), "chunkSize", BCON_INT64(INT64_C(1) << 32)),
        BCON_NEW("length", BCON_INT32(1), "chunkSize", BCON_UTF8("1")),
        BCON_NEW("length", BCON_DOUBLE(1.5), "chunkSize", BCON_INT32(1)),
        BCON_NEW("length", BCON_DOUBLE((double)NAN), "chunkSize", BCON_INT32(1)),
        BCON_NEW("length", BCON_DOUBLE(1e300), "chunkSize", BCON_INT32(1)),
        BCON_NEW("length", BCON_INT64(INT64_MAX), "chunkSize", BCON_INT32(1)),
        BCON_NEW("length", BCON_BOOL(true), "chunkSize", BCON_INT32(1)),
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(docs); i++) {
        struct gridfs_file f = { .length = 42 };
        assert_int_equal(decode_file(docs[i], &f), ERR_CORRUPT);
        assert_int_equal(f.length, 42);
    }
}

static void check_file_round_trip(void **state)
{
    struct gridfs_file in = { .length = INT64_C(5) << 32,
                              .chunk_size = GRIDFS_CHUNK_SIZE,
                              .uploaded_at_ms = 1234567890123,
                              .committed_at_ms = 1234567899999,
                              .owner = "ann@example.org",
                              .filename = "\xc3\xbc.mp4" };
    struct gridfs_file out;
    bson_oid_t oid;
    (void)state;
    memset(in.sha256, 'a', BLOB_SHA256_SIZE - 1);
    gridfs_oid(&oid, ID);
    bson_t doc = BSON_INITIALIZER;
    gridfs_encode_file(&doc, &oid, &in, "video/mp4");
    assert_int_equal(gridfs_decode_file(&doc, &out, NULL), OK);
    assert_int_equal(out.length, in.length);
    assert_int_equal(out.chunk_size, in.chunk_size);
    assert_int_equal(out.uploaded_at_ms, in.uploaded_at_ms);
    assert_int_equal(out.committed_at_ms, in.committed_at_ms);
    assert_string_equal(out.sha256, in.sha256);
    assert_string_equal(out.owner, in.owner);
    assert_string_equal(out.filename, in.filename);
    bson_destroy(&doc);
}

/* Text of other drivers: no digest that is none, nothing longer than its field. */
static void check_foreign_texts(void **state)
{
    struct gridfs_file f;
    char long_name[2000];
    (void)state;
    memset(long_name, 'n', sizeof(long_name) - 1);
    long_name[sizeof(long_name) - 1] = '\0';
    assert_int_equal(
        decode_file(BCON_NEW("length", BCON_INT32(1), "chunkSize", BCON_INT32(1), "filename",
                             BCON_UTF8(long_name), "metadata", "{", "sha256", BCON_UTF8("XYZ"),
                             "owner", BCON_INT32(3), "committedAt", BCON_INT64(1), "}"),
                    &f),
        OK);
    assert_int_equal(strlen(f.filename), BLOB_FILENAME_SIZE - 1);
    assert_string_equal(f.sha256, "");
    assert_string_equal(f.owner, "");
    assert_int_equal(f.committed_at_ms, 0);
    assert_int_equal(decode_file(BCON_NEW("length", BCON_INT32(1), "chunkSize", BCON_INT32(1),
                                          "metadata", BCON_UTF8("text"), "filename", BCON_NULL),
                                 &f),
                     OK);
    assert_string_equal(f.filename, "");
}

static void check_upload_round_trip(void **state)
{
    const struct gridfs_upload in = {
        .created_at_ms = 1000, .owner = "o", .filename = "f", .content_type = "c"
    };
    struct gridfs_upload out;
    bson_oid_t oid;
    (void)state;
    gridfs_oid(&oid, ID);
    bson_t doc = BSON_INITIALIZER;
    assert_int_equal(gridfs_decode_upload(&doc, &out, NULL), ERR_CORRUPT);
    gridfs_encode_upload(&doc, &oid, &in, 2000);
    assert_int_equal(gridfs_decode_upload(&doc, &out, NULL), OK);
    assert_int_equal(out.created_at_ms, 1000);
    assert_false(out.is_removing);
    assert_string_equal(out.owner, "o");
    assert_string_equal(out.filename, "f");
    assert_string_equal(out.content_type, "c");
    BSON_APPEND_DATE_TIME(&doc, "removedAt", 1);
    assert_int_equal(gridfs_decode_upload(&doc, &out, NULL), OK);
    assert_true(out.is_removing);
    bson_destroy(&doc);
}

/* A frame is, byte for byte, the document that the library builds. */
static void check_frames(void **state)
{
    static const size_t lens[] = { 1, 2, 1000, GRIDFS_CHUNK_SIZE - 1, GRIDFS_CHUNK_SIZE };
    static uint8_t frame[GRIDFS_FRAME_SIZE];
    static uint8_t data[GRIDFS_CHUNK_SIZE];
    bson_oid_t oid;
    (void)state;
    gridfs_oid(&oid, ID);
    memset(data, 0xa5, sizeof(data));
    for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
        bson_t parsed;
        bson_iter_t it;
        struct gridfs_chunk chunk;
        int32_t n = (int32_t)(i * 100000);
        memcpy(frame + GRIDFS_FRAME_DATA, data, lens[i]);
        size_t total = gridfs_frame_seal(frame, &oid, n, lens[i]);
        assert_true(bson_init_static(&parsed, frame, total));
        assert_true(bson_validate(&parsed, BSON_VALIDATE_UTF8, NULL));
        assert_true(bson_iter_init_find(&it, &parsed, "_id") && BSON_ITER_HOLDS_OID(&it));
        bson_t *built = BCON_NEW("_id", BCON_OID(bson_iter_oid(&it)), "files_id", BCON_OID(&oid),
                                 "n", BCON_INT32(n), "data",
                                 BCON_BIN(BSON_SUBTYPE_BINARY, data, (uint32_t)lens[i]));
        assert_true(bson_equal(&parsed, built));
        bson_destroy(built);
        assert_int_equal(gridfs_decode_chunk(&parsed, &chunk, NULL), OK);
        assert_int_equal(chunk.n, n);
        assert_int_equal(chunk.len, lens[i]);
        assert_memory_equal(chunk.data, data, lens[i]);
    }
}

static void check_broken_chunks(void **state)
{
    static const uint8_t byte = 1;
    bson_t *docs[] = {
        BCON_NEW("n", BCON_INT32(0)),
        BCON_NEW("data", BCON_BIN(BSON_SUBTYPE_BINARY, &byte, 1)),
        BCON_NEW("n", BCON_INT32(-1), "data", BCON_BIN(BSON_SUBTYPE_BINARY, &byte, 1)),
        BCON_NEW("n", BCON_INT64(INT64_C(1) << 31), "data",
                 BCON_BIN(BSON_SUBTYPE_BINARY, &byte, 1)),
        BCON_NEW("n", BCON_INT32(0), "data", BCON_BIN(BSON_SUBTYPE_BINARY, &byte, 0)),
        BCON_NEW("n", BCON_INT32(0), "data", BCON_UTF8("x")),
        BCON_NEW("n", BCON_UTF8("0"), "data", BCON_BIN(BSON_SUBTYPE_BINARY, &byte, 1)),
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(docs); i++) {
        struct gridfs_chunk chunk;
        assert_int_equal(gridfs_decode_chunk(docs[i], &chunk, NULL), ERR_CORRUPT);
        bson_destroy(docs[i]);
    }
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(check_numbers_of_files),  cmocka_unit_test(check_broken_files),
        cmocka_unit_test(check_file_round_trip),   cmocka_unit_test(check_foreign_texts),
        cmocka_unit_test(check_upload_round_trip), cmocka_unit_test(check_frames),
        cmocka_unit_test(check_broken_chunks),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
