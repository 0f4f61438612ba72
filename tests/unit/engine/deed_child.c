/* The child as it would be with its decoder in an attacker's hands: the same start, the same walls
 * in the same order, and then what the first word of its input says. Never installed. */
#include "deed_child.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/mem.h"
#include "engine/zygote_wire.h"
#include "engine_child/channel.h"
#include "engine_child/crew.h"
#include "engine_child/sandbox.h"

#define PAGE ((size_t)4096)

static const struct channel channel = { STDIN_FILENO, STDOUT_FILENO };
static volatile bool for_ever = true;
static volatile int *volatile nowhere;
static uint8_t frame[PROTOCOL_HEADER_SIZE + PROTOCOL_SMALL_MAX];

/* ---- deeds; what they return is told ---- */

static long open_to_read(void)
{
    return open("/etc/passwd", O_RDONLY | O_CLOEXEC);
}

static long open_to_write(void)
{
    return open("/tmp/unreel-deed", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
}

static long open_to_append(void)
{
    return open("/etc/passwd", O_RDWR | O_APPEND | O_CLOEXEC);
}

static long open_by_number(void)
{
    return syscall(SYS_open, "/tmp/unreel-deed", O_RDONLY | O_CREAT, 0600);
}

static long open_by_another_way(void)
{
    uint64_t how[3] = { 0 };
    return syscall(SYS_openat2, AT_FDCWD, "/etc/passwd", how, sizeof(how));
}

static long make_socket(void)
{
    return socket(AF_INET, SOCK_STREAM, 0);
}

/* Its descriptor 0 is a socket. */
static long connect_own(void)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = 2304 };
    return connect(STDIN_FILENO, (const struct sockaddr *)(const void *)&to, sizeof(to));
}

static long pass_descriptor(void)
{
    struct msghdr message = { 0 };
    return sendmsg(STDIN_FILENO, &message, 0);
}

static long fork_self(void)
{
    return fork();
}

static void *do_nothing(void *arg)
{
    return arg;
}

static long make_thread(void)
{
    pthread_t id;
    return pthread_create(&id, NULL, do_nothing, NULL);
}

static long run_program(void)
{
    char *const argv[] = { NULL };
    return execve("/bin/true", argv, argv);
}

static long trace_parent(void)
{
    return syscall(SYS_ptrace, 16, getppid(), 0, 0);
}

static long read_parent(void)
{
    return syscall(SYS_process_vm_readv, 1, NULL, 0, NULL, 0, 0);
}

static long kill_parent(void)
{
    return kill(1, SIGTERM);
}

static long signal_parent(void)
{
    return syscall(SYS_tgkill, 1, 1, SIGTERM);
}

static long map_executable(void)
{
    return mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != NULL;
}

static long make_executable(void)
{
    void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return mprotect(page, PAGE, PROT_READ | PROT_EXEC);
}

static long be_dumpable(void)
{
    return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static long raise_limit(void)
{
    struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };
    return setrlimit(RLIMIT_CPU, &limit);
}

static long make_memory_file(void)
{
    return memfd_create("deed", 0);
}

static long make_ring(void)
{
    return syscall(SYS_io_uring_setup, 1, NULL);
}

static long leave_namespace(void)
{
    return syscall(SYS_unshare, 0x10000000);
}

static long load_program(void)
{
    return syscall(SYS_bpf, 0, NULL, 0);
}

/* The other call table of the processor: the numbers mean other calls there. */
static long call_by_another_table(void)
{
#if defined(__x86_64__)
    long number = 20;
    __asm__ volatile("int $0x80" : "+a"(number) : : "memory");
    return number;
#else
    return syscall(SYS_unshare, 0);
#endif
}

static long take_memory(void)
{
    while (for_ever) {
        memset(xmalloc((size_t)8 << 20), 1, (size_t)8 << 20);
    }
    return 0;
}

static long recurse(long depth)
{
    volatile char page[PAGE];
    page[0] = (char)depth;
    return depth < 0 ? 0 : recurse(depth + 1) + page[0];
}

static long take_stack(void)
{
    return recurse(0);
}

static long spin(void)
{
    volatile unsigned long turns = 0;
    while (for_ever) {
        turns++;
    }
    return 0;
}

static long flood(void)
{
    static uint8_t bytes[PROTOCOL_PIECE_HEADER_SIZE + PROTOCOL_PIECE_MAX];
    struct protocol_piece m = { .output = 0, .len = PROTOCOL_PIECE_MAX };
    do {
        protocol_pack_piece(bytes, &m);
        m.offset += PROTOCOL_PIECE_MAX;
    } while (channel_output(&channel, bytes, sizeof(bytes)) == OK);
    return 0;
}

static long sleep_for_ever(void)
{
    while (for_ever) {
        const struct timespec hour = { 3600, 0 };
        (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &hour, NULL);
    }
    return 0;
}

static const struct timespec moment = { 0, 1000000 };

