/* The contract of shared/jobs: the same cases against every engine. SQLite always, MongoDB when
 * UNREEL_TEST_MONGODB_URL is set. */
#include "jobs_contract.h"

#include <mongoc/mongoc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "db/mongo_pool.h"

struct jobs *store;
const char *store_url;

int remove_all(void **state)
{
    (void)state;
    struct jobs_filter all = { .state = JOB_STATE_MAX, .limit = 200 };
    char cursor[JOBS_CURSOR_SIZE];
    struct job *page = xcalloc(200, sizeof(*page));
    size_t count = 0;
    do {
        assert_ok(jobs_list(store, &all, page, &count, cursor, NULL));
        for (size_t i = 0; i < count; i++) {
            assert_ok(jobs_remove(store, page[i].id, NULL, NULL));
        }
    } while (cursor[0] != '\0');
    free(page);
    return 0;
}

struct job new_job(const char *owner)
{
    struct job j;
    job_init(&j, owner);
    assert_ok(jobs_create(store, &j, NULL));
    return j;
}

struct job new_running(int64_t lease_ms)
{
    struct job j = new_job(OWNER);
    assert_ok(jobs_claim(store, j.id, lease_ms, "", false, &j, NULL));
    return j;
}

struct job new_ended(enum job_state state)
{
    struct job j = new_running(LEASE_MS);
    j.state = state;
    if (state == JOB_CANCELLED) {
        assert_ok(jobs_cancel(store, j.id, NULL, &j, NULL));
        return j;
    }
    if (state == JOB_SUCCEEDED) {
        id_new(j.mp3_fid);
        j.output_count = 1;
        j.outputs[0].size_bytes = 1000;
    } else {
        j.error.problem = PROBLEM_NO_AUDIO;
    }
    assert_ok(jobs_finish(store, &j, NULL));
    return j;
}

struct job reload(const struct job *j)
{
    struct job now;
    assert_ok(jobs_get(store, j->id, NULL, &now, NULL));
    return now;
}

void assert_same(const struct job *a, const struct job *b)
{
    json_t *left = job_to_record(a);
    json_t *right = job_to_record(b);
    char *text = json_dumps(right, 0);
    if (!json_equal(left, right)) {
        fail_msg("records differ, stored: %s", text);
    }
    free(text);
    json_decref(left);
    json_decref(right);
}

static void fill_all(struct job *j)
{
    job_init(j, OWNER);
    (void)text_copy(j->tag, sizeof(j->tag), "Ünï ✓ \"quoted\" $set a.b");
    (void)text_copy(j->filename, sizeof(j->filename), "Vidéo 1.mp4");
    (void)text_copy(j->webhook_url, sizeof(j->webhook_url), "https://example.org/hook?a=1");
    (void)text_copy(j->idempotency_key, sizeof(j->idempotency_key), "key 1");
    (void)text_copy(j->sha256, sizeof(j->sha256), "00ff");
    j->size_bytes = INT64_C(5000000000);
    j->expires_at_ms = j->created_at_ms + 86400000;
    j->request.options = (struct job_options){ .mode = JOB_MODE_VBR,
                                               .loudness = JOB_LOUDNESS_NORMALIZE,
                                               .loudness_target_centi_lufs = -2305,
                                               .trim_silence = 1,
                                               .chapters = JOB_CHAPTERS_SPLIT,
                                               .cover = JOB_COVER_FRAME,
                                               .cover_at_ms = 1500,
                                               .id3 = JOB_ID3_V23,
                                               .copy = JOB_COPY_NEVER,
                                               .bitrate_kbps = 128,
                                               .quality = 4,
                                               .sample_rate_hz = 22050,
                                               .channels = 1,
                                               .end_ms = 90001,
                                               .track = "2" };
    j->input = (struct job_input){ .container = "mov,mp4",
                                   .duration_s = 12.625,
                                   .bytes_read = INT64_C(4999999999),
                                   .track_count = 1,
                                   .tracks = { { 1, "aac", "deu", 2, 48000, true } },
                                   .chapter_count = 2,
                                   .chapters = { { 0, 5001, "Ünï" }, { 5001, 12625, "" } } };
    assert_ok(job_request_set(&j->request, "tags.title", "Ünï $set a.b", NULL));
    assert_ok(job_request_set(&j->request, "tags.artist", "", NULL));
    assert_ok(job_request_set(&j->request, "outputs", "[{\"bitrate\":96},{}]", NULL));
    assert_ok(job_request_settle(&j->request, NULL));
    id_new(j->cover_fid);
    j->progress = (struct job_progress){ 1.5, 60.25, 2.5, 30.1, 1.9, 7 };
    j->email = (struct job_notice){ j->created_at_ms, 3, j->created_at_ms + 1 };
}

