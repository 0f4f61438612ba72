/* unreel upload: sends videos, with bars for the upload and the conversion. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "api.h"
#include "core/mem.h"
#include "core/text.h"

#include "core/banned.h"

enum {
    OPTION_WAIT,
    OPTION_OUTPUT,
    OPTION_TAG,
    OPTION_WEBHOOK,
    OPTION_MODE,
    OPTION_BITRATE,
    OPTION_QUALITY,
    OPTION_RATE,
    OPTION_CHANNELS
};

static const struct option_spec options[] = {
    {"--wait",         NULL,   "wait until the MP3 is there"                        },
    { "--output",      "FILE", "wait, and download the MP3 to FILE (one video only)"},
    { "--tag",         "TEXT", "your own label for the job"                         },
    { "--webhook-url", "URL",  "is called when the job has ended"                   },
    { "--mode",        "MODE", "cbr, vbr or abr"                                    },
    { "--bitrate",     "KBPS", "bitrate of cbr and abr"                             },
    { "--quality",     "0-9",  "quality of vbr, 0 is best"                          },
    { "--sample-rate", "HZ",   "sample rate"                                        },
    { "--channels",    "1|2",  "channels"                                           },
};
/* What each is called in the query; NULL: not sent. */
static const char *const query_names[] = { NULL,          NULL,          "tag",
                                           "webhook_url", "mode",        "bitrate",
                                           "quality",     "sample_rate", "channels" };

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
    (void)snprintf(note, sizeof(note), "%lld of %lld MB", (long long)(u->sent / 1000000),
                   (long long)(u->size / 1000000));
    progress_update(&u->bar, u->size > 0 ? 100.0 * (double)u->sent / (double)u->size : -1, note);
    return OK;
}

static int send_file(const struct login *session, const char *path, const char *query,
                     bool show_bar, json_t **ret_job)
{
    struct stat info;
    struct upload u = { .file = fopen(path, "re") };
    if (u.file == NULL || fstat(fileno(u.file), &info) != 0) {
        say_error("upload: %s: %s", path, strerror(errno));
        return EXIT_NOT_FOUND;
    }
    u.size = S_ISREG(info.st_mode) ? info.st_size : -1;
    progress_init(&u.bar, "upload", show_bar);
    const char *slash = strrchr(path, '/');
    AUTO(mem_free) char *name = api_escape(slash != NULL ? slash + 1 : path);
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
        return api_unreachable(session, rc, &e);
    }
    int code = EXIT_OK;
    if (answer.status != 202 && answer.status != 200) {
        code = api_refused(&answer);
    } else {
        progress_end(&u.bar, "sent");
        *ret_job = json_loadb(buf_text(&answer.body), answer.body.len, 0, NULL);
        code = *ret_job != NULL ? EXIT_OK : EXIT_FAILED;
    }
    http_response_release(&answer);
    return code;
}

struct wishes {
    bool wait, json;
    const char *output;
    char *query;
};

static int upload_one(const struct login *session, const char *path, const struct wishes *w)
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
    api_print_job(job, w->json);
    if (code == EXIT_OK && w->output != NULL) {
        const char *fid = json_string_value(json_object_get(job, "mp3_fid"));
        code = api_download(session, fid != NULL ? fid : "", w->output, w->json);
    }
    json_decref(job);
    return code;
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
            AUTO(mem_free) char *escaped = api_escape(value);
            char *longer = xasprintf("%s&%s=%s", w->query, query_names[option], escaped);
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
    struct error e = { 0 };
    int code = http_client_init(&e) == OK ? api_login(&session) : EXIT_FAILED;
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
    .help = "Uploads videos to be converted.",
    .options = options,
    .option_count = ARRAY_LEN(options),
    .run = run,
};
