/* The request target: origin form, or absolute form, of which scheme and authority are dropped. */
#include <string.h>

#include "core/mem.h"
#include "core/text.h"
#include "http/server_impl.h"

#include "core/banned.h"

static const char *skip_authority(const char *raw)
{
    static const char *const schemes[] = { "http://", "https://" };
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
        if (text_starts_with(raw, schemes[i])) {
            const char *authority = raw + strlen(schemes[i]);
            return authority + strcspn(authority, "/?");
        }
    }
    return raw;
}

static const char *add_param(struct target *t, const char *text, size_t len)
{
    if (len == 0) {
        return NULL;
    }
    if (t->param_count == PARAMS_MAX) {
        return "There are more than 64 query parameters.";
    }
    struct target_param *p = &t->params[t->param_count];
    const char *equals = memchr(text, '=', len);
    size_t name_len = equals != NULL ? (size_t)(equals - text) : len;
    p->name = xstrndup(text, name_len);
    p->value = equals != NULL ? xstrndup(equals + 1, len - name_len - 1) : xstrdup("");
    t->param_count++;
    if (text_percent_decode(p->name, true) != OK || text_percent_decode(p->value, true) != OK) {
        return "The query has a broken percent escape.";
    }
    if (!text_is_utf8(p->name, strlen(p->name)) || !text_is_utf8(p->value, strlen(p->value))) {
        return "The query is not UTF-8.";
    }
    return NULL;
}

static const char *parse_query(struct target *t, const char *query)
{
    while (*query != '\0') {
        size_t len = strcspn(query, "&");
        const char *wrong = add_param(t, query, len);
        if (wrong != NULL) {
            return wrong;
        }
        query += len;
        query += *query == '&' ? 1 : 0;
    }
    return NULL;
}

const char *target_parse(struct target *t, const char *raw)
{
    const char *start = skip_authority(raw);
    size_t path_len = strcspn(start, "?#");
    t->path = path_len > 0 ? xstrndup(start, path_len) : xstrdup("/");
    t->decoded = xstrdup(t->path);
    if (start[path_len] == '#') {
        return "The request target has a fragment.";
    }
    if (t->path[0] != '/' && strcmp(t->path, "*") != 0) {
        return "The request target must be a path.";
    }
    if (text_percent_decode(t->decoded, false) != OK) {
        return "The path has a broken percent escape.";
    }
    if (!text_is_utf8(t->decoded, strlen(t->decoded))) {
        return "The path is not UTF-8.";
    }
    return start[path_len] == '?' ? parse_query(t, start + path_len + 1) : NULL;
}

void target_release(struct target *t)
{
    free(t->path);
    free(t->decoded);
    for (size_t i = 0; i < t->param_count; i++) {
        free(t->params[i].name);
        free(t->params[i].value);
    }
    t->param_count = 0;
    t->path = NULL;
    t->decoded = NULL;
}
