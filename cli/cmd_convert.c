/* unreel convert: the sandboxed engine on a local file, with no server. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"
#include "core/clock.h"
#include "core/cpus.h"
#include "core/mem.h"
#include "core/text.h"
#include "engine/engine.h"
#include "escape.h"
#include "job_options.h"
#include "jobs/options.h"
#include "mp3_files.h"
#include "progress.h"

#include "core/banned.h"

static const struct option_spec options[] = {
    JOB_OPTION_SPECS,
    { "--threads", "COUNT", "encoder threads (default: the processors allowed)" },
};

static const int64_t week_s = 7LL * 24 * 3600;

struct conversion {
    int input;
    struct mp3_files outputs;
    int64_t started_ms;
    struct progress bar;
};

static enum err read_file(void *ctx, int64_t offset, void *dst, size_t len, size_t *ret_len,
                          struct error *e)
{
    struct conversion *c = ctx;
    size_t done = 0;
    while (done < len) {
        ssize_t n = pread(c->input, (char *)dst + done, len - done, offset + (int64_t)done);
        if (n < 0 && errno != EINTR) {
            return err_set_errno(e, ERR_FAULT, errno, "read the video");
        }
        if (n == 0) {
            break;
        }
        done += n > 0 ? (size_t)n : 0;
    }
    *ret_len = done;
    return OK;
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

/* Converts between two open files. */
static int convert(struct conversion *c, const struct job_request *request, int threads,
                   int64_t input_size, struct engine_result *ret_result)
{
    struct engine_job job = { .request = request,
                              .threads = threads,
                              .input_size = input_size,
                              .ctx = c,
                              .read = read_file,
                              .write = write_file,
                              .rewrite = rewrite_file,
                              .on_input = ignore_input,
                              .on_progress = show_progress,
                              .keep_going = go_on,
                              .on_log = ignore_log };
    engine_limits_default(&job.limits);
    /* One's own file on one's own machine: as long as it likes. */
    job.limits.max_duration_s = week_s;
    job.limits.wall_limit_s = week_s;
    struct error e = { 0 };
    c->started_ms = clock_mono_ms();
    if (engine_run(&job, ret_result, &e) != OK) {
        bool is_inputs_fault = ret_result->problem != PROBLEM_NONE;
        progress_break(&c->bar);
        say_error("convert: %s", is_inputs_fault ? ret_result->detail : e.text);
        return is_inputs_fault ? EXIT_JOB_FAILED : EXIT_FAILED;
    }
    progress_done(&c->bar, "");
    return EXIT_OK;
}

/* The input; -1: said why not, and *ret_code is set. */
static int open_input(const char *path, int64_t *ret_size, int *ret_code)
{
    struct stat info;
    struct error e = { 0 };
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info) != 0) {
        (void)err_set_errno(&e, ERR_NOT_FOUND, errno, "convert: %s", path);
        say_error("%s", e.text);
        *ret_code = EXIT_NOT_FOUND;
    } else if (!S_ISREG(info.st_mode)) {
        say_error("convert: %s is not a regular file", path);
        *ret_code = EXIT_USAGE;
    } else {
        *ret_size = info.st_size;
        return fd;
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return -1;
}

static int convert_paths(const char *input, const char *output, const struct job_request *request,
                         int threads, bool json)
{
    int64_t size = 0;
    int code = EXIT_FAILED;
    struct conversion c = { .input = open_input(input, &size, &code) };
    if (c.input < 0) {
        return code;
    }
    struct error e = { 0 };
    enum err rc = mp3_files_open(&c.outputs, output, &e);
    if (rc == OK) {
        struct engine_result result = { 0 };
        progress_init(&c.bar, "convert", !json);
        code = convert(&c, request, threads, size, &result);
        rc = code == EXIT_OK ? mp3_files_commit(&c.outputs, &e) : OK;
        if (code == EXIT_OK && rc == OK) {
            print_result(&c.outputs, &result, (double)(clock_mono_ms() - c.started_ms) / 1e3, json);
        }
    }
    mp3_files_release(&c.outputs);
    if (rc != OK) {
        say_error("convert: %s", e.text);
        code = rc == ERR_INVALID ? EXIT_USAGE : EXIT_FAILED;
    }
    (void)close(c.input);
    return code;
}

static int run(const struct command *self, int argc, char **argv)
{
    struct arguments a;
    struct job_request request;
    const char *paths[2] = { NULL, NULL };
    size_t path_count = 0;
    int cpus = cpus_allowed();
    int64_t threads = cpus < ENGINE_THREADS_MAX ? cpus : ENGINE_THREADS_MAX;
    size_t option = 0;
    char name[JOB_OPTION_NAME_SIZE];
    const char *value = NULL;
    struct error e = { 0 };
    enum argument_kind kind = ARGUMENT_END;
    job_request_default(&request);
    arguments_init(&a, self, argc, argv);
    while ((kind = arguments_next(&a, &option, &value)) != ARGUMENT_END) {
        if (kind == ARGUMENT_OPERAND) {
            if (path_count < 2) {
                paths[path_count] = value;
            }
            path_count++;
        } else if (option >= JOB_OPTION_COUNT) {
            if (text_to_int64(value, 1, ENGINE_THREADS_MAX, &threads) != OK) {
                say_error("convert: --threads takes 1 to 64");
                return EXIT_USAGE;
            }
        } else if (job_request_set(&request, job_option_name(name, &options[option]), value, &e) !=
                   OK) {
            say_error("convert: %s", e.text);
            return EXIT_USAGE;
        }
    }
    if (a.has_failed) {
        return EXIT_USAGE;
    }
    if (path_count != 2 || job_request_settle(&request, &e) != OK) {
        say_error("convert: %s", e.text[0] != '\0' ? e.text : "name one video and one MP3");
        return EXIT_USAGE;
    }
    return convert_paths(paths[0], paths[1], &request, (int)threads, a.json);
}

const struct command command_convert = {
    .name = "convert",
    .arguments = "VIDEO MP3",
    .help = "Converts a file on this machine, in the same sandbox that a server uses.\n"
            "MP3 appears when it is whole; what it held before stays until then.",
    .options = options,
    .option_count = ARRAY_LEN(options),
    .run = run,
};
