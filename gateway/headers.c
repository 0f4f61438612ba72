#include "headers.h"

#include <stdio.h>
#include <string.h>

#include "core/text.h"

#include "core/banned.h"

static const char blanks[] = " \t";
static const char digits[] = "0123456789";

/* The value of one preference when it is `wait`; -1 when it is another one, or broken. */
static int64_t wait_of(const char *preference, int64_t max_s)
{
    char name[8] = "";
    size_t len = strcspn(preference, " \t=;,");
    if (len >= sizeof(name)) {
        return -1;
    }
    memcpy(name, preference, len);
    const char *at = preference + len + strspn(preference + len, blanks);
    if (!text_equals_nocase(name, "wait") || *at != '=') {
        return -1;
    }
    at += 1 + strspn(at + 1, blanks);
    at += *at == '"' ? 1 : 0;
    if (strspn(at, digits) == 0) {
        return -1;
    }
    int64_t seconds = 0;
    for (; *at >= '0' && *at <= '9'; at++) {
        seconds = seconds * 10 + (*at - '0');
        if (seconds > max_s) {
            return max_s;
        }
    }
    return seconds;
}

int64_t headers_wait_s(const char *prefer, int64_t max_s)
{
    int64_t wait_s = -1;
    for (const char *at = prefer; at != NULL && wait_s < 0;) {
        at += strspn(at, " \t,");
        wait_s = wait_of(at, max_s);
        at = strchr(at, ',');
    }
    return wait_s;
}

bool headers_idempotency_key(char *dst, size_t size, const char *key)
{
    size_t len = strlen(key);
    if (len >= 2 && key[0] == '"' && key[len - 1] == '"') {
        key++;
        len -= 2;
    }
    bool is_plain = len > 0 && len < size;
    for (size_t i = 0; is_plain && i < len; i++) {
        is_plain = key[i] > ' ' && key[i] < 0x7f && key[i] != '"' && key[i] != '\\';
    }
    if (is_plain) {
        memcpy(dst, key, len);
        dst[len] = '\0';
    }
    return is_plain;
}

bool headers_has_etag(const char *if_none_match, const char *etag)
{
    if (if_none_match == NULL) {
        return false;
    }
    if_none_match += strspn(if_none_match, blanks);
    /* In a list every etag is in quotes, and ours has none inside; a weak one matches too. */
    return (if_none_match[0] == '*' && if_none_match[1 + strspn(if_none_match + 1, blanks)] == 0) ||
           strstr(if_none_match, etag) != NULL;
}
