#include "engine/session.h"

#include <string.h>

#include "core/mem.h"
#include "core/text.h"

#include "core/banned.h"

/* CPU seconds: a twentieth of the audio's length, six times what it takes, and a minute. */
#define CPU_BASE_S 60
#define CPU_SHARE 20
/* What the duration and the bitrate allow, and a little for headers. */
#define OUTPUT_SLACK_BYTES 65536
#define MPEG_MAX_KBPS 320

_Static_assert(ENGINE_THREADS_MAX == PROTOCOL_THREADS_MAX, "what is offered is what is taken");

static int64_t output_limit(const struct engine_job *job)
{
    if (job->limits.max_output_bytes > 0) {
        return job->limits.max_output_bytes;
    }
    bool is_constant = job->options->mode == JOB_MODE_CBR;
    int64_t kbps = is_constant ? job->options->bitrate_kbps : MPEG_MAX_KBPS;
    int64_t bytes = job->limits.max_duration_s * kbps * 125;
    return bytes + bytes / 50 + OUTPUT_SLACK_BYTES;
}

void session_init(struct session *s, const struct engine_job *job)
{
    *s = (struct session){
        .job = job,
        .max_output_bytes = output_limit(job),
        .out = xmalloc(PROTOCOL_HEADER_SIZE + PROTOCOL_DATA_MAX),
    };
    struct protocol_start start = {
        .options = *job->options,
        .threads = job->threads,
        .input_size = job->input_size,
        .max_duration_s = job->limits.max_duration_s,
        .memory_bytes = job->limits.memory_bytes + job->threads * ENGINE_THREAD_BYTES,
        .cpu_limit_s = CPU_BASE_S + job->limits.max_duration_s / CPU_SHARE,
    };
    s->out_len = protocol_pack_start(s->out, &start);
}

void session_release(struct session *s)
{
    free(s->out);
    s->out = NULL;
}

static enum err on_read(struct session *s, const uint8_t *payload, size_t len, struct error *e)
{
    if (s->read_count == PROTOCOL_READS_MAX) {
        return err_set(e, ERR_CORRUPT, "engine protocol: too many READs at once");
    }
    enum err err = protocol_unpack_read(payload, len, &s->reads[s->read_count], e);
    if (err == OK) {
        s->read_count++;
        s->activity++;
    }
    return err;
}

static enum err on_input(struct session *s, const uint8_t *payload, size_t len, struct error *e)
{
    struct job_input input;
    if (s->has_input) {
        return err_set(e, ERR_CORRUPT, "engine protocol: a second INPUT");
    }
    enum err err = protocol_unpack_input(payload, len, &input, e);
    if (err == OK) {
        s->has_input = true;
        s->activity++;
        if (s->job->on_input != NULL) {
            s->job->on_input(s->job->ctx, &input);
        }
    }
    return err;
}

static enum err on_progress(struct session *s, const uint8_t *payload, size_t len, struct error *e)
{
    struct protocol_progress m;
    enum err err = protocol_unpack_progress(payload, len, &m, e);
    if (err != OK) {
        return err;
    }
    if (m.media_us < s->media_us) {
        return err_set(e, ERR_CORRUPT, "engine protocol: progress goes back");
    }
    if (m.media_us > s->media_us) {
        s->activity++;
    }
    s->media_us = m.media_us;
    if (s->job->on_progress != NULL) {
        s->job->on_progress(s->job->ctx, (double)m.media_us / 1e6, (double)m.duration_us / 1e6);
    }
    return OK;
}

static enum err on_frame(struct session *s, enum protocol_type type, const uint8_t *payload,
                         size_t len, struct error *e)
{
    enum err err = OK;
    if (s->end != SESSION_RUNNING) {
        return err_set(e, ERR_CORRUPT, "engine protocol: a frame after the end");
    }
    switch (type) {
    case PROTOCOL_READ:
        return on_read(s, payload, len, e);
    case PROTOCOL_INPUT:
        return on_input(s, payload, len, e);
    case PROTOCOL_PROGRESS:
        return on_progress(s, payload, len, e);
    case PROTOCOL_DONE:
        err = protocol_unpack_done(payload, len, &s->done, e);
        s->end = err == OK ? SESSION_DONE : s->end;
        break;
    case PROTOCOL_FAILED:
        err = protocol_unpack_failed(payload, len, &s->failed, e);
        s->end = err == OK ? SESSION_FAILED : s->end;
        break;
    case PROTOCOL_START:
    case PROTOCOL_DATA:
    case PROTOCOL_TYPE_MAX:
    default:
        return err_set(e, ERR_CORRUPT, "engine protocol: frame type %d", (int)type);
    }
    s->activity++;
    /* Whatever it had asked for and not got, it does not want any more. */
    s->read_count = 0;
    return err;
}

