#include "core/text.h"

#include <string.h>

#include "core/banned.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

enum err text_to_int64(const char *text, int64_t min, int64_t max, int64_t *ret_value)
{
    bool negative = text[0] == '-';
    const char *p = negative ? text + 1 : text;
    int64_t value = 0;

    if (*p == '\0') {
        return ERR_INVALID;
    }
    for (; *p != '\0'; p++) {
        if (!is_digit(*p) || __builtin_mul_overflow(value, 10, &value)) {
            return ERR_INVALID;
        }
        int digit = *p - '0';
        if (__builtin_add_overflow(value, negative ? -digit : digit, &value)) {
            return ERR_INVALID;
        }
    }
    if (value < min || value > max) {
        return ERR_INVALID;
    }
    *ret_value = value;
    return OK;
}

enum err text_to_size(const char *text, int64_t min, int64_t max, int64_t *ret_bytes)
{
    static const struct {
        const char *suffix;
        int64_t factor;
    } units[] = {
        { "", 1 },
        { "KiB", INT64_C(1) << 10 },
        { "MiB", INT64_C(1) << 20 },
        { "GiB", INT64_C(1) << 30 },
        { "TiB", INT64_C(1) << 40 },
    };

    char digits[24];
    size_t len = 0;
    int64_t value = 0;

    while (is_digit(text[len])) {
        len++;
    }
    if (len == 0 || len >= sizeof(digits)) {
        return ERR_INVALID;
    }
    memcpy(digits, text, len);
    digits[len] = '\0';
    if (text_to_int64(digits, 0, INT64_MAX, &value) != OK) {
        return ERR_INVALID;
    }
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (strcmp(text + len, units[i].suffix) != 0) {
            continue;
        }
        if (__builtin_mul_overflow(value, units[i].factor, &value) || value < min || value > max) {
            return ERR_INVALID;
        }
        *ret_bytes = value;
        return OK;
    }
    return ERR_INVALID;
}

static bool is_continuation(unsigned char c)
{
    return (c & 0xc0) == 0x80;
}

size_t text_utf8_next(const char *text, size_t len, uint32_t *ret_code)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    const unsigned char *c = (const unsigned char *)text;
    size_t width = 0;

    if (len == 0) {
        return 0;
    }
    if (c[0] < 0x80) {
        width = 1;
    } else if ((c[0] & 0xe0) == 0xc0) {
        width = 2;
    } else if ((c[0] & 0xf0) == 0xe0) {
        width = 3;
    } else if ((c[0] & 0xf8) == 0xf0) {
        width = 4;
    }
    if (width == 0 || width > len) {
        return 0;
    }
    uint32_t code = width == 1 ? c[0] : c[0] & (0x7fu >> width);
    for (size_t i = 1; i < width; i++) {
        if (!is_continuation(c[i])) {
            return 0;
        }
        code = code << 6 | (c[i] & 0x3fu);
    }
    /* Overlong forms, surrogates, and what is beyond Unicode. */
    if (code < least[width] || (code >= 0xd800 && code <= 0xdfff) || code > 0x10ffff) {
        return 0;
    }
    if (ret_code != NULL) {
        *ret_code = code;
    }
    return width;
}

bool text_is_utf8(const char *text, size_t len)
{
    for (size_t i = 0; i < len;) {
        size_t width = text_utf8_next(text + i, len - i, NULL);
        if (width == 0) {
            return false;
        }
        i += width;
    }
    return true;
}

bool text_copy(char *dst, size_t size, const char *src)
{
    size_t len = strlen(src);

    if (size == 0) {
        return false;
    }
    bool fits = len < size;
    if (!fits) {
        len = size - 1;
        while (len > 0 && is_continuation((unsigned char)src[len])) {
            len--;
        }
    }
    memcpy(dst, src, len);
    dst[len] = '\0';
    return fits;
}

static char lower(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return (char)(c - 'A' + 'a');
    }
    return c;
}

bool text_equals_nocase(const char *a, const char *b)
{
    while (*a != '\0' && lower(*a) == lower(*b)) {
        a++;
        b++;
    }
    return lower(*a) == lower(*b);
}

bool text_starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool text_equals_secret(const void *a, const void *b, size_t len)
{
    const volatile unsigned char *x = a;
    const volatile unsigned char *y = b;
    unsigned difference = 0;

    for (size_t i = 0; i < len; i++) {
        difference |= (unsigned)x[i] ^ y[i];
    }
    return difference == 0;
}

static int hex_value(char c)
{
    if (is_digit(c)) {
        return c - '0';
    }
    c = lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

enum err text_percent_decode(char *text, bool plus_is_space)
{
    char *out = text;

    for (const char *in = text; *in != '\0'; in++) {
        if (*in == '%') {
            int high = hex_value(in[1]);
            int low = high < 0 ? -1 : hex_value(in[2]);
            if (low < 0 || (high == 0 && low == 0)) {
                return ERR_INVALID;
            }
            *out++ = (char)(high << 4 | low);
            in += 2;
        } else {
            bool is_space = *in == '+' && plus_is_space;
            *out++ = (char)(is_space ? ' ' : *in);
        }
    }
    *out = '\0';
    return OK;
}
