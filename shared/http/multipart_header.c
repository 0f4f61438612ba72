/* Header fields with parameters: Content-Type of the request, Content-Disposition of a part. */
#include <string.h>
#include <strings.h>

#include "core/text.h"
#include "http/multipart_impl.h"

#include "core/banned.h"

static const char *skip_blanks(const char *p)
{
    return p + strspn(p, " \t");
}

/* One `; name=value` of a header. The value is unquoted and owned. */
struct param {
    const char *name;
    size_t name_len;
    char *value;
};

/* A quoted string. Browsers escape a quote as %22, curl as \" (and \\ for a backslash); a backslash
 * before anything else is kept, since old browsers send whole Windows paths. */
static const char *read_quoted(const char *p, char **ret_value)
{
    char *value = xmalloc(strlen(p) + 1);
    size_t len = 0;
    while (*p != '\0' && *p != '"') {
        if (p[0] == '\\' && (p[1] == '"' || p[1] == '\\')) {
            p++;
        }
        value[len++] = *p++;
    }
    value[len] = '\0';
    if (*p != '"') {
        free(value);
        return NULL;
    }
    *ret_value = value;
    return p + 1;
}

/* Reads the next parameter. Returns where it ends; NULL when there is none or it is broken (which
 * *ret_is_broken tells). */
static const char *next_param(const char *p, struct param *ret_param, bool *ret_is_broken)
{
    *ret_is_broken = false;
    p = skip_blanks(p);
    while (*p == ';') {
        p = skip_blanks(p + 1);
    }
    if (*p == '\0') {
        return NULL;
    }
    *ret_is_broken = true;
    size_t name_len = strcspn(p, "=; \t");
    const char *name = p;
    p = skip_blanks(p + name_len);
    if (name_len == 0 || *p != '=') {
        return NULL;
    }
    p = skip_blanks(p + 1);
    char *value = NULL;
    if (*p == '"') {
        p = read_quoted(p + 1, &value);
    } else {
        size_t len = strcspn(p, "; \t");
        value = xstrndup(p, len);
        p += len;
    }
    if (p == NULL) {
        return NULL;
    }
    p = skip_blanks(p);
    if (*p != ';' && *p != '\0') {
        free(value);
        return NULL;
    }
    *ret_is_broken = false;
    *ret_param = (struct param){ name, name_len, value };
    return p;
}

static bool is_param(const struct param *p, const char *name)
{
    return strlen(name) == p->name_len && strncasecmp(p->name, name, p->name_len) == 0;
}

/* bcharsnospace of RFC 2046, and the space inside. */
static bool is_boundary(const char *text)
{
    size_t len = strlen(text);
    if (len == 0 || len > MULTIPART_BOUNDARY_MAX || text[len - 1] == ' ') {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        bool is_alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!is_alnum && strchr("'()+_,-./:=? ", c) == NULL) {
            return false;
        }
    }
    return true;
}

/* Moves the value of the parameter to *dst; false when there was one already. */
static bool keep_once(char **dst, struct param *p)
{
    if (*dst != NULL) {
        free(p->value);
        return false;
    }
    *dst = p->value;
    return true;
}

enum err multipart_read_boundary(const char *content_type,
                                 char ret_boundary[MULTIPART_BOUNDARY_MAX + 1], struct error *e)
{
    static const char type[] = "multipart/form-data";
    size_t len = sizeof(type) - 1;
    if (content_type == NULL || strncasecmp(content_type, type, len) != 0 ||
        (content_type[len] != '\0' && strchr("; \t", content_type[len]) == NULL)) {
        return err_set(e, ERR_INVALID, "the content type is not multipart/form-data");
    }
    AUTO(mem_free) char *boundary = NULL;
    bool is_broken = false;
    struct param p;
    const char *at = next_param(content_type + len, &p, &is_broken);
    while (at != NULL) {
        if (!is_param(&p, "boundary")) {
            free(p.value);
        } else if (!keep_once(&boundary, &p)) {
            return err_set(e, ERR_INVALID, "the content type has two boundaries");
        }
        at = next_param(at, &p, &is_broken);
    }
    if (is_broken || boundary == NULL || !is_boundary(boundary)) {
        return err_set(e, ERR_INVALID, "the multipart boundary is missing or malformed");
    }
    (void)text_copy(ret_boundary, MULTIPART_BOUNDARY_MAX + 1, boundary);
    return OK;
}

