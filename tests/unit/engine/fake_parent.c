#include "fake_parent.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/mem.h"

#define OUTPUT_MAX ((size_t)64 << 20)

static bool read_whole(int fd, uint8_t *dst, size_t len)
{
    for (size_t have = 0; have < len;) {
        ssize_t got = read(fd, dst + have, len - have);
        if (got <= 0) {
            return false;
        }
        have += (size_t)got;
    }
    return true;
}

static void must(bool is_true)
{
    if (!is_true) {
        abort();
    }
}

static void answer(struct fake_parent *p, const struct protocol_read *want)
{
    int64_t left = want->offset < p->input_len ? p->input_len - want->offset : 0;
    size_t len = left < (int64_t)want->len ? (size_t)left : want->len;
    uint8_t header[PROTOCOL_HEADER_SIZE];
    protocol_pack_header(header, PROTOCOL_DATA, len);
    /* A child that has gone away is its own affair. */
    (void)send(p->control, header, sizeof(header), MSG_NOSIGNAL);
    for (size_t sent = 0; sent < len;) {
        ssize_t now = send(p->control, p->input + want->offset + sent, len - sent, MSG_NOSIGNAL);
        if (now <= 0) {
            return;
        }
        sent += (size_t)now;
    }
}

static void on_frame(struct fake_parent *p, enum protocol_type type, const uint8_t *payload,
                     size_t len)
{
    struct protocol_progress progress;
    switch (type) {
    case PROTOCOL_READ:
        must(p->read_count < FAKE_PARENT_READS);
        must(protocol_unpack_read(payload, len, &p->reads[p->read_count], NULL) == OK);
        answer(p, &p->reads[p->read_count++]);
        break;
    case PROTOCOL_INPUT:
        must(protocol_unpack_input(payload, len, &p->told_input, NULL) == OK);
        break;
    case PROTOCOL_PROGRESS:
        must(protocol_unpack_progress(payload, len, &progress, NULL) == OK);
        p->progress_count++;
        break;
    case PROTOCOL_OUTPUT:
        must(p->output_count < JOB_OUTPUTS_MAX);
        must(protocol_unpack_output(payload, len, &p->told_outputs[p->output_count++], NULL) == OK);
        break;
    case PROTOCOL_DONE:
        must(protocol_unpack_done(payload, len, &p->done, NULL) == OK);
        p->has_done = true;
        break;
    case PROTOCOL_FAILED:
        must(protocol_unpack_failed(payload, len, &p->failed, NULL) == OK);
        p->has_failed = true;
        break;
    default:
        abort();
    }
}

static void *serve_control(void *arg)
{
    struct fake_parent *p = arg;
    uint8_t header[PROTOCOL_HEADER_SIZE];
    uint8_t payload[PROTOCOL_SMALL_MAX];
    while (read_whole(p->control, header, sizeof(header))) {
        enum protocol_type type = PROTOCOL_TYPE_MAX;
        size_t len = 0;
        must(protocol_unpack_header(header, PROTOCOL_CHILD, &type, &len, NULL) == OK);
        must(read_whole(p->control, payload, len));
        on_frame(p, type, payload, len);
    }
    return NULL;
}

static void take_piece(struct fake_parent *p, const struct protocol_piece *piece,
                       const uint8_t *bytes)
{
    struct buf *output = &p->outputs[piece->output];
    must(piece->offset + piece->len <= (int64_t)output->len + piece->len);
    if (piece->offset < (int64_t)output->len) {
        must(piece->offset + piece->len <= (int64_t)output->len);
        memcpy(output->data + piece->offset, bytes, piece->len);
    } else {
        must(buf_append(output, bytes, piece->len) == OK);
    }
}

static void *serve_output(void *arg)
{
    struct fake_parent *p = arg;
    static uint8_t bytes[PROTOCOL_PIECE_MAX];
    uint8_t header[PROTOCOL_PIECE_HEADER_SIZE];
    while (read_whole(p->output_fd, header, sizeof(header))) {
        struct protocol_piece piece;
        must(protocol_unpack_piece(header, &piece, NULL) == OK);
        must(read_whole(p->output_fd, bytes, piece.len));
        take_piece(p, &piece, bytes);
    }
    return NULL;
}

void fake_parent_start(struct fake_parent *p, const uint8_t *input, int64_t input_len)
{
    *p = (struct fake_parent){ .input = input, .input_len = input_len };
    for (int i = 0; i < JOB_OUTPUTS_MAX; i++) {
        buf_init(&p->outputs[i], OUTPUT_MAX);
    }
    int control[2];
    int output[2];
    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, control) == 0);
    must(pipe(output) == 0);
    p->control = control[0];
    p->output_fd = output[0];
    p->channel = (struct channel){ .control = control[1], .output = output[1] };
    must(pthread_create(&p->control_thread, NULL, serve_control, p) == 0);
    must(pthread_create(&p->output_thread, NULL, serve_output, p) == 0);
}

void fake_parent_stop(struct fake_parent *p)
{
    (void)close(p->channel.control);
    (void)close(p->channel.output);
    (void)pthread_join(p->control_thread, NULL);
    (void)pthread_join(p->output_thread, NULL);
    (void)close(p->control);
    (void)close(p->output_fd);
}

void fake_parent_release(struct fake_parent *p)
{
    for (int i = 0; i < JOB_OUTPUTS_MAX; i++) {
        buf_release(&p->outputs[i]);
    }
}
