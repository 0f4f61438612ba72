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

static enum err write_on(void *ctx, const void *bytes, size_t len, struct error *e)
{
    (void)bytes;
    (void)e;
    size_t *total = ctx;
    *total += len;
    return OK;
}

static enum err rewrite_head(void *ctx, const void *bytes, size_t len, struct error *e)
{
    (void)ctx;
    (void)bytes;
    (void)e;
    must(len > 0 && len <= PROTOCOL_TAG_MAX);
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
static void check_end(struct session *s, const size_t *written)
{
    struct error e;
    struct job_output output;
    if (s->end == SESSION_FAILED) {
        must(s->failed.problem > PROBLEM_NONE && s->failed.problem < PROBLEM_MAX);
        must(text_is_utf8(s->failed.detail, strlen(s->failed.detail)));
    }
    if (s->end == SESSION_DONE && session_finish(s, &output, &e) == OK) {
        must(output.size_bytes == (int64_t)*written);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t written = 0;
    struct job_options options;
    job_options_default(&options);
    struct engine_job job = { .options = &options,
                              .threads = 1,
                              .input_size = 1000,
                              .ctx = &written,
                              .read = read_at,
                              .write = write_on,
                              .rewrite_head = rewrite_head,
                              .on_input = on_input,
                              .on_progress = on_progress };
    engine_limits_default(&job.limits);
    job.limits.max_output_bytes = 5000;
    struct session s;
    session_init(&s, &job);
    /* The first byte is the size of the slices. */
    size_t step = size > 0 ? (size_t)data[0] + 1 : 1;
    struct error e;
    enum err err = OK;
    for (size_t at = size > 0 ? 1 : 0; at < size && err == OK; at += step) {
        size_t len = size - at < step ? size - at : step;
        err = session_receive(&s, data + at, len, &e);
        err = err != OK ? err : session_output(&s, data + at, len % 3, &e);
        if (err == OK && session_can_serve(&s)) {
            err = session_serve(&s, &e);
        }
        size_t unsent = 0;
        (void)session_unsent(&s, &unsent);
        must(unsent <= PROTOCOL_HEADER_SIZE + PROTOCOL_DATA_MAX);
        session_sent(&s, unsent);
    }
    must(written <= 5000);
    check_end(&s, &written);
    session_release(&s);
    return 0;
}
