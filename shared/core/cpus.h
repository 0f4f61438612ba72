/* How many processors this process may use. */
#ifndef UNREEL_CORE_CPUS_H
#define UNREEL_CORE_CPUS_H

#include <stdint.h>

/* The fewer of those that its affinity names (sched_getaffinity) and those that the quotas of its
 * control groups pay for (cgroup v2, cpu.max, rounded up); 1 or more. Reads files under /proc and
 * /sys. Thread-safe. */
int cpus_allowed(void);

/* What a cpu.max says ("150000 100000" is 2); INT64_MAX for no quota, or no such text. */
int64_t cpus_of_quota(const char *cpu_max);

#endif