enum err session_receive(struct session *s, const uint8_t *bytes, size_t len, struct error *e)
{
    while (len > 0) {
        size_t want = PROTOCOL_HEADER_SIZE;
        enum protocol_type type = PROTOCOL_TYPE_MAX;
        size_t payload_len = 0;
        if (s->in_len >= PROTOCOL_HEADER_SIZE) {
            enum err err = protocol_unpack_header(s->in, PROTOCOL_CHILD, &type, &payload_len, e);
            if (err != OK) {
                return err;
            }
            want += payload_len;
        }
        size_t take = want - s->in_len < len ? want - s->in_len : len;
        memcpy(s->in + s->in_len, bytes, take);
        s->in_len += take;
        bytes += take;
        len -= take;
        /* No frame of the child's is empty, so a header alone is never a whole frame. */
        if (type != PROTOCOL_TYPE_MAX && s->in_len == want) {
            s->in_len = 0;
            enum err err = on_frame(s, type, s->in + PROTOCOL_HEADER_SIZE, payload_len, e);
            if (err != OK) {
                return err;
            }
        }
    }
    return OK;
}

enum err session_output(struct session *s, const uint8_t *bytes, size_t len, struct error *e)
{
    if ((int64_t)len > s->max_output_bytes - s->output_bytes) {
        s->is_over_limit = true;
        return err_set(e, ERR_TOO_BIG, "engine: more than %lld bytes of output",
                       (long long)s->max_output_bytes);
    }
    s->output_bytes += (int64_t)len;
    s->activity++;
    return s->job->write(s->job->ctx, bytes, len, e);
}

bool session_can_serve(const struct session *s)
{
    return s->read_count > 0 && s->out_sent == s->out_len;
}

enum err session_serve(struct session *s, struct error *e)
{
    struct protocol_read want = s->reads[0];
    s->read_count--;
    memmove(s->reads, s->reads + 1, s->read_count * sizeof(s->reads[0]));
    uint8_t *data = s->out + PROTOCOL_HEADER_SIZE;
    size_t have = 0;
    while (have < want.len) {
        size_t got = 0;
        enum err err = s->job->read(s->job->ctx, want.offset + (int64_t)have, data + have,
                                    want.len - have, &got, e);
        if (err != OK) {
            return err;
        }
        if (got == 0) {
            break;
        }
        if (got > want.len - have) {
            return err_set(e, ERR_FAULT, "engine: read gave more than it was asked for");
        }
        have += got;
    }
    s->input_bytes += (int64_t)have;
    protocol_pack_header(s->out, PROTOCOL_DATA, have);
    s->out_len = PROTOCOL_HEADER_SIZE + have;
    s->out_sent = 0;
    return OK;
}

const uint8_t *session_unsent(const struct session *s, size_t *ret_len)
{
    *ret_len = s->out_len - s->out_sent;
    return s->out + s->out_sent;
}

void session_sent(struct session *s, size_t len)
{
    s->out_sent += len;
}

enum err session_finish(struct session *s, struct job_output *ret_output, struct error *e)
{
    const struct protocol_done *done = &s->done;
    if (done->output_bytes != s->output_bytes) {
        return err_set(e, ERR_FAULT, "engine: says %lld bytes of output, gave %lld",
                       (long long)done->output_bytes, (long long)s->output_bytes);
    }
    if (done->tag_len > 0 && s->job->rewrite_head != NULL) {
        enum err err = s->job->rewrite_head(s->job->ctx, done->tag, done->tag_len, e);
        if (err != OK) {
            return err;
        }
    }
    static const char *const modes[] = { "cbr", "vbr", "abr" };
    struct job_output output = {
        .size_bytes = s->output_bytes,
        .duration_s = (double)done->duration_us / 1e6,
        .bitrate_kbps = done->bitrate_kbps,
        .sample_rate_hz = done->sample_rate_hz,
        .channels = done->channels,
    };
    (void)text_copy(output.mode, sizeof(output.mode), modes[s->job->options->mode]);
    *ret_output = output;
    return OK;
}
