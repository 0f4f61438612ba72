#include "core/cpus.h"

#include <inttypes.h>
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "core/text.h"

#include "core/banned.h"

#define CGROUPS "/sys/fs/cgroup"

/* The first line of a file, without its newline. */
static bool read_line(const char *path, char *dst, int size)
{
    FILE *file = fopen(path, "re");
    bool is_read = file != NULL && fgets(dst, size, file) != NULL;
    if (file != NULL) {
        (void)fclose(file);
    }
    if (is_read) {
        dst[strcspn(dst, "\n")] = '\0';
    }
    return is_read;
}

int64_t cpus_of_quota(const char *cpu_max)
{
    char quota_text[24];
    const char *blank = strchr(cpu_max, ' ');
    size_t len = blank == NULL ? 0 : (size_t)(blank - cpu_max);
    int64_t quota_us = 0;
    int64_t period_us = 0;
    if (len == 0 || len >= sizeof(quota_text)) {
        return INT64_MAX;
    }
    memcpy(quota_text, cpu_max, len);
    quota_text[len] = '\0';
    if (text_to_int64(quota_text, 1, INT64_MAX / 2, &quota_us) != OK ||
        text_to_int64(blank + 1, 1, INT64_MAX / 2, &period_us) != OK) {
        return INT64_MAX;
    }
    return (quota_us + period_us - 1) / period_us;
}

/* The least of the quotas from a group up to the root. */
static int64_t quota_of(char *group)
{
    int64_t least = INT64_MAX;
    for (char *slash = group; slash != NULL;) {
        char path[PATH_MAX];
        char line[64];
        int len = snprintf(path, sizeof(path), CGROUPS "%s/cpu.max", group);
        if (len > 0 && (size_t)len < sizeof(path) && read_line(path, line, sizeof(line))) {
            int64_t cpus = cpus_of_quota(line);
            least = cpus < least ? cpus : least;
        }
        slash = strrchr(group, '/');
        if (slash != NULL) {
            *slash = '\0';
        }
    }
    return least;
}

int cpus_allowed(void)
{
    cpu_set_t set;
    int64_t cpus = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
    char group[PATH_MAX] = "";
    /* Of version 2 there is one group, in the line that begins so. */
    if (read_line("/proc/self/cgroup", group, sizeof(group)) && text_starts_with(group, "0::")) {
        int64_t quota = quota_of(group + strlen("0::"));
        cpus = quota < cpus ? quota : cpus;
    }
    return cpus < 1 ? 1 : (int)cpus;
}
