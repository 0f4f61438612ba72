/* Sends the spans of a service to a collector: OTLP over HTTP, in batches, by one thread.
 *
 * Nobody ever waits for it. It holds EXPORTER_SPANS_MAX spans; more that end are dropped, and so is
 * a batch that the collector did not take: tries are not repeated. Both are counted in
 * unreel_trace_spans_total. */
#ifndef UNREEL_SERVICE_EXPORTER_H
#define UNREEL_SERVICE_EXPORTER_H

#include "core/error.h"
#include "core/mem.h"

#define EXPORTER_SPANS_MAX 2048 /* about 1.2 KiB each */

struct exporter;

struct exporter_options {
    const char *url;     /* of the collector, without /v1/traces; http or https */
    const char *service; /* "unreel-gateway"; must outlive it */
    int sample_percent;  /* of the traces that begin here */
};

/* At start, before threads: the metric is there whether anything is exported or not. */
void exporter_register(void);
/* Records spans (span_record_to) from now on. Before threads that make any. ERR_INVALID: the URL.
 * A collector that is away is no failure. On OK the caller owns *ret_exporter. */
enum err exporter_start(const struct exporter_options *options, struct exporter **ret_exporter,
                        struct error *e) MUST_CHECK;
/* When no other thread makes spans any more: sends what it holds, for 3 s at most, and ends. NULL
 * is fine. */
void exporter_stop(struct exporter *x);

#endif
