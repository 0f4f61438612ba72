#include "core/span.h"

#include <string.h>

#include "core/attr.h"
#include "core/clock.h"
#include "core/id.h"
#include "core/text.h"

#include "core/banned.h"

/* Written before there are threads, and after. */
static struct {
    span_recorder_fn *recorder;
    void *ctx;
    int sample_percent;
} recording;

static _Thread_local struct span *current;

void span_record_to(span_recorder_fn *recorder, void *ctx, int sample_percent)
{
    recording.recorder = recorder;
    recording.ctx = ctx;
    recording.sample_percent = sample_percent;
}

/* Text from elsewhere: what is no UTF-8 becomes '?'. Returns the bytes written, with the NUL. */
static size_t copy_text(char *dst, size_t size, const char *src)
{
    size_t len = strlen(src);
    size_t used = 0;

    for (size_t i = 0; i < len;) {
        size_t width = text_utf8_next(src + i, len - i, NULL);
        size_t step = width > 0 ? width : 1;
        if (used + step >= size) {
            break;
        }
        memcpy(dst + used, width > 0 ? src + i : "?", step);
        used += step;
        i += step;
    }
    dst[used] = '\0';
    return used + 1;
}

/* With its traceparent and parent_id written. */
static void start(struct span *s, enum span_kind kind, const char *name)
{
    s->is_recorded = true;
    s->is_failed = false;
    s->kind = kind;
    (void)copy_text(s->name, sizeof(s->name), name);
    s->detail[0] = '\0';
    s->began_us = clock_wall_us();
    s->began_mono_us = clock_mono_us();
    s->attribute_count = 0;
    s->texts_len = 0;
    s->outer = current;
    current = s;
}

static void start_child(struct span *s, enum span_kind kind, const char *parent, const char *name)
{
    trace_new_span(parent, s->traceparent);
    trace_read_span_id(parent, s->parent_id);
    start(s, kind, name);
}

static bool is_chosen(void)
{
    return recording.sample_percent >= 100 || (int)random_below(100) < recording.sample_percent;
}

void span_begin(struct span *s, enum span_kind kind, const char *traceparent, const char *name)
{
    s->is_recorded = false;
    if (current != NULL) {
        start_child(s, kind, current->traceparent, name);
    } else if (!trace_is_valid(traceparent)) {
        bool is_off = recording.recorder == NULL;
        trace_new(is_off || is_chosen(), s->traceparent);
        if (!is_off && trace_is_sampled(s->traceparent)) {
            s->parent_id[0] = '\0';
            start(s, kind, name);
        }
    } else if (recording.recorder != NULL && trace_is_sampled(traceparent)) {
        start_child(s, kind, traceparent, name);
    } else {
        memcpy(s->traceparent, traceparent, TRACEPARENT_SIZE);
    }
}

void span_none(struct span *s)
{
    s->is_recorded = false;
    s->traceparent[0] = '\0';
}

void span_begin_part(struct span *s, const char *name)
{
    span_none(s);
    if (current != NULL) {
        start_child(s, SPAN_INTERNAL, current->traceparent, name);
    }
}

static struct span_attribute *add(struct span *s, const char *key)
{
    if (!s->is_recorded || s->attribute_count == SPAN_ATTRIBUTES_MAX) {
        return NULL;
    }
    struct span_attribute *attribute = &s->attributes[s->attribute_count++];
    attribute->key = key;
    return attribute;
}

void span_text(struct span *s, const char *key, const char *value)
{
    if (!s->is_recorded || s->texts_len == SPAN_TEXTS_SIZE) {
        return;
    }
    struct span_attribute *attribute = add(s, key);
    if (attribute != NULL) {
        attribute->is_text = true;
        attribute->number = (int64_t)s->texts_len;
        s->texts_len += copy_text(s->texts + s->texts_len, SPAN_TEXTS_SIZE - s->texts_len, value);
    }
}

void span_int(struct span *s, const char *key, int64_t value)
{
    struct span_attribute *attribute = add(s, key);
    if (attribute != NULL) {
        attribute->is_text = false;
        attribute->number = value;
    }
}

void span_rename(struct span *s, const char *name)
{
    if (s->is_recorded) {
        (void)copy_text(s->name, sizeof(s->name), name);
    }
}

void span_fail(struct span *s, const char *type, const char *detail)
{
    if (!s->is_recorded || s->is_failed) {
        return;
    }
    s->is_failed = true;
    span_text(s, "error.type", type);
    if (detail != NULL) {
        (void)copy_text(s->detail, sizeof(s->detail), detail);
    }
}

void span_end(struct span *s)
{
    if (!s->is_recorded) {
        return;
    }
    s->duration_us = clock_mono_us() - s->began_mono_us;
    current = s->outer;
    if (recording.recorder != NULL) {
        recording.recorder(recording.ctx, s);
    }
    s->is_recorded = false;
}

const char *span_traceparent(const struct span *s)
{
    return s->traceparent;
}