/* Busy, and gets nowhere. */
static long read_at(int64_t offset)
{
    static uint8_t bytes[PAGE];
    size_t len = 0;
    struct protocol_read m = { .offset = offset, .len = sizeof(bytes) };
    while (channel_send(&channel, frame, protocol_pack_read(frame, &m)) == OK &&
           channel_receive_data(&channel, bytes, sizeof(bytes), &len) == OK) {
        (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &moment, NULL);
    }
    return 0;
}

static long read_for_ever(void)
{
    return read_at(0);
}

static long read_past_the_end(void)
{
    return read_at((int64_t)1 << 40);
}

/* Gets somewhere, and never to an end. */
static long crawl(void)
{
    struct protocol_progress m = { .media_us = 1 };
    while (channel_send(&channel, frame, protocol_pack_progress(frame, &m)) == OK) {
        m.media_us++;
        (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &moment, NULL);
    }
    return 0;
}

static long crash(void)
{
    *nowhere = 1;
    return 0;
}

static long nothing(void)
{
    return 0;
}

static const struct {
    const char *name;
    long (*act)(void);
} deeds[] = {
    { "nothing", nothing },
    { "open", open_to_read },
    { "open to write", open_to_write },
    { "open to append", open_to_append },
    { "open by number", open_by_number },
    { "openat2", open_by_another_way },
    { "socket", make_socket },
    { "connect", connect_own },
    { "sendmsg", pass_descriptor },
    { "fork", fork_self },
    { "thread", make_thread },
    { "execve", run_program },
    { "ptrace", trace_parent },
    { "process_vm_readv", read_parent },
    { "kill", kill_parent },
    { "tgkill", signal_parent },
    { "mmap executable", map_executable },
    { "mprotect", make_executable },
    { "prctl", be_dumpable },
    { "setrlimit", raise_limit },
    { "memfd_create", make_memory_file },
    { "io_uring", make_ring },
    { "unshare", leave_namespace },
    { "bpf", load_program },
    { "another table", call_by_another_table },
    { "memory", take_memory },
    { "stack", take_stack },
    { "spin", spin },
    { "flood", flood },
    { "sleep", sleep_for_ever },
    { "read", read_for_ever },
    { "read past the end", read_past_the_end },
    { "crawl", crawl },
    { "crash", crash },
};

/* ---- the child ---- */

struct deed_task {
    struct crew_task task;
    long (*act)(void);
    long result;
    int error;
};

static void run_deed(struct crew_task *task)
{
    struct deed_task *d = (struct deed_task *)(void *)task;
    errno = 0;
    d->result = d->act();
    d->error = errno;
}

static long (*find_deed(const char *name))(void)
{
    for (size_t i = 0; i < sizeof(deeds) / sizeof(deeds[0]); i++) {
        if (strcmp(deeds[i].name, name) == 0) {
            return deeds[i].act;
        }
    }
    return NULL;
}

/* The last word of one that was not killed. */
static int tell(const struct deed_task *d)
{
    struct protocol_failed m = { .problem = PROBLEM_NO_AUDIO };
    (void)snprintf(m.detail, sizeof(m.detail), "%ld, errno %d", d->result, d->error);
    if (channel_send(&channel, frame, protocol_pack_failed(frame, &m)) != OK) {
        return 1;
    }
    channel_wait_end(&channel);
    return 0;
}

static void end_exhausted(void)
{
    _exit(PROTOCOL_EXIT_NO_MEMORY);
}

static int serve(void)
{
    struct protocol_start start;
    struct error e;
    struct crew *crew = NULL;
    if (channel_receive_start(&channel, &start) != OK) {
        return 1;
    }
    struct sandbox_limits limits = { start.memory_bytes, DEED_CPU_S, 0 };
    if (sandbox_begin(&e) != OK || crew_new(start.threads, &crew, &e) != OK ||
        sandbox_shut(&limits, &e) != OK) {
        return 2;
    }
    mem_on_exhausted(end_exhausted);
    char name[DEED_NAME_SIZE + 1] = "";
    size_t len = 0;
    struct protocol_read m = { .offset = 0, .len = DEED_NAME_SIZE };
    if (channel_send(&channel, frame, protocol_pack_read(frame, &m)) != OK ||
        channel_receive_data(&channel, name, DEED_NAME_SIZE, &len) != OK) {
        return 3;
    }
    bool is_threads = name[0] == DEED_ON_A_THREAD;
    struct deed_task d = { .task = { .run = run_deed }, .act = find_deed(name + is_threads) };
    if (d.act == NULL) {
        return 4;
    }
    if (is_threads) {
        crew_submit(crew, &d.task);
        crew_wait(crew, &d.task);
    } else {
        run_deed(&d.task);
    }
    return tell(&d);
}

int main(int argc, char **argv)
{
    /* For a converter, which asks before it starts. */
    if (argc == 2 && strcmp(argv[1], "--sandbox-check") == 0) {
        return puts("{\"landlock_abi\":0,\"seccomp\":true}") < 0;
    }
    if (argc == 2 && strcmp(argv[1], ZYGOTE_ARGUMENT) == 0 && !zygote_serve()) {
        return 0;
    }
    _exit(serve());
}
