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

#include "core/banned.h"

enum { OPTION_TAG = JOB_OPTION_COUNT, OPTION_WEBHOOK, OPTION_WAIT, OPTION_OUTPUT };

/* All but the last two go into the query. */
static const struct option_spec options[] = {
    JOB_OPTION_SPECS,
    { "--tag", "TEXT", "your own label for the job" },
    { "--webhook-url", "URL", "is called when the job has ended" },
    { "--wait", NULL, "wait until the MP3 is there" },
    { "--output", "FILE", "wait, and download the MP3 to FILE (one video only)" },
};

struct upload {
    FILE *file;
    int64_t size, sent;
    struct progress bar;
};

static enum err read_slice(void *ctx, void *dst, size_t max, size_t *ret_len)
{
    struct upload *u = ctx;
    *ret_len = fread(dst, 1, max, u->file);
    if (*ret_len == 0 && ferror(u->file)) {
        return ERR_FAULT;
    }
    u->sent += (int64_t)*ret_len;
    char note[64];
    if (u->size >= 0) {
        (void)snprintf(note, sizeof(note), "%.1f of %.1f MB", (double)u->sent / 1e6,
                       (double)u->size / 1e6);
    } else {
        (void)snprintf(note, sizeof(note), "%.1f MB", (double)u->sent / 1e6);
    }
    progress_update(&u->bar, u->size > 0 ? 100.0 * (double)u->sent / (double)u->size : -1, note);
    return OK;
}

/* Opens a file, or a pipe, whose size is -1. */
static bool open_video(const char *path, struct upload *ret_upload)
{
    struct stat info;
    FILE *file = fopen(path, "re");
    if (file == NULL || fstat(fileno(file), &info) != 0) {
        struct error e = { 0 };
        (void)err_set_errno(&e, ERR_NOT_FOUND, errno, "upload: %s", path);
        say_error("%s", e.text);
    } else if (S_ISDIR(info.st_mode)) {
        say_error("upload: %s is a folder", path);
    } else {
        ret_upload->file = file;
        ret_upload->size = S_ISREG(info.st_mode) ? info.st_size : -1;
        return true;
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return false;
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

static int send_file(const struct login *session, const char *path, const char *query,
                     bool show_bar, json_t **ret_job)
{
    struct upload u = { 0 };
    if (!open_video(path, &u)) {
        return EXIT_NOT_FOUND;
    }
    progress_init(&u.bar, "upload", show_bar);
    const char *slash = strrchr(path, '/');
    AUTO(mem_free) char *name = escape_query(slash != NULL ? slash + 1 : path);
    AUTO(mem_free) char *url = xasprintf("%s/v1/jobs?filename=%s%s", session->server, name, query);
    const char *const headers[] = { "Content-Type: application/octet-stream", NULL };
    struct http_call call = { .method = "POST",
                              .url = url,
                              .headers = headers,
                              .bearer = session->token,
                              .read_body = read_slice,
                              .body_size = u.size,
                              .ctx = &u,
                              .timeout_ms = -1 };
    struct http_response answer = { 0 };
    struct error e = { 0 };
    enum err rc = http_client_call(&call, &answer, &e);
    (void)fclose(u.file);
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

struct wishes {
    bool wait, json;
    const char *output;
    char *query;
};

static int fetch_output(const struct login *session, const char *output, json_t *job)
{
    AUTO(mem_free) char *path = NULL;
    const char *fid = json_string_value(json_object_get(job, "mp3_fid"));
    int code = api_download(session, fid != NULL ? fid : "", output, &path);
    if (code == EXIT_OK) {
        AUTO(mem_free) char *shown = escape_controls(path);
        (void)json_object_set_new(job, "path", json_string(shown));
    }
    return code;
}

static int upload_one(struct login *session, const char *path, const struct wishes *w)
{
    json_t *job = NULL;
    int code = send_file(session, path, w->query, !w->json, &job);
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
        } else {
            char name[JOB_OPTION_NAME_SIZE];
            AUTO(mem_free) char *escaped = escape_query(value);
            char *longer = xasprintf("%s&%s=%s", w->query, job_option_name(name, &options[option]),
                                     escaped);
            free(w->query);
            w->query = longer;
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
