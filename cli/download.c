/* MP3s from the server into files. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api.h"
#include "core/mem.h"
#include "core/text.h"
#include "escape.h"
#include "partial.h"

#include "core/banned.h"

#define NAME_SIZE 400

static enum err write_slice(void *ctx, const void *bytes, size_t len)
{
    const struct partial *file = ctx;
    for (size_t done = 0; done < len;) {
        ssize_t n = write(file->fd, (const char *)bytes + done, len - done);
        if (n <= 0) {
            return ERR_FAULT;
        }
        done += (size_t)n;
    }
    return OK;
}

/* NULL when the id is a file's and not a job's: then the server tells of no names. */
static json_t *find_job(const struct login *session, const char *id)
{
    AUTO(mem_free) char *escaped = escape_query(id);
    AUTO(mem_free) char *url = xasprintf("%s/v1/jobs/%s", session->server, escaped);
    struct http_call call = {
        .method = "GET", .url = url, .bearer = session->token, .traceparent = api_trace()
    };
    struct http_response answer = { 0 };
    json_t *job = NULL;
    if (http_client_call(&call, &answer, NULL) == OK) {
        job = answer.status == 200 ? json_loadb(buf_text(&answer.body), answer.body.len, 0, NULL)
                                   : NULL;
        http_response_release(&answer);
    }
    return job;
}

/* What the server calls it, made safe; of the first output, the video's name. */
static char *default_name(const json_t *job, const json_t *output, const char *id)
{
    char name[NAME_SIZE];
    const char *filename = json_string_value(json_object_get(output, "filename"));
    if (filename == NULL) {
        filename = json_string_value(json_object_get(job, "filename"));
    }
    text_clean_filename(name, sizeof(name) - strlen(".mp3"), filename != NULL ? filename : id);
    char *dot = strrchr(name, '.');
    if (dot != NULL && dot != name && filename != NULL) {
        *dot = '\0';
    }
    return xasprintf("%s.mp3", name);
}

static int fetch(const struct login *session, const char *fid, struct partial *file)
{
    AUTO(mem_free) char *escaped = escape_query(fid);
    AUTO(mem_free) char *url = xasprintf("%s/download?fid=%s", session->server, escaped);
    struct http_call call = { .method = "GET",
                              .url = url,
                              .bearer = session->token,
                              .traceparent = api_trace(),
                              .write_body = write_slice,
                              .ctx = file,
                              .timeout_ms = -1 };
    struct http_response answer = { 0 };
    struct error e = { 0 };
    enum err rc = http_client_call(&call, &answer, &e);
    if (rc != OK) {
        return api_unreachable(session, rc, &e);
    }
    int code = answer.status == 200 ? EXIT_OK : api_refused(session, &answer);
    http_response_release(&answer);
    return code;
}

static int fetch_to(const struct login *session, const char *fid, const char *path)
{
    struct partial file;
    struct error e = { 0 };
    if (partial_open(path, &file, &e) != OK) {
        say_error("%s", e.text);
        return EXIT_FAILED;
    }
    int code = fetch(session, fid, &file);
    if (code != EXIT_OK) {
        partial_abort(&file);
        return code;
    }
    if (partial_commit(&file, &e) != OK) {
        say_error("%s", e.text);
        return EXIT_FAILED;
    }
    return EXIT_OK;
}

static bool is_folder(const char *path)
{
    struct stat info;
    return path != NULL && stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* One of them; it is added to `files`. */
static int download_one(const struct login *session, const char *fid, const char *name,
                        const char *output, json_t *files)
{
    AUTO(mem_free) char *path = NULL;
    if (is_folder(output)) {
        path = xasprintf("%s/%s", output, name);
    } else {
        path = xstrdup(output != NULL ? output : name);
    }
    int code = fetch_to(session, fid, path);
    if (code == EXIT_OK) {
        AUTO(mem_free) char *shown = escape_controls(path);
        (void)json_array_append_new(files, json_pack("{s:s, s:s}", "fid", fid, "path", shown));
    }
    return code;
}

int api_download(const struct login *session, const char *id, const char *output,
                 json_t **ret_files)
{
    json_auto_t *job = find_job(session, id);
    const json_t *outputs = json_object_get(job, "outputs");
    size_t count = json_array_size(outputs) > 1 ? json_array_size(outputs) : 1;
    if (count > 1 && output != NULL && !is_folder(output)) {
        say_error("the job has %zu MP3s: %s must be a folder for them", count, output);
        return EXIT_USAGE;
    }
    json_t *files = json_array();
    int code = EXIT_OK;
    for (size_t i = 0; code == EXIT_OK && i < count; i++) {
        const json_t *one = json_array_get(outputs, i);
        const char *fid = json_string_value(json_object_get(one, "file_id"));
        AUTO(mem_free) char *name = default_name(job, one, id);
        code = download_one(session, count > 1 && fid != NULL ? fid : id, name, output, files);
    }
    if (code != EXIT_OK) {
        json_decref(files);
        return code;
    }
    *ret_files = files;
    return EXIT_OK;
}
