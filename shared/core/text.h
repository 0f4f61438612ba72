/* Text: strict numbers, UTF-8, encodings. No locale, no allocation unless said. */
#ifndef UNREEL_CORE_TEXT_H
#define UNREEL_CORE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/attr.h"
#include "core/error.h"

/* Decimal digits with an optional leading '-', nothing else, within [min, max]. ERR_INVALID
 * otherwise. */
enum err text_to_int64(const char *text, int64_t min, int64_t max, int64_t *ret_value) MUST_CHECK;
/* "12", "64KiB", "2GiB", "1MiB": bytes; suffixes KiB MiB GiB TiB. */
enum err text_to_size(const char *text, int64_t min, int64_t max, int64_t *ret_bytes) MUST_CHECK;

/* Copies at most size-1 bytes, cut at a UTF-8 boundary, always terminated. Returns whether all of
 * it fitted. */
bool text_copy(char *dst, size_t size, const char *src);
bool text_is_utf8(const char *text, size_t len);
/* Bytes of the UTF-8 character at `text`, 1 to 4; 0 when there is none or it is not valid. Its code
 * point goes to *ret_code (may be NULL). */
size_t text_utf8_next(const char *text, size_t len, uint32_t *ret_code);
/* Case-insensitive in ASCII only. */
bool text_equals_nocase(const char *a, const char *b);
bool text_starts_with(const char *text, const char *prefix);
/* Equal bytes, in a time that depends on `len` only. */
bool text_equals_secret(const void *a, const void *b, size_t len);

/* Makes a file name safe to store and to show: last path component, control characters dropped,
 * invalid UTF-8 replaced, cut to size-1 bytes keeping the extension; "upload" when nothing is left.
 */
void text_clean_filename(char *dst, size_t size, const char *name);

/* dst needs 2*len+1 bytes. Lower case. */
void text_to_hex(char *dst, const void *src, size_t len);
/* Exactly 2*len hex digits. ERR_INVALID otherwise. */
enum err text_from_hex(void *dst, size_t len, const char *hex) MUST_CHECK;

/* Standard base64 with padding (RFC 4648 section 4), or URL-safe without (section 5). dst needs
 * TEXT_BASE64_SIZE(len). */
#define TEXT_BASE64_SIZE(len) (4 * (((len) + 2) / 3) + 1)
void text_to_base64(char *dst, const void *src, size_t len);
void text_to_base64url(char *dst, const void *src, size_t len);
/* Strict: no white space, right padding. *ret_len is the number of bytes written to dst (dst_size
 * at most). */
enum err text_from_base64(void *dst, size_t dst_size, const char *text, size_t *ret_len) MUST_CHECK;
enum err text_from_base64url(void *dst, size_t dst_size, const char *text, size_t text_len,
                             size_t *ret_len) MUST_CHECK;

/* Percent-decodes in place; ERR_INVALID on a broken escape or an escaped NUL. `plus_is_space` for
 * query strings. */
enum err text_percent_decode(char *text, bool plus_is_space) MUST_CHECK;

#endif
