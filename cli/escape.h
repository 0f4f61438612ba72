/* Text made fit for a URL or a terminal. Each result is the caller's to free. */
#ifndef UNREEL_CLI_ESCAPE_H
#define UNREEL_CLI_ESCAPE_H

#include "core/attr.h"

/* As a value in a query. */
char *escape_query(const char *text) MUST_CHECK;
/* What others wrote must not steer a terminal: control characters, and bytes that are no UTF-8,
 * become question marks. */
char *escape_controls(const char *text) MUST_CHECK;

#endif
