/* The whole engine on any bytes of media, in this process and without its walls: demuxer, decoder,
 * resampler, cuts, encoder, and the parent's own session as its counterpart. It ends, it never
 * breaks the protocol, and what it calls an MP3 is whole frames. The last eight bytes are the
 * options too, so that a file of any muxer's is a seed. */
#include <fcntl.h>
#include <libavutil/log.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/mem.h"
#include "engine/session.h"
#include "engine_child/convert.h"
#include "engine_child/crew.h"
#include "engine_child/frames.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_DURATION_S 2
#define MAX_OUTPUT_BYTES ((size_t)8 << 20)

struct media {
    const uint8_t *data;
    size_t size;
    struct buf outputs[JOB_OUTPUTS_MAX];
};

struct parent {
    struct session session;
    int control;
};

static void must(bool is_true)
{
    if (!is_true) {
        abort();
    }
}

static enum err read_at(void *ctx, int64_t offset, void *dst, size_t len, size_t *ret_len,
                        struct error *e)
{
    (void)e;
    const struct media *m = ctx;
    size_t left = (size_t)offset < m->size ? m->size - (size_t)offset : 0;
    *ret_len = left < len ? left : len;
    memcpy(dst, *ret_len > 0 ? m->data + offset : m->data, *ret_len);
    return OK;
}

static enum err write_on(void *ctx, int number, const void *bytes, size_t len, struct error *e)
{
    (void)e;
    struct buf *output = &((struct media *)ctx)->outputs[number];
    must(buf_append(output, bytes, len) == OK);
    return OK;
}

static enum err rewrite(void *ctx, int number, int64_t offset, const void *bytes, size_t len,
                        struct error *e)
{
    (void)e;
    struct buf *output = &((struct media *)ctx)->outputs[number];
    must(offset >= 0 && (size_t)offset + len <= output->len);
    memcpy(output->data + offset, bytes, len);
    return OK;
}

static enum err restart(void *ctx, int number, struct error *e)
{
    (void)e;
    ((struct media *)ctx)->outputs[number].len = 0;
    return OK;
}

static bool send_all(int fd, const uint8_t *bytes, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(fd, bytes, len, MSG_NOSIGNAL);
        if (sent <= 0) {
            return false;
        }
        bytes += sent;
        len -= (size_t)sent;
    }
    return true;
}

static bool send_unsent(struct parent *p)
{
    size_t len = 0;
    const uint8_t *bytes = session_unsent(&p->session, &len);
    bool is_sent = send_all(p->control, bytes, len);
    session_sent(&p->session, len);
    return is_sent;
}

/* The parent's side, until the child's has closed. */
static void *be_parent(void *arg)
{
    struct parent *p = arg;
    uint8_t bytes[4096];
    bool goes_on = true;
    while (goes_on) {
        ssize_t got = recv(p->control, bytes, sizeof(bytes), 0);
        if (got <= 0) {
            break;
        }
        must(session_receive(&p->session, bytes, (size_t)got, NULL) == OK);
        while (goes_on && session_can_serve(&p->session)) {
            must(session_serve(&p->session, NULL) == OK);
            goes_on = send_unsent(p);
        }
    }
    return NULL;
}

static void choose_options(const uint8_t *choice, struct job_options *o)
{
    static const int rates[] = { 0, 8000, 22050, 44100 };
    job_options_default(o);
    o->mode = (enum job_mode)(choice[0] % 3);
    o->loudness = (enum job_loudness)(choice[0] / 3 % 3);
    o->chapters = (enum job_chapters)(choice[0] / 9 % 3);
    o->trim_silence = choice[0] / 27 % 2;
    o->cover = choice[0] / 54 % 2 == 0 ? JOB_COVER_KEEP : JOB_COVER_FRAME;
    o->id3 = (enum job_id3)(choice[0] / 108 % 2);
    o->channels = choice[1] % 3;
    o->copy = choice[1] / 3 % 2 == 0 ? JOB_COPY_AUTO : JOB_COPY_NEVER;
    o->sample_rate_hz = rates[choice[1] >> 4 & 3];
    o->start_ms = choice[2] < 64 ? choice[2] : 0;
    o->end_ms = choice[2] >= 192 ? choice[2] : 0;
    o->fade_in_ms = choice[3] < 64 ? choice[3] : 0;
    o->fade_out_ms = choice[3] >= 192 ? choice[3] : 0;
    o->quality = 9;
    o->bitrate_kbps = o->sample_rate_hz == 8000 ? 64 : 128;
}

