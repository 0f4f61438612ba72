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
#define RESTARTS_MAX 1
/* How often the input may be read, on average, until reading is no progress any more; the two
 * passes of loudness take two. */
#define MAX_TIMES_READ 8
#define FREE_BYTES ((int64_t)8 << 20)
/* So an answer without bytes is none for nothing. */
#define MIN_COST_BYTES 65536
/* What stands before the sound: tags and a picture. */
#define HEAD_MAX_BYTES ((int64_t)5 << 20)

_Static_assert(ENGINE_THREADS_MAX == PROTOCOL_THREADS_MAX, "what is offered is what is taken");

/* One output at the highest rate that its options allow. */
static int64_t output_limit_of(const struct engine_job *job, const struct job_options *o)
{
    /* Chapters share the time of one output; copied frames have the source's rate. */
    bool is_constant = o->mode == JOB_MODE_CBR && o->copy == JOB_COPY_NEVER;
    int64_t kbps = is_constant ? o->bitrate_kbps : MPEG_MAX_KBPS;
    int64_t bytes = job->limits.max_duration_s * kbps * 125;
    return bytes + bytes / 50 + OUTPUT_SLACK_BYTES + HEAD_MAX_BYTES * JOB_CHAPTERS_MAX;
}

static int64_t output_limit(const struct engine_job *job)
{
    const struct job_request *r = job->request;
    if (job->limits.max_output_bytes > 0) {
        return job->limits.max_output_bytes;
    }
    int64_t bytes = r->output_count == 0 ? output_limit_of(job, &r->options) : 0;
    for (int i = 0; i < r->output_count; i++) {
        bytes += output_limit_of(job, &r->outputs[i]);
    }
    return bytes;
}

