/* unreel convert: the sandboxed engine on a local file, with no server. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "core/clock.h"
#include "core/cpus.h"
#include "core/mem.h"
#include "core/text.h"
#include "engine/engine.h"
#include "escape.h"
#include "job_options.h"
#include "jobs/request.h"
#include "mp3_files.h"
#include "pipe_rules.h"
#include "progress.h"
#include "source.h"

#include "core/banned.h"

static const struct option_spec options[] = {
    JOB_OPTION_SPECS,
    { "--threads", "COUNT", "encoder threads (default: the processors allowed)" },
};

static const int64_t week_s = 7LL * 24 * 3600;

/* What the command line asks for. */
struct wishes {
    struct job_request request;
    const char *cover_path; /* NULL: no picture of its own */
    const char *paths[2];
    size_t path_count;
    int64_t threads;
    bool json;
};

struct conversion {
    struct source source;
    struct source cover; /* of the picture, if there is one */
    struct mp3_files outputs;
    int64_t started_ms;
    struct progress bar;
};

static enum err read_source(void *ctx, int64_t offset, void *dst, size_t len, size_t *ret_len,
                            struct error *e)
{
    return source_read(&((struct conversion *)ctx)->source, offset, dst, len, ret_len, e);
}

static enum err read_cover(void *ctx, int64_t offset, void *dst, size_t len, size_t *ret_len,
                           struct error *e)
{
    return source_read(&((struct conversion *)ctx)->cover, offset, dst, len, ret_len, e);
}

static enum err write_file(void *ctx, int output, const void *bytes, size_t len, struct error *e)
{
    return mp3_files_write(&((struct conversion *)ctx)->outputs, output, bytes, len, e);
}

static enum err rewrite_file(void *ctx, int output, int64_t offset, const void *bytes, size_t len,
                             struct error *e)
{
    return mp3_files_rewrite(&((struct conversion *)ctx)->outputs, output, offset, bytes, len, e);
}

static enum err restart_file(void *ctx, int output, struct error *e)
{
    return mp3_files_restart(&((struct conversion *)ctx)->outputs, output, e);
}

static void show_progress(void *ctx, double media_time_s, double duration_s)
{
    struct conversion *c = ctx;
    double elapsed_s = (double)(clock_mono_ms() - c->started_ms) / 1e3;
    char note[64];
    (void)snprintf(note, sizeof(note), "%.0f s, %.0fx", media_time_s,
                   elapsed_s > 0 ? media_time_s / elapsed_s : 0);
    progress_update(&c->bar, duration_s > 0 ? 100 * media_time_s / duration_s : -1, note);
}

static bool go_on(void *ctx)
{
    (void)ctx;
    return true;
}

static void ignore_input(void *ctx, const struct job_input *input)
{
    (void)ctx;
    (void)input;
}

static void ignore_log(void *ctx, const char *line)
{
    (void)ctx;
    (void)line;
}

static json_t *output_json(const char *path, const struct job_output *out)
{
    AUTO(mem_free) char *shown = escape_controls(path);
    json_t *json = json_pack(
        "{s:s, s:f, s:s, s:i, s:i, s:i, s:I, s:i}", "path", shown, "duration_s", out->duration_s,
        "mode", out->mode, "bitrate", out->bitrate_kbps, "sample_rate", out->sample_rate_hz,
        "channels", out->channels, "size_bytes", (json_int_t)out->size_bytes, "track", out->track);
    const struct job_loudness_report *l = &out->loudness;
    if (l->is_measured) {
        (void)json_object_set_new(json, "loudness",
                                  json_pack("{s:f, s:f, s:f, s:f}", "integrated_lufs",
                                            l->integrated_lufs, "true_peak_dbtp", l->true_peak_dbtp,
                                            "range_lu", l->range_lu, "gain_db", l->gain_db));
    }
    return json;
}

static void print_json_result(const struct mp3_files *files, const struct engine_result *result,
                              double elapsed_s)
{
    json_t *outputs = json_array();
    for (int i = 0; i < result->output_count; i++) {
        const char *path = files->paths[result->numbers[i]];
        (void)json_array_append_new(outputs, output_json(path, &result->outputs[i]));
    }
    /* The first one's members stand at the top as well: mostly there is no other. */
    json_t *object = output_json(files->paths[result->numbers[0]], &result->outputs[0]);
    (void)json_object_set_new(object, "outputs", outputs);
    (void)json_object_set_new(object, "elapsed_s", json_real(elapsed_s));
    (void)json_object_set_new(object, "engine_cpu_ms", json_integer(result->cpu_ms));
    (void)json_object_set_new(object, "engine_peak_rss_bytes",
                              json_integer(result->peak_rss_bytes));
    (void)json_object_set_new(object, "input_bytes_read", json_integer(result->input_bytes));
    print_json(object);
    json_decref(object);
}

