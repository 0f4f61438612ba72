/* unreel upload: sends videos, with bars for the upload and the conversion. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api.h"
#include "core/mem.h"
#include "escape.h"
#include "job_options.h"
#include "progress.h"
#include "upload_body.h"

#include "core/banned.h"

enum { OPTION_TAG = JOB_OPTION_COUNT, OPTION_WEBHOOK, OPTION_WAIT, OPTION_OUTPUT };

/* All but the last two go into the query; a picture's file goes into a form. */
static const struct option_spec options[] = {
    JOB_OPTION_SPECS,
    { "--tag", "TEXT", "your own label for the job" },
    { "--webhook-url", "URL", "is called when the job has ended" },
    { "--wait", NULL, "wait until the MP3 is there" },
    { "--output", "FILE",
      "wait, and download the MP3 to FILE, or several to a folder (one video only)" },
};

struct upload {
    struct upload_body body;
    struct progress bar;
};

static enum err read_slice(void *ctx, void *dst, size_t max, size_t *ret_len)
{
    struct upload *u = ctx;
    enum err rc = upload_body_read(&u->body, dst, max, ret_len);
    if (rc != OK) {
        return rc;
    }
    double sent = (double)u->body.sent;
    double size = (double)u->body.size;
    char note[64];
    if (size >= 0) {
        (void)snprintf(note, sizeof(note), "%.1f of %.1f MB", sent / 1e6, size / 1e6);
    } else {
        (void)snprintf(note, sizeof(note), "%.1f MB", sent / 1e6);
    }
    progress_update(&u->bar, size > 0 ? 100.0 * sent / size : -1, note);
    return OK;
}

static int read_job(const struct http_response *answer, json_t **ret_job)
{
    json_t *job = json_loadb(buf_text(&answer->body), answer->body.len, 0, NULL);
    if (json_string_value(json_object_get(job, "id")) == NULL) {
        say_error("the server's answer is no job");
        json_decref(job);
        return EXIT_FAILED;
    }
    *ret_job = job;
    return EXIT_OK;
}

struct wishes {
    bool wait, json;
    const char *output;
    const char *cover_path;
    char *query;
};

static int send_file(const struct login *session, const char *path, const struct wishes *w,
                     json_t **ret_job)
{
    struct upload u = { 0 };
    struct error e = { 0 };
    enum err rc = upload_body_open(&u.body, path, w->cover_path, &e);
    if (rc != OK) {
        say_error("upload: %s", e.text);
        return rc == ERR_INVALID ? EXIT_USAGE : EXIT_NOT_FOUND;
    }
    progress_init(&u.bar, "upload", !w->json);
    const char *slash = strrchr(path, '/');
    AUTO(mem_free) char *name = escape_query(slash != NULL ? slash + 1 : path);
    AUTO(mem_free)
    char *url = xasprintf("%s/%s?filename=%s%s", session->server,
                          w->cover_path != NULL ? "upload" : "v1/jobs", name, w->query);
    const char *const headers[] = { u.body.content_type, NULL };
    struct http_call call = { .method = "POST",
                              .url = url,
                              .headers = headers,
                              .bearer = session->token,
                              .traceparent = api_trace(),
                              .read_body = read_slice,
                              .body_size = u.body.size,
                              .ctx = &u,
                              .timeout_ms = -1 };
    struct http_response answer = { 0 };
    rc = http_client_call(&call, &answer, &e);
    upload_body_close(&u.body);
    if (rc != OK) {
        progress_break(&u.bar);
        return api_unreachable(session, rc, &e);
    }
    int code = EXIT_OK;
    if (answer.status != 202 && answer.status != 200) {
        progress_break(&u.bar);
        code = api_refused(session, &answer);
    } else {
        progress_done(&u.bar, "sent");
        code = read_job(&answer, ret_job);
    }
    http_response_release(&answer);
    return code;
}

static int fetch_output(const struct login *session, const char *output, json_t *job)
{
    json_t *files = NULL;
    const char *id = json_string_value(json_object_get(job, "id"));
    int code = api_download(session, id != NULL ? id : "", output, &files);
    if (code == EXIT_OK) {
        (void)json_object_set(job, "path", json_object_get(json_array_get(files, 0), "path"));
        (void)json_object_set_new(job, "files", files);
    }
    return code;
}

