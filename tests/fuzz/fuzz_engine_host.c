/* The parent against any bytes of a child's: frames, in any split, and what they make it do. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "engine/session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool is_true)
{
    if (!is_true) {
        abort();
    }
}

static enum err read_at(void *ctx, int64_t offset, void *dst, size_t len, size_t *ret_len,
                        struct error *e)
{
    (void)ctx;
    must(offset >= 0 && len > 0 && len <= PROTOCOL_DATA_MAX);
    if (offset % 7 == 6) {
        return err_set(e, ERR_BUSY, "busy");
    }
    *ret_len = len < 100 ? len : 100;
    memset(dst, 'x', *ret_len);
    return offset > 1000 ? (*ret_len = 0, OK) : OK;
}

static enum err write_on(void *ctx, int output, const void *bytes, size_t len, struct error *e)
{
    (void)bytes;
    (void)e;
    int64_t *sizes = ctx;
    must(output >= 0 && output < JOB_OUTPUTS_MAX && len > 0);
    sizes[output] += (int64_t)len;
    return OK;
}

static enum err rewrite(void *ctx, int output, int64_t offset, const void *bytes, size_t len,
                        struct error *e)
{
    (void)bytes;
    (void)e;
    const int64_t *sizes = ctx;
    must(output >= 0 && output < JOB_OUTPUTS_MAX && offset >= 0);
    must(len > 0 && offset + (int64_t)len <= sizes[output]);
    return OK;
}

static void on_input(void *ctx, const struct job_input *input)
{
    (void)ctx;
    must(input->track_count >= 0 && input->track_count <= JOB_TRACKS_MAX);
    must(text_is_utf8(input->container, strlen(input->container)));
}

static void on_progress(void *ctx, double media_time_s, double duration_s)
{
    (void)ctx;
    must(media_time_s >= 0 && duration_s >= 0);
}

/* What the child may have been allowed to say. */
static void check_end(struct session *s, const int64_t *sizes)
{
    struct error e;
    struct engine_result result = { 0 };
    if (s->end == SESSION_FAILED) {
        must(s->failed.problem > PROBLEM_NONE && s->failed.problem < PROBLEM_MAX);
        must(text_is_utf8(s->failed.detail, strlen(s->failed.detail)));
    }
    if (s->end == SESSION_DONE && session_finish(s, &result, &e) == OK) {
        for (int i = 0; i < result.output_count; i++) {
            must(result.outputs[i].size_bytes == sizes[result.numbers[i]]);
        }
    }
}

/* The bytes in turns: some of the frames' descriptor, some of the outputs'. */
static enum err feed(struct session *s, const uint8_t *data, size_t len, bool is_output)
{
    struct error e;
    enum err err = is_output ? session_output(s, data, len, &e) : session_receive(s, data, len, &e);
    if (err == OK && session_can_serve(s)) {
        err = session_serve(s, &e);
    }
    size_t unsent = 0;
    (void)session_unsent(s, &unsent);
    must(unsent <= PROTOCOL_HEADER_SIZE + PROTOCOL_DATA_MAX);
    session_sent(s, unsent);
    return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int64_t sizes[JOB_OUTPUTS_MAX] = { 0 };
    static struct job_request request;
    job_request_default(&request);
    struct engine_job job = { .request = &request,
                              .threads = 1,
                              .input_size = 1000,
                              .ctx = sizes,
                              .read = read_at,
                              .write = write_on,
                              .rewrite = rewrite,
                              .on_input = on_input,
                              .on_progress = on_progress };
    engine_limits_default(&job.limits);
    job.limits.max_output_bytes = 5000;
    struct session s;
    session_init(&s, &job);
    /* Each slice has its length before it, and in that byte's lowest bit where it goes. */
    enum err err = OK;
    for (size_t at = 0; at < size && err == OK;) {
        bool is_output = (data[at] & 1) != 0;
        size_t len = (size_t)(data[at] >> 1) + 1;
        at++;
        len = len < size - at ? len : size - at;
        err = feed(&s, data + at, len, is_output);
        at += len;
    }
    int64_t written = 0;
    for (int i = 0; i < JOB_OUTPUTS_MAX; i++) {
        written += sizes[i];
    }
    must(written <= 5000);
    check_end(&s, sizes);
    session_release(&s);
    return 0;
}
