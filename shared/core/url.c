#include "core/url.h"

#include <string.h>

#include "core/text.h"

#include "core/banned.h"

#define URL_MAX 4096

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_scheme_char(char c)
{
    return is_letter(c) || (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
}

/* Length of the scheme before its colon; 0 when there is none. */
static size_t scheme_len(const char *text)
{
    size_t len = 0;

    if (!is_letter(text[0])) {
        return 0;
    }
    while (is_scheme_char(text[len])) {
        len++;
    }
    return text[len] == ':' ? len : 0;
}

bool url_has_scheme(const char *text, const char *scheme)
{
    size_t len = scheme_len(text);
    AUTO(mem_free) char *found = xstrndup(text, len);

    return len > 0 && text_equals_nocase(found, scheme);
}

static bool has_forbidden_char(const char *text)
{
    for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++) {
        if (*c <= 0x20 || *c == 0x7f) {
            return true;
        }
    }
    return false;
}

/* A decoded copy of `len` characters; NULL when an escape is broken. */
static char *decoded(const char *text, size_t len)
{
    AUTO(mem_free) char *copy = xstrndup(text, len);

    return text_percent_decode(copy, false) == OK ? TAKE(copy) : NULL;
}

static enum err parse_user_info(struct url *u, const char *text, size_t len, struct error *e)
{
    const char *colon = memchr(text, ':', len);
    size_t user_len = colon == NULL ? len : (size_t)(colon - text);

    u->user = decoded(text, user_len);
    if (colon != NULL) {
        u->password = decoded(colon + 1, len - user_len - 1);
    }
    if (u->user == NULL || (colon != NULL && u->password == NULL)) {
        return err_set(e, ERR_INVALID, "broken percent escape in the URL's user or password");
    }
    return OK;
}

static enum err parse_port(struct url *u, const char *text, size_t len, struct error *e)
{
    AUTO(mem_free) char *digits = xstrndup(text, len);
    int64_t port = 0;

    if (text_to_int64(digits, 1, 65535, &port) != OK) {
        return err_set(e, ERR_INVALID, "the URL's port is no number from 1 to 65535");
    }
    u->port = (int)port;
    return OK;
}

/* "host", "host:port", "[v6]:port"; several hosts ("a:1,b:2", MongoDB's) are kept as written. */
static enum err parse_host(struct url *u, const char *text, size_t len, struct error *e)
{
    const char *end = text + len;
    const char *host_end = end;
    const char *port = NULL;

    if (len == 0) {
        return OK;
    }
    if (text[0] == '[') {
        host_end = memchr(text, ']', len);
        if (host_end == NULL || (host_end + 1 < end && host_end[1] != ':')) {
            return err_set(e, ERR_INVALID, "the URL's IPv6 address has no closing bracket");
        }
        port = host_end + 1 < end ? host_end + 2 : NULL;
        text++;
    } else if (memchr(text, ',', len) == NULL) {
        const char *colon = memchr(text, ':', len);
        host_end = colon == NULL ? end : colon;
        port = colon == NULL ? NULL : colon + 1;
    }
    if (host_end == text) {
        return err_set(e, ERR_INVALID, "the URL has no host");
    }
    u->host = xstrndup(text, (size_t)(host_end - text));
    return port == NULL ? OK : parse_port(u, port, (size_t)(end - port), e);
}

static enum err parse_authority(struct url *u, const char *text, size_t len, struct error *e)
{
    const char *at = memrchr(text, '@', len);

    if (at != NULL) {
        enum err err = parse_user_info(u, text, (size_t)(at - text), e);
        if (err != OK) {
            return err;
        }
        len -= (size_t)(at + 1 - text);
        text = at + 1;
        if (len == 0) {
            return err_set(e, ERR_INVALID, "the URL has no host");
        }
    }
    return parse_host(u, text, len, e);
}

static void lower_ascii(char *text)
{
    for (; *text != '\0'; text++) {
        if (*text >= 'A' && *text <= 'Z') {
            *text = (char)(*text - 'A' + 'a');
        }
    }
}

enum err url_parse(const char *text, struct url **ret_url, struct error *e)
{
    AUTO(url_free) struct url *u = xcalloc(1, sizeof(*u));
    size_t len = scheme_len(text);

    if (strnlen(text, URL_MAX + 1) > URL_MAX) {
        return err_set(e, ERR_INVALID, "the URL is longer than %d characters", URL_MAX);
    }
    if (len == 0) {
        return err_set(e, ERR_INVALID, "the URL has no scheme");
    }
    if (has_forbidden_char(text)) {
        return err_set(e, ERR_INVALID, "the URL has a space or a control character");
    }
    u->scheme = xstrndup(text, len);
    lower_ascii(u->scheme);

    const char *rest = text + len + 1;
    if (text_starts_with(rest, "//")) {
        rest += 2;
        size_t authority_len = strcspn(rest, "/?");
        enum err err = parse_authority(u, rest, authority_len, e);
        if (err != OK) {
            return err;
        }
        rest += authority_len;
    }

    size_t path_len = strcspn(rest, "?");
    u->path = decoded(rest, path_len);
    if (u->path == NULL) {
        return err_set(e, ERR_INVALID, "broken percent escape in the URL's path");
    }
    if (rest[path_len] == '?') {
        u->query = xstrdup(rest + path_len + 1);
    }
    *ret_url = TAKE(u);
    return OK;
}

static void free_secret(char *secret)
{
    if (secret != NULL) {
        mem_wipe(secret, strlen(secret));
        free(secret);
    }
}

void url_free(struct url *u)
{
    if (u == NULL) {
        return;
    }
    free(u->scheme);
    free(u->user);
    free_secret(u->password);
    free(u->host);
    free(u->path);
    free(u->query);
    free(u);
}

char *url_query_value(const struct url *u, const char *key)
{
    const char *pair = u->query;
    size_t key_len = strlen(key);

    while (pair != NULL && *pair != '\0') {
        size_t len = strcspn(pair, "&");
        if (len > key_len && strncmp(pair, key, key_len) == 0 && pair[key_len] == '=') {
            AUTO(mem_free) char *value = xstrndup(pair + key_len + 1, len - key_len - 1);
            return text_percent_decode(value, true) == OK ? TAKE(value) : NULL;
        }
        pair += pair[len] == '&' ? len + 1 : len;
    }
    return NULL;
}
