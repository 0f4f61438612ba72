/* Equal uploads share their MP3s, and deletes leave what others share. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/text.h"
#include "gateway.h"
#include "intake.h"
#include "relay.h"
#include "reuse.h"
#include "routes.h"
#include "submit.h"

#define ANN "ann@example.org"
#define BOB "bob@example.org"

static int status;               /* of the answer */
static struct job published;     /* what the relay was told of last */
static const char *asked_id;     /* of the request to delete */
static struct gateway *deleting; /* its `asked_id` is deleted before the next record is stored */

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

const char *http_request_segment(const struct http_request *r, const char *name)
{
    (void)r;
    (void)name;
    return asked_id;
}

const char *http_request_user(const struct http_request *r)
{
    (void)r;
    return ANN;
}

const char *http_request_user_id(const struct http_request *r)
{
    (void)r;
    return "";
}

const char *http_request_traceparent(const struct http_request *r)
{
    (void)r;
    return "";
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

void http_reply_empty(struct http_request *r, int code)
{
    (void)r;
    status = code;
}

void http_reply_problem(struct http_request *r, enum problem p, const char *detail, ...)
{
    (void)r;
    (void)p;
    (void)detail;
    status = 400;
}

void reply_store_error(struct http_request *r, const struct error *e)
{
    (void)r;
    status = e->code == ERR_NOT_FOUND ? 404 : 503;
}

void relay_publish(struct relay *relay, const struct job *job)
{
    (void)relay;
    published = *job;
}

enum err __real_jobs_create(struct jobs *s, struct job *job, struct error *e);
enum err __wrap_jobs_create(struct jobs *s, struct job *job, struct error *e);

enum err __wrap_jobs_create(struct jobs *s, struct job *job, struct error *e)
{
    if (deleting != NULL) {
        job_delete_handle(NULL, deleting);
        assert_int_equal(status, 204);
        deleting = NULL;
    }
    return __real_jobs_create(s, job, e);
}

/* ---- the fixture ---- */

struct fixture {
    char folder[64];
    struct gateway_settings settings;
    struct gateway gateway;
};

static int set_up(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));
    (void)snprintf(f->folder, sizeof(f->folder), "/tmp/unreel-reuse-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    AUTO(mem_free) char *jobs_url = xasprintf("sqlite:%s/jobs.db", f->folder);
    AUTO(mem_free) char *blobs_url = xasprintf("file:%s", f->folder);
    f->settings.max_upload_bytes = 1000;
    f->settings.max_cover_bytes = 1000;
    f->settings.max_uploads_per_user = 4;
    f->settings.reuse = true;
    f->gateway.settings = &f->settings;
    f->gateway.slots = upload_slots_new();
    assert_int_equal(jobs_open(jobs_url, 4, &f->gateway.jobs, NULL), OK);
    assert_int_equal(blobs_open(blobs_url, "videos", 4, &f->gateway.videos, NULL), OK);
    assert_int_equal(blobs_open(blobs_url, "mp3s", 4, &f->gateway.mp3s, NULL), OK);
    metric_register(&metric_jobs_reused);
    metric_set(&metric_jobs_reused, 0, 0);
    deleting = NULL;
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    jobs_close(f->gateway.jobs);
    blobs_close(f->gateway.videos);
    blobs_close(f->gateway.mp3s);
    upload_slots_free(f->gateway.slots);
    AUTO(mem_free) char *command = xasprintf("rm -r %s", f->folder);
    assert_int_equal(system(command), 0);
    free(f);
    return 0;
}

static struct job upload(struct fixture *f, const char *owner, const char *text,
                         const char *bitrate, const char *cover)
{
    struct intake *in = NULL;
    assert_int_equal(intake_new(&f->gateway, owner, &in, NULL), OK);
    struct job *job = intake_job(in);
    assert_int_equal(job_request_set(&job->request, "bitrate", bitrate, NULL), OK);
    assert_int_equal(intake_write(in, text, strlen(text), NULL), OK);
    if (cover != NULL) {
        assert_int_equal(job_request_set(&job->request, "cover", "upload", NULL), OK);
        assert_int_equal(intake_write_cover(in, cover, strlen(cover), NULL), OK);
    }
    published = (struct job){ .id = "" };
    submit_upload(NULL, &f->gateway, in);
    struct job made;
    assert_int_equal(jobs_get(f->gateway.jobs, job->id, owner, &made, NULL), OK);
    assert_string_equal(published.id, made.id);
    assert_int_equal(status, made.state == JOB_SUCCEEDED ? 200 : 202);
    intake_free(in);
    return made;
}

static void store_output(struct fixture *f, struct job_output *output)
{
    const struct blob_meta meta = { .owner = ANN, .filename = "", .content_type = "audio/mpeg" };
    struct blob_writer *writer = NULL;
    id_new(output->fid);
    output->size_bytes = 3;
    assert_int_equal(blobs_create(f->gateway.mp3s, output->fid, &meta, &writer, NULL), OK);
    assert_int_equal(blob_write(writer, "MP3", 3, NULL), OK);
    assert_int_equal(blob_commit(writer, output->sha256, NULL), OK);
}

/* As a converter does. */
static struct job convert(struct fixture *f, const struct job *job)
{
    struct job j;
    assert_int_equal(job->state, JOB_QUEUED);
    assert_int_equal(jobs_claim(f->gateway.jobs, job->id, 60000, "", false, &j, NULL), OK);
    j.state = JOB_SUCCEEDED;
    j.output_count = 2;
    store_output(f, &j.outputs[0]);
    store_output(f, &j.outputs[1]);
    (void)text_copy(j.mp3_fid, sizeof(j.mp3_fid), j.outputs[0].fid);
    assert_int_equal(jobs_finish(f->gateway.jobs, &j, NULL), OK);
    return j;
}

