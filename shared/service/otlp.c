#include "service/otlp.h"

#include <inttypes.h>

#include "core/banned.h"

/* The attributes are those of this version of the semantic conventions. */
#define SCHEMA_URL "https://opentelemetry.io/schemas/1.36.0"
#define STATUS_ERROR 2

/* ---- the first failure stays ---- */

struct writer {
    struct buf *out;
    enum err err;
};

static void put(struct writer *w, const char *text)
{
    w->err = w->err == OK ? buf_append_text(w->out, text) : w->err;
}

static void put_json(struct writer *w, const char *text)
{
    w->err = w->err == OK ? buf_append_json(w->out, text) : w->err;
}

/* ---- attributes ---- */

static void put_key(struct writer *w, bool is_first, const char *key)
{
    put(w, is_first ? "{\"key\":" : ",{\"key\":");
    put_json(w, key);
}

static void put_text(struct writer *w, bool is_first, const char *key, const char *value)
{
    put_key(w, is_first, key);
    put(w, ",\"value\":{\"stringValue\":");
    put_json(w, value);
    put(w, "}}");
}

static void put_int(struct writer *w, bool is_first, const char *key, int64_t value)
{
    put_key(w, is_first, key);
    w->err = w->err == OK ? buf_appendf(w->out, ",\"value\":{\"intValue\":\"%" PRId64 "\"}}", value)
                          : w->err;
}

static void put_attributes(struct writer *w, const struct span *s)
{
    put(w, ",\"attributes\":[");
    for (size_t i = 0; i < s->attribute_count; i++) {
        const struct span_attribute *a = &s->attributes[i];
        if (a->is_text) {
            put_text(w, i == 0, a->key, s->texts + a->number);
        } else {
            put_int(w, i == 0, a->key, a->number);
        }
    }
    put(w, "]");
}

/* ---- spans ---- */

static void put_ids(struct writer *w, const struct span *s)
{
    char trace_id[TRACE_ID_SIZE];
    char span_id[TRACE_SPAN_ID_SIZE];

    trace_read_id(s->traceparent, trace_id);
    trace_read_span_id(s->traceparent, span_id);
    put(w, "{\"traceId\":");
    put_json(w, trace_id);
    put(w, ",\"spanId\":");
    put_json(w, span_id);
    if (s->parent_id[0] != '\0') {
        put(w, ",\"parentSpanId\":");
        put_json(w, s->parent_id);
    }
}

static void put_span(struct writer *w, const struct span *s)
{
    put_ids(w, s);
    put(w, ",\"name\":");
    put_json(w, s->name);
    if (w->err == OK) {
        w->err = buf_appendf(w->out,
                             ",\"kind\":%d,\"startTimeUnixNano\":\"%" PRId64
                             "000\",\"endTimeUnixNano\":\"%" PRId64 "000\"",
                             (int)s->kind, s->began_us, s->began_us + s->duration_us);
    }
    put_attributes(w, s);
    if (s->is_failed) {
        w->err = w->err == OK
                     ? buf_appendf(w->out, ",\"status\":{\"code\":%d,\"message\":", STATUS_ERROR)
                     : w->err;
        put_json(w, s->detail);
        put(w, "}");
    }
    put(w, "}");
}

enum err otlp_render(const struct otlp_resource *resource, const struct span *spans, size_t count,
                     struct buf *out)
{
    struct writer w = { .out = out, .err = OK };

    put(&w, "{\"resourceSpans\":[{\"resource\":{\"attributes\":[");
    put_text(&w, true, "service.name", resource->service);
    put_text(&w, false, "service.version", resource->version);
    put_text(&w, false, "service.instance.id", resource->instance);
    put(&w, "]},\"scopeSpans\":[{\"scope\":{\"name\":\"unreel\",\"version\":");
    put_json(&w, resource->version);
    put(&w, "},\"schemaUrl\":\"" SCHEMA_URL "\",\"spans\":[");
    for (size_t i = 0; i < count; i++) {
        put(&w, i == 0 ? "" : ",");
        put_span(&w, &spans[i]);
    }
    put(&w, "]}]}]}");
    return w.err;
}
