#include "escape.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "core/mem.h"
#include "core/text.h"

#include "core/banned.h"

static bool is_unreserved(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

char *escape_query(const char *text)
{
    static const char hex[] = "0123456789ABCDEF";
    char *escaped = xmalloc(3 * strlen(text) + 1);
    char *out = escaped;
    for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++) {
        if (is_unreserved(*c)) {
            *out++ = (char)*c;
        } else {
            *out++ = '%';
            *out++ = hex[*c >> 4];
            *out++ = hex[*c & 15];
        }
    }
    *out = '\0';
    return escaped;
}

char *escape_controls(const char *text)
{
    size_t len = strlen(text);
    char *clean = xmalloc(len + 1);
    size_t out = 0;
    for (size_t at = 0; at < len;) {
        uint32_t code = 0;
        size_t bytes = text_utf8_next(text + at, len - at, &code);
        bool is_control = code < 0x20 || (code >= 0x7f && code < 0xa0);
        if (bytes == 0 || is_control) {
            clean[out++] = '?';
        } else {
            memcpy(clean + out, text + at, bytes);
            out += bytes;
        }
        at += bytes > 0 ? bytes : 1;
    }
    clean[out] = '\0';
    return clean;
}
