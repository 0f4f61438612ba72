/* One writer, one reader: what each call does, and each error. */
#include "blobs_support.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"

static char id[ID_SIZE];

static int new_id(void **state)
{
    (void)state;
    id_new(id);
    return 0;
}

static struct blob_writer *create(void)
{
    struct blob_writer *w = NULL;
    assert_int_equal(blobs_create(engine.blobs, id, &meta, &w, NULL), OK);
    return w;
}

static void check_sizes(void **state)
{
    static const struct {
        int64_t size;
        size_t slice;
    } cases[] = {
        { 0, 1 },
        { 1, 1 },
        { CHUNK - 1, 4096 },
        { CHUNK, CHUNK },
        { CHUNK + 1, 100000 },
        { 4 * CHUNK, 131072 },
        { 4 * CHUNK + 1, 131072 },
        { 3 * 1024 * 1024 + 7, 999983 },
        { 5 * 1024 * 1024, 3000000 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char sha256[BLOB_SHA256_SIZE];
        char expected[BLOB_SHA256_SIZE];
        struct blob_stat st;
        id_new(id);
        struct blob_writer *w = create();
        assert_int_equal(write_span(w, 1, 0, cases[i].size, cases[i].slice), OK);
        assert_int_equal(blob_writer_size(w), cases[i].size);
        assert_int_equal(blob_commit(w, sha256, NULL), OK);
        expected_sha256(1, cases[i].size, expected);
        assert_string_equal(sha256, expected);
        assert_int_equal(blobs_stat(engine.other, id, &st, NULL), OK);
        assert_true(st.is_committed);
        assert_int_equal(st.size_bytes, cases[i].size);
        assert_string_equal(st.sha256, expected);
        assert_true(has_bytes(engine.other, id, 1, cases[i].size));
        assert_int_equal(blobs_remove(engine.blobs, id, NULL), OK);
        assert_false(store_has_trace(id));
    }
}

static void check_stat(void **state)
{
    struct blob_stat st;
    int64_t now = clock_wall_ms();
    (void)state;
    struct blob_writer *w = create();
    for (int round = 0; round < 2; round++) {
        assert_int_equal(blobs_stat(engine.other, id, &st, NULL), OK);
        assert_int_equal(st.is_committed, round == 1);
        assert_string_equal(st.owner, meta.owner);
        assert_string_equal(st.filename, meta.filename);
        assert_true(st.created_at_ms >= now - 5000 && st.created_at_ms <= now + 60000);
        assert_int_equal(strlen(st.sha256), round == 0 ? 0 : 64);
        if (round == 0) {
            assert_int_equal(blob_commit(w, NULL, NULL), OK);
        }
    }
}

static void check_empty_meta(void **state)
{
    const struct blob_meta empty = { .owner = "", .filename = "", .content_type = "" };
    struct blob_writer *w = NULL;
    struct blob_stat st;
    (void)state;
    assert_int_equal(blobs_create(engine.blobs, id, &empty, &w, NULL), OK);
    assert_int_equal(blob_commit(w, NULL, NULL), OK);
    assert_int_equal(blobs_stat(engine.blobs, id, &st, NULL), OK);
    assert_string_equal(st.owner, "");
    assert_string_equal(st.filename, "");
}

static void check_taken_id(void **state)
{
    struct blob_writer *second = NULL;
    struct error e;
    int64_t offset = 0;
    (void)state;
    struct blob_writer *w = create();
    assert_int_equal(blobs_create(engine.other, id, &meta, &second, &e), ERR_EXISTS);
    assert_int_equal(e.code, ERR_EXISTS);
    assert_int_equal(write_span(w, 2, 0, 1000, 1000), OK);
    assert_int_equal(blob_commit(w, NULL, NULL), OK);
    assert_int_equal(blobs_create(engine.other, id, &meta, &second, NULL), ERR_EXISTS);
    assert_int_equal(blobs_resume(engine.other, id, &second, &offset, NULL), ERR_EXISTS);
    assert_null(second);
    assert_true(has_bytes(engine.blobs, id, 2, 1000));
}

static void check_not_found(void **state)
{
    static const char *const ids[] = { NULL, "", "../../../../etc/passwd12",
                                       "0123456789ABCDEF01234567" };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        const char *name = ids[i] != NULL ? ids[i] : id;
        struct blob_stat st;
        struct blob_writer *w = NULL;
        char bytes[8];
        size_t len = 0;
        int64_t offset = 0;
        int fd = -1;
        assert_int_equal(blobs_stat(engine.blobs, name, &st, NULL), ERR_NOT_FOUND);
        assert_int_equal(blobs_pread(engine.blobs, name, 0, bytes, 8, &len, NULL), ERR_NOT_FOUND);
        assert_int_equal(blobs_pread(engine.blobs, name, 0, bytes, 0, &len, NULL), ERR_NOT_FOUND);
        assert_int_equal(blobs_remove(engine.blobs, name, NULL), ERR_NOT_FOUND);
        assert_int_equal(blobs_resume(engine.blobs, name, &w, &offset, NULL), ERR_NOT_FOUND);
        assert_int_equal(blobs_descriptor(engine.blobs, name, &fd, NULL), ERR_NOT_FOUND);
    }
    assert_false(store_has_trace(id));
}

