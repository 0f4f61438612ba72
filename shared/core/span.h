/* Spans: what a piece of work was part of, how long it took, how it ended.
 *
 * A span lies in its caller's storage and is used by one thread. While it is recorded it is the
 * thread's current span, and spans that begin on the thread are its children; so spans of a thread
 * end in reverse order. Without a recorder (span_record_to), and in a trace whose sampled flag is
 * off, nothing is recorded: beginning and ending cost next to nothing, never allocate, and the
 * trace context is passed on as it came.
 *
 *     struct span span;
 *     span_begin(&span, SPAN_CONSUMER, traceparent_of_the_message, "process video");
 *     span_int(&span, "unreel.job.attempt", job->attempt);
 *     ...
 *     span_fail(&span, "corrupt-input", "The stored file is damaged.");
 *     span_end(&span);
 */
#ifndef UNREEL_CORE_SPAN_H
#define UNREEL_CORE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/trace.h"

#define SPAN_NAME_SIZE 96
#define SPAN_ATTRIBUTES_MAX 12
#define SPAN_TEXTS_SIZE 512 /* all texts of one span together, each with its NUL */
#define SPAN_DETAIL_SIZE 192

/* The numbers are those of OTLP. */
enum span_kind { SPAN_INTERNAL = 1, SPAN_SERVER, SPAN_CLIENT, SPAN_PRODUCER, SPAN_CONSUMER };

struct span_attribute {
    const char *key;
    bool is_text;
    int64_t number; /* a text: where it begins in texts */
};

/* For the recorder to read; callers use the functions. */
struct span {
    char traceparent[TRACEPARENT_SIZE];
    bool is_recorded;
    /* The rest means something in a recorded one only. */
    bool is_failed;
    enum span_kind kind;
    char parent_id[TRACE_SPAN_ID_SIZE]; /* "": the trace begins here */
    char name[SPAN_NAME_SIZE];
    char detail[SPAN_DETAIL_SIZE]; /* of the failure */
    int64_t began_us;              /* wall clock */
    int64_t duration_us;
    int64_t began_mono_us;
    size_t attribute_count;
    struct span_attribute attributes[SPAN_ATTRIBUTES_MAX];
    size_t texts_len;
    char texts[SPAN_TEXTS_SIZE];
    struct span *outer; /* current before it */
};

/* What takes the spans that have ended; it copies what it keeps, must not block, and is called by
 * any thread. */
typedef void span_recorder_fn(void *ctx, const struct span *s);

/* Before threads, and with NULL after them. sample_percent: of the traces that begin here; those
 * that come from elsewhere say it themselves. */
void span_record_to(span_recorder_fn *recorder, void *ctx, int sample_percent);

/* Begins a child of the thread's current span or, without one, of the span that `traceparent`
 * names; the first of a new trace when that is none (NULL, or not valid). Texts are copied. */
void span_begin(struct span *s, enum span_kind kind, const char *traceparent, const char *name);
/* Begins a part of the thread's current span; without one nothing is recorded. */
void span_begin_part(struct span *s, const char *name);
/* Makes one that is not recorded and has no context, where there may be none. */
void span_none(struct span *s);
/* Attributes: `key` must live as long as the program. The text is copied, cut, and made UTF-8; a
 * key is set once. What does not fit is left out. */
void span_text(struct span *s, const char *key, const char *value);
void span_int(struct span *s, const char *key, int64_t value);
void span_rename(struct span *s, const char *name);
/* It failed: `type` (few different ones) becomes error.type, `detail` the status message; NULL is
 * none. Once. */
void span_fail(struct span *s, const char *type, const char *detail);
/* Ends it and hands it to the recorder. Ending again, or one that was zeroed, does nothing. */
void span_end(struct span *s);
/* For children elsewhere: a valid one, but "" of none and of a part that is not recorded. Lives as
 * long as *s. */
const char *span_traceparent(const struct span *s);

#endif
