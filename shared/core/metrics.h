/* Metrics with fixed labels, rendered as Prometheus text (exposition format 0.0.4).
 *
 * A metric is a static struct, registered once at start and never removed. Label values are a fixed
 * list given at definition: no label ever comes from a request. Updates are atomic and lock-free.
 *
 *     enum { UPLOADS_STORED, UPLOADS_REFUSED };
 *     static const char *const upload_results[] = { "stored", "refused", NULL };
 *     static struct metric uploads_total = {
 *         .name = "unreel_uploads_total",
 *         .help = "Uploads that ended.",
 *         .type = METRIC_COUNTER,
 *         .label = "result",
 *         .values = upload_results,
 *     };
 *     metric_register(&uploads_total);
 *     metric_add(&uploads_total, UPLOADS_REFUSED, 1);
 *
 * Several labels: .label = "route,code", .values = { "/upload,2xx", "/upload,4xx", NULL }. A
 * histogram has .buckets = bounds and .bucket_count = ARRAY_LEN(bounds) as well; +Inf is added.
 */
#ifndef UNREEL_CORE_METRICS_H
#define UNREEL_CORE_METRICS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

struct metric {
    const char *name; /* unreel_..., base units, _total on counters */
    const char *help;
    enum metric_type type;
    const char *label;         /* "result", or names joined by commas, or NULL */
    const char *const *values; /* NULL-terminated; for two labels each entry is "a,b" */
    const double *buckets;     /* HISTOGRAM: upper bounds, ascending */
    size_t bucket_count;
    /* Made by metric_register: one cell per value; in a histogram one per bucket, one for +Inf and
     * one for the sum in millionths, for each value. */
    _Atomic int64_t *cells;
    size_t value_count;
    _Atomic(struct metric *) next;
};

/* Before others use the metric; those that are there may be used and rendered meanwhile. The metric
 * must live for ever; registering it again does nothing. Thread-safe.
 * Aborts on a bad definition or a name that another metric has. */
void metric_register(struct metric *m);
/* `value` is the index in `values` (0 without labels). Out of range is a programming error. Nothing
 * happens while the metric is not registered, so that tests need no set-up. */
void metric_add(struct metric *m, size_t value, int64_t amount);
void metric_set(struct metric *m, size_t value, int64_t amount);
void metric_observe(struct metric *m, size_t value, double observed);
/* A histogram's is its number of observations. */
int64_t metric_get(const struct metric *m, size_t value);
/* All registered metrics, in order of registration, then unreel_build_info and the process's own
 * (memory, processor time, descriptors, start). */
enum err metrics_render(struct buf *out) MUST_CHECK;

#endif
