/* Spans as OTLP's JSON: an ExportTraceServiceRequest in the JSON mapping of opentelemetry-proto
 * (ids in hex, names in camel case, 64-bit numbers as texts). */
#ifndef UNREEL_SERVICE_OTLP_H
#define UNREEL_SERVICE_OTLP_H

#include "core/buf.h"
#include "core/span.h"

/* One span at its longest, every character of it escaped. */
#define OTLP_SPAN_MAX ((size_t)8 * 1024)

struct otlp_resource {
    const char *service;
    const char *version;
    const char *instance;
};

/* Appends the request. ERR_TOO_BIG: the buffer's limit is too small. */
enum err otlp_render(const struct otlp_resource *resource, const struct span *spans, size_t count,
                     struct buf *out) MUST_CHECK;

#endif
