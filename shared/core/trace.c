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

static void make_traceparent(char dst[TRACEPARENT_SIZE])
{
    unsigned char bytes[24];

    random_bytes(bytes, sizeof(bytes));
    bytes[0] |= 1; /* not all zeros, either of them */
    bytes[16] |= 1;
    char trace_id[2 * 16 + 1];
    char parent_id[2 * 8 + 1];
    text_to_hex(trace_id, bytes, 16);
    text_to_hex(parent_id, bytes + 16, 8);
    (void)snprintf(dst, TRACEPARENT_SIZE, "00-%s-%s-01", trace_id, parent_id);
}

void trace_accept(const char *text, char ret_traceparent[TRACEPARENT_SIZE],
                  char ret_trace_id[TRACE_ID_SIZE])
{
    if (trace_is_valid(text)) {
        memcpy(ret_traceparent, text, TRACEPARENT_SIZE);
    } else {
        make_traceparent(ret_traceparent);
    }
    memcpy(ret_trace_id, ret_traceparent + TRACE_ID_AT, TRACE_ID_SIZE - 1);
    ret_trace_id[TRACE_ID_SIZE - 1] = '\0';
}