static int upload_one(struct login *session, const char *path, const struct wishes *w)
{
    json_t *job = NULL;
    int code = send_file(session, path, w, &job);
    if (code != EXIT_OK) {
        return code;
    }
    if (w->wait) {
        AUTO(mem_free) char *id = xstrdup(json_string_value(json_object_get(job, "id")));
        json_decref(job);
        job = NULL;
        code = api_wait(session, id, !w->json, &job);
    }
    if (job == NULL) {
        return code;
    }
    if (code == EXIT_OK && w->output != NULL) {
        code = fetch_output(session, w->output, job);
    }
    api_print_job(job, w->json);
    json_decref(job);
    return code;
}

/* Said before the video is sent, not when the MP3 is there. */
static bool can_write(const char *output)
{
    AUTO(mem_free) char *folder = xstrdup(output);
    char *slash = strrchr(folder, '/');
    if (slash != NULL) {
        slash[slash == folder ? 1 : 0] = '\0';
    }
    if (access(slash != NULL ? folder : ".", W_OK | X_OK) != 0) {
        say_error("upload: %s cannot be written", output);
        return false;
    }
    return true;
}

static bool add_option(struct wishes *w, const struct option_spec *spec, const char *value)
{
    struct job_option o;
    struct error e = { 0 };
    if (job_option_read(spec, value, &o, &e) != OK) {
        say_error("upload: %s", e.text);
        return false;
    }
    if (strcmp(o.name, "cover") == 0) {
        w->cover_path = o.cover_path;
    }
    AUTO(mem_free) char *name = escape_query(o.name);
    AUTO(mem_free) char *escaped = escape_query(o.value);
    char *longer = xasprintf("%s&%s=%s", w->query, name, escaped);
    free(w->query);
    w->query = longer;
    return true;
}

/* False: a mistake was said. */
static bool read_wishes(struct arguments *a, struct wishes *w, const char **paths,
                        size_t *path_count)
{
    size_t option = 0;
    const char *value = NULL;
    enum argument_kind kind = ARGUMENT_END;
    while ((kind = arguments_next(a, &option, &value)) != ARGUMENT_END) {
        if (kind == ARGUMENT_OPERAND) {
            paths[(*path_count)++] = value;
        } else if (option == OPTION_WAIT) {
            w->wait = true;
        } else if (option == OPTION_OUTPUT) {
            w->wait = true;
            w->output = value;
        } else if (!add_option(w, &options[option], value)) {
            return false;
        }
    }
    w->json = a->json;
    if (!a->has_failed && *path_count == 0) {
        say_error("upload: name a video");
        return false;
    }
    if (w->output != NULL && *path_count > 1) {
        say_error("upload: --output goes with one video only");
        return false;
    }
    return !a->has_failed;
}

static int run(const struct command *self, int argc, char **argv)
{
    struct arguments a;
    struct wishes w = { .query = xstrdup("") };
    AUTO(mem_free) const char **paths = xcalloc((size_t)argc, sizeof(*paths));
    size_t path_count = 0;
    arguments_init(&a, self, argc, argv);
    if (!read_wishes(&a, &w, paths, &path_count)) {
        free(w.query);
        return EXIT_USAGE;
    }
    struct login session = { 0 };
    bool can_write_output = w.output == NULL || can_write(w.output);
    int code = can_write_output ? api_login(&session) : EXIT_FAILED;
    int worst = code;
    for (size_t i = 0; code == EXIT_OK && i < path_count; i++) {
        int one = upload_one(&session, paths[i], &w);
        worst = one > worst ? one : worst;
    }
    login_release(&session);
    free(w.query);
    return worst;
}

const struct command command_upload = {
    .name = "upload",
    .arguments = "VIDEO...",
    .help = "Uploads videos to be converted.\n"
            "A login lasts for 15 minutes. When it ends before the job does: log in again, in "
            "another\n"
            "terminal meanwhile (--wait goes on), or afterwards (--wait ends with 3 and says how "
            "to go on;\n"
            "the job is not lost).",
    .options = options,
    .option_count = ARRAY_LEN(options),
    .run = run,
};
