/* Cuts what the child writes to its log into lines: bounded in length and in all, made harmless.
 */
#ifndef UNREEL_ENGINE_LOG_LINES_H
#define UNREEL_ENGINE_LOG_LINES_H

#include <stddef.h>

#define LOG_LINES_MAX_LINE 1024
#define LOG_LINES_MAX_TOTAL 65536

struct log_lines {
    void (*on_line)(void *ctx, const char *line); /* may be NULL */
    void *ctx;
    size_t total; /* bytes seen, LOG_LINES_MAX_TOTAL at most */
    size_t len;
    char line[LOG_LINES_MAX_LINE];
};

/* Bytes beyond the total are dropped. Lines that are no UTF-8 lose their high bytes. */
void log_lines_feed(struct log_lines *l, const char *bytes, size_t len);
/* Passes on a last line that had no end. */
void log_lines_end(struct log_lines *l);

#endif
