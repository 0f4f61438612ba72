/* Metrics with fixed labels, rendered as Prometheus text (exposition format 0.0.4).
 *
 * A metric is a static struct, registered once at start and never removed. Label values are a fixed
 * list given at definition: no label ever comes from a request. Updates are atomic and lock-free.
 */
#ifndef UNREEL_CORE_METRICS_H
#define UNREEL_CORE_METRICS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

#define METRIC_CELLS_MAX 192
#define METRIC_BUCKETS_MAX 16

struct metric {
    const char *name; /* unreel_..., base units, _total on counters */
    const char *help;
    enum metric_type type;
    const char *label;         /* "result", or two names joined by a comma, or NULL */
    const char *const *values; /* NULL-terminated; for two labels each entry is "a,b" */
    const double *buckets;     /* HISTOGRAM: upper bounds, ascending */
    size_t bucket_count;
    _Atomic int64_t
        cells[METRIC_CELLS_MAX]; /* counter/gauge: one per value; histogram: see metrics.c */
    _Atomic int64_t sum_micro[METRIC_CELLS_MAX / 4];
};

/* At start, before threads. The metric must live for ever. Aborts when it would not fit. */
void metric_register(struct metric *m);
/* `value` is the index in `values` (0 without labels). Out of range is a programming error. */
void metric_add(struct metric *m, size_t value, int64_t amount);
void metric_set(struct metric *m, size_t value, int64_t amount);
void metric_observe(struct metric *m, size_t value, double observed);
int64_t metric_get(const struct metric *m, size_t value);
/* All registered metrics, in order of registration. */
enum err metrics_render(struct buf *out) MUST_CHECK;

#endif
