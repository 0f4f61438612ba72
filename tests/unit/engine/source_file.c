/* source_file metadata FILE, cover FILE AT_MS, sound FILE [AT_MS]: what the engine finds in a file,
 * told on standard output: JSON, the picture, or the number and a checksum of the sound's packets,
 * with a cover taken before them or without. The work is done in a process of
 * its own, behind the sandbox's walls. For test_source.py. Exits with 1 and "slug: detail" when the
 * engine fails, with 3 when the sandbox killed it. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <libavutil/adler32.h>

#include "engine_child/cover_frame.h"
#include "engine_child/demux.h"
#include "engine_child/metadata.h"
#include "engine_child/sandbox.h"
#include "engine/protocol.h"

#define FILE_MAX ((size_t)256 << 20)
#define MEMORY_BYTES ((int64_t)512 << 20)
#define CPU_S 60

static int write_out(const void *bytes, size_t len)
{
    const char *at = bytes;
    while (len > 0) {
        ssize_t put = write(STDOUT_FILENO, at, len);
        if (put <= 0) {
            return 1;
        }
        at += put;
        len -= (size_t)put;
    }
    return 0;
}

static json_t *chapters_json(const struct id3_chapter *chapters, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        int64_t end_ms = chapters[i].end_ms == ID3_OPEN_END ? -1 : chapters[i].end_ms;
        (void)json_array_append_new(list, json_pack("[I, I, s]", (json_int_t)chapters[i].start_ms,
                                                    (json_int_t)end_ms, chapters[i].title));
    }
    return list;
}

static int print_metadata(const struct metadata *m)
{
    json_t *tags = json_array();
    for (size_t i = 0; i < JOB_TAG_COUNT; i++) {
        (void)json_array_append_new(tags, json_string(m->tags.texts[i]));
    }
    const char *type = m->picture == NULL ? "" : id3_picture_type(m->picture, m->picture_len);
    json_t *all = json_pack("{s:o, s:I, s:o, s:s, s:I}", "tags", tags, "given",
                            (json_int_t)m->tags.given, "chapters",
                            chapters_json(m->chapters, m->chapter_count), "picture", type,
                            "picture_len", (json_int_t)m->picture_len);
    char *text = json_dumps(all, JSON_COMPACT);
    int failed = text == NULL || write_out(text, strlen(text)) != 0;
    free(text);
    json_decref(all);
    return failed;
}

static int tell(const struct failure *f)
{
    char line[JOB_DETAIL_SIZE + 64];
    int len = snprintf(line, sizeof(line), "%s: %s\n", problem_info(f->problem)->slug, f->detail);
    return write(STDERR_FILENO, line, (size_t)len) == len ? 1 : 2;
}

/* Opens it, and selects the track that is taken by default. */
static enum err open_sound(struct input *in, struct demux **ret_demux, int *ret_stream,
                           struct failure *f)
{
    int track = 0;
    enum err err = demux_open(in, ret_demux, f);
    err = err != OK ? err : demux_find_track(*ret_demux, "", &track, ret_stream, f);
    if (err == OK) {
        demux_select(*ret_demux, *ret_stream);
    }
    return err;
}

static int metadata(struct input *in, struct failure *f)
{
    AUTO(demux_close) struct demux *d = NULL;
    int stream = 0;
    if (open_sound(in, &d, &stream, f) != OK) {
        return tell(f);
    }
    AUTO(mem_free) struct metadata *m = xcalloc(1, sizeof(*m));
    metadata_read(demux_container(d), demux_stream(d, stream), m);
    return print_metadata(m);
}

static int cover(struct input *in, int64_t at_ms, struct failure *f)
{
    AUTO(mem_free) uint8_t *jpeg = NULL;
    size_t len = 0;
    return cover_frame_take(in, at_ms, &jpeg, &len, f) != OK ? tell(f) : write_out(jpeg, len);
}

