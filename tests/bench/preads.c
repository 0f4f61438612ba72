/* To be preloaded: writes "offset length" of each read by position to the descriptor
 * UNREEL_BENCH_PREADS. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

ssize_t pread(int fd, void *dst, size_t len, off_t offset)
{
    ssize_t (*real)(int, void *, size_t,
                    off_t) = (ssize_t(*)(int, void *, size_t, off_t))dlsym(RTLD_NEXT, "pread");
    const char *log = getenv("UNREEL_BENCH_PREADS");
    ssize_t got = real(fd, dst, len, offset);
    if (log != NULL && got > 0) {
        (void)dprintf((int)strtol(log, NULL, 10), "%lld %lld\n", (long long)offset, (long long)got);
    }
    return got;
}

/* What a hardened program calls where it cannot know the size. */
ssize_t __pread_chk(int fd, void *dst, size_t len, off_t offset, size_t size)
{
    if (len > size) {
        abort();
    }
    return pread(fd, dst, len, offset);
}
