/* What is listed: uploads that nobody goes on with, and what is committed. */
#include "blobs_support.h"

#include <string.h>

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

static bool lists(int64_t before_ms, size_t max, size_t *ret_count)
{
    static char ids[100][ID_SIZE];
    bool is_listed = false;
    assert_int_equal(blobs_list_orphans(engine.other, before_ms, ids, max, ret_count, NULL), OK);
    assert_true(*ret_count <= max);
    for (size_t i = 0; i < *ret_count; i++) {
        is_listed = is_listed || strcmp(ids[i], id) == 0;
    }
    return is_listed;
}

static void check_orphans(void **state)
{
    char committed[ID_SIZE];
    char suspended[ID_SIZE];
    size_t count = 0;
    int64_t before = clock_wall_ms() - 1000;
    (void)state;
    memcpy(suspended, id, sizeof(suspended));
    struct blob_writer *w = create();
    assert_int_equal(write_span(w, 14, 0, 300000, 100000), OK);
    assert_int_equal(blob_suspend(w, NULL), OK);
    assert_false(lists(before, 100, &count));
    assert_true(lists(clock_wall_ms() + 60000, 100, &count));
    assert_false(lists(clock_wall_ms() + 60000, 0, &count));
    id_new(committed);
    memcpy(id, committed, sizeof(id));
    assert_int_equal(put_blob(engine.blobs, id, 15, 300000, 100000), OK);
    assert_false(lists(clock_wall_ms() + 60000, 100, &count));
    memcpy(id, suspended, sizeof(id));
    assert_int_equal(blobs_remove(engine.other, id, NULL), OK);
    assert_false(lists(clock_wall_ms() + 60000, 100, &count));
}

/* Goes through all pages; each blob is there once, in order. False: the blob `id` is not. */
static bool find_listed(size_t max, struct blob_entry *ret_entry)
{
    struct blob_entry page[8];
    char cursor[ID_SIZE] = "";
    char last[ID_SIZE] = "";
    bool is_found = false;
    size_t count = 0;
    do {
        assert_int_equal(blobs_list(engine.other, cursor, page, max, &count, NULL), OK);
        assert_true(count <= max);
        for (size_t i = 0; i < count; i++) {
            assert_true(strcmp(page[i].id, last) > 0);
            memcpy(last, page[i].id, ID_SIZE);
            if (strcmp(last, id) == 0) {
                *ret_entry = page[i];
                is_found = true;
            }
        }
        assert_true(cursor[0] == '\0' || strcmp(cursor, last) == 0);
    } while (cursor[0] != '\0');
    return is_found;
}

/* What is committed, and when that was: neither what is being written, nor when it was begun. */
static void check_list(void **state)
{
    static const size_t sizes[] = { 1, 3, 8 };
    const int64_t tick_ms = 20; /* of the clock that files are dated by */
    struct blob_entry entry;
    (void)state;
    for (unsigned i = 0; i < 9; i++) {
        char other[ID_SIZE];
        id_new(other);
        assert_int_equal(put_blob(engine.blobs, other, i, 10, 10), OK);
    }
    struct blob_writer *w = create();
    assert_int_equal(write_span(w, 17, 0, 1234, 1000), OK);
    assert_int_equal(blob_suspend(w, NULL), OK);
    assert_false(find_listed(8, &entry));
    clock_sleep_ms(100);
    int64_t before_ms = clock_wall_ms();
    int64_t offset = 0;
    assert_int_equal(blobs_resume(engine.blobs, id, &w, &offset, NULL), OK);
    assert_int_equal(blob_commit(w, NULL, NULL), OK);
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        assert_true(find_listed(sizes[i], &entry));
        assert_int_equal(entry.size_bytes, 1234);
        assert_in_range(entry.committed_at_ms, before_ms - tick_ms, clock_wall_ms());
    }
    assert_int_equal(blobs_remove(engine.other, id, NULL), OK);
    assert_false(find_listed(8, &entry));
}

static void check_list_refuses(void **state)
{
    struct blob_entry entry;
    char none[ID_SIZE] = "";
    char no_id[ID_SIZE] = "xyz";
    size_t count = 0;
    (void)state;
    assert_int_equal(blobs_list(engine.blobs, none, &entry, 0, &count, NULL), ERR_INVALID);
    assert_int_equal(blobs_list(engine.blobs, no_id, &entry, 1, &count, NULL), ERR_INVALID);
}

int run_list_cases(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test_setup(check_orphans, new_id),
        cmocka_unit_test_setup(check_list, new_id),
        cmocka_unit_test_setup(check_list_refuses, new_id),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
