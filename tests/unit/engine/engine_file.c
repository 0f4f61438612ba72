/* engine_file PROGRAM INPUT OUTPUT [option=value ...]: engine_run on files, for
 * test_engine_files.py and for measuring. Options are the job's (bitrate=128) and max_duration_s,
 * max_output_bytes, memory_bytes, no_progress_limit_s, wall_limit_s, threads, unknown_size, endless
 * (the input begins again where it ends, and its size is not known). Prints one JSON object; exits
 * with 0 whatever the engine said. flips=COUNT runs it so many times, each time with other bits of
 * the input flipped (seed=NUMBER makes others), and prints a line for each.
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

#define FLIPS_MAX 20
/* Where most of what a demuxer parses is. */
#define HEAD_BYTES 4096

struct flip {
    int64_t offset;
    unsigned char mask;
};

struct files {
    int in, cover;
    const char *path; /* of the first output */
    int outs[JOB_OUTPUTS_MAX];
    struct flip flips[FLIPS_MAX];
    size_t flip_count;
    int64_t endless_size; /* of the input that never ends; 0: it does */
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
    int64_t at = f->endless_size > 0 ? offset % f->endless_size : offset;
    ssize_t got = pread(f->in, dst, len, at);
    if (got < 0) {
        return err_set_errno(e, ERR_FAULT, errno, "pread");
    }
    for (size_t i = 0; i < f->flip_count; i++) {
        if (f->flips[i].offset >= offset && f->flips[i].offset < offset + got) {
            ((unsigned char *)dst)[f->flips[i].offset - offset] ^= f->flips[i].mask;
        }
    }
    f->reads++;
    f->read_bytes += got;
    *ret_len = (size_t)got;
    return OK;
}

/* Output 0 is OUTPUT, the others are OUTPUT.1, OUTPUT.2, ... */
static enum err write_on(void *ctx, int number, const void *bytes, size_t len, struct error *e)
{
    struct files *f = ctx;
    if (f->outs[number] < 0) {
        char path[4096];
        (void)snprintf(path, sizeof(path), "%s.%d", f->path, number);
        f->outs[number] = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    }
    if (write(f->outs[number], bytes, len) != (ssize_t)len) {
        return err_set_errno(e, ERR_FAULT, errno, "write");
    }
    return OK;
}

static enum err rewrite(void *ctx, int number, int64_t offset, const void *bytes, size_t len,
                        struct error *e)
{
    struct files *f = ctx;
    if (pwrite(f->outs[number], bytes, len, offset) != (ssize_t)len) {
        return err_set_errno(e, ERR_FAULT, errno, "pwrite");
    }
    return OK;
}

static enum err restart(void *ctx, int number, struct error *e)
{
    struct files *f = ctx;
    if (ftruncate(f->outs[number], 0) != 0 || lseek(f->outs[number], 0, SEEK_SET) != 0) {
        return err_set_errno(e, ERR_FAULT, errno, "ftruncate");
    }
    return OK;
}

static enum err read_cover(void *ctx, int64_t offset, void *dst, size_t len, size_t *ret_len,
                           struct error *e)
{
    ssize_t got = pread(((struct files *)ctx)->cover, dst, len, offset);
    *ret_len = got > 0 ? (size_t)got : 0;
    return got >= 0 ? OK : err_set_errno(e, ERR_FAULT, errno, "pread");
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

/* How often, and with what, beside the job's own options. */
struct flipping {
    long long runs; /* 0: once, with the file as it is */
    long long seed;
};

/* One "name=value". */
static bool set_option(const char *text, struct engine_job *job, struct job_request *request,
                       struct flipping *flipping)
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
    } else if (strcmp(name, "no_progress_limit_s") == 0) {
        job->limits.no_progress_limit_s = number;
    } else if (strcmp(name, "wall_limit_s") == 0) {
        job->limits.wall_limit_s = number;
    } else if (strcmp(name, "flips") == 0) {
        flipping->runs = number;
    } else if (strcmp(name, "seed") == 0) {
        flipping->seed = number;
    } else if (strcmp(name, "threads") == 0) {
        job->threads = (int)number;
    } else if (strcmp(name, "probe") == 0) {
        job->is_probe = true;
    } else if (strcmp(name, "picture") == 0) {
        struct files *files = job->ctx;
        struct stat st;
        files->cover = open(equals + 1, O_RDONLY | O_CLOEXEC);
        job->cover_size = files->cover >= 0 && fstat(files->cover, &st) == 0 ? st.st_size : 0;
        job->read_cover = read_cover;
    } else if (strcmp(name, "unknown_size") == 0) {
        job->input_size = -1;
    } else if (strcmp(name, "endless") == 0) {
        ((struct files *)job->ctx)->endless_size = job->input_size;
        job->input_size = -1;
    } else {
        struct error e;
        if (job_request_set(request, name, equals + 1, &e) != OK) {
            (void)fprintf(stderr, "%s\n", e.text);
            return false;
        }
    }
    return true;
}

static json_t *outputs_json(const struct engine_result *r)
{
    json_t *outputs = json_array();
    for (int i = 0; i < r->output_count; i++) {
        const struct job_output *o = &r->outputs[i];
        const struct job_loudness_report *l = &o->loudness;
        (void)json_array_append_new(
            outputs,
            json_pack("{s:i, s:I, s:f, s:s, s:i, s:i, s:i, s:i, s:i, s:b, s:f, s:f, s:f, s:f}",
                      "number", r->numbers[i], "size_bytes", (json_int_t)o->size_bytes,
                      "duration_s", o->duration_s, "mode", o->mode, "bitrate_kbps", o->bitrate_kbps,
                      "sample_rate_hz", o->sample_rate_hz, "channels", o->channels, "track",
                      o->track, "chapter", o->chapter, "is_measured", l->is_measured,
                      "integrated_lufs", l->integrated_lufs, "true_peak_dbtp", l->true_peak_dbtp,
                      "range_lu", l->range_lu, "gain_db", l->gain_db));
    }
    return outputs;
}

