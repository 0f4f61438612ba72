#include "engine/log_lines.h"

#include <stdbool.h>

#include "core/text.h"

#include "core/banned.h"

void log_lines_end(struct log_lines *l)
{
    if (l->len == 0) {
        return;
    }
    bool is_utf8 = text_is_utf8(l->line, l->len);
    for (size_t i = 0; i < l->len; i++) {
        unsigned char c = (unsigned char)l->line[i];
        if (c < 0x20 || c == 0x7f || (c >= 0x80 && !is_utf8)) {
            l->line[i] = '?';
        }
    }
    l->line[l->len] = '\0';
    l->len = 0;
    if (l->on_line != NULL) {
        l->on_line(l->ctx, l->line);
    }
}

void log_lines_feed(struct log_lines *l, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len && l->total < LOG_LINES_MAX_TOTAL; i++) {
        l->total++;
        if (bytes[i] != '\n') {
            l->line[l->len++] = bytes[i];
        }
        if (bytes[i] == '\n' || l->len == LOG_LINES_MAX_LINE - 1) {
            log_lines_end(l);
        }
    }
}