static void check_invalid(void **state)
{
    char long_text[BLOB_FILENAME_SIZE + 1];
    struct blob_meta bad = meta;
    struct blob_writer *w = NULL;
    struct blobs *b = NULL;
    char bytes[8];
    size_t len = 0;
    (void)state;
    memset(long_text, 'x', sizeof(long_text) - 1);
    long_text[sizeof(long_text) - 1] = '\0';
    assert_int_equal(blobs_create(engine.blobs, "../x", &meta, &w, NULL), ERR_INVALID);
    bad.filename = long_text;
    assert_int_equal(blobs_create(engine.blobs, id, &bad, &w, NULL), ERR_TOO_BIG);
    bad.filename = "\xff\xfe";
    assert_int_equal(blobs_create(engine.blobs, id, &bad, &w, NULL), ERR_INVALID);
    assert_false(store_has_trace(id));
    assert_int_equal(blobs_open(engine.url, "../x", 1, &b, NULL), ERR_INVALID);
    assert_int_equal(blobs_open("ftp://x/", "videos", 1, &b, NULL), ERR_INVALID);
    assert_int_equal(put_blob(engine.blobs, id, 3, 10, 10), OK);
    assert_int_equal(blobs_pread(engine.blobs, id, -1, bytes, 8, &len, NULL), ERR_INVALID);
}

static void check_read_at_the_end(void **state)
{
    const int64_t size = 2 * CHUNK + 100;
    uint8_t bytes[64];
    size_t len = 99;
    (void)state;
    assert_int_equal(put_blob(engine.blobs, id, 4, size, 70000), OK);
    assert_int_equal(blobs_pread(engine.blobs, id, size - 10, bytes, 64, &len, NULL), OK);
    assert_int_equal(len, 10);
    assert_true(is_filled(4, size - 10, bytes, 10));
    assert_int_equal(blobs_pread(engine.blobs, id, size, bytes, 64, &len, NULL), OK);
    assert_int_equal(len, 0);
    assert_int_equal(blobs_pread(engine.blobs, id, INT64_MAX - 5, bytes, 64, &len, NULL), OK);
    assert_int_equal(len, 0);
}

static void check_random_ranges(void **state)
{
    const int64_t size = 6 * CHUNK + 12345;
    static uint8_t bytes[3 * CHUNK];
    (void)state;
    assert_int_equal(put_blob(engine.blobs, id, 5, size, 131072), OK);
    for (int i = 0; i < 1000; i++) {
        int64_t offset = random_below((unsigned)size);
        /* Mostly what a demuxer asks for; sometimes across several chunks. */
        size_t len = 1 + random_below(i % 20 == 0 ? sizeof(bytes) : 40000);
        size_t expected = (int64_t)len < size - offset ? len : (size_t)(size - offset);
        size_t got = 0;
        assert_int_equal(blobs_pread(engine.other, id, offset, bytes, len, &got, NULL), OK);
        assert_int_equal(got, expected);
        assert_true(is_filled(5, offset, bytes, got));
    }
}

static void check_abort(void **state)
{
    static const int64_t sizes[] = { 0, 1, CHUNK + 1, 5 * CHUNK + 3 };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct blob_stat st;
        id_new(id);
        struct blob_writer *w = create();
        assert_int_equal(write_span(w, 6, 0, sizes[i], 100000), OK);
        blob_abort(w);
        assert_int_equal(blobs_stat(engine.other, id, &st, NULL), ERR_NOT_FOUND);
        assert_false(store_has_trace(id));
        /* The id is free again. */
        assert_int_equal(put_blob(engine.other, id, 7, 10, 10), OK);
    }
    blob_abort(NULL);
}

