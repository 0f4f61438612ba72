/* Hexadecimal and base64. */
#include "core/text.h"

#include <string.h>

#include "core/banned.h"

#define STANDARD_ALPHABET "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
#define URL_ALPHABET "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

void text_to_hex(char *dst, const void *src, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *bytes = src;

    for (size_t i = 0; i < len; i++) {
        dst[2 * i] = digits[bytes[i] >> 4];
        dst[2 * i + 1] = digits[bytes[i] & 15];
    }
    dst[2 * len] = '\0';
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

enum err text_from_hex(void *dst, size_t len, const char *hex)
{
    unsigned char *bytes = dst;

    if (strnlen(hex, 2 * len + 1) != 2 * len) {
        return ERR_INVALID;
    }
    /* Check first, so that dst is written on OK only. */
    for (size_t i = 0; i < 2 * len; i++) {
        if (hex_value(hex[i]) < 0) {
            return ERR_INVALID;
        }
    }
    for (size_t i = 0; i < len; i++) {
        bytes[i] = (unsigned char)(hex_value(hex[2 * i]) * 16 + hex_value(hex[2 * i + 1]));
    }
    return OK;
}

static void encode(char *dst, const unsigned char *src, size_t len, const char *alphabet,
                   bool padding)
{
    for (size_t i = 0; i < len; i += 3) {
        size_t left = len - i;
        uint32_t group = (uint32_t)src[i] << 16;
        group |= left > 1 ? (uint32_t)src[i + 1] << 8 : 0;
        group |= left > 2 ? src[i + 2] : 0;

        size_t digits = left > 2 ? 4 : left + 1;
        for (size_t d = 0; d < 4; d++) {
            if (d < digits) {
                *dst++ = alphabet[group >> (18 - 6 * d) & 63];
            } else if (padding) {
                *dst++ = '=';
            }
        }
    }
    *dst = '\0';
}

void text_to_base64(char *dst, const void *src, size_t len)
{
    encode(dst, src, len, STANDARD_ALPHABET, true);
}

void text_to_base64url(char *dst, const void *src, size_t len)
{
    encode(dst, src, len, URL_ALPHABET, false);
}

static int base64_value(char c, const char *alphabet)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    if (c == alphabet[62]) {
        return 62;
    }
    return c == alphabet[63] ? 63 : -1;
}

/* `len` digits without padding. */
static enum err decode(unsigned char *dst, size_t dst_size, const char *text, size_t len,
                       const char *alphabet, size_t *ret_len)
{
    size_t decoded_len = len / 4 * 3 + (len % 4 == 0 ? 0 : len % 4 - 1);
    uint32_t bits = 0;
    unsigned bit_count = 0;
    size_t written = 0;

    if (len % 4 == 1) {
        return ERR_INVALID;
    }
    if (decoded_len > dst_size) {
        return ERR_TOO_BIG;
    }
    for (size_t i = 0; i < len; i++) {
        int value = base64_value(text[i], alphabet);
        if (value < 0) {
            return ERR_INVALID;
        }
        bits = bits << 6 | (uint32_t)value;
        bit_count += 6;
        if (bit_count >= 8) {
            bit_count -= 8;
            dst[written++] = (unsigned char)(bits >> bit_count & 0xff);
        }
    }
    /* Bits left over must be zero: one value has one text. */
    if ((bits & ((1u << bit_count) - 1)) != 0) {
        return ERR_INVALID;
    }
    *ret_len = written;
    return OK;
}

enum err text_from_base64(void *dst, size_t dst_size, const char *text, size_t *ret_len)
{
    size_t len = strlen(text);

    if (len % 4 != 0) {
        return ERR_INVALID;
    }
    if (len > 0 && text[len - 1] == '=') {
        len -= text[len - 2] == '=' ? 2 : 1;
    }
    return decode(dst, dst_size, text, len, STANDARD_ALPHABET, ret_len);
}

enum err text_from_base64url(void *dst, size_t dst_size, const char *text, size_t text_len,
                             size_t *ret_len)
{
    return decode(dst, dst_size, text, text_len, URL_ALPHABET, ret_len);
}