/* Every packet with its time stamps. */
static int sound(struct input *in, const char *at_ms, struct failure *f)
{
    AUTO(demux_close) struct demux *d = NULL;
    AUTO(mem_free) uint8_t *jpeg = NULL;
    size_t len = 0;
    int stream = 0;
    if ((at_ms != NULL && cover_frame_take(in, strtoll(at_ms, NULL, 10), &jpeg, &len, f) != OK) ||
        open_sound(in, &d, &stream, f) != OK) {
        return tell(f);
    }
    AVPacket *packet = av_packet_alloc();
    unsigned long sum = av_adler32_update(1, NULL, 0);
    unsigned count = 0;
    bool is_end = false;
    while (demux_read(d, packet, &is_end, f) == OK && !is_end) {
        int64_t times[] = { packet->pts, packet->dts, packet->duration };
        sum = av_adler32_update((AVAdler)sum, packet->data, (size_t)packet->size);
        sum = av_adler32_update((AVAdler)sum, (const uint8_t *)times, sizeof(times));
        count++;
        av_packet_unref(packet);
    }
    av_packet_free(&packet);
    char line[64];
    return write_out(line, (size_t)snprintf(line, sizeof(line), "%u %lx\n", count, sum));
}

static int work(const struct channel *channel, int64_t size, int argc, char **argv)
{
    struct sandbox_limits limits = { MEMORY_BYTES, CPU_S, FILE_MAX };
    struct failure f = { 0 };
    if (sandbox_enter(&limits, NULL) != OK) {
        return 5;
    }
    AUTO(input_free) struct input *in = input_new(channel, size);
    if (in == NULL) {
        return 6;
    }
    if (strcmp(argv[1], "cover") == 0 && argc > 3) {
        return cover(in, strtoll(argv[3], NULL, 10), &f);
    }
    return strcmp(argv[1], "sound") == 0 ? sound(in, argv[3], &f) : metadata(in, &f);
}

/* The parent's side: answers READs until the child is gone. Returns how many bytes it asked for. */
static int64_t serve(int control, const uint8_t *bytes, size_t size)
{
    uint8_t frame[PROTOCOL_HEADER_SIZE + PROTOCOL_SMALL_MAX];
    enum protocol_type type = PROTOCOL_READ;
    struct protocol_read want;
    int64_t asked = 0;
    size_t len = 0;
    while (recv(control, frame, PROTOCOL_HEADER_SIZE, MSG_WAITALL) == PROTOCOL_HEADER_SIZE &&
           protocol_unpack_header(frame, PROTOCOL_CHILD, &type, &len, NULL) == OK &&
           type == PROTOCOL_READ && recv(control, frame, len, MSG_WAITALL) == (ssize_t)len &&
           protocol_unpack_read(frame, len, &want, NULL) == OK) {
        size_t left = (size_t)want.offset < size ? size - (size_t)want.offset : 0;
        left = left < want.len ? left : want.len;
        protocol_pack_header(frame, PROTOCOL_DATA, left);
        asked += (int64_t)left;
        (void)send(control, frame, PROTOCOL_HEADER_SIZE, MSG_NOSIGNAL);
        (void)send(control, bytes + want.offset, left, MSG_NOSIGNAL);
    }
    return asked;
}

int main(int argc, char **argv)
{
    FILE *file = argc < 3 ? NULL : fopen(argv[2], "rbe");
    int control[2];
    if (file == NULL || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, control) != 0) {
        return 2;
    }
    uint8_t *bytes = xmalloc(FILE_MAX);
    size_t len = fread(bytes, 1, FILE_MAX, file);
    (void)fclose(file);
    pid_t pid = fork();
    if (pid == 0) {
        (void)close(control[0]);
        free(bytes);
        struct channel channel = { control[1], STDOUT_FILENO };
        _exit(work(&channel, (int64_t)len, argc, argv));
    }
    (void)close(control[1]);
    int64_t asked = serve(control[0], bytes, len);
    int status = 0;
    bool is_waited = pid > 0 && waitpid(pid, &status, 0) == pid;
    (void)fprintf(stderr, "read %lld\n", (long long)asked);
    (void)close(control[0]);
    free(bytes);
    return is_waited && WIFEXITED(status) ? WEXITSTATUS(status) : 3;
}