/* filename*=UTF-8''na%C3%AFve.mp4 -> the decoded name, or NULL. */
static char *decode_extended(const char *value)
{
    static const char charset[] = "UTF-8'";
    if (strncasecmp(value, charset, sizeof(charset) - 1) != 0) {
        return NULL;
    }
    const char *quote = strchr(value + sizeof(charset) - 1, '\'');
    if (quote == NULL) {
        return NULL;
    }
    char *name = xstrdup(quote + 1);
    if (text_percent_decode(name, false) != OK || !text_is_utf8(name, strlen(name))) {
        free(name);
        return NULL;
    }
    return name;
}

/* The three escapes of the HTML standard for names in a form: nothing else is an escape there. */
static void decode_form_escapes(char *text)
{
    static const struct {
        const char *escape;
        char c;
    } escapes[] = { { "%22", '"' }, { "%0D", '\r' }, { "%0A", '\n' } };

    char *dst = text;
    while (*text != '\0') {
        size_t skip = 1;
        char c = *text;
        for (size_t i = 0; i < ARRAY_LEN(escapes); i++) {
            if (strncasecmp(text, escapes[i].escape, 3) == 0) {
                c = escapes[i].c;
                skip = 3;
            }
        }
        *dst++ = c;
        text += skip;
    }
    *dst = '\0';
}

static enum err keep_disposition(struct multipart_head *h, struct param *p, char **extended)
{
    bool is_first = true;
    if (is_param(p, "name")) {
        decode_form_escapes(p->value);
        is_first = keep_once(&h->name, p);
    } else if (is_param(p, "filename")) {
        decode_form_escapes(p->value);
        is_first = keep_once(&h->filename, p);
    } else if (is_param(p, "filename*")) {
        is_first = keep_once(extended, p);
    } else {
        free(p->value);
    }
    return is_first ? OK : ERR_INVALID;
}

static enum err read_disposition(struct multipart_head *h, const char *value, struct error *e)
{
    static const char type[] = "form-data";
    size_t len = sizeof(type) - 1;
    if (h->name != NULL || h->filename != NULL || strncasecmp(value, type, len) != 0) {
        return err_set(e, ERR_INVALID, "a part's disposition is not form-data");
    }
    AUTO(mem_free) char *extended = NULL;
    bool is_broken = false;
    struct param p;
    const char *at = next_param(value + len, &p, &is_broken);
    while (at != NULL) {
        if (keep_disposition(h, &p, &extended) != OK) {
            return err_set(e, ERR_INVALID, "a part's disposition has a parameter twice");
        }
        at = next_param(at, &p, &is_broken);
    }
    if (is_broken) {
        return err_set(e, ERR_INVALID, "a part's disposition is malformed");
    }
    char *decoded = extended != NULL ? decode_extended(extended) : NULL;
    if (decoded != NULL) {
        free(h->filename);
        h->filename = decoded;
    }
    return OK;
}

static enum err read_field(struct multipart_head *h, char *line, struct error *e)
{
    char *colon = strchr(line, ':');
    if (colon == NULL || colon == line) {
        return err_set(e, ERR_INVALID, "a part's header has no colon");
    }
    *colon = '\0';
    const char *value = skip_blanks(colon + 1);
    if (text_equals_nocase(line, "Content-Disposition")) {
        return read_disposition(h, value, e);
    }
    if (text_equals_nocase(line, "Content-Type") && h->content_type == NULL) {
        h->content_type = xstrdup(value);
    }
    return OK;
}

enum err multipart_read_head(struct multipart_head *h, const char *text, struct error *e)
{
    AUTO(mem_free) char *copy = xstrdup(text);
    char *line = copy;
    while (*line != '\0') {
        char *end = strstr(line, "\r\n");
        if (end == NULL) {
            return err_set(e, ERR_INVALID, "a part's header line is not ended");
        }
        *end = '\0';
        enum err err = read_field(h, line, e);
        if (err != OK) {
            return err;
        }
        line = end + 2;
    }
    return OK;
}

void multipart_head_release(struct multipart_head *h)
{
    free(h->name);
    free(h->filename);
    free(h->content_type);
    *h = (struct multipart_head){ 0 };
}
