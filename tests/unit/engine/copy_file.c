/* copy_file INPUT OUTPUT [start=MS] [end=MS] [track=NUMBER] [stream]: copy.h on files, for
 * test_engine_copy.py and for measuring. Prints one JSON object. The demuxer reads the file itself:
 * the functions of input.h are these here. */
#include <fcntl.h>
#include <jansson.h>
#include <libavutil/mem.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/mem.h"
#include "engine_child/copy.h"
#include "engine_child/input.h"

#define BUFFER_SIZE 32768

struct input {
    int file;
    int64_t at, size;
    AVIOContext *avio;
};

static int read_file(void *ctx, uint8_t *dst, int len)
{
    struct input *in = ctx;
    ssize_t got = pread(in->file, dst, (size_t)len, in->at);
    if (got <= 0) {
        return AVERROR_EOF;
    }
    in->at += got;
    return (int)got;
}

static int64_t seek_file(void *ctx, int64_t offset, int whence)
{
    struct input *in = ctx;
    if (whence == AVSEEK_SIZE) {
        return in->size;
    }
    in->at = whence == SEEK_CUR ? in->at + offset : whence == SEEK_END ? in->size + offset : offset;
    return in->at;
}

AVIOContext *input_avio(struct input *in)
{
    return in->avio;
}

bool input_is_broken(const struct input *in)
{
    return in->file < 0;
}

struct run {
    struct input in;
    struct job_options options;
    FILE *out;
    struct failure failure;
    const char *refusal;
    struct copy_summary summary;
    int64_t duration_us;
    bool has_changed;
    bool is_stream;
};

static enum err on_bytes(void *ctx, const uint8_t *bytes, size_t len)
{
    return fwrite(bytes, 1, len, ctx) == len ? OK : ERR_FAULT;
}

static enum err copy_packets(struct lookahead *l, struct copy *c, struct failure *f)
{
    AVPacket *packet = av_packet_alloc();
    bool is_end = packet == NULL;
    enum err err = OK;
    while (!is_end && !copy_is_over(c) && err == OK) {
        err = lookahead_read(l, packet, &is_end, f);
        if (err == OK && !is_end) {
            err = copy_packet(c, packet, f);
            av_packet_unref(packet);
        }
    }
    av_packet_free(&packet);
    return err;
}

static enum err copy_stream(struct run *r, struct lookahead *l, int stream)
{
    r->refusal = copy_refusal(l, stream, &r->options);
    if (r->refusal != NULL) {
        return OK;
    }
    struct copy_params params = {
        .options = &r->options,
        .promised_us = demux_promised_us(l->demux, stream),
        .time_base = demux_stream(l->demux, stream)->time_base,
        .encoder = copy_encoder(demux_stream(l->demux, stream)),
        .ctx = r->out,
        .is_stream = r->is_stream,
        .on_bytes = on_bytes,
    };
    AUTO(copy_free) struct copy *c = copy_new(&params);
    enum err err = copy_packets(l, c, &r->failure);
    err = err != OK ? err : copy_finish(c, &r->summary, &r->failure);
    r->duration_us = copy_duration_us(c);
    r->has_changed = copy_has_changed(c);
    return err;
}

static enum err run_copy(struct run *r)
{
    AUTO(demux_close) struct demux *d = NULL;
    int track = 0;
    int stream = 0;
    enum err err = demux_open(&r->in, &d, &r->failure);
    err = err != OK ? err : demux_find_track(d, r->options.track, &track, &stream, &r->failure);
    if (err != OK) {
        return err;
    }
    struct lookahead l = { .demux = d };
    demux_select(d, stream);
    err = copy_stream(r, &l, stream);
    lookahead_release(&l);
    return err;
}

static bool open_files(struct run *r, const char *in, const char *out)
{
    struct stat st;
    r->in.file = open(in, O_RDONLY | O_CLOEXEC);
    r->out = fopen(out, "wbe");
    if (r->in.file < 0 || fstat(r->in.file, &st) != 0 || r->out == NULL) {
        return false;
    }
    r->in.size = st.st_size;
    r->in.avio = avio_alloc_context(av_malloc(BUFFER_SIZE), BUFFER_SIZE, 0, &r->in, read_file, NULL,
                                    seek_file);
    return r->in.avio != NULL;
}

static bool set_option(struct run *r, const char *text)
{
    struct job_options *o = &r->options;
    if (strncmp(text, "start=", 6) == 0) {
        o->start_ms = strtoll(text + 6, NULL, 10);
    } else if (strncmp(text, "end=", 4) == 0) {
        o->end_ms = strtoll(text + 4, NULL, 10);
    } else if (strncmp(text, "track=", 6) == 0) {
        (void)snprintf(o->track, sizeof(o->track), "%s", text + 6);
    } else if (strcmp(text, "stream") == 0) {
        r->is_stream = true;
    } else {
        return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    static struct run r;
    job_options_default(&r.options);
    bool is_usable = argc >= 3 && open_files(&r, argv[1], argv[2]);
    for (int i = 3; i < argc; i++) {
        is_usable = is_usable && set_option(&r, argv[i]);
    }
    if (!is_usable) {
        (void)fprintf(stderr,
                      "usage: %s INPUT OUTPUT [start=MS] [end=MS] [track=NUMBER] [stream]\n",
                      argv[0]);
        return 2;
    }
    enum err err = run_copy(&r);
    bool is_written = fseek(r.out, 0, SEEK_SET) == 0 &&
                      fwrite(r.summary.tag, 1, r.summary.tag_len, r.out) == r.summary.tag_len &&
                      fclose(r.out) == 0;
    json_t *result = json_pack(
        "{s:s, s:s, s:s?, s:i, s:i, s:i, s:b, s:I, s:I, s:b}", "result", err_name(err), "detail",
        r.failure.detail, "refusal", r.refusal, "bitrate_kbps", r.summary.bitrate_kbps,
        "sample_rate_hz", r.summary.sample_rate_hz, "channels", r.summary.channels, "is_vbr",
        r.summary.is_vbr ? 1 : 0, "samples", (json_int_t)r.summary.samples, "duration_us",
        (json_int_t)r.duration_us, "has_changed", r.has_changed ? 1 : 0);
    (void)json_dumpf(result, stdout, 0);
    json_decref(result);
    av_freep(&r.in.avio->buffer);
    avio_context_free(&r.in.avio);
    (void)close(r.in.file);
    return is_written ? 0 : 1;
}
