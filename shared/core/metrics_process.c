#include "core/metrics_impl.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "core/text.h"
#include "core/version.h"

#include "core/banned.h"

/* The start of a file of /proc; "" when it cannot be read. */
static void read_start(const char *path, char *dst, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, dst, size - 1);

    dst[got < 0 ? 0 : got] = '\0';
    if (fd >= 0) {
        (void)close(fd);
    }
}

/* The word number `index` (0, 1, ...) of a line as a number; 0 when it is none. */
static int64_t number_at(const char *line, int index)
{
    char word[24];
    int64_t value = 0;

    line += strspn(line, " ");
    for (int i = 0; i < index; i++) {
        line += strcspn(line, " ");
        line += strspn(line, " ");
    }
    size_t len = strcspn(line, " \n");
    if (len >= sizeof(word)) {
        return 0;
    }
    memcpy(word, line, len);
    word[len] = '\0';
    return text_to_int64(word, 0, INT64_MAX, &value) == OK ? value : 0;
}

static int64_t resident_bytes(void)
{
    char statm[128];

    read_start("/proc/self/statm", statm, sizeof(statm));
    return number_at(statm, 1) * sysconf(_SC_PAGESIZE);
}

static int64_t open_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int64_t count = 0;

    if (dir == NULL) {
        return 0;
    }
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): the stream is this thread's own. */
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        count += entry->d_name[0] == '.' ? 0 : 1;
    }
    (void)closedir(dir);
    return count - 1; /* without the one that lists them */
}

/* Words of /proc/self/stat counted from the one after the command's name, which may hold spaces. */
enum stat_word { STAT_THREADS = 17, STAT_START_TICKS = 19 };

static int64_t stat_number(const char *stat, enum stat_word word)
{
    const char *name_end = strrchr(stat, ')');

    return name_end == NULL ? 0 : number_at(name_end + 1, (int)word);
}

static double start_time_s(const char *stat)
{
    struct timespec wall;
    struct timespec since_boot;
    double ticks = (double)stat_number(stat, STAT_START_TICKS);

    (void)clock_gettime(CLOCK_REALTIME, &wall);
    (void)clock_gettime(CLOCK_BOOTTIME, &since_boot);
    double boot_s = (double)wall.tv_sec + (double)wall.tv_nsec / 1e9 - (double)since_boot.tv_sec -
                    (double)since_boot.tv_nsec / 1e9;
    return boot_s + ticks / (double)sysconf(_SC_CLK_TCK);
}

static double cpu_s(void)
{
    struct timespec used = { 0 };

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (double)used.tv_sec + (double)used.tv_nsec / 1e9;
}

static int64_t descriptor_limit(void)
{
    struct rlimit limit = { 0 };

    (void)getrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur == RLIM_INFINITY ? -1 : (int64_t)limit.rlim_cur;
}

enum err metrics_render_process(struct buf *out)
{
    char stat[1024];

    read_start("/proc/self/stat", stat, sizeof(stat));

    const struct {
        const char *name;
        const char *type;
        const char *help;
        double value;
    } rows[] = {
        { "process_resident_memory_bytes", "gauge", "Memory in use.", (double)resident_bytes() },
        { "process_cpu_seconds_total", "counter", "Processor time used.", cpu_s() },
        { "process_open_fds", "gauge", "Open descriptors.", (double)open_descriptors() },
        { "process_max_fds", "gauge", "Limit of open descriptors.", (double)descriptor_limit() },
        { "process_threads", "gauge", "Threads.", (double)stat_number(stat, STAT_THREADS) },
        { "process_start_time_seconds", "gauge", "Unix time of the start.", start_time_s(stat) },
    };
    enum err err = buf_appendf(
        out,
        "# HELP unreel_build_info The version that runs.\n# TYPE unreel_build_info gauge\n"
        "unreel_build_info{version=\"%s\"} 1\n",
        version_text());

    for (size_t i = 0; i < ARRAY_LEN(rows) && err == OK; i++) {
        err = buf_appendf(out, "# HELP %s %s\n# TYPE %s %s\n%s %.15g\n", rows[i].name, rows[i].help,
                          rows[i].name, rows[i].type, rows[i].name, rows[i].value);
    }
    return err;
}
