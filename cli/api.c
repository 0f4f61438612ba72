#include "api.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/mem.h"
#include "core/text.h"

#include "core/banned.h"

static const size_t answer_max = (size_t)4 * 1024 * 1024;
static const int poll_ms = 250;

int api_login(struct login *ret_session)
{
    struct error e = { 0 };
    if (login_load(ret_session, &e) != OK) {
        say_error("%s", e.text);
        return EXIT_DENIED;
    }
    return EXIT_OK;
}

int api_refused(const struct http_response *answer)
{
    json_t *problem = json_loadb(buf_text(&answer->body), answer->body.len, JSON_REJECT_DUPLICATES,
                                 NULL);
    const char *detail = json_string_value(json_object_get(problem, "detail"));
    const char *title = json_string_value(json_object_get(problem, "title"));
    const char *text = detail != NULL ? detail : title;
    if (text != NULL) {
        say_error("%s", text);
    } else {
        say_error("the server answered %d", answer->status);
    }
    json_decref(problem);
    switch (answer->status) {
    case 401:
    case 403:
        return EXIT_DENIED;
    case 404:
    case 410:
        return EXIT_NOT_FOUND;
    case 422:
        return EXIT_JOB_FAILED;
    case 429:
    case 503:
        return EXIT_UNAVAILABLE;
    default:
        return EXIT_FAILED;
    }
}

int api_unreachable(const struct login *session, enum err rc, const struct error *e)
{
    if (rc == ERR_BUSY || rc == ERR_TIMEOUT) {
        say_error("%s cannot be reached: %s", session->server, e->text);
        return EXIT_UNAVAILABLE;
    }
    say_error("%s", e->text);
    return EXIT_FAILED;
}

int api_json(const struct login *session, const char *method, const char *path, json_t **ret_json)
{
    AUTO(mem_free) char *url = xasprintf("%s%s", session->server, path);
    struct http_call call = { .method = method,
                              .url = url,
                              .bearer = session->token,
                              .body = "",
                              .response_max = answer_max,
                              .timeout_ms = 30000 };
    struct http_response answer = { 0 };
    struct error e = { 0 };
    enum err rc = http_client_call(&call, &answer, &e);
    if (rc != OK) {
        return api_unreachable(session, rc, &e);
    }
    int code = EXIT_OK;
    if (answer.status < 200 || answer.status > 299) {
        code = api_refused(&answer);
    } else {
        *ret_json = answer.body.len > 0 ? json_loadb(buf_text(&answer.body), answer.body.len,
                                                     JSON_REJECT_DUPLICATES, NULL)
                                        : NULL;
        if (answer.body.len > 0 && *ret_json == NULL) {
            say_error("the server's answer is not JSON");
            code = EXIT_FAILED;
        }
    }
    http_response_release(&answer);
    return code;
}

char *api_escape(const char *text)
{
    static const char hex[] = "0123456789ABCDEF";
    char *escaped = xmalloc(3 * strlen(text) + 1);
    char *out = escaped;
    for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++) {
        bool is_plain = (*c >= '0' && *c <= '9') || (*c >= 'a' && *c <= 'z') ||
                        (*c >= 'A' && *c <= 'Z') || *c == '-' || *c == '.' || *c == '_' ||
                        *c == '~';
        if (is_plain) {
            *out++ = (char)*c;
        } else {
            *out++ = '%';
            *out++ = hex[*c >> 4];
            *out++ = hex[*c & 15];
        }
    }
    *out = '\0';
    return escaped;
}

static void show_job(struct progress *bar, const json_t *job)
{
    const json_t *progress = json_object_get(job, "progress");
    double speed = json_number_value(json_object_get(progress, "speed"));
    double eta_s = json_number_value(json_object_get(progress, "eta_s"));
    char note[96];
    (void)snprintf(note, sizeof(note), "%s %.0fx, %.0f s left",
                   json_string_value(json_object_get(job, "state")), speed, eta_s);
    progress_update(bar, json_number_value(json_object_get(progress, "percent")), note);
}

