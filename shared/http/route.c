/* Routes: a pattern is matched segment by segment against the path as it came, so that an escaped
 * slash stays inside its segment. */
#include <string.h>

#include "core/mem.h"
#include "core/text.h"
#include "http/server_impl.h"

#include "core/banned.h"

struct slice {
    const char *at;
    size_t len;
};

static bool next_segment(const char **rest, struct slice *ret_segment)
{
    if (**rest != '/') {
        return false;
    }
    ret_segment->at = *rest + 1;
    ret_segment->len = strcspn(ret_segment->at, "/");
    *rest = ret_segment->at + ret_segment->len;
    return true;
}

static bool is_variable(const struct slice *s)
{
    return s->len > 2 && s->at[0] == '{' && s->at[s->len - 1] == '}';
}

/* Fixed segments have no escapes to decode: every route of ours is plain ASCII. */
static bool is_same(const struct slice *a, const struct slice *b)
{
    return a->len == b->len && memcmp(a->at, b->at, a->len) == 0;
}

static void keep_segment(struct route_match *m, const struct slice *pattern,
                         const struct slice *value)
{
    if (m == NULL || m->segment_count == SEGMENTS_MAX) {
        return;
    }
    struct segment *s = &m->segments[m->segment_count++];
    s->name = pattern->at + 1;
    s->name_len = pattern->len - 2;
    s->value = xstrndup(value->at, value->len);
    /* The whole path was decoded before, so this cannot fail. */
    if (text_percent_decode(s->value, false) != OK) {
        s->value[0] = '\0';
    }
}

static bool matches(const char *pattern, const char *path, struct route_match *ret_match)
{
    while (*pattern != '\0') {
        struct slice want;
        struct slice have;
        if (!next_segment(&pattern, &want) || !next_segment(&path, &have)) {
            return false;
        }
        if (is_variable(&want)) {
            if (have.len == 0) {
                return false;
            }
            keep_segment(ret_match, &want, &have);
        } else if (!is_same(&want, &have)) {
            return false;
        }
    }
    return *path == '\0';
}

bool http_route_matches(const char *pattern, const char *path)
{
    return matches(pattern, path, NULL);
}

static bool serves(const struct http_route *route, const char *method)
{
    return strcmp(route->method, method) == 0 ||
           (strcmp(method, "HEAD") == 0 && strcmp(route->method, "GET") == 0);
}

/* A fixed segment is better than a variable one, from the left: /v1/jobs/events before
 * /v1/jobs/{id}, wherever they are in the table. */
static bool is_more_exact(const char *pattern, const char *than)
{
    struct slice a;
    struct slice b;
    while (next_segment(&pattern, &a) && next_segment(&than, &b)) {
        if (is_variable(&a) != is_variable(&b)) {
            return is_variable(&b);
        }
    }
    return false;
}

void route_find(const struct http_server *s, const char *method, const char *path,
                struct route_match *ret_match)
{
    struct route_match *m = ret_match;
    *m = (struct route_match){ 0 };
    for (size_t i = 0; i < s->options.route_count; i++) {
        const struct http_route *route = &s->routes[i];
        if (!http_route_matches(route->path, path)) {
            continue;
        }
        m->is_path_known = true;
        if (serves(route, method) &&
            (m->route == NULL || is_more_exact(route->path, m->route->path))) {
            m->route = route;
        }
    }
    if (m->route != NULL) {
        (void)matches(m->route->path, path, m);
    }
}

void route_match_release(struct route_match *m)
{
    for (size_t i = 0; i < m->segment_count; i++) {
        free(m->segments[i].value);
    }
    m->segment_count = 0;
}

static void add_method(struct buf *b, const char *method)
{
    /* The buffer is large enough for every method there is; one that would not fit is left out. */
    if (strstr(buf_text(b), method) == NULL) {
        (void)!buf_appendf(b, "%s%s", b->len > 0 ? ", " : "", method);
    }
}

void route_allow(const struct http_server *s, const char *path, char *dst, size_t size)
{
    struct buf b;
    buf_init(&b, size - 1);
    for (size_t i = 0; i < s->options.route_count; i++) {
        const struct http_route *route = &s->routes[i];
        if (http_route_matches(route->path, path)) {
            add_method(&b, route->method);
            if (strcmp(route->method, "GET") == 0) {
                add_method(&b, "HEAD");
            }
        }
    }
    (void)text_copy(dst, size, buf_text(&b));
    buf_release(&b);
}
