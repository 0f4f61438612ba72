/* POST /upload (a form with one file) and POST /v1/jobs (the body is the file): the same intake,
 * two ways of framing. */
#include <stdio.h>
#include <string.h>

#include "core/log.h"
#include "core/text.h"
#include "headers.h"
#include "http/multipart.h"
#include "intake.h"
#include "receive.h"
#include "routes.h"
#include "submit.h"

#include "core/banned.h"

/* What surrounds a file in a form may take this much beside it. */
static const int64_t form_overhead_bytes = 64LL * 1024;
static const int form_overhead_length_max = 1024;

enum part_kind { PART_FIELD, PART_FILE, PART_COVER };

struct upload {
    struct gateway *gateway;
    struct intake *intake;
    struct multipart *form; /* NULL for a raw body */
    int file_count, cover_count;
    enum part_kind part; /* of the form, just now */
    bool is_too_large;   /* the file; other limits are the form's */
    bool is_answered;    /* a handler ran: the client did not go away before its body was whole */
    char field_name[64];
    struct buf field;
    /* The first mistake in options, told once the body is whole. */
    enum problem problem;
    char detail[JOB_DETAIL_SIZE];
};

static void note_problem(struct upload *u, enum problem p, const char *detail)
{
    if (u->problem == PROBLEM_NONE) {
        u->problem = p;
        (void)text_copy(u->detail, sizeof(u->detail), detail);
    }
}

/* One option of the job, from the query, a header or a form field. */
static void set_option(void *ctx, const char *name, const char *value)
{
    struct upload *u = ctx;
    struct job *job = intake_job(u->intake);
    char detail[JOB_DETAIL_SIZE] = "";
    if (!receive_label(job, name, value, detail)) {
        struct error e = { 0 };
        enum err rc = job_request_set(&job->request, name, value, &e);
        if (rc == ERR_NOT_FOUND) {
            char shown[64];
            (void)text_copy(shown, sizeof(shown), name);
            (void)snprintf(detail, sizeof(detail), "There is no option `%s`.", shown);
        } else if (rc != OK) {
            (void)text_copy(detail, sizeof(detail), e.text);
        }
    }
    if (detail[0] != '\0') {
        note_problem(u, PROBLEM_INVALID_OPTION, detail);
    }
}

static void option_from_header(struct upload *u, const struct http_request *r, const char *name)
{
    char header[64];
    (void)snprintf(header, sizeof(header), "X-Unreel-%s", name);
    for (char *c = strpbrk(header, "_."); c != NULL; c = strpbrk(c, "_.")) {
        *c = '-';
    }
    const char *value = http_request_header(r, header);
    if (value != NULL) {
        set_option(u, name, value);
    }
}

/* X-Unreel-Bitrate, X-Unreel-Tags-Title and so on: for clients that would rather not touch the
 * query. */
static void options_from_headers(struct upload *u, const struct http_request *r)
{
    size_t count = 0;
    const struct job_option_info *table = job_option_table(&count);
    for (size_t i = 0; i < count; i++) {
        option_from_header(u, r, table[i].name);
    }
    for (int i = 0; i < JOB_TAG_COUNT; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "tags.%s", job_tag_name((enum job_tag_name)i));
        option_from_header(u, r, name);
    }
    option_from_header(u, r, "outputs");
    option_from_header(u, r, "filename");
}

static void idempotency_from_header(struct upload *u, const struct http_request *r)
{
    const char *key = http_request_header(r, "Idempotency-Key");
    struct job *job = intake_job(u->intake);
    if (key != NULL &&
        !headers_idempotency_key(job->idempotency_key, sizeof(job->idempotency_key), key)) {
        note_problem(u, PROBLEM_BAD_REQUEST, "Idempotency-Key: 1 to 128 visible ASCII characters.");
    }
}

/* ---- the form ---- */

static enum err write_file(struct upload *u, const void *bytes, size_t len, struct error *e)
{
    enum err rc = intake_write(u->intake, bytes, len, e);
    u->is_too_large = u->is_too_large || rc == ERR_TOO_BIG;
    return rc;
}