void session_init(struct session *s, const struct engine_job *job)
{
    memset(s, 0, sizeof(*s));
    s->job = job;
    s->max_output_bytes = output_limit(job);
    s->out = xmalloc(PROTOCOL_HEADER_SIZE + PROTOCOL_DATA_MAX);
    int more = job->request->output_count > 1 ? job->request->output_count - 1 : 0;
    struct protocol_start start = {
        .request = *job->request,
        .is_probe = job->is_probe,
        .is_output_stream = job->is_output_stream,
        .threads = job->threads,
        .input_size = job->input_size,
        .cover_size = job->read_cover != NULL ? job->cover_size : 0,
        .max_duration_s = job->limits.max_duration_s,
        .memory_bytes = job->limits.memory_bytes + job->threads * ENGINE_THREAD_BYTES +
                        more * ENGINE_OUTPUT_BYTES,
        .cpu_limit_s = (CPU_BASE_S + job->limits.max_duration_s / CPU_SHARE) * (1 + more),
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
    struct protocol_read *want = &s->reads[s->read_count];
    enum err err = protocol_unpack_read(payload, len, want, e);
    if (err == OK && want->source == PROTOCOL_COVER && s->job->read_cover == NULL) {
        err = err_set(e, ERR_CORRUPT, "engine protocol: there is no picture to read");
    }
    if (err == OK) {
        s->read_count++;
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

static enum err on_output(struct session *s, const uint8_t *payload, size_t len, struct error *e)
{
    struct protocol_output m;
    enum err err = protocol_unpack_output(payload, len, &m, e);
    if (err != OK) {
        return err;
    }
    struct session_output *output = &s->outputs[m.number];
    if (output->is_told) {
        return err_set(e, ERR_CORRUPT, "engine protocol: a second OUTPUT %d", m.number);
    }
    output->is_told = true;
    output->said = m.output;
    s->activity++;
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
    case PROTOCOL_OUTPUT:
        return on_output(s, payload, len, e);
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

static enum err broken_piece(struct session *s, const char *what, struct error *e)
{
    s->is_broken = true;
    return err_set(e, ERR_CORRUPT, "engine protocol: output %d: %s", s->piece.output, what);
}

static enum err restart(struct session *s, struct session_output *output, struct error *e)
{
    if (s->job->restart == NULL || output->is_told || ++output->restarts > RESTARTS_MAX) {
        return broken_piece(s, "cannot begin anew", e);
    }
    s->output_bytes -= output->size_bytes;
    s->output_count--;
    output->size_bytes = 0;
    output->patches = 0;
    return s->job->restart(s->job->ctx, s->piece.output, e);
}

/* The header of a piece is whole: what it may be depends on what was there before. */
static enum err begin_piece(struct session *s, struct error *e)
{
    s->piece_header_len = 0;
    if (protocol_unpack_piece(s->piece_header, &s->piece, e) != OK) {
        s->is_broken = true;
        return ERR_CORRUPT;
    }
    struct session_output *output = &s->outputs[s->piece.output];
    int64_t end = s->piece.offset + s->piece.len;
    if (s->job->is_probe || output->has_ended) {
        return broken_piece(s, "is not open", e);
    }
    s->piece_left = s->piece.len;
    if (s->piece.len == 0 && s->piece.offset == 0 && output->size_bytes > 0) {
        return restart(s, output, e);
    }
    if (s->piece.len == 0) {
        output->has_ended = true;
        if (s->piece.offset != output->size_bytes || output->size_bytes == 0) {
            return broken_piece(s, "ends where it does not end", e);
        }
        return s->job->end_output == NULL ? OK
                                          : s->job->end_output(s->job->ctx, s->piece.output, e);
    }
    if (s->piece.offset == output->size_bytes) {
        return OK;
    }
    if (end > output->size_bytes || ++output->patches > PROTOCOL_PATCHES_MAX) {
        return broken_piece(s, "a patch of what is not there, or one too many", e);
    }
    return OK;
}

/* Bytes of the present piece. */
static enum err take_bytes(struct session *s, const uint8_t *bytes, size_t len, struct error *e)
{
    struct session_output *output = &s->outputs[s->piece.output];
    int64_t at = s->piece.offset + (int64_t)(s->piece.len - s->piece_left);
    s->piece_left -= len;
    s->activity++;
    if (at < output->size_bytes) {
        return s->job->rewrite(s->job->ctx, s->piece.output, at, bytes, len, e);
    }
    if ((int64_t)len > s->max_output_bytes - s->output_bytes) {
        s->is_over_limit = true;
        return err_set(e, ERR_TOO_BIG, "engine: more than %lld bytes of output",
                       (long long)s->max_output_bytes);
    }
    s->output_count += output->size_bytes == 0 ? 1 : 0;
    s->output_bytes += (int64_t)len;
    output->size_bytes += (int64_t)len;
    return s->job->write(s->job->ctx, s->piece.output, bytes, len, e);
}

enum err session_output(struct session *s, const uint8_t *bytes, size_t len, struct error *e)
{
    enum err err = OK;
    while (len > 0 && err == OK) {
        size_t want = s->piece_left > 0 ? s->piece_left
                                        : PROTOCOL_PIECE_HEADER_SIZE - s->piece_header_len;
        size_t take = want < len ? want : len;
        if (s->piece_left > 0) {
            err = take_bytes(s, bytes, take, e);
        } else {
            memcpy(s->piece_header + s->piece_header_len, bytes, take);
            s->piece_header_len += take;
            err = s->piece_header_len == PROTOCOL_PIECE_HEADER_SIZE ? begin_piece(s, e) : OK;
        }
        bytes += take;
        len -= take;
    }
    return err;
}

bool session_can_serve(const struct session *s)
{
    return s->read_count > 0 && s->out_sent == s->out_len;
}

/* A READ is progress, but not for ever: a demuxer that goes in a circle reads all the time. */
static void count_answer(struct session *s, const struct protocol_read *want, int64_t len)
{
    if (want->source == PROTOCOL_MEDIA) {
        s->input_bytes += len;
        s->furthest = len > 0 && want->offset + len > s->furthest ? want->offset + len
                                                                  : s->furthest;
    }
    s->cost_bytes += len > MIN_COST_BYTES ? len : MIN_COST_BYTES;
    if (s->cost_bytes / MAX_TIMES_READ <= s->furthest + FREE_BYTES) {
        s->activity++;
    }
}

enum err session_serve(struct session *s, struct error *e)
{
    struct protocol_read want = s->reads[0];
    s->read_count--;
    memmove(s->reads, s->reads + 1, s->read_count * sizeof(s->reads[0]));
    uint8_t *data = s->out + PROTOCOL_HEADER_SIZE;
    size_t have = 0;
    enum err (*read)(void *, int64_t, void *, size_t, size_t *, struct error *) =
        want.source == PROTOCOL_MEDIA ? s->job->read : s->job->read_cover;
    while (have < want.len) {
        size_t got = 0;
        enum err err = read(s->job->ctx, want.offset + (int64_t)have, data + have, want.len - have,
                            &got, e);
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
    count_answer(s, &want, (int64_t)have);
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

enum err session_finish(struct session *s, struct engine_result *result, struct error *e)
{
    bool is_whole = s->piece_left == 0 && s->piece_header_len == 0;
    if (!is_whole || s->done.output_count != s->output_count ||
        (s->output_count == 0) != s->job->is_probe) {
        return err_set(e, ERR_FAULT, "engine: says %d outputs, gave %d", s->done.output_count,
                       s->output_count);
    }
    for (int i = 0; i < JOB_OUTPUTS_MAX; i++) {
        const struct session_output *output = &s->outputs[i];
        if (output->size_bytes == 0 && !output->is_told) {
            continue;
        }
        if (!output->is_told || !output->has_ended ||
            output->said.size_bytes != output->size_bytes) {
            return err_set(e, ERR_FAULT, "engine: says %lld bytes of output %d, gave %lld",
                           (long long)output->said.size_bytes, i, (long long)output->size_bytes);
        }
        result->numbers[result->output_count] = i;
        result->outputs[result->output_count++] = output->said;
    }
    return OK;
}