int api_wait(const struct login *session, const char *id, bool show_bar, json_t **ret_job)
{
    AUTO(mem_free) char *path = xasprintf("/v1/jobs/%s", id);
    struct progress bar;
    progress_init(&bar, "convert", show_bar);
    for (;;) {
        json_t *job = NULL;
        int code = api_json(session, "GET", path, &job);
        if (code != EXIT_OK) {
            return code;
        }
        const char *state = json_string_value(json_object_get(job, "state"));
        if (state == NULL) {
            json_decref(job);
            say_error("the server's answer is no job");
            return EXIT_FAILED;
        }
        if (strcmp(state, "queued") != 0 && strcmp(state, "running") != 0) {
            bool is_done = strcmp(state, "succeeded") == 0;
            progress_end(&bar, state);
            *ret_job = job;
            return is_done ? EXIT_OK : EXIT_JOB_FAILED;
        }
        show_job(&bar, job);
        json_decref(job);
        clock_sleep_ms(poll_ms);
    }
}

static enum err write_download(void *ctx, const void *bytes, size_t len)
{
    FILE *file = ctx;
    return fwrite(bytes, 1, len, file) == len ? OK : ERR_FAULT;
}

static char *download_name(const struct login *session, const char *fid)
{
    AUTO(mem_free) char *path = xasprintf("/v1/jobs/%s", fid);
    json_t *job = NULL;
    char name[256];
    (void)snprintf(name, sizeof(name), "%s", fid);
    if (api_json(session, "GET", path, &job) == EXIT_OK) {
        const char *filename = json_string_value(json_object_get(job, "filename"));
        text_clean_filename(name, sizeof(name) - 4, filename != NULL ? filename : fid);
        char *dot = strrchr(name, '.');
        if (dot != NULL && dot != name) {
            *dot = '\0';
        }
    }
    json_decref(job);
    return xasprintf("%s.mp3", name);
}

int api_download(const struct login *session, const char *fid, const char *path, bool json)
{
    AUTO(mem_free) char *name = path != NULL ? xstrdup(path) : download_name(session, fid);
    AUTO(mem_free) char *partial = xasprintf("%s.part", name);
    AUTO(mem_free) char *escaped = api_escape(fid);
    AUTO(mem_free) char *url = xasprintf("%s/download?fid=%s", session->server, escaped);
    FILE *file = fopen(partial, "we");
    if (file == NULL) {
        say_error("%s cannot be written", partial);
        return EXIT_FAILED;
    }
    struct http_call call = { .method = "GET",
                              .url = url,
                              .bearer = session->token,
                              .write_body = write_download,
                              .ctx = file,
                              .timeout_ms = -1 };
    struct http_response answer = { 0 };
    struct error e = { 0 };
    enum err rc = http_client_call(&call, &answer, &e);
    bool is_written = fclose(file) == 0;
    int code = EXIT_OK;
    if (rc != OK) {
        code = api_unreachable(session, rc, &e);
    } else {
        code = answer.status == 200 ? EXIT_OK : api_refused(&answer);
        http_response_release(&answer);
    }
    if (code == EXIT_OK && (!is_written || rename(partial, name) != 0)) {
        say_error("%s cannot be written", name);
        code = EXIT_FAILED;
    }
    if (code != EXIT_OK) {
        (void)unlink(partial);
        return code;
    }
    json_t *report = json_pack("{s:s, s:s}", "fid", fid, "path", name);
    if (json) {
        (void)json_dumpf(report, stdout, JSON_COMPACT);
        (void)fputc('\n', stdout);
    } else {
        (void)printf("%s\n", name);
    }
    json_decref(report);
    return EXIT_OK;
}

void api_print_job(const json_t *job, bool json)
{
    if (json) {
        (void)json_dumpf(job, stdout, JSON_COMPACT);
        (void)fputc('\n', stdout);
        return;
    }
    const char *created = json_string_value(json_object_get(job, "created_at"));
    const char *detail = json_string_value(
        json_object_get(json_object_get(job, "error"), "detail"));
    double percent = json_number_value(
        json_object_get(json_object_get(job, "progress"), "percent"));
    (void)printf(
        "%s  %-9s %5.1f %%  %.19s  %s%s%s\n", json_string_value(json_object_get(job, "id")),
        json_string_value(json_object_get(job, "state")), percent, created != NULL ? created : "",
        json_string_value(json_object_get(job, "filename")), detail != NULL ? "  " : "",
        detail != NULL ? detail : "");
}