/* The last bytes: four for the first output, and for some inputs four more for another one. */
static void choose_request(const uint8_t *data, size_t size, struct job_request *r)
{
    uint8_t choice[8] = { 0 };
    if (size >= sizeof(choice)) {
        memcpy(choice, data + size - sizeof(choice), sizeof(choice));
    }
    job_request_default(r);
    choose_options(choice + 4, &r->options);
    if (choice[7] % 4 == 3) {
        r->output_count = 2;
        r->outputs[0] = r->options;
        choose_options(choice, &r->outputs[1]);
    }
}

/* What was written is frames from its first byte to its last, after an ID3 tag. */
static void check_output(const struct buf *output)
{
    const uint8_t *bytes = (const uint8_t *)output->data;
    size_t at = 0;
    if (output->len > 10 && memcmp(bytes, "ID3", 3) == 0) {
        for (int i = 6; i < 10; i++) {
            at = at << 7 | bytes[i];
        }
        at += 10;
    }
    must(at < output->len);
    struct frames frames = { .first = 0 };
    uint8_t *room = frames_room(&frames, output->len - at);
    must(room != NULL);
    memcpy(room, bytes + at, output->len - at);
    must(frames_added(&frames, output->len - at) && frames.end == output->len - at);
    frames_release(&frames);
}

/* Gives the session what the child wrote, and asks it how all of it ended. */
static void check_outputs(int fd, struct session *s, struct media *media)
{
    struct engine_result result = { 0 };
    off_t len = lseek(fd, 0, SEEK_END);
    must(len >= 0 && (size_t)len <= MAX_OUTPUT_BYTES);
    uint8_t *bytes = xmalloc((size_t)len + 1);
    must(pread(fd, bytes, (size_t)len, 0) == len);
    must(session_output(s, bytes, (size_t)len, NULL) == OK);
    free(bytes);
    if (s->end == SESSION_DONE) {
        must(session_finish(s, &result, NULL) == OK && result.output_count > 0);
    }
    for (int i = 0; i < result.output_count; i++) {
        must(result.outputs[i].duration_s > 0);
        check_output(&media->outputs[result.numbers[i]]);
    }
}

static struct crew *one_crew(void)
{
    static struct crew *crew;
    if (crew == NULL) {
        av_log_set_level(AV_LOG_QUIET);
        (void)signal(SIGPIPE, SIG_IGN);
        must(crew_new(1, &crew, NULL) == OK);
    }
    return crew;
}

/* The child's own part: START is read from the wire as it would. */
static enum err be_child(const struct channel *channel)
{
    struct protocol_start start;
    enum err err = channel_receive_start(channel, &start);
    return err != OK ? err : convert_run(channel, &start, one_crew());
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct media media;
    static struct job_request request;
    static struct parent parent;
    media = (struct media){ .data = data, .size = size };
    for (int i = 0; i < JOB_OUTPUTS_MAX; i++) {
        buf_init(&media.outputs[i], MAX_OUTPUT_BYTES);
    }
    choose_request(data, size, &request);
    struct engine_job job = { .request = &request,
                              .threads = 1,
                              .input_size = size % 5 == 4 ? -1 : (int64_t)size,
                              .ctx = &media,
                              .read = read_at,
                              .write = write_on,
                              .rewrite = rewrite,
                              .restart = restart };
    engine_limits_default(&job.limits);
    job.limits.max_duration_s = MAX_DURATION_S;
    job.limits.max_output_bytes = (int64_t)MAX_OUTPUT_BYTES;
    int pair[2];
    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    struct channel channel = { pair[1], memfd_create("fuzz_engine", MFD_CLOEXEC) };
    must(channel.output >= 0);
    parent.control = pair[0];
    session_init(&parent.session, &job);
    must(send_unsent(&parent));
    pthread_t thread;
    must(pthread_create(&thread, NULL, be_parent, &parent) == 0);
    enum err err = be_child(&channel);
    (void)shutdown(pair[1], SHUT_RDWR);
    must(pthread_join(thread, NULL) == 0);
    must(err == OK && parent.session.end != SESSION_RUNNING);
    must(parent.session.end == SESSION_DONE || parent.session.failed.problem != PROBLEM_INTERNAL);
    check_outputs(channel.output, &parent.session, &media);
    session_release(&parent.session);
    for (int i = 0; i < JOB_OUTPUTS_MAX; i++) {
        buf_release(&media.outputs[i]);
    }
    (void)close(channel.output);
    (void)close(pair[0]);
    (void)close(pair[1]);
    return 0;
}
