/* File names that users send. */
#include "core/text.h"

#include <string.h>

#include "core/mem.h"

#include "core/banned.h"

/* Names longer than this are cut before they are looked at. */
#define NAME_MAX_BYTES 4096
#define EXTENSION_MAX_BYTES 16

#define REPLACEMENT "\xef\xbf\xbd"

/* Control characters, and those that make a name look like another one: line separators and the
 * marks that turn the direction of writing. */
static bool is_dropped(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code <= 0x9f) || code == 0x200e || code == 0x200f ||
           (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) ||
           code == 0xfeff;
}

static const char *last_component(const char *name, size_t len, size_t *ret_len)
{
    size_t start = 0;

    for (size_t i = 0; i < len; i++) {
        if (name[i] == '/' || name[i] == '\\') {
            start = i + 1;
        }
    }
    *ret_len = len - start;
    return name + start;
}

/* Writes the clean name to dst, which has 3 bytes for each byte of name and one more. */
static size_t copy_clean(char *dst, const char *name, size_t len)
{
    size_t out = 0;

    for (size_t i = 0; i < len;) {
        uint32_t code = 0;
        size_t width = text_utf8_next(name + i, len - i, &code);
        if (width == 0) {
            memcpy(dst + out, REPLACEMENT, 3);
            out += 3;
            width = 1;
        } else if (!is_dropped(code)) {
            memcpy(dst + out, name + i, width);
            out += width;
        }
        i += width;
    }
    while (out > 0 && dst[out - 1] == ' ') {
        out--;
    }
    dst[out] = '\0';
    return out;
}

/* Where the extension with its dot begins; the end when there is none worth keeping. */
static size_t extension_at(const char *name, size_t len)
{
    const char *dot = memrchr(name, '.', len);

    if (dot == NULL || dot == name || len - (size_t)(dot - name) > EXTENSION_MAX_BYTES) {
        return len;
    }
    return (size_t)(dot - name);
}

void text_clean_filename(char *dst, size_t size, const char *name)
{
    size_t len = 0;
    const char *base = last_component(name, strnlen(name, NAME_MAX_BYTES), &len);
    AUTO(mem_free) char *buffer = xmalloc(3 * len + 1);
    size_t clean_len = copy_clean(buffer, base, len);
    const char *clean = buffer + strspn(buffer, " ");

    clean_len -= (size_t)(clean - buffer);
    if (clean_len == 0 || strcmp(clean, ".") == 0 || strcmp(clean, "..") == 0) {
        (void)text_copy(dst, size, "upload");
        return;
    }
    size_t stem_len = extension_at(clean, clean_len);
    size_t extension_len = clean_len - stem_len;
    if (clean_len < size || extension_len + 1 >= size) {
        (void)text_copy(dst, size, clean);
        return;
    }
    (void)text_copy(dst, size - extension_len, clean);
    size_t kept = strlen(dst);
    memcpy(dst + kept, clean + stem_len, extension_len + 1);
}