static void test_create_and_get(void **state)
{
    (void)state;
    struct job j;
    struct job got;
    fill_all(&j);
    assert_ok(jobs_create(store, &j, NULL));
    assert_int_equal(j.rev, 1);
    assert_string_equal(j.video_fid, j.id);
    assert_ok(jobs_get(store, j.id, NULL, &got, NULL));
    assert_same(&j, &got);
    assert_ok(jobs_get(store, j.id, OWNER, &got, NULL));
    assert_ok(jobs_get_by_key(store, OWNER, "key 1", &got, NULL));
    assert_same(&j, &got);
}

static void test_create_refuses(void **state)
{
    (void)state;
    struct job j = new_job(OWNER);
    struct job same_id = j;
    assert_err(ERR_EXISTS, jobs_create(store, &same_id, NULL));
    assert_err(ERR_EXISTS, jobs_create(store, &j, NULL));
    struct job bad;
    job_init(&bad, "");
    assert_err(ERR_INVALID, jobs_create(store, &bad, NULL));
    job_init(&bad, "a\nb");
    assert_err(ERR_INVALID, jobs_create(store, &bad, NULL));
    job_init(&bad, OWNER);
    bad.id[0] = 'x';
    assert_err(ERR_INVALID, jobs_create(store, &bad, NULL));
}

static void test_missing_and_foreign_look_alike(void **state)
{
    (void)state;
    struct job j = new_ended(JOB_SUCCEEDED);
    struct job queued = new_job(OWNER);
    struct job got;
    char missing[ID_SIZE];
    id_new(missing);
    const char *other = "bob@example.org";
    const char *const ids[] = { missing, "", "zz", "00000000000000000000000G", j.id };
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        assert_err(ERR_NOT_FOUND, jobs_get(store, ids[i], other, &got, NULL));
        assert_err(ERR_NOT_FOUND, jobs_cancel(store, ids[i], other, &got, NULL));
        assert_err(ERR_NOT_FOUND, jobs_remove(store, ids[i], other, NULL));
        assert_err(ERR_NOT_FOUND, jobs_get_by_mp3(store, ids[i], other, &got, NULL));
        assert_err(ERR_NOT_FOUND, jobs_get_by_key(store, other, ids[i], &got, NULL));
    }
    assert_err(ERR_NOT_FOUND, jobs_get_by_mp3(store, j.mp3_fid, other, &got, NULL));
    assert_err(ERR_NOT_FOUND, jobs_get_by_video(store, missing, &got, NULL));
    assert_err(ERR_NOT_FOUND, jobs_claim(store, missing, LEASE_MS, "", true, &got, NULL));
    assert_err(ERR_NOT_FOUND, jobs_finish_foreign(store, missing, j.mp3_fid, &got, NULL));
    assert_ok(jobs_get_by_mp3(store, j.mp3_fid, OWNER, &got, NULL));
    assert_string_equal(got.id, j.id);
    assert_err(ERR_NOT_FOUND, jobs_cancel(store, queued.id, other, &got, NULL));
    assert_ok(jobs_cancel(store, queued.id, OWNER, &got, NULL));
    assert_ok(jobs_remove(store, queued.id, OWNER, NULL));
    assert_err(ERR_NOT_FOUND, jobs_remove(store, queued.id, OWNER, NULL));
}

static void test_by_video_prefers_the_open_one(void **state)
{
    (void)state;
    struct job first = new_job(OWNER);
    struct job retry;
    struct job got;
    job_init(&retry, OWNER);
    retry.created_at_ms = first.created_at_ms + 1000;
    (void)text_copy(retry.video_fid, sizeof(retry.video_fid), first.id);
    (void)text_copy(retry.retry_of, sizeof(retry.retry_of), first.id);
    assert_ok(jobs_create(store, &retry, NULL));
    assert_ok(jobs_cancel(store, retry.id, NULL, &retry, NULL));
    assert_ok(jobs_get_by_video(store, first.id, &got, NULL));
    assert_string_equal(got.id, first.id);
    assert_ok(jobs_cancel(store, first.id, NULL, &first, NULL));
    assert_ok(jobs_get_by_video(store, first.id, &got, NULL));
    assert_string_equal(got.id, retry.id);
    assert_string_equal(got.retry_of, first.id);
}

static void test_keys_are_per_owner(void **state)
{
    (void)state;

    static const struct {
        const char *owner;
        const char *key;
        enum err expected;
    } rows[] = {
        { "a@x", "k", OK },         { "b@x", "k", OK },         { "a@x", "l", OK },
        { "a@x", "k", ERR_EXISTS }, { "b@x", "k", ERR_EXISTS }, { "a@x", "", OK },
        { "a@x", "", OK },          { "a@x", "K", OK },         { "a@x", "k\nk", OK },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct job j;
        job_init(&j, rows[i].owner);
        (void)text_copy(j.idempotency_key, sizeof(j.idempotency_key), rows[i].key);
        assert_err(rows[i].expected, jobs_create(store, &j, NULL));
    }
    struct job got;
    assert_ok(jobs_get_by_key(store, "b@x", "k", &got, NULL));
    assert_string_equal(got.owner, "b@x");
    assert_err(ERR_NOT_FOUND, jobs_get_by_key(store, "b@x", "", &got, NULL));
    assert_err(ERR_NOT_FOUND, jobs_get_by_key(store, "b@x", "l", &got, NULL));
}

