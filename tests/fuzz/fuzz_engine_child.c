/* The child against any bytes of a parent's: START, then DATA for whatever the demuxer asks for. */
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/mem.h"
#include "engine_child/channel.h"
#include "engine_child/input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_BYTES 60000

static void must(bool is_true)
{
    if (!is_true) {
        abort();
    }
}

/* Reads that jump about and reads that go straight on. */
static void read_about(struct input *in, int64_t size)
{
    AVIOContext *avio = input_avio(in);
    uint8_t bytes[300];
    for (int64_t i = 0; i < 12 && !input_is_broken(in); i++) {
        if (i % 3 == 0) {
            (void)avio_seek(avio, i * 100000 % (size > 0 ? size : 1000), SEEK_SET);
        }
        must(avio_read(avio, bytes, sizeof(bytes)) <= (int)sizeof(bytes));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    (void)signal(SIGPIPE, SIG_IGN);
    int pair[2];
    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    size_t len = size < MAX_BYTES ? size : MAX_BYTES;
    must(send(pair[0], data, len, MSG_NOSIGNAL) == (ssize_t)len);
    must(shutdown(pair[0], SHUT_WR) == 0);
    struct channel channel = { .control = pair[1], .output = -1 };
    struct protocol_start start;
    if (channel_receive_start(&channel, &start) == OK) {
        must(start.threads >= 1 && start.input_size >= -1 && start.memory_bytes > 0);
        AUTO(input_free) struct input *in = input_new(&channel, start.input_size);
        read_about(in, start.input_size);
    }
    (void)close(pair[0]);
    (void)close(pair[1]);
    return 0;
}