static void check_suspend_and_resume(void **state)
{
    static const int64_t stops[] = { 0,         1,         CHUNK - 1,           CHUNK,
                                     CHUNK + 1, 4 * CHUNK, 4 * CHUNK + 77,      8 * CHUNK,
                                     100,       3 * CHUNK, 5 * 1024 * 1024 + 1, 2 * CHUNK + 5 };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(stops); i++) {
        const int64_t size = stops[i] + 3 * CHUNK / 2;
        char sha256[BLOB_SHA256_SIZE];
        char expected[BLOB_SHA256_SIZE];
        int64_t offset = -1;
        struct blob_stat st;
        id_new(id);
        struct blob_writer *w = create();
        assert_int_equal(write_span(w, 8, 0, stops[i], 90000), OK);
        assert_int_equal(blob_suspend(w, NULL), OK);
        assert_int_equal(blobs_stat(engine.other, id, &st, NULL), OK);
        assert_false(st.is_committed);
        assert_true(has_bytes(engine.other, id, 8, stops[i]));
        assert_int_equal(blobs_resume(engine.other, id, &w, &offset, NULL), OK);
        assert_int_equal(offset, stops[i]);
        assert_int_equal(blob_writer_size(w), stops[i]);
        assert_int_equal(write_span(w, 8, offset, size, 90000), OK);
        assert_int_equal(blob_commit(w, sha256, NULL), OK);
        expected_sha256(8, size, expected);
        assert_string_equal(sha256, expected);
        assert_true(has_bytes(engine.blobs, id, 8, size));
        assert_int_equal(blobs_stat(engine.blobs, id, &st, NULL), OK);
        assert_string_equal(st.owner, meta.owner);
        assert_string_equal(st.filename, meta.filename);
    }
}

static void check_many_stops(void **state)
{
    char expected[BLOB_SHA256_SIZE];
    char sha256[BLOB_SHA256_SIZE];
    int64_t offset = 0;
    (void)state;
    struct blob_writer *w = create();
    for (int64_t at = 0; at < 3 * CHUNK; at += 60001) {
        assert_int_equal(write_span(w, 9, at, at + 60001, 20000), OK);
        assert_int_equal(blob_suspend(w, NULL), OK);
        assert_int_equal(blobs_resume(engine.blobs, id, &w, &offset, NULL), OK);
        assert_int_equal(offset, at + 60001);
    }
    assert_int_equal(blob_commit(w, sha256, NULL), OK);
    expected_sha256(9, offset, expected);
    assert_string_equal(sha256, expected);
}

static void check_rewrite(void **state)
{
    static const struct {
        int64_t size;
        int64_t offset;
        size_t len;
        bool is_resumed;
    } cases[] = {
        { 400, 0, 400, false },
        { 5000, 0, 417, false },
        { 5000, 4583, 417, true },
        { CHUNK, 0, 65536, false },
        { 2 * CHUNK + 9, 0, 1045, true },
        { 2 * CHUNK + 9, 2 * CHUNK - 5, 14, true },
        { 9 * CHUNK + 100, 0, 1045, false },
        { 9 * CHUNK + 100, CHUNK - 1, 2, false },
        { 9 * CHUNK + 100, 8 * CHUNK - 1000, 2000, false },
        { 9 * CHUNK + 100, 3 * CHUNK + 7, 65536, true },
        { 9 * CHUNK + 100, 9 * CHUNK - 65436, 65536, true },
    };

    static uint8_t patch[65536];
    (void)state;
    fill(77, 0, patch, sizeof(patch));
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char sha256[BLOB_SHA256_SIZE];
        char expected[BLOB_SHA256_SIZE];
        size_t total = (size_t)cases[i].size + 10;
        size_t got = 0;
        uint8_t *bytes = xmalloc(total);
        uint8_t *stored = xmalloc(total + 1);
        int64_t offset = 0;
        id_new(id);
        struct blob_writer *w = create();
        assert_int_equal(write_span(w, 10, 0, cases[i].size, 50000), OK);
        if (cases[i].is_resumed) {
            assert_int_equal(blob_suspend(w, NULL), OK);
            assert_int_equal(blobs_resume(engine.blobs, id, &w, &offset, NULL), OK);
        }
        assert_int_equal(blob_rewrite(w, cases[i].offset, patch, cases[i].len, NULL), OK);
        assert_int_equal(blob_writer_size(w), cases[i].size);
        /* Writing goes on behind it. */
        assert_int_equal(write_span(w, 10, cases[i].size, (int64_t)total, 10), OK);
        assert_int_equal(blob_commit(w, sha256, NULL), OK);
        fill(10, 0, bytes, total);
        memcpy(bytes + cases[i].offset, patch, cases[i].len);
        sha256_of(bytes, total, expected);
        assert_string_equal(sha256, expected);
        assert_int_equal(blobs_pread(engine.other, id, 0, stored, total + 1, &got, NULL), OK);
        assert_int_equal(got, total);
        assert_memory_equal(stored, bytes, total);
        free(bytes);
        free(stored);
    }
}