/* Reads all pages of a filter while newer jobs come in; returns how many jobs of before came. */
static size_t read_pages(struct jobs_filter *filter, size_t limit, int64_t before_ms)
{
    char cursor[JOBS_CURSOR_SIZE] = "";
    struct job page[7];
    size_t total = 0;
    int64_t last_ms = INT64_MAX;
    filter->limit = limit;
    do {
        size_t count = 0;
        filter->after = cursor;
        assert_ok(jobs_list(store, filter, page, &count, cursor, NULL));
        assert_true(count <= limit);
        for (size_t i = 0; i < count; i++) {
            assert_true(page[i].created_at_ms <= last_ms);
            last_ms = page[i].created_at_ms;
            total += page[i].created_at_ms <= before_ms;
        }
        struct job newer;
        job_init(&newer, OWNER);
        newer.created_at_ms = before_ms + 100000;
        assert_ok(jobs_create(store, &newer, NULL));
    } while (cursor[0] != '\0');
    return total;
}

static void test_list(void **state)
{
    (void)state;
    int64_t now_ms = clock_wall_ms();
    for (int i = 0; i < 20; i++) {
        struct job j;
        job_init(&j, i % 4 == 0 ? "bob@example.org" : OWNER);
        /* Five share a time, so that the id decides. */
        j.created_at_ms = now_ms - (i / 5) * 1000;
        (void)text_copy(j.tag, sizeof(j.tag), i % 2 == 0 ? "even" : "odd");
        assert_ok(jobs_create(store, &j, NULL));
        if (i < 6) {
            assert_ok(jobs_cancel(store, j.id, NULL, &j, NULL));
        }
    }
    struct jobs_filter all = { .state = JOB_STATE_MAX };
    struct jobs_filter anns = { .owner = OWNER, .state = JOB_STATE_MAX };
    struct jobs_filter cancelled = { .owner = OWNER, .state = JOB_CANCELLED };
    struct jobs_filter even = { .owner = OWNER, .state = JOB_STATE_MAX, .tag = "even" };
    struct jobs_filter none = { .owner = "nobody@x", .state = JOB_STATE_MAX };
    for (size_t limit = 1; limit <= 7; limit += 2) {
        assert_int_equal(read_pages(&all, limit, now_ms), 20);
        assert_int_equal(read_pages(&anns, limit, now_ms), 15);
        assert_int_equal(read_pages(&cancelled, limit, now_ms), 4);
        assert_int_equal(read_pages(&even, limit, now_ms), 5);
        assert_int_equal(read_pages(&none, limit, now_ms), 0);
    }
}

static void test_list_refuses(void **state)
{
    (void)state;
    static const char *const cursors[] = {
        "x",
        "AAAA",
        "!!!!",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    };
    struct job page[1];
    size_t count = 0;
    char cursor[JOBS_CURSOR_SIZE];
    struct jobs_filter filter = { .state = JOB_STATE_MAX, .limit = 1 };
    for (size_t i = 0; i < ARRAY_LEN(cursors); i++) {
        filter.after = cursors[i];
        assert_err(ERR_INVALID, jobs_list(store, &filter, page, &count, cursor, NULL));
    }
    filter.after = NULL;
    filter.limit = 0;
    assert_err(ERR_INVALID, jobs_list(store, &filter, page, &count, cursor, NULL));
    filter.limit = 201;
    assert_err(ERR_INVALID, jobs_list(store, &filter, page, &count, cursor, NULL));
}

static void test_count(void **state)
{
    (void)state;
    int64_t counts[JOB_STATE_MAX];
    assert_ok(jobs_count(store, counts, NULL));
    for (int i = 0; i < JOB_STATE_MAX; i++) {
        assert_int_equal(counts[i], 0);
    }
    (void)new_job(OWNER);
    (void)new_job("bob@example.org");
    (void)new_running(LEASE_MS);
    (void)new_ended(JOB_SUCCEEDED);
    (void)new_ended(JOB_FAILED);
    (void)new_ended(JOB_CANCELLED);
    assert_ok(jobs_count(store, counts, NULL));
    assert_int_equal(counts[JOB_QUEUED], 2);
    assert_int_equal(counts[JOB_RUNNING], 1);
    assert_int_equal(counts[JOB_SUCCEEDED], 1);
    assert_int_equal(counts[JOB_FAILED], 1);
    assert_int_equal(counts[JOB_CANCELLED], 1);
}

