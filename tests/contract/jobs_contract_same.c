/* Equal uploads, and MP3s that several jobs name. */
#include "jobs_contract.h"

#include <stdatomic.h>
#include <string.h>

#define CONTENT "00000000000000000000000000000000000000000000000000000000000000ff"
#define OTHER_CONTENT "00000000000000000000000000000000000000000000000000000000000000fe"
#define ROUNDS 10

/* An upload as the gateway has it before there is a record. */
static struct job new_upload(const char *owner, const char *sha256, const char *bitrate)
{
    struct job j;
    job_init(&j, owner);
    (void)text_copy(j.sha256, sizeof(j.sha256), sha256);
    assert_ok(job_request_set(&j.request, "bitrate", bitrate, NULL));
    return j;
}

/* One that was converted into this many MP3s. */
static struct job new_converted(const char *bitrate, int output_count)
{
    struct job j = new_upload(OWNER, CONTENT, bitrate);
    assert_ok(jobs_create(store, &j, NULL));
    assert_ok(jobs_claim(store, j.id, LEASE_MS, "", false, &j, NULL));
    j.state = JOB_SUCCEEDED;
    j.input = (struct job_input){ .container = "mp4", .duration_s = 12.5, .bytes_read = 900 };
    j.progress.media_time_s = 12.5;
    j.output_count = output_count;
    for (int i = 0; i < output_count; i++) {
        j.outputs[i] = (struct job_output){ .size_bytes = 1000 + i, .sha256 = "00ff" };
        id_new(j.outputs[i].fid);
    }
    (void)text_copy(j.mp3_fid, sizeof(j.mp3_fid), j.outputs[0].fid);
    assert_ok(jobs_finish(store, &j, NULL));
    return j;
}

static void test_only_the_same_is_found(void **state)
{
    (void)state;
    struct job wanted = new_upload(OWNER, CONTENT, "128");
    struct job got;
    assert_err(ERR_NOT_FOUND, jobs_find_same(store, &wanted, &got, NULL));

    struct job queued = new_upload(OWNER, CONTENT, "128");
    assert_ok(jobs_create(store, &queued, NULL));
    struct job cancelled = new_upload(OWNER, CONTENT, "128");
    assert_ok(jobs_create(store, &cancelled, NULL));
    assert_ok(jobs_cancel(store, cancelled.id, NULL, &cancelled, NULL));
    struct job foreign = new_upload(OWNER, CONTENT, "128");
    assert_ok(jobs_create(store, &foreign, NULL));
    assert_ok(jobs_finish_foreign(store, foreign.id, foreign.id, &foreign, NULL));
    assert_err(ERR_NOT_FOUND, jobs_find_same(store, &wanted, &got, NULL));

    struct job first = new_converted("128", 1);
    assert_ok(jobs_find_same(store, &wanted, &got, NULL));
    assert_same(&first, &got);

    const struct job others[] = { new_upload("bob@example.org", CONTENT, "128"),
                                  new_upload(OWNER, OTHER_CONTENT, "128"),
                                  new_upload(OWNER, "", "128"), new_upload(OWNER, CONTENT, "96") };
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        assert_err(ERR_NOT_FOUND, jobs_find_same(store, &others[i], &got, NULL));
    }
}

/* The same file by many other options since. */
static void test_it_is_found_behind_others(void **state)
{
    (void)state;
    static const char *const bitrates[] = { "320", "256", "224", "192", "160", "112", "96",
                                            "80",  "64",  "56",  "48",  "40",  "32" };
    struct job first = new_converted("128", 1);
    for (size_t i = 0; i < ARRAY_LEN(bitrates); i++) {
        (void)new_converted(bitrates[i], 1);
    }
    struct job wanted = new_upload(OWNER, CONTENT, "128");
    struct job got;
    assert_ok(jobs_find_same(store, &wanted, &got, NULL));
    assert_string_equal(got.id, first.id);
    first = new_converted("128", 1);
    assert_ok(jobs_find_same(store, &wanted, &got, NULL));
    assert_string_equal(got.id, first.id);
}

/* Whose file it is; "" when it is nobody's. */
static void assert_names(const char *fid, const char *expected_id)
{
    struct job got = { .id = "" };
    enum err err = jobs_get_by_mp3(store, fid, OWNER, &got, NULL);
    assert_err(expected_id[0] != '\0' ? OK : ERR_NOT_FOUND, err);
    assert_string_equal(got.id, expected_id);
}

