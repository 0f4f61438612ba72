/* W3C Trace Context: the 55-character traceparent and its trace id. */
#ifndef UNREEL_CORE_TRACE_H
#define UNREEL_CORE_TRACE_H

#include <stdbool.h>

#define TRACE_ID_SIZE 33
#define TRACEPARENT_SIZE 56

/* Copies a valid `text`, else makes a new one (text may be NULL). Writes both. */
void trace_accept(const char *text, char ret_traceparent[TRACEPARENT_SIZE],
                  char ret_trace_id[TRACE_ID_SIZE]);
bool trace_is_valid(const char *traceparent);

#endif