static void test_two_handles_see_each_other(void **state)
{
    (void)state;
    struct jobs *second = NULL;
    assert_ok(jobs_open(store_url, 2, &second, NULL));
    assert_ok(jobs_check(second, NULL));
    struct job j = new_job(OWNER);
    struct job got;
    assert_ok(jobs_claim(second, j.id, LEASE_MS, "", false, &got, NULL));
    assert_int_equal(reload(&j).state, JOB_RUNNING);
    assert_ok(jobs_cancel(store, j.id, OWNER, &j, NULL));
    assert_err(ERR_CANCELLED, jobs_progress(second, &got, LEASE_MS, NULL));
    jobs_close(second);
}

static void test_check(void **state)
{
    (void)state;
    assert_ok(jobs_check(store, NULL));
}

static const struct CMUnitTest basic_cases[] = {
    CASE(test_check),
    CASE(test_create_and_get),
    CASE(test_create_refuses),
    CASE(test_missing_and_foreign_look_alike),
    CASE(test_by_video_prefers_the_open_one),
    CASE(test_keys_are_per_owner),
    CASE(test_list),
    CASE(test_list_refuses),
    CASE(test_count),
    CASE(test_two_handles_see_each_other),
};

static int run_engine(const char *name, const char *url)
{
    struct error e;
    store_url = url;
    if (jobs_open(url, 8, &store, &e) != OK) {
        (void)fprintf(stderr, "%s: %s\n", name, e.text);
        return 1;
    }
    print_message("engine: %s\n", name);

    const struct {
        const char *name;
        const struct CMUnitTest *cases;
        size_t count;
    } groups[] = {
        { "basics", basic_cases, ARRAY_LEN(basic_cases) },
        { "states", state_cases, state_case_count },
        { "outputs", output_cases, output_case_count },
        { "same", same_cases, same_case_count },
        { "due", due_cases, due_case_count },
        { "threads", thread_cases, thread_case_count },
        { "proxy", proxy_cases, proxy_case_count },
    };

    int failed = 0;
    size_t count = ARRAY_LEN(groups) - (strcmp(name, "mongodb") != 0); /* no network, no proxy */
    for (size_t i = 0; i < count; i++) {
        char title[64];
        (void)snprintf(title, sizeof(title), "jobs %s %s", name, groups[i].name);
        failed += _cmocka_run_group_tests(title, groups[i].cases, groups[i].count, NULL, NULL);
    }
    jobs_close(store);
    return failed;
}

static void drop_database(const char *url)
{
    struct mongo_pool *pool = NULL;
    struct _mongoc_client_t *client = NULL;
    char name[MONGO_DATABASE_SIZE];
    if (mongo_pool_open(url, 1, &pool, NULL) == OK && mongo_pool_pop(pool, &client, NULL) == OK) {
        mongoc_database_t *database = mongoc_client_get_database(
            client, mongo_pool_database(pool, "unreel", name));
        (void)mongoc_database_drop(database, NULL);
        mongoc_database_destroy(database);
        mongo_pool_push(pool, client);
    }
    mongo_pool_close(pool);
}

static int run_mongo(void)
{
    const char *server = getenv("UNREEL_TEST_MONGODB_URL");
    if (server == NULL || server[0] == '\0') {
        print_message("engine: mongodb skipped, UNREEL_TEST_MONGODB_URL is not set\n");
        return 0;
    }
    char id[ID_SIZE];
    id_new(id);
    char *url = xasprintf("%s%sprefix=jobs%s_", server, strchr(server, '?') != NULL ? "&" : "?",
                          id);
    int failed = run_engine("mongodb", url);
    drop_database(url);
    free(url);
    return failed;
}

static int remove_folder(const char *folder)
{
    static const char *const names[] = { "jobs",   "fresh0", "fresh1", "fresh2",
                                         "fresh3", "fresh4", "old" };
    static const char *const suffixes[] = { "", "-wal", "-shm" };
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        for (size_t k = 0; k < ARRAY_LEN(suffixes); k++) {
            char path[256];
            (void)snprintf(path, sizeof(path), "%s/%s.db%s", folder, names[i], suffixes[k]);
            (void)unlink(path);
        }
    }
    return rmdir(folder);
}

int main(void)
{
    char folder[] = "/tmp/unreel-jobs-XXXXXX";
    if (mkdtemp(folder) == NULL) {
        return 1;
    }
    int failed = run_open_cases(folder);
    char url[128];
    (void)snprintf(url, sizeof(url), "sqlite:%s/jobs.db", folder);
    failed += run_engine("sqlite", url);
    failed += run_mongo();
    failed += remove_folder(folder) != 0;
    return failed != 0;
}
