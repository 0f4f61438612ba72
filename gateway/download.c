/* GET /download?fid=: an MP3, whole or in part, by position; nothing is buffered whole. */
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/text.h"
#include "headers.h"
#include "http/range.h"
#include "routes.h"

#include "core/banned.h"

struct download {
    struct blobs *bucket;
    char fid[ID_SIZE];
    int64_t offset;
};

static enum err download_read(void *read_ctx, int64_t offset, void *dst, size_t max,
                              size_t *ret_len)
{
    struct download *d = read_ctx;
    struct error e = { 0 };
    enum err rc = blobs_pread(d->bucket, d->fid, d->offset + offset, dst, max, ret_len, &e);
    if (rc != OK) {
        log_failure(LOG_LEVEL_ERROR, err_name(e.code), "download of %s broken off: %s", d->fid,
                    e.text);
    }
    return rc;
}

static void download_release(void *read_ctx)
{
    free(read_ctx);
}

/* The job that owns the file: by the file's id, or by its own. */
static enum err find_job(struct gateway *g, const char *fid, const char *owner, struct job *ret_job,
                         struct error *e)
{
    enum err rc = jobs_get_by_mp3(g->jobs, fid, owner, ret_job, e);
    return rc == ERR_NOT_FOUND ? jobs_get(g->jobs, fid, owner, ret_job, e) : rc;
}

/* Which of the outputs it is; the first one is the job's own as well. */
static int find_output(const struct job *job, const char *fid)
{
    int index = job->output_count - 1;
    while (index > 0 && strcmp(job->outputs[index].fid, fid) != 0) {
        index--;
    }
    return index > 0 ? index : 0;
}

/* False: there is no MP3 (yet), and the answer says why. */
static bool has_mp3(struct http_request *r, const struct job *job)
{
    if (job->state == JOB_SUCCEEDED) {
        return true;
    }
    if (job->state == JOB_FAILED) {
        http_reply_problem(r, job->error.problem, "%s", job->error.detail);
    } else if (job->state == JOB_CANCELLED) {
        http_reply_problem(r, PROBLEM_NOT_FOUND, "The job was cancelled; there is no MP3.");
    } else {
        int64_t eta_s = (int64_t)job->progress.eta_s + 1;
        char seconds[24];
        (void)snprintf(seconds, sizeof(seconds), "%lld", (long long)(eta_s < 3600 ? eta_s : 3600));
        http_reply_header(r, "Retry-After", seconds);
        http_reply_problem(r, PROBLEM_NOT_FINISHED, "The conversion is %s (%.0f %%).",
                           job_state_name(job->state), job->progress.percent);
    }
    return false;
}

static void entity_headers(struct http_request *r, const struct job *job, int index,
                           const struct blob_stat *stat, const char *etag)
{
    char text[2048];
    char name[JOB_OUTPUT_NAME_SIZE];
    job_output_name(job, index, name);
    http_content_disposition(text, sizeof(text), name);
    http_reply_header(r, "Content-Disposition", text);
    http_reply_header(r, "ETag", etag);
    http_reply_header(r, "Accept-Ranges", "bytes");
    http_reply_header(r, "Cache-Control", "private, no-cache");
    if (stat->created_at_ms > 0) {
        char date[CLOCK_TEXT_SIZE];
        clock_format_http(date, stat->created_at_ms);
        http_reply_header(r, "Last-Modified", date);
    }
    unsigned char digest[32];
    if (text_from_hex(digest, sizeof(digest), stat->sha256) == OK) {
        char base64[TEXT_BASE64_SIZE(sizeof(digest))];
        text_to_base64(base64, digest, sizeof(digest));
        (void)snprintf(text, sizeof(text), "sha-256=:%s:", base64);
        http_reply_header(r, "Repr-Digest", text);
    }
}

static void send_range(struct http_request *r, struct gateway *g, const char *fid,
                       struct http_range range, int64_t size_bytes)
{
    int status = 200;
    if (range.kind == HTTP_RANGE_PART) {
        status = 206;
        char text[96];
        (void)snprintf(text, sizeof(text), "bytes %lld-%lld/%lld", (long long)range.offset,
                       (long long)(range.offset + range.len - 1), (long long)size_bytes);
        http_reply_header(r, "Content-Range", text);
    }
    int fd = -1;
    if (blobs_descriptor(g->mp3s, fid, &fd, NULL) == OK) {
        http_reply_fd(r, status, "audio/mpeg", fd, range.offset, range.len);
        return;
    }
    struct download *d = xcalloc(1, sizeof(*d));
    d->bucket = g->mp3s;
    d->offset = range.offset;
    (void)text_copy(d->fid, sizeof(d->fid), fid);
    http_reply_stream(r, status, "audio/mpeg", range.len, download_read, download_release, d);
}

void download_handle(struct http_request *r, void *ctx)
{
    struct gateway *g = ctx;
    const char *fid = http_request_query(r, "fid");
    if (fid == NULL) {
        http_reply_problem(r, PROBLEM_BAD_REQUEST, "Name the file: /download?fid=...");
        return;
    }
    struct job job;
    struct blob_stat stat = { 0 };
    struct error e = { 0 };
    if (find_job(g, fid, http_request_user(r), &job, &e) != OK) {
        reply_store_error(r, &e);
        return;
    }
    if (!has_mp3(r, &job)) {
        return;
    }
    int index = find_output(&job, fid);
    const char *mp3_fid = index < job.output_count ? job.outputs[index].fid : job.mp3_fid;
    if (blobs_stat(g->mp3s, mp3_fid, &stat, &e) != OK) {
        reply_store_error(r, &e);
        return;
    }
    char etag[BLOB_SHA256_SIZE + 2];
    (void)snprintf(etag, sizeof(etag), "\"%s\"", stat.sha256[0] != '\0' ? stat.sha256 : mp3_fid);
    entity_headers(r, &job, index, &stat, etag);
    if (headers_has_etag(http_request_header(r, "If-None-Match"), etag)) {
        http_reply_empty(r, 304);
        return;
    }
    struct http_range range = http_range_parse(
        http_request_header(r, "Range"), http_request_header(r, "If-Range"), etag, stat.size_bytes);
    if (range.kind == HTTP_RANGE_UNSATISFIABLE) {
        char text[48];
        (void)snprintf(text, sizeof(text), "bytes */%lld", (long long)stat.size_bytes);
        http_reply_header(r, "Content-Range", text);
        http_reply_problem(r, PROBLEM_RANGE, "The MP3 has %lld bytes.", (long long)stat.size_bytes);
        return;
    }
    send_range(r, g, mp3_fid, range, stat.size_bytes);
}