static void test_it_succeeds_at_once(void **state)
{
    (void)state;
    for (int count = 1; count <= 3; count++) {
        struct job first = new_converted("128", count);
        struct job second = new_upload(OWNER, CONTENT, "128");
        second.created_at_ms = first.created_at_ms + 1;
        (void)text_copy(second.webhook_url, sizeof(second.webhook_url), "https://example.org/");
        assert_ok(jobs_create_same(store, &second, &first, NULL));
        struct job stored = reload(&second);
        assert_same(&second, &stored);
        assert_int_equal(stored.state, JOB_SUCCEEDED);
        assert_int_equal(stored.attempt, 0);
        assert_string_equal(stored.same_as, first.id);
        assert_string_equal(stored.mp3_fid, first.mp3_fid);
        assert_int_equal(stored.output_count, count);
        assert_memory_equal(stored.outputs, first.outputs,
                            sizeof(first.outputs[0]) * (size_t)count);
        assert_string_equal(stored.input.container, "mp4");
        assert_true(stored.progress.percent == 100 && stored.progress.media_time_s == 12.5);
        assert_true(stored.finished_at_ms > 0 && stored.email.due_at_ms == stored.finished_at_ms);
        assert_true(stored.webhook.due_at_ms > 0 && !stored.announced);
        for (int i = 0; i < count; i++) {
            assert_names(first.outputs[i].fid, first.id);
        }
        assert_ok(jobs_remove(store, first.id, OWNER, NULL));
        for (int i = 0; i < count; i++) {
            assert_names(first.outputs[i].fid, second.id);
        }
        assert_ok(jobs_remove(store, second.id, OWNER, NULL));
        for (int i = 0; i < count; i++) {
            assert_names(first.outputs[i].fid, "");
        }
    }
}

/* It is due as any job that has ended. */
static void test_it_is_told(void **state)
{
    (void)state;

    static const enum jobs_due_kind kinds[] = { JOBS_DUE_ANNOUNCE, JOBS_DUE_NOTICE };
    struct job first = new_converted("128", 1);
    struct job second = new_upload(OWNER, CONTENT, "128");
    assert_ok(jobs_create_same(store, &second, &first, NULL));
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        const struct jobs_due_query query = { .kind = kinds[i], .limit = 10 };
        struct job found[10];
        size_t count = 0;
        int64_t next_ms = 0;
        assert_ok(jobs_due(store, &query, found, &count, &next_ms, NULL));
        assert_int_equal(count, 2);
    }
}

static void test_a_used_key_is_refused(void **state)
{
    (void)state;
    struct job first = new_converted("128", 2);
    struct job keyed = new_upload(OWNER, CONTENT, "128");
    (void)text_copy(keyed.idempotency_key, sizeof(keyed.idempotency_key), "key");
    struct job again = keyed;
    id_new(again.id);
    assert_ok(jobs_create_same(store, &keyed, &first, NULL));
    assert_err(ERR_EXISTS, jobs_create_same(store, &again, &first, NULL));
    assert_err(ERR_NOT_FOUND, jobs_get(store, again.id, NULL, &again, NULL));
}

/* Deleted after it was found: its files may be gone, or go any moment. */
static void test_the_first_is_gone(void **state)
{
    (void)state;
    for (int count = 1; count <= 3; count++) {
        struct job first = new_converted("128", count);
        struct job second = new_upload(OWNER, CONTENT, "128");
        assert_ok(jobs_remove(store, first.id, OWNER, NULL));
        assert_ok(jobs_create_same(store, &second, &first, NULL));
        struct job stored = reload(&second);
        assert_same(&second, &stored);
        assert_int_equal(stored.state, JOB_QUEUED);
        assert_int_equal(stored.output_count, 0);
        assert_string_equal(stored.same_as, "");
        assert_string_equal(stored.input.container, "");
        for (int i = 0; i < count; i++) {
            assert_names(first.outputs[i].fid, "");
        }
    }
}

/* What a gateway leaves that dies half-way: the files are kept, until it is clear that the job gets
 * files of its own, or none. */