static void print_result(const struct mp3_files *files, const struct engine_result *result,
                         double elapsed_s, bool json)
{
    if (json) {
        print_json_result(files, result, elapsed_s);
        return;
    }
    for (int i = 0; i < result->output_count; i++) {
        const struct job_output *out = &result->outputs[i];
        (void)printf("%s: %.3f s, %s %d kbit/s, %d Hz, %d channel%s, %lld bytes, in %.2f s\n",
                     files->paths[result->numbers[i]], out->duration_s, out->mode,
                     out->bitrate_kbps, out->sample_rate_hz, out->channels,
                     out->channels == 1 ? "" : "s", (long long)out->size_bytes, elapsed_s);
    }
}

/* Converts between what is open. */
static int convert(struct conversion *c, const struct wishes *w, struct engine_result *ret_result)
{
    struct engine_job job = { .request = &w->request,
                              .threads = (int)w->threads,
                              .is_output_stream = c->outputs.is_stream,
                              .input_size = c->source.size_bytes,
                              .ctx = c,
                              .cover_size = w->cover_path != NULL ? c->cover.size_bytes : 0,
                              .read = read_source,
                              .read_cover = w->cover_path != NULL ? read_cover : NULL,
                              .write = write_file,
                              .rewrite = rewrite_file,
                              .restart = restart_file,
                              .on_input = ignore_input,
                              .on_progress = show_progress,
                              .keep_going = go_on,
                              .on_log = ignore_log };
    engine_limits_default(&job.limits);
    /* One's own file on one's own machine: as long as it likes. */
    job.limits.max_duration_s = week_s;
    job.limits.wall_limit_s = week_s;
    if (c->source.pipe != NULL) {
        /* Whoever writes into the pipe may take a rest. */
        job.limits.no_progress_limit_s = week_s;
    }
    struct error e = { 0 };
    c->started_ms = clock_mono_ms();
    enum err err = engine_run(&job, ret_result, &e);
    if (err != OK) {
        bool has_problem = ret_result->problem != PROBLEM_NONE;
        /* A pipe that would have to go back is not the engine's problem, but still the video's. */
        bool is_inputs_fault = has_problem || err == ERR_INVALID;
        progress_break(&c->bar);
        say_error("convert: %s", has_problem ? ret_result->detail : e.text);
        return is_inputs_fault ? EXIT_JOB_FAILED : EXIT_FAILED;
    }
    progress_done(&c->bar, "");
    return EXIT_OK;
}

static enum err check_pipes(const struct conversion *c, const struct job_request *request,
                            struct error *e)
{
    enum err err = OK;
    int count = request->output_count > 0 ? request->output_count : 1;
    if (c->outputs.is_standard && count > 1) {
        return err_set(e, ERR_INVALID, "standard output takes one MP3 only: name a file");
    }
    for (int i = 0; i < count && err == OK; i++) {
        const struct job_options *o = request->output_count > 0 ? &request->outputs[i]
                                                                : &request->options;
        err = pipe_rules_check(o, c->source.pipe != NULL, c->outputs.is_stream, e);
    }
    return err;
}

static int exit_code_of(enum err err)
{
    return err == ERR_INVALID ? EXIT_USAGE : err == ERR_NOT_FOUND ? EXIT_NOT_FOUND : EXIT_FAILED;
}

static int convert_opened(struct conversion *c, const struct wishes *w)
{
    struct engine_result result = { 0 };
    struct error e = { 0 };
    int code = EXIT_OK;
    enum err rc = check_pipes(c, &w->request, &e);
    if (rc == OK) {
        progress_init(&c->bar, "convert", !w->json);
        code = convert(c, w, &result);
        rc = code == EXIT_OK ? mp3_files_commit(&c->outputs, &e) : OK;
    }
    if (rc != OK) {
        say_error("convert: %s", e.text);
        return exit_code_of(rc);
    }
    if (code == EXIT_OK && !c->outputs.is_standard) {
        print_result(&c->outputs, &result, (double)(clock_mono_ms() - c->started_ms) / 1e3,
                     w->json);
    }
    return code;
}