static void check_rewrite_limits(void **state)
{
    static uint8_t patch[65537];
    (void)state;
    struct blob_writer *w = create();
    assert_int_equal(write_span(w, 11, 0, 100, 100), OK);
    assert_int_equal(blob_rewrite(w, 0, patch, 101, NULL), ERR_INVALID);
    assert_int_equal(blob_rewrite(w, 100, patch, 1, NULL), ERR_INVALID);
    assert_int_equal(blob_rewrite(w, -1, patch, 1, NULL), ERR_INVALID);
    assert_int_equal(blob_rewrite(w, INT64_MAX, patch, 1, NULL), ERR_INVALID);
    assert_int_equal(write_span(w, 11, 100, 100000, 5000), OK);
    assert_int_equal(blob_rewrite(w, 0, patch, sizeof(patch), NULL), ERR_INVALID);
    assert_int_equal(blob_rewrite(w, 0, patch, 0, NULL), OK);
    assert_int_equal(blob_commit(w, NULL, NULL), OK);
    assert_true(has_bytes(engine.blobs, id, 11, 100000));
}

static void check_remove(void **state)
{
    struct blob_stat st;
    uint8_t bytes[10];
    size_t len = 0;
    (void)state;
    assert_int_equal(put_blob(engine.blobs, id, 12, 2 * CHUNK, 100000), OK);
    assert_true(has_bytes(engine.blobs, id, 12, 2 * CHUNK)); /* and this handle knows it now */
    assert_int_equal(blobs_remove(engine.other, id, NULL), OK);
    assert_false(store_has_trace(id));
    assert_int_equal(blobs_stat(engine.blobs, id, &st, NULL), ERR_NOT_FOUND);
    assert_int_equal(blobs_pread(engine.blobs, id, 0, bytes, 10, &len, NULL), ERR_NOT_FOUND);
    assert_int_equal(blobs_remove(engine.blobs, id, NULL), ERR_NOT_FOUND);
    struct blob_writer *w = create();
    assert_int_equal(write_span(w, 12, 0, 5 * CHUNK, 100000), OK);
    assert_int_equal(blob_suspend(w, NULL), OK);
    assert_int_equal(blobs_remove(engine.other, id, NULL), OK);
    assert_false(store_has_trace(id));
}

static void check_remove_while_written(void **state)
{
    struct error e;
    (void)state;
    struct blob_writer *w = create();
    assert_int_equal(write_span(w, 13, 0, 5 * CHUNK, 100000), OK);
    assert_int_equal(blobs_remove(engine.other, id, NULL), OK);
    assert_int_equal(blob_commit(w, NULL, &e), ERR_NOT_FOUND);
    assert_int_equal(e.code, ERR_NOT_FOUND);
    blob_abort(w);
    assert_false(store_has_trace(id));
}

static void check_descriptor(void **state)
{
    uint8_t bytes[1000];
    int fd = -1;
    (void)state;
    struct blob_writer *w = create();
    assert_int_equal(write_span(w, 16, 0, 1000, 1000), OK);
    assert_int_equal(blobs_descriptor(engine.blobs, id, &fd, NULL), ERR_NOT_FOUND);
    assert_int_equal(blob_commit(w, NULL, NULL), OK);
    if (engine.folder == NULL) {
        assert_int_equal(blobs_descriptor(engine.blobs, id, &fd, NULL), ERR_NOT_FOUND);
        return;
    }
    assert_int_equal(blobs_descriptor(engine.blobs, id, &fd, NULL), OK);
    assert_int_equal(read(fd, bytes, sizeof(bytes)), 1000);
    assert_true(is_filled(16, 0, bytes, 1000));
    assert_int_equal(close(fd), 0);
}

static void check_readiness(void **state)
{
    (void)state;
    assert_int_equal(blobs_check(engine.blobs, NULL), OK);
}

#define CASE(function) cmocka_unit_test_setup(function, new_id)

int run_basic_cases(void)
{
    const struct CMUnitTest cases[] = {
        CASE(check_sizes),           CASE(check_stat),
        CASE(check_empty_meta),      CASE(check_taken_id),
        CASE(check_not_found),       CASE(check_invalid),
        CASE(check_read_at_the_end), CASE(check_random_ranges),
        CASE(check_abort),           CASE(check_suspend_and_resume),
        CASE(check_many_stops),      CASE(check_rewrite),
        CASE(check_rewrite_limits),  CASE(check_remove),
        CASE(check_descriptor),      CASE(check_remove_while_written),
        CASE(check_readiness),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