static json_t *chapters_json(const struct job_input *input)
{
    json_t *chapters = json_array();
    for (int i = 0; i < input->chapter_count; i++) {
        const struct job_chapter *c = &input->chapters[i];
        (void)json_array_append_new(chapters, json_pack("{s:I, s:I, s:s}", "start_ms",
                                                        (json_int_t)c->start_ms, "end_ms",
                                                        (json_int_t)c->end_ms, "title", c->title));
    }
    return chapters;
}

static const char *const kills[] = { "",       "seccomp", "memory",  "cpu", "wall", "no_progress",
                                     "output", "signal",  "protocol" };
_Static_assert(ARRAY_LEN(kills) == ENGINE_KILL_MAX, "a name for each");

static void print_result(enum err err, const struct error *e, const struct engine_result *r,
                         const struct files *f)
{
    char type[PROBLEM_TYPE_SIZE];
    const struct job_output *o = &r->outputs[0];
    json_t *json = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:f, s:s, s:i, s:i, s:i, s:s, s:i, s:f, s:i, s:I,"
        " s:I, s:i, s:f}",
        "result", err_name(err), "error", err == OK ? "" : e->text, "problem",
        r->problem == PROBLEM_NONE ? "" : problem_type(type, r->problem), "detail", r->detail,
        "kill", kills[r->kill], "cpu_ms", (json_int_t)r->cpu_ms, "peak_rss_bytes",
        (json_int_t)r->peak_rss_bytes, "size_bytes", (json_int_t)o->size_bytes, "duration_s",
        o->duration_s, "mode", o->mode, "bitrate_kbps", o->bitrate_kbps, "sample_rate_hz",
        o->sample_rate_hz, "channels", o->channels, "container", f->input.container, "tracks",
        f->input.track_count, "input_duration_s", f->input.duration_s, "progress_calls",
        f->progress_calls, "reads", (json_int_t)f->reads, "read_bytes", (json_int_t)f->read_bytes,
        "asked", f->asked, "media_time_s", f->media_time_s);
    if (json == NULL) {
        abort();
    }
    (void)json_object_set(json, "log", f->log);
    (void)json_object_set_new(json, "outputs", outputs_json(r));
    (void)json_object_set_new(json, "chapters", chapters_json(&f->input));
    (void)json_dumpf(json, stdout, JSON_COMPACT);
    (void)putchar('\n');
    json_decref(json);
}

/* The same for the same seed, on every machine. */
static uint64_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
    return *state >> 33;
}

/* Bits for one run; in every other run all of them in the head. */
static void choose_flips(struct files *f, long long run, int64_t size, uint64_t *random)
{
    int64_t range = run % 2 == 0 && size > HEAD_BYTES ? HEAD_BYTES : size;
    f->flip_count = 1 + (size_t)run % FLIPS_MAX;
    for (size_t i = 0; i < f->flip_count; i++) {
        f->flips[i].offset = (int64_t)(next_random(random) % (uint64_t)range);
        f->flips[i].mask = (unsigned char)(1U << (next_random(random) % 8));
    }
}

static void run_once(const struct engine_job *job, struct files *f)
{
    struct engine_result result;
    struct error e = { 0 };
    f->log = json_array();
    f->input = (struct job_input){ .container = "" };
    enum err err = engine_run(job, &result, &e);
    print_result(err, &e, &result, f);
    json_decref(f->log);
}

static void run_with_flips(const struct engine_job *job, struct files *f,
                           const struct flipping *flipping, int64_t size)
{
    uint64_t random = (uint64_t)flipping->seed;
    for (long long run = 0; run < flipping->runs && size > 0; run++) {
        choose_flips(f, run, size, &random);
        if (ftruncate(f->outs[0], 0) != 0 || lseek(f->outs[0], 0, SEEK_SET) != 0) {
            perror("engine_file");
            abort();
        }
        run_once(job, f);
    }
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        (void)fprintf(stderr, "engine_file PROGRAM INPUT OUTPUT [option=value ...]\n");
        return 2;
    }
    struct files files = { .in = open(argv[2], O_RDONLY | O_CLOEXEC),
                           .cover = -1,
                           .path = argv[3] };
    memset(files.outs, -1, sizeof(files.outs));
    files.outs[0] = open(argv[3], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    struct stat st;
    if (files.in < 0 || files.outs[0] < 0 || fstat(files.in, &st) != 0) {
        perror("engine_file");
        return 2;
    }
    struct job_request request;
    job_request_default(&request);
    struct engine_job job = { .program = argv[1],
                              .request = &request,
                              .threads = 1,
                              .input_size = st.st_size,
                              .ctx = &files,
                              .read = read_at,
                              .write = write_on,
                              .rewrite = rewrite,
                              .restart = restart,
                              .on_input = on_input,
                              .on_progress = on_progress,
                              .keep_going = keep_going,
                              .on_log = on_log };
    engine_limits_default(&job.limits);
    struct flipping flipping = { 0, 1 };
    for (int i = 4; i < argc; i++) {
        if (!set_option(argv[i], &job, &request, &flipping)) {
            (void)fprintf(stderr, "bad option %s\n", argv[i]);
            return 2;
        }
    }
    struct error e;
    if (job_request_settle(&request, &e) != OK) {
        (void)fprintf(stderr, "%s\n", e.text);
        return 2;
    }
    if (flipping.runs > 0) {
        run_with_flips(&job, &files, &flipping, st.st_size);
    } else {
        run_once(&job, &files);
    }
    return 0;
}
