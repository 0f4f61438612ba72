#include "core/trace.h"

#include <stdio.h>
#include <string.h>

#include "core/id.h"
#include "core/text.h"

#include "core/banned.h"

/* version "-" trace id "-" parent id "-" flags */
#define TRACE_ID_AT 3
#define PARENT_ID_AT 36
#define FLAGS_AT 53

static bool is_hex(const char *text, size_t len)
{
    return strspn(text, "0123456789abcdef") >= len;
}

static bool is_zero(const char *text, size_t len)
{
    return strspn(text, "0") >= len;
}

bool trace_is_valid(const char *traceparent)
{
    const char *t = traceparent;

    if (t == NULL || strnlen(t, TRACEPARENT_SIZE) != TRACEPARENT_SIZE - 1) {
        return false;
    }
    if (t[TRACE_ID_AT - 1] != '-' || t[PARENT_ID_AT - 1] != '-' || t[FLAGS_AT - 1] != '-') {
        return false;
    }
    if (!is_hex(t, 2) || !is_hex(t + TRACE_ID_AT, 32) || !is_hex(t + PARENT_ID_AT, 16) ||
        !is_hex(t + FLAGS_AT, 2)) {
        return false;
    }
    /* Version ff is forbidden, and an id of zeros means "none". */
    return !text_starts_with(t, "ff") && !is_zero(t + TRACE_ID_AT, 32) &&
           !is_zero(t + PARENT_ID_AT, 16);
}

bool trace_is_sampled(const char *traceparent)
{
    /* The lowest bit of the second hex digit. */
    return strchr("13579bdf", traceparent[FLAGS_AT + 1]) != NULL;
}

void trace_read_id(const char *traceparent, char ret_trace_id[TRACE_ID_SIZE])
{
    memcpy(ret_trace_id, traceparent + TRACE_ID_AT, TRACE_ID_SIZE - 1);
    ret_trace_id[TRACE_ID_SIZE - 1] = '\0';
}

void trace_read_span_id(const char *traceparent, char ret_span_id[TRACE_SPAN_ID_SIZE])
{
    memcpy(ret_span_id, traceparent + PARENT_ID_AT, TRACE_SPAN_ID_SIZE - 1);
    ret_span_id[TRACE_SPAN_ID_SIZE - 1] = '\0';
}

/* Random, and never all zeros. */
static void make_id(char *dst, size_t len)
{
    unsigned char bytes[16];

    random_bytes(bytes, len);
    bytes[0] |= 1;
    text_to_hex(dst, bytes, len);
}

void trace_new(bool is_sampled, char ret_traceparent[TRACEPARENT_SIZE])
{
    char id[TRACE_ID_SIZE];
    char span_id[TRACE_SPAN_ID_SIZE];

    make_id(id, 16);
    make_id(span_id, 8);
    (void)snprintf(ret_traceparent, TRACEPARENT_SIZE, "00-%s-%s-%s", id, span_id,
                   is_sampled ? "01" : "00");
}

void trace_new_span(const char *of, char ret_traceparent[TRACEPARENT_SIZE])
{
    char id[TRACE_ID_SIZE];
    char span_id[TRACE_SPAN_ID_SIZE];

    /* Of a later version we know no other flag, and say so by our own version. */
    trace_read_id(of, id);
    make_id(span_id, 8);
    (void)snprintf(ret_traceparent, TRACEPARENT_SIZE, "00-%s-%s-%s", id, span_id,
                   trace_is_sampled(of) ? "01" : "00");
}

void trace_accept(const char *text, char ret_traceparent[TRACEPARENT_SIZE],
                  char ret_trace_id[TRACE_ID_SIZE])
{
    if (trace_is_valid(text)) {
        memcpy(ret_traceparent, text, TRACEPARENT_SIZE);
    } else {
        trace_new(true, ret_traceparent);
    }
    trace_read_id(ret_traceparent, ret_trace_id);
}
