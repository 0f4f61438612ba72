/* W3C Trace Context: the 55-character traceparent and its trace id. */
#ifndef UNREEL_CORE_TRACE_H
#define UNREEL_CORE_TRACE_H

#include <stdbool.h>

#define TRACE_ID_SIZE 33
#define TRACE_SPAN_ID_SIZE 17
#define TRACEPARENT_SIZE 56

/* Copies a valid `text`, else makes a new one (text may be NULL). Writes both. */
void trace_accept(const char *text, char ret_traceparent[TRACEPARENT_SIZE],
                  char ret_trace_id[TRACE_ID_SIZE]);
bool trace_is_valid(const char *traceparent);
/* Of a valid one. */
bool trace_is_sampled(const char *traceparent);
void trace_read_id(const char *traceparent, char ret_trace_id[TRACE_ID_SIZE]);
void trace_read_span_id(const char *traceparent, char ret_span_id[TRACE_SPAN_ID_SIZE]);
/* A trace of its own. */
void trace_new(bool is_sampled, char ret_traceparent[TRACEPARENT_SIZE]);
/* The same trace with another span in it; `of` is valid. */
void trace_new_span(const char *of, char ret_traceparent[TRACEPARENT_SIZE]);

#endif
