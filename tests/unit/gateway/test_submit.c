/* An upload becomes a job: the file stays with the record, however the store tells of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/text.h"
#include "gateway.h"
#include "intake.h"
#include "relay.h"
#include "routes.h"
#include "submit.h"

static int status;    /* of the answer */
static int published; /* jobs that the relay was told of */
static bool meets_itself;
static struct job created; /* as it was given to the store */

/* ---- stand-ins for the request and the relay ---- */

const char *http_request_header(const struct http_request *r, const char *name)
{
    (void)r;
    (void)name;
    return NULL;
}

const char *http_request_path(const struct http_request *r)
{
    (void)r;
    return "/v1/jobs";
}

bool http_request_is_alive(const struct http_request *r)
{
    (void)r;
    return true;
}

void http_reply_header(struct http_request *r, const char *name, const char *value)
{
    (void)r;
    (void)name;
    (void)value;
}

void http_reply_json(struct http_request *r, int code, json_t *body)
{
    (void)r;
    json_decref(body);
    status = code;
}

void http_reply_text(struct http_request *r, int code, const char *content_type, const char *text)
{
    (void)r;
    (void)content_type;
    (void)text;
    status = code;
}

void http_reply_problem(struct http_request *r, enum problem p, const char *detail, ...)
{
    (void)r;
    (void)detail;
    status = p == PROBLEM_IDEMPOTENCY_MISMATCH ? 422 : 400;
}

void reply_store_error(struct http_request *r, const struct error *e)
{
    (void)r;
    (void)e;
    status = 503;
}

void relay_publish(struct relay *relay, const struct job *job)
{
    (void)relay;
    (void)job;
    published++;
}

enum err __real_jobs_create(struct jobs *s, struct job *job, struct error *e);
enum err __wrap_jobs_create(struct jobs *s, struct job *job, struct error *e);

/* A driver that loses the answer tries again, and its second insert finds the first one. */
enum err __wrap_jobs_create(struct jobs *s, struct job *job, struct error *e)
{
    enum err rc = __real_jobs_create(s, job, e);
    created = *job;
    return rc == OK && meets_itself ? err_set(e, ERR_EXISTS, "duplicate") : rc;
}

/* ---- cases ---- */

struct fixture {
    char folder[64];
    struct gateway_settings settings;
    struct gateway gateway;
};

static int set_up(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));
    (void)snprintf(f->folder, sizeof(f->folder), "/tmp/unreel-submit-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    AUTO(mem_free) char *jobs_url = xasprintf("sqlite:%s/jobs.db", f->folder);
    AUTO(mem_free) char *blobs_url = xasprintf("file:%s", f->folder);
    f->settings.max_upload_bytes = 1000;
    f->settings.max_uploads_per_user = 4;
    f->gateway.settings = &f->settings;
    f->gateway.slots = upload_slots_new();
    assert_int_equal(jobs_open(jobs_url, 4, &f->gateway.jobs, NULL), OK);
    assert_int_equal(blobs_open(blobs_url, "videos", 4, &f->gateway.videos, NULL), OK);
    status = 0;
    published = 0;
    meets_itself = false;
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    jobs_close(f->gateway.jobs);
    blobs_close(f->gateway.videos);
    upload_slots_free(f->gateway.slots);
    AUTO(mem_free) char *command = xasprintf("rm -r %s", f->folder);
    assert_int_equal(system(command), 0);
    free(f);
    return 0;
}

/* Submits it under the key; whether its file is there when all is over. */
static bool is_kept(struct fixture *f, const char *text, const char *key)
{
    struct intake *in = NULL;
    char id[ID_SIZE];
    struct blob_stat st;
    assert_int_equal(intake_new(&f->gateway, "ann@example.org", &in, NULL), OK);
    struct job *job = intake_job(in);
    (void)text_copy(id, sizeof(id), job->id);
    (void)text_copy(job->idempotency_key, sizeof(job->idempotency_key), key);
    assert_int_equal(intake_write(in, text, strlen(text), NULL), OK);
    submit_upload(NULL, &f->gateway, in);
    intake_free(in);
    enum err rc = blobs_stat(f->gateway.videos, id, &st, NULL);
    assert_true(rc == OK || rc == ERR_NOT_FOUND);
    return rc == OK;
}

static void test_replay(void **state)
{
    struct fixture *f = *state;
    assert_true(is_kept(f, "video", "key"));
    assert_int_equal(status, 202);
    assert_false(is_kept(f, "video", "key"));
    assert_int_equal(status, 202);
    assert_int_equal(published, 1);
    assert_false(is_kept(f, "another", "key"));
    assert_int_equal(status, 422);
}

static void test_insert_that_meets_itself(void **state)
{
    struct fixture *f = *state;
    static const char *const keys[] = { "key", "" };
    meets_itself = true;
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        assert_true(is_kept(f, "video", keys[i]));
        assert_int_equal(status, 202);
        assert_int_equal(published, (int)i + 1);
    }
}

static void test_queued_when_the_upload_is_over(void **state)
{
    struct fixture *f = *state;
    struct intake *in = NULL;
    assert_int_equal(intake_new(&f->gateway, "ann@example.org", &in, NULL), OK);
    assert_int_equal(intake_write(in, "vid", 3, NULL), OK);
    clock_sleep_ms(20);
    assert_int_equal(intake_write(in, "eo", 2, NULL), OK);
    submit_upload(NULL, &f->gateway, in);
    intake_free(in);
    assert_in_range(created.queued_at_ms - created.created_at_ms, 20, 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_replay, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_insert_that_meets_itself, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_queued_when_the_upload_is_over, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