static void test_left_half_way(void **state)
{
    (void)state;
    for (int is_cancelled = 0; is_cancelled < 2; is_cancelled++) {
        struct job first = new_converted("128", 2);
        struct job half = new_upload(OWNER, CONTENT, "128");
        half.output_count = first.output_count;
        memcpy(half.outputs, first.outputs, sizeof(half.outputs));
        memcpy(half.same_as, first.id, ID_SIZE);
        assert_ok(jobs_create(store, &half, NULL));
        assert_ok(jobs_mark_published(store, &half, NULL));
        assert_ok(jobs_remove(store, first.id, OWNER, NULL));
        assert_names(first.outputs[0].fid, half.id);
        assert_names(first.outputs[1].fid, half.id);
        if (is_cancelled) {
            assert_ok(jobs_cancel(store, half.id, OWNER, &half, NULL));
        } else {
            assert_ok(jobs_claim(store, half.id, LEASE_MS, "", false, &half, NULL));
        }
        assert_string_equal(half.same_as, "");
        assert_int_equal(half.output_count, 0);
        assert_names(first.outputs[0].fid, "");
        assert_names(first.outputs[1].fid, "");
    }
}

/* ---- deletes while jobs are answered ---- */

static struct job raced;
static int deleter; /* which thread deletes it: the first ones come early */
static struct job answers[8];
static atomic_bool is_file_removed[2];
static atomic_int failures;

/* As the gateway does once its own record names the files no more. */
static void remove_files(void)
{
    for (int i = 0; i < 2; i++) {
        struct job other;
        enum err err = jobs_get_by_mp3(store, raced.outputs[i].fid, NULL, &other, NULL);
        if (err == ERR_NOT_FOUND) {
            atomic_store(&is_file_removed[i], true);
        } else if (err != OK) {
            atomic_fetch_add(&failures, 1);
        }
    }
}

/* One deletes the first job, the others are answered with whatever job they find. */
static void *answer_or_delete(void *arg)
{
    int number = *(const int *)arg;
    struct job *j = &answers[number];
    struct job first;
    j->state = JOB_CANCELLED;
    if (number == deleter) {
        if (jobs_remove(store, raced.id, OWNER, NULL) != OK) {
            atomic_fetch_add(&failures, 1);
        }
        remove_files();
        return NULL;
    }
    job_init(j, OWNER);
    (void)text_copy(j->sha256, sizeof(j->sha256), CONTENT);
    j->request = raced.request;
    enum err err = jobs_find_same(store, j, &first, NULL);
    if (err == OK) {
        err = jobs_create_same(store, j, &first, NULL);
        if (err == OK && j->state != JOB_SUCCEEDED) {
            remove_files();
        }
    }
    if (err != OK && err != ERR_NOT_FOUND) {
        atomic_fetch_add(&failures, 1);
    }
    if (err != OK) {
        j->state = JOB_CANCELLED;
    }
    return NULL;
}

static void *delete_all(void *arg)
{
    const struct job *j = &answers[*(const int *)arg];
    if (j->state == JOB_SUCCEEDED) {
        if (jobs_remove(store, j->id, OWNER, NULL) != OK) {
            atomic_fetch_add(&failures, 1);
        }
        remove_files();
    }
    return NULL;
}

static void test_no_file_is_removed_too_early_or_kept(void **state)
{
    (void)state;
    int succeeded = 0;
    for (int round = 0; round < ROUNDS; round++) {
        raced = new_converted("128", 2);
        deleter = round % (int)ARRAY_LEN(answers);
        atomic_store(&failures, 0);
        for (int i = 0; i < 2; i++) {
            atomic_store(&is_file_removed[i], false);
        }
        in_eight_threads(answer_or_delete);
        bool is_named = false;
        for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
            is_named = is_named || answers[i].state == JOB_SUCCEEDED;
            succeeded += answers[i].state == JOB_SUCCEEDED;
        }
        for (int i = 0; i < 2; i++) {
            assert_int_equal(atomic_load(&is_file_removed[i]), !is_named);
        }
        in_eight_threads(delete_all);
        for (int i = 0; i < 2; i++) {
            assert_true(atomic_load(&is_file_removed[i]));
        }
        assert_int_equal(atomic_load(&failures), 0);
        (void)remove_all(NULL);
    }
    print_message("%d of %d answered while the first was deleted\n", succeeded, ROUNDS * 7);
}

const struct CMUnitTest same_cases[] = {
    CASE(test_only_the_same_is_found), CASE(test_it_is_found_behind_others),
    CASE(test_it_succeeds_at_once),    CASE(test_it_is_told),
    CASE(test_a_used_key_is_refused),  CASE(test_the_first_is_gone),
    CASE(test_left_half_way),          CASE(test_no_file_is_removed_too_early_or_kept),
};
const size_t same_case_count = ARRAY_LEN(same_cases);