/* The picture that is to be in the MP3. What is wrong with it is told once the body is whole. */
static enum err write_cover(struct upload *u, const void *bytes, size_t len, struct error *e)
{
    if (u->problem != PROBLEM_NONE) {
        return OK;
    }
    char detail[JOB_DETAIL_SIZE];
    enum err rc = intake_write_cover(u->intake, bytes, len, e);
    if (rc == ERR_TOO_BIG) {
        (void)snprintf(detail, sizeof(detail), "cover: a picture may have at most %lld bytes.",
                       (long long)u->gateway->settings->max_cover_bytes);
        note_problem(u, PROBLEM_INPUT_TOO_LARGE, detail);
        return OK;
    }
    if (rc == ERR_INVALID) {
        note_problem(u, PROBLEM_INVALID_OPTION, "cover: send a JPEG or PNG picture.");
        return OK;
    }
    return rc;
}

static void begin_cover(struct upload *u)
{
    u->cover_count++;
    if (u->cover_count > 1) {
        note_problem(u, PROBLEM_INVALID_OPTION, "cover: send one picture.");
    }
    set_option(u, "cover", "upload");
}

static void end_cover(struct upload *u)
{
    /* Too short to begin as anything. */
    if (intake_job(u->intake)->cover_fid[0] == '\0') {
        note_problem(u, PROBLEM_INVALID_OPTION, "cover: send a JPEG or PNG picture.");
    }
}

static enum part_kind kind_of(const struct multipart_part *part)
{
    if (part->filename == NULL) {
        return PART_FIELD;
    }
    return strcmp(part->name, "cover") == 0 ? PART_COVER : PART_FILE;
}

static enum err form_part_begin(void *ctx, const struct multipart_part *part, struct error *e)
{
    struct upload *u = ctx;
    u->part = kind_of(part);
    buf_clear(&u->field);
    if (u->part == PART_FIELD) {
        (void)text_copy(u->field_name, sizeof(u->field_name), part->name);
        return OK;
    }
    if (u->part == PART_COVER) {
        begin_cover(u);
        return OK;
    }
    u->file_count++;
    if (u->file_count > 1) {
        return err_set(e, ERR_EXISTS, "more than one file in the form");
    }
    set_option(u, "filename", part->filename);
    return OK;
}

static enum err form_part_data(void *ctx, const void *bytes, size_t len, struct error *e)
{
    struct upload *u = ctx;
    if (u->part == PART_FILE) {
        return write_file(u, bytes, len, e);
    }
    if (u->part == PART_COVER) {
        return write_cover(u, bytes, len, e);
    }
    if (buf_append(&u->field, bytes, len) != OK) {
        return err_set(e, ERR_INVALID, "a form field is longer than %zu bytes", u->field.max);
    }
    return OK;
}

static enum err form_part_end(void *ctx, struct error *e)
{
    (void)e;
    struct upload *u = ctx;
    if (u->part == PART_FIELD) {
        set_option(u, u->field_name, buf_text(&u->field));
    } else if (u->part == PART_COVER) {
        end_cover(u);
    }
    return OK;
}

static const struct multipart_events form_events = { .part_begin = form_part_begin,
                                                     .part_data = form_part_data,
                                                     .part_end = form_part_end };

/* ---- the route ---- */

/* Whether what was asked for can be made, once all of it is known. */
static enum err settle(struct upload *u, struct error *e)
{
    struct job *job = intake_job(u->intake);
    enum err rc = job_request_settle(&job->request, e);
    if (rc == OK && job->cover_fid[0] == '\0' && job_request_needs_cover(&job->request)) {
        rc = err_set(e, ERR_INVALID,
                     "cover: upload needs a picture, sent as `cover` with the form (POST "
                     "/upload); else keep, none or a time");
    }
    return rc;
}

/* What both kinds of upload need before their first byte. NULL: answered. */
static struct upload *upload_begin(struct http_request *r, struct gateway *g, int64_t max_body)
{
    struct intake *intake = receive_begin(r, g, max_body);
    if (intake == NULL) {
        return NULL;
    }
    struct upload *u = xcalloc(1, sizeof(*u));
    u->gateway = g;
    u->intake = intake;
    buf_init(&u->field, 4096);
    http_request_set_state(r, u);
    http_request_each_query(r, set_option, u);
    options_from_headers(u, r);
    idempotency_from_header(u, r);
    if (u->problem != PROBLEM_NONE) {
        /* Known before the body: the client is spared sending it. */
        log_info("upload refused: %s", u->detail);
        u->is_answered = true;
        http_reply_problem(r, u->problem, "%s", u->detail);
        return NULL;
    }
    return u;
}