static struct job upload_and_convert(struct fixture *f)
{
    const struct job job = upload(f, ANN, "video", "128", NULL);
    return convert(f, &job);
}

static bool is_stored(struct blobs *bucket, const char *fid)
{
    struct blob_stat st;
    enum err rc = blobs_stat(bucket, fid, &st, NULL);
    assert_true(rc == OK || rc == ERR_NOT_FOUND);
    return rc == OK;
}

static void assert_outputs(struct fixture *f, const struct job *job, bool are_stored)
{
    for (int i = 0; i < job->output_count; i++) {
        assert_int_equal(is_stored(f->gateway.mp3s, job->outputs[i].fid), are_stored);
    }
}

static void delete (struct fixture *f, const struct job *job)
{
    asked_id = job->id;
    job_delete_handle(NULL, &f->gateway);
    assert_int_equal(status, 204);
    assert_false(is_stored(f->gateway.videos, job->video_fid));
}

static int reused(void)
{
    return (int)metric_get(&metric_jobs_reused, 0);
}

/* ---- cases ---- */

static void test_the_same_again_succeeds_at_once(void **state)
{
    struct fixture *f = *state;
    const struct job first = upload_and_convert(f);
    const struct job second = upload(f, ANN, "video", "128", NULL);
    assert_int_equal(second.state, JOB_SUCCEEDED);
    assert_int_equal(second.attempt, 0);
    assert_string_equal(second.same_as, first.id);
    assert_string_not_equal(second.id, first.id);
    assert_string_equal(second.mp3_fid, first.mp3_fid);
    assert_int_equal(published.state, JOB_SUCCEEDED);
    assert_string_equal(second.video_fid, second.id);
    assert_true(is_stored(f->gateway.videos, second.video_fid));
    assert_int_equal(reused(), 1);
}

static void test_what_differs_is_converted(void **state)
{
    struct fixture *f = *state;
    const struct job running = upload(f, ANN, "video", "128", NULL);
    const struct job early = upload(f, ANN, "video", "128", NULL);
    assert_int_equal(early.state, JOB_QUEUED);
    (void)convert(f, &running);
    const struct job others[] = { upload(f, BOB, "video", "128", NULL),
                                  upload(f, ANN, "other", "128", NULL),
                                  upload(f, ANN, "video", "96", NULL) };
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        assert_int_equal(others[i].state, JOB_QUEUED);
        assert_string_equal(others[i].same_as, "");
    }
    f->settings.reuse = false;
    assert_int_equal(upload(f, ANN, "video", "128", NULL).state, JOB_QUEUED);
    assert_int_equal(reused(), 0);
}

static void test_a_cover_of_its_own_is_converted(void **state)
{
    struct fixture *f = *state;
    const struct job first = upload(f, ANN, "video", "128", "\xff\xd8\xff picture");
    (void)convert(f, &first);
    assert_int_equal(upload(f, ANN, "video", "128", "\xff\xd8\xff picture").state, JOB_QUEUED);
}

static void test_the_last_delete_removes_the_files(void **state)
{
    struct fixture *f = *state;
    for (int round = 0; round < 2; round++) {
        const struct job first = upload_and_convert(f);
        const struct job second = upload(f, ANN, "video", "128", NULL);
        delete (f, round == 0 ? &first : &second);
        assert_outputs(f, &first, true);
        const struct job third = upload(f, ANN, "video", "128", NULL);
        assert_int_equal(third.state, JOB_SUCCEEDED);
        delete (f, round == 0 ? &second : &first);
        assert_outputs(f, &first, true);
        delete (f, &third);
        assert_outputs(f, &first, false);
    }
}

/* Removed by hand, or cut short. */
static void test_a_lost_file_is_made_again(void **state)
{
    struct fixture *f = *state;
    const struct job first = upload_and_convert(f);
    assert_int_equal(blobs_remove(f->gateway.mp3s, first.outputs[1].fid, NULL), OK);
    const struct job second = upload(f, ANN, "video", "128", NULL);
    assert_int_equal(second.state, JOB_QUEUED);
    const struct job converted = convert(f, &second);
    assert_string_equal(upload(f, ANN, "video", "128", NULL).same_as, converted.id);
}

/* The first job is deleted when it has been found: nothing is left of it, and this one is
 * converted.
 */
static void test_deleted_while_it_is_answered(void **state)
{
    struct fixture *f = *state;
    const struct job first = upload_and_convert(f);
    asked_id = first.id;
    deleting = &f->gateway;
    const struct job second = upload(f, ANN, "video", "128", NULL);
    assert_int_equal(second.state, JOB_QUEUED);
    assert_string_equal(second.same_as, "");
    assert_int_equal(second.output_count, 0);
    assert_outputs(f, &first, false);
    (void)convert(f, &second);
    assert_int_equal(reused(), 0);
}

/* The delete found the new record and left the files, but the new job is not to have them. */
static void test_left_files_are_removed(void **state)
{
    struct fixture *f = *state;
    const struct job first = upload_and_convert(f);
    assert_int_equal(jobs_remove(f->gateway.jobs, first.id, ANN, NULL), OK);
    struct job second;
    job_init(&second, ANN);
    struct error e = { 0 };
    assert_int_equal(reuse_create(&f->gateway, &second, &first, &e), OK);
    assert_int_equal(second.state, JOB_QUEUED);
    assert_outputs(f, &first, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_same_again_succeeds_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_differs_is_converted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_cover_of_its_own_is_converted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_last_delete_removes_the_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_lost_file_is_made_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_deleted_while_it_is_answered, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_left_files_are_removed, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
