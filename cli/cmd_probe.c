/* unreel probe: what is in a file, as the sandboxed engine sees it, with no server. */
#include <math.h>
#include <stdio.h>

#include "command.h"
#include "core/mem.h"
#include "engine/engine.h"
#include "escape.h"
#include "source.h"

#include "core/banned.h"

struct probe {
    struct source source;
    struct job_input input;
};

static enum err read_source(void *ctx, int64_t offset, void *dst, size_t len, size_t *ret_len,
                            struct error *e)
{
    return source_read(&((struct probe *)ctx)->source, offset, dst, len, ret_len, e);
}

static void take_input(void *ctx, const struct job_input *input)
{
    ((struct probe *)ctx)->input = *input;
}

static void ignore_progress(void *ctx, double media_time_s, double duration_s)
{
    (void)ctx;
    (void)media_time_s;
    (void)duration_s;
}

static bool go_on(void *ctx)
{
    (void)ctx;
    return true;
}

static void ignore_log(void *ctx, const char *line)
{
    (void)ctx;
    (void)line;
}

#define TIME_SIZE 32

/* HH:MM:SS.mmm */
static const char *format_time(char text[TIME_SIZE], int64_t time_ms)
{
    const char *sign = time_ms < 0 ? "-" : "";
    int64_t ms = time_ms < 0 ? -time_ms : time_ms;
    (void)snprintf(text, TIME_SIZE, "%s%02lld:%02lld:%02lld.%03lld", sign,
                   (long long)(ms / 3600000), (long long)(ms / 60000 % 60),
                   (long long)(ms / 1000 % 60), (long long)(ms % 1000));
    return text;
}

static void print_tracks(const struct job_input *input)
{
    if (input->track_count == 0) {
        (void)printf("\nno sound tracks\n");
        return;
    }
    (void)printf("\n%5s  %-16s  %-8s  %8s  %9s  %s\n", "TRACK", "CODEC", "LANGUAGE", "CHANNELS",
                 "RATE", "DEFAULT");
    for (int i = 0; i < input->track_count; i++) {
        const struct job_track *t = &input->tracks[i];
        AUTO(mem_free) char *codec = escape_controls(t->codec);
        AUTO(mem_free) char *language = escape_controls(t->language[0] != '\0' ? t->language : "-");
        (void)printf("%5d  %-16s  %-8s  %8d  %6d Hz  %s\n", t->index, codec, language, t->channels,
                     t->sample_rate_hz, t->is_default ? "yes" : "no");
    }
}

static void print_chapters(const struct job_input *input)
{
    if (input->chapter_count == 0) {
        return;
    }
    (void)printf("\nCHAPTER  START - END                  TITLE\n");
    for (int i = 0; i < input->chapter_count; i++) {
        const struct job_chapter *c = &input->chapters[i];
        char start[TIME_SIZE];
        char end[TIME_SIZE];
        AUTO(mem_free) char *title = escape_controls(c->title);
        (void)printf("%7d  %s - %s  %s\n", i + 1, format_time(start, c->start_ms),
                     format_time(end, c->end_ms), title);
    }
}

static void print_input(const struct job_input *input)
{
    char duration[TIME_SIZE] = "unknown";
    AUTO(mem_free) char *container = escape_controls(input->container);
    if (isfinite(input->duration_s) && input->duration_s > 0) {
        (void)format_time(duration, llround(input->duration_s * 1e3));
    }
    (void)printf("container  %s\nduration   %s\n", container, duration);
    print_tracks(input);
    print_chapters(input);
}

static int probe_opened(struct probe *p, bool json)
{
    struct job_request request;
    job_request_default(&request);
    struct engine_job job = { .request = &request,
                              .is_probe = true,
                              .threads = 1,
                              .input_size = p->source.size_bytes,
                              .ctx = p,
                              .read = read_source,
                              .on_input = take_input,
                              .on_progress = ignore_progress,
                              .keep_going = go_on,
                              .on_log = ignore_log };
    engine_limits_default(&job.limits);
    if (p->source.pipe != NULL) {
        /* Whoever writes into the pipe may take a rest. */
        job.limits.no_progress_limit_s = job.limits.wall_limit_s;
    }
    struct engine_result result = { 0 };
    struct error e = { 0 };
    enum err err = engine_run(&job, &result, &e);
    if (err != OK) {
        bool has_problem = result.problem != PROBLEM_NONE;
        say_error("probe: %s", has_problem ? result.detail : e.text);
        /* A pipe that would have to go back is the file's fault as well. */
        return has_problem || err == ERR_INVALID ? EXIT_JOB_FAILED : EXIT_FAILED;
    }
    p->input.bytes_read = result.input_bytes;
    if (json) {
        json_t *object = job_input_to_json(&p->input);
        print_json(object);
        json_decref(object);
    } else {
        print_input(&p->input);
    }
    return EXIT_OK;
}

static int probe_path(const char *path, bool json)
{
    struct probe p = { .source = { .fd = -1 } };
    struct error e = { 0 };
    int code = EXIT_FAILED;
    enum err err = source_open(path, &p.source, &e);
    if (err == OK) {
        code = probe_opened(&p, json);
    } else {
        say_error("probe: %s", e.text);
        code = err == ERR_INVALID ? EXIT_USAGE : EXIT_NOT_FOUND;
    }
    source_release(&p.source);
    return code;
}

static int run(const struct command *self, int argc, char **argv)
{
    struct arguments a;
    size_t option = 0;
    const char *value = NULL;
    const char *path = NULL;
    size_t path_count = 0;
    arguments_init(&a, self, argc, argv);
    while (arguments_next(&a, &option, &value) == ARGUMENT_OPERAND) {
        path = value;
        path_count++;
    }
    if (a.has_failed) {
        return EXIT_USAGE;
    }
    if (path_count != 1) {
        say_error("probe: name one file");
        return EXIT_USAGE;
    }
    return probe_path(path, a.json);
}

const struct command command_probe = {
    .name = "probe",
    .arguments = "FILE",
    .help =
        "Shows what is in a file on this machine: container, duration, sound tracks, chapters.\n"
        "Nothing is converted; the file is read in the same sandbox. --json prints what a job\n"
        "of a server shows as its `input`. - is standard input, with the limits of a pipe that\n"
        "`unreel convert` has.",
    .run = run,
};