void upload_form_begin(struct http_request *r, void *ctx)
{
    struct gateway *g = ctx;
    struct upload *u = upload_begin(
        r, g, g->settings->max_upload_bytes + g->settings->max_cover_bytes + form_overhead_bytes);
    if (u == NULL) {
        return;
    }
    const char *type = http_request_header(r, "Content-Type");
    if (type == NULL || strlen(type) > (size_t)form_overhead_length_max ||
        multipart_new(type, &form_events, u, &u->form, NULL) != OK) {
        u->is_answered = true;
        log_info("upload refused: its content type is no multipart/form-data");
        http_reply_problem(r, PROBLEM_UNSUPPORTED_TYPE,
                           "Send a form (multipart/form-data), as curl -F file=@video.mp4 does, "
                           "or the file itself to /v1/jobs.");
    }
}

void upload_raw_begin(struct http_request *r, void *ctx)
{
    struct gateway *g = ctx;
    if (receive_is_form(r)) {
        log_info("upload refused: a form was sent where a file belongs");
        http_reply_problem(r, PROBLEM_UNSUPPORTED_TYPE,
                           "The body is the file itself here (curl --data-binary or -T); "
                           "forms go to /upload.");
        return;
    }
    struct upload *u = upload_begin(r, g, g->settings->max_upload_bytes);
    struct error e = { 0 };
    if (u != NULL && settle(u, &e) != OK) {
        log_info("upload refused: %s", e.text);
        u->is_answered = true;
        http_reply_problem(r, PROBLEM_INVALID_OPTION, "%s", e.text);
    }
}

enum err upload_data(struct http_request *r, void *ctx, const void *bytes, size_t len,
                     struct error *e)
{
    (void)ctx;
    struct upload *u = http_request_state(r);
    if (u->form != NULL) {
        return multipart_feed(u->form, bytes, len, e);
    }
    return write_file(u, bytes, len, e);
}

/* Answers an upload whose body cannot become a job. */
static bool refuse_body(struct http_request *r, struct upload *u)
{
    struct error e = { 0 };
    enum err rc = http_request_body_error(r, &e);
    if (u->is_too_large) {
        receive_reply_too_large(r, u->gateway);
    } else if (rc == ERR_EXISTS && u->file_count > 1) {
        http_reply_problem(r, PROBLEM_FILE_COUNT,
                           "The form holds several files; send one at a time.");
    } else if (rc == ERR_INVALID || rc == ERR_TOO_BIG) {
        http_reply_problem(r, PROBLEM_BAD_REQUEST, "The form cannot be read: %s.", e.text);
    } else if (rc != OK) {
        reply_store_error(r, &e);
    } else if (u->form != NULL && !multipart_is_complete(u->form)) {
        http_reply_problem(r, PROBLEM_UPLOAD_INCOMPLETE,
                           "The form ends before its closing boundary.");
    } else if (u->form != NULL && u->file_count == 0) {
        http_reply_problem(r, PROBLEM_FILE_COUNT, "The form holds no file; send one as `file`.");
    } else if (intake_size(u->intake) == 0) {
        http_reply_problem(r, PROBLEM_EMPTY_UPLOAD, "The file is empty.");
    } else if (u->problem == PROBLEM_NONE && settle(u, &e) != OK) {
        http_reply_problem(r, PROBLEM_INVALID_OPTION, "%s", e.text);
    } else if (u->problem != PROBLEM_NONE) {
        http_reply_problem(r, u->problem, "%s", u->detail);
    } else {
        return false;
    }
    log_info("upload refused after %lld bytes: %s", (long long)intake_size(u->intake),
             e.text[0] != '\0' ? e.text : "see the answer's problem type");
    return true;
}

void upload_handle(struct http_request *r, void *ctx)
{
    struct gateway *g = ctx;
    struct upload *u = http_request_state(r);
    u->is_answered = true;
    log_context_job(intake_job(u->intake)->id);
    if (!refuse_body(r, u)) {
        submit_upload(r, g, u->intake);
    }
}

void upload_done(struct http_request *r, void *ctx)
{
    (void)ctx;
    struct upload *u = http_request_state(r);
    if (u == NULL) {
        return;
    }
    if (!u->is_answered) {
        log_warn("upload broken off by the client after %lld bytes; nothing is kept",
                 (long long)intake_size(u->intake));
    }
    multipart_free(u->form);
    intake_free(u->intake);
    buf_release(&u->field);
    free(u);
    http_request_set_state(r, NULL);
}