/* The engine has to know its size. */
static enum err open_cover(const char *path, struct source *ret_cover, struct error *e)
{
    enum err err = source_open(path, ret_cover, e);
    if (err == OK && ret_cover->size_bytes <= 0) {
        err = err_set(e, ERR_INVALID, "the picture %s is a pipe or empty: give a file", path);
    }
    return err;
}

static int convert_paths(const struct wishes *w)
{
    struct conversion c = { .source = { .fd = -1 }, .cover = { .fd = -1 } };
    struct error e = { 0 };
    enum err err = source_open(w->paths[0], &c.source, &e);
    if (err == OK && w->cover_path != NULL) {
        err = open_cover(w->cover_path, &c.cover, &e);
    }
    int code = exit_code_of(err);
    if (err == OK) {
        err = mp3_files_open(&c.outputs, w->paths[1], &e);
        code = err == ERR_INVALID ? EXIT_USAGE : EXIT_FAILED;
    }
    if (err != OK) {
        say_error("convert: %s", e.text);
    } else {
        code = convert_opened(&c, w);
    }
    mp3_files_release(&c.outputs);
    source_release(&c.cover);
    source_release(&c.source);
    return code;
}

static enum err read_option(struct wishes *w, const struct option_spec *spec, const char *value,
                            struct error *e)
{
    struct job_option o;
    if (strcmp(spec->name, "--threads") == 0) {
        return text_to_int64(value, 1, ENGINE_THREADS_MAX, &w->threads) == OK
                   ? OK
                   : err_set(e, ERR_INVALID, "--threads takes 1 to 64");
    }
    enum err err = job_option_read(spec, value, &o, e);
    if (err == OK && strcmp(o.name, "cover") == 0) {
        w->cover_path = o.cover_path;
    }
    return err == OK ? job_request_set(&w->request, o.name, o.value, e) : err;
}

/* False: a mistake was said. */
static bool read_wishes(struct arguments *a, struct wishes *w)
{
    size_t option = 0;
    const char *value = NULL;
    struct error e = { 0 };
    enum err err = OK;
    enum argument_kind kind = ARGUMENT_END;
    while (err == OK && (kind = arguments_next(a, &option, &value)) != ARGUMENT_END) {
        if (kind == ARGUMENT_OPTION) {
            err = read_option(w, &options[option], value, &e);
            continue;
        }
        if (w->path_count < 2) {
            w->paths[w->path_count] = value;
        }
        w->path_count++;
    }
    w->json = a->json;
    if (a->has_failed) {
        return false;
    }
    if (err == OK && w->path_count != 2) {
        err = err_set(&e, ERR_INVALID, "name one video and one MP3");
    }
    err = err == OK ? job_request_settle(&w->request, &e) : err;
    if (err == OK && w->cover_path == NULL && job_request_needs_cover(&w->request)) {
        err = err_set(&e, ERR_INVALID, "cover: upload needs a picture: --cover FILE");
    }
    if (err != OK) {
        say_error("convert: %s", e.text);
    }
    return err == OK;
}

static int run(const struct command *self, int argc, char **argv)
{
    struct arguments a;
    int cpus = cpus_allowed();
    struct wishes w = { .threads = cpus < ENGINE_THREADS_MAX ? cpus : ENGINE_THREADS_MAX };
    job_request_default(&w.request);
    arguments_init(&a, self, argc, argv);
    if (!read_wishes(&a, &w)) {
        return EXIT_USAGE;
    }
    return convert_paths(&w);
}

const struct command command_convert = {
    .name = "convert",
    .arguments = "VIDEO MP3",
    .help = "Converts a file on this machine, in the same sandbox that a server uses.\n"
            "MP3 appears when it is whole; what it held before stays until then. Further ones\n"
            "(--outputs, --chapters split) get a number: song.mp3, song-2.mp3, ...\n"
            "- is standard input, or standard output, where nothing else is printed then. An MP4\n"
            "whose index is at its end cannot come through a pipe unless it is small, and an MP3\n"
            "in a pipe has no tag that tells its length.",
    .options = options,
    .option_count = ARRAY_LEN(options),
    .run = run,
};
