/* unreel-engine: the sandboxed child that decodes one file and encodes it. Started by engine_run
 * (engine/engine.h); it reads no environment, opens no file, and speaks engine/protocol.h. */
#include <libavutil/log.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "channel.h"
#include "convert.h"
#include "core/mem.h"
#include "crew.h"
#include "failure.h"
#include "engine/zygote_wire.h"
#include "sandbox.h"

#include "core/banned.h"

#define MAX_LOG_LINES 50
#define CHECK_MEMORY_BYTES ((int64_t)1 << 30)
#define CHECK_CPU_S 10
#define CHECK_FILE_BYTES ((int64_t)1 << 20)

/* With a sanitizer: no leak check (it needs ptrace), no symbols (they need another process). */
const char *__asan_default_options(void);

const char *__asan_default_options(void)
{
    return "detect_leaks=0:symbolize=0:allocator_may_return_null=1";
}

/* What libav complains of, for whoever reads the log; the parent bounds it too. */
static void log_from_libav(void *object, int level, const char *fmt, va_list args)
{
    static int lines;
    if (level > AV_LOG_ERROR || lines >= MAX_LOG_LINES) {
        return;
    }
    lines++;
    char line[512];
    int prefix = 1;
    int len = av_log_format_line2(object, level, fmt, args, line, sizeof(line), &prefix);
    if (len > 0) {
        size_t kept = strnlen(line, sizeof(line) - 1);
        if (write(STDERR_FILENO, line, kept) < 0) {
            lines = MAX_LOG_LINES;
        }
    }
}

static int check_sandbox(void)
{
    int abi = sandbox_landlock_abi();
    struct sandbox_limits limits = { CHECK_MEMORY_BYTES, CHECK_CPU_S, CHECK_FILE_BYTES };
    struct error e = { 0 };
    enum err err = sandbox_enter(&limits, &e);
    char line[64];
    int len = snprintf(line, sizeof(line), "{\"landlock_abi\":%d,\"seccomp\":%s}\n", abi,
                       err == OK ? "true" : "false");
    return write(STDOUT_FILENO, line, (size_t)len) == len && err == OK ? 0 : 1;
}

static void refuse(const struct channel *channel, const struct error *e)
{
    struct protocol_failed m = { .problem = PROBLEM_INTERNAL };
    (void)snprintf(m.detail, sizeof(m.detail), "sandbox: %.200s", e->text);
    uint8_t frame[PROTOCOL_HEADER_SIZE + PROTOCOL_SMALL_MAX];
    size_t len = protocol_pack_failed(frame, &m);
    if (channel_send(channel, frame, len) == OK) {
        channel_wait_end(channel);
    }
}

/* Permanent: the next attempt would need as much. */
static void end_exhausted(void)
{
    _exit(PROTOCOL_EXIT_NO_MEMORY);
}

_Static_assert(CREW_THREADS_MAX >= PROTOCOL_THREADS_MAX, "START may ask for that many");

static int serve(void)
{
    /* With fast bins each allocation of a kilobyte, and a demuxer makes two for every packet,
     * merges all that is free. */
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread yet. */
    (void)mallopt(M_MXFAST, 0);
    struct channel channel = { STDIN_FILENO, STDOUT_FILENO };
    struct protocol_start start;
    struct error e = { 0 };
    if (channel_receive_start(&channel, &start) != OK) {
        return 1;
    }
    struct sandbox_limits limits = { start.memory_bytes, start.cpu_limit_s, 0 };
    /* Alive until _exit, with its threads. */
    struct crew *crew = NULL;
    if (sandbox_begin(&e) != OK || crew_new(start.threads, &crew, &e) != OK ||
        sandbox_shut(&limits, &e) != OK) {
        refuse(&channel, &e);
        return 1;
    }
    mem_on_exhausted(end_exhausted);
    av_log_set_callback(log_from_libav);
    if (convert_run(&channel, &start, crew) != OK) {
        return 1;
    }
    channel_wait_end(&channel);
    return 0;
}

int main(int argc, char **argv)
{
    int status = 2;
    if (argc == 1) {
        status = serve();
    } else if (argc == 2 && strcmp(argv[1], ZYGOTE_ARGUMENT) == 0) {
        status = zygote_serve() ? serve() : 0;
    } else if (argc == 2 && strcmp(argv[1], "--sandbox-check") == 0) {
        status = check_sandbox();
    } else {
        (void)fputs("unreel-engine is started by unreel-converter and by `unreel convert`;\n"
                    "by hand only: unreel-engine --sandbox-check\n",
                    stderr);
    }
    /* Past the destructors of a hundred libraries. */
    _exit(status);
}
