/* An MP3 from the server into a file. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "api.h"
#include "core/mem.h"
#include "core/text.h"
#include "escape.h"
#include "partial.h"

#include "core/banned.h"

#define NAME_SIZE 256

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

/* The id may be a file's and not a job's: then the list of jobs does not know a name. */
static char *default_name(const struct login *session, const char *fid)
{
    AUTO(mem_free) char *escaped = escape_query(fid);
    AUTO(mem_free) char *url = xasprintf("%s/v1/jobs/%s", session->server, escaped);
    struct http_call call = { .method = "GET", .url = url, .bearer = session->token };
    struct http_response answer = { 0 };
    json_t *job = NULL;
    char name[NAME_SIZE];
    if (http_client_call(&call, &answer, NULL) == OK) {
        job = json_loadb(buf_text(&answer.body), answer.body.len, 0, NULL);
        http_response_release(&answer);
    }
    const char *filename = json_string_value(json_object_get(job, "filename"));
    text_clean_filename(name, sizeof(name) - strlen(".mp3"), filename != NULL ? filename : fid);
    json_decref(job);
    char *dot = strrchr(name, '.');
    if (dot != NULL && dot != name) {
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

int api_download(const struct login *session, const char *fid, const char *path, char **ret_path)
{
    AUTO(mem_free) char *name = path != NULL ? xstrdup(path) : default_name(session, fid);
    struct partial file;
    struct error e = { 0 };
    if (partial_open(name, &file, &e) != OK) {
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
    *ret_path = TAKE(name);
    return EXIT_OK;
}
