/* engine_file PROGRAM INPUT OUTPUT [option=value ...]: engine_run on files, for
 * test_engine_files.py and for measuring. Options are the job's (bitrate=128) and max_duration_s,
 * max_output_bytes, no_progress_limit_s, unknown_size. Prints one JSON object; exits with 0
 * whatever the engine said.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/text.h"
#include "engine/engine.h"

struct files {
    int in, out;
    int64_t reads, read_bytes;
    int progress_calls;
    int asked;
    double media_time_s, duration_s;
    struct job_input input;
    json_t *log;
};

static enum err read_at(void *ctx, int64_t offset, void *dst, size_t len, size_t *ret_len,
                        struct error *e)
{
    struct files *f = ctx;
    ssize_t got = pread(f->in, dst, len, offset);
    if (got < 0) {
        return err_set_errno(e, ERR_FAULT, errno, "pread");
    }
    f->reads++;
    f->read_bytes += got;
    *ret_len = (size_t)got;
    return OK;
}

static enum err write_on(void *ctx, const void *bytes, size_t len, struct error *e)
{
    struct files *f = ctx;
    if (write(f->out, bytes, len) != (ssize_t)len) {
        return err_set_errno(e, ERR_FAULT, errno, "write");
    }
    return OK;
}

static enum err rewrite_head(void *ctx, const void *bytes, size_t len, struct error *e)
{
    struct files *f = ctx;
    if (pwrite(f->out, bytes, len, 0) != (ssize_t)len) {
        return err_set_errno(e, ERR_FAULT, errno, "pwrite");
    }
    return OK;
}

static void on_input(void *ctx, const struct job_input *input)
{
    ((struct files *)ctx)->input = *input;
}

static void on_progress(void *ctx, double media_time_s, double duration_s)
{
    struct files *f = ctx;
    f->progress_calls++;
    f->media_time_s = media_time_s;
    f->duration_s = duration_s;
}

static bool keep_going(void *ctx)
{
    ((struct files *)ctx)->asked++;
    return true;
}

static void on_log(void *ctx, const char *line)
{
    struct files *f = ctx;
    (void)json_array_append_new(f->log, json_string(line));
}

/* One "name=value". */
static bool set_option(const char *text, struct engine_job *job, struct job_options *options)
{
    char name[64];
    const char *equals = strchr(text, '=');
    if (equals == NULL || (size_t)(equals - text) >= sizeof(name)) {
        return false;
    }
    memcpy(name, text, (size_t)(equals - text));
    name[equals - text] = '\0';
    long long number = strtoll(equals + 1, NULL, 10);
    if (strcmp(name, "max_duration_s") == 0) {
        job->limits.max_duration_s = number;
    } else if (strcmp(name, "max_output_bytes") == 0) {
        job->limits.max_output_bytes = number;
    } else if (strcmp(name, "memory_bytes") == 0) {
        job->limits.memory_bytes = number;
    } else if (strcmp(name, "unknown_size") == 0) {
        job->input_size = -1;
    } else {
        struct error e;
        if (job_options_set(options, name, equals + 1, &e) != OK) {
            (void)fprintf(stderr, "%s\n", e.text);
            return false;
        }
    }
    return true;
}

static void print_result(enum err err, const struct error *e, const struct engine_result *r,
                         const struct files *f)
{
    char type[PROBLEM_TYPE_SIZE];
    const struct job_output *o = &r->output;
    json_t *json = json_pack(
        "{s:s, s:s, s:s, s:s, s:b, s:I, s:I, s:I, s:f, s:s, s:i, s:i, s:i, s:s, s:i, s:f, s:i, s:I,"
        " s:I, s:i, s:f}",
        "result", err_name(err), "error", err == OK ? "" : e->text, "problem",
        r->problem == PROBLEM_NONE ? "" : problem_type(type, r->problem), "detail", r->detail,
        "killed_by_sandbox", r->killed_by_sandbox, "cpu_ms", (json_int_t)r->cpu_ms,
        "peak_rss_bytes", (json_int_t)r->peak_rss_bytes, "size_bytes", (json_int_t)o->size_bytes,
        "duration_s", o->duration_s, "mode", o->mode, "bitrate_kbps", o->bitrate_kbps,
        "sample_rate_hz", o->sample_rate_hz, "channels", o->channels, "container",
        f->input.container, "tracks", f->input.track_count, "input_duration_s", f->input.duration_s,
        "progress_calls", f->progress_calls, "reads", (json_int_t)f->reads, "read_bytes",
        (json_int_t)f->read_bytes, "asked", f->asked, "media_time_s", f->media_time_s);
    if (json == NULL) {
        abort();
    }
    (void)json_object_set(json, "log", f->log);
    (void)json_dumpf(json, stdout, JSON_COMPACT);
    (void)putchar('\n');
    json_decref(json);
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        (void)fprintf(stderr, "engine_file PROGRAM INPUT OUTPUT [option=value ...]\n");
        return 2;
    }
    struct files files = { .in = open(argv[2], O_RDONLY | O_CLOEXEC),
                           .out = open(argv[3], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600),
                           .log = json_array() };
    struct stat st;
    if (files.in < 0 || files.out < 0 || fstat(files.in, &st) != 0) {
        perror("engine_file");
        return 2;
    }
    struct job_options options;
    job_options_default(&options);
    struct engine_job job = { .program = argv[1],
                              .options = &options,
                              .threads = 1,
                              .input_size = st.st_size,
                              .ctx = &files,
                              .read = read_at,
                              .write = write_on,
                              .rewrite_head = rewrite_head,
                              .on_input = on_input,
                              .on_progress = on_progress,
                              .keep_going = keep_going,
                              .on_log = on_log };
    engine_limits_default(&job.limits);
    for (int i = 4; i < argc; i++) {
        if (!set_option(argv[i], &job, &options)) {
            (void)fprintf(stderr, "bad option %s\n", argv[i]);
            return 2;
        }
    }
    struct engine_result result;
    struct error e = { 0 };
    enum err err = engine_run(&job, &result, &e);
    print_result(err, &e, &result, &files);
    json_decref(files.log);
    (void)close(files.in);
    (void)close(files.out);
    return 0;
}
