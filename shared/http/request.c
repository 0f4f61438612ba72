/* What a handler asks about its request. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <strings.h>

#include "core/mem.h"
#include "core/text.h"
#include "http/server_impl.h"

#include "core/banned.h"

#define CREDENTIALS_MAX 1024
#define FORWARDED_MAX ((size_t)256 * 1024) /* more than a head may have */

const char *http_request_method(const struct http_request *r)
{
    return r->method;
}

const char *http_request_path(const struct http_request *r)
{
    return r->target.decoded;
}

const char *http_request_header(const struct http_request *r, const char *name)
{
    return MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, name);
}

const char *http_request_query(const struct http_request *r, const char *name)
{
    for (size_t i = 0; i < r->target.param_count; i++) {
        if (strcmp(r->target.params[i].name, name) == 0) {
            return r->target.params[i].value;
        }
    }
    return NULL;
}

void http_request_each_query(const struct http_request *r,
                             void (*each)(void *ctx, const char *name, const char *value),
                             void *ctx)
{
    for (size_t i = 0; i < r->target.param_count; i++) {
        each(ctx, r->target.params[i].name, r->target.params[i].value);
    }
}

const char *http_request_segment(const struct http_request *r, const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < r->match.segment_count; i++) {
        const struct segment *s = &r->match.segments[i];
        if (s->name_len == len && memcmp(s->name, name, len) == 0) {
            return s->value;
        }
    }
    return "";
}

int64_t http_request_content_length(const struct http_request *r)
{
    return r->content_length;
}

bool http_request_has_body(const struct http_request *r)
{
    return r->has_body;
}

int64_t http_request_received(const struct http_request *r)
{
    return r->received;
}

const void *http_request_body(const struct http_request *r, size_t *ret_len)
{
    *ret_len = r->body.len;
    return buf_text(&r->body);
}

enum err http_request_json(const struct http_request *r, json_t **ret_json, struct error *e)
{
    json_error_t wrong;
    json_t *json = json_loadb(buf_text(&r->body), r->body.len,
                              JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &wrong);
    if (json == NULL) {
        return err_set(e, ERR_INVALID, "line %d, column %d: %s", wrong.line, wrong.column,
                       wrong.text);
    }
    *ret_json = json;
    return OK;
}

enum err http_request_body_error(const struct http_request *r, struct error *ret_error)
{
    if (r->body_error.code != OK && ret_error != NULL) {
        *ret_error = r->body_error;
    }
    return r->body_error.code;
}

const char *http_request_peer(const struct http_request *r)
{
    return r->peer;
}

/* A proxy may add a line of its own: all of them, in order, are one list (RFC 9110, 5.3). */
static enum MHD_Result add_forwarded(void *ctx, enum MHD_ValueKind kind, const char *name,
                                     const char *value)
{
    (void)kind;
    struct buf *list = ctx;
    if (strcasecmp(name, "X-Forwarded-For") == 0 && value != NULL) {
        if (buf_append(list, ",", list->len > 0 ? 1 : 0) != OK ||
            buf_append(list, value, strlen(value)) != OK) {
            return MHD_NO;
        }
    }
    return MHD_YES;
}

void http_request_client(const struct http_request *r, const struct address_list *trusted,
                         char ret_address[ADDRESS_SIZE])
{
    __attribute__((cleanup(buf_release_auto))) struct buf list;
    buf_init(&list, FORWARDED_MAX);
    (void)MHD_get_connection_values(r->connection, MHD_HEADER_KIND, add_forwarded, &list);
    address_client(trusted, http_request_peer(r), list.len > 0 ? buf_text(&list) : NULL,
                   ret_address);
}

const char *http_request_traceparent(const struct http_request *r)
{
    return span_traceparent(&r->span);
}

const char *http_request_trace_id(const struct http_request *r)
{
    return r->trace_id;
}

/* What follows the scheme in Authorization; NULL when it is another scheme. */
static const char *credentials(const struct http_request *r, const char *scheme)
{
    const char *value = http_request_header(r, "Authorization");
    size_t len = strlen(scheme);
    if (value == NULL || strncasecmp(value, scheme, len) != 0 || value[len] != ' ') {
        return NULL;
    }
    value += len;
    return value + strspn(value, " ");
}

enum err http_request_basic(const struct http_request *r, char **ret_user, char **ret_password)
{
    const char *text = credentials(r, "Basic");
    if (text == NULL) {
        return ERR_NOT_FOUND;
    }
    char plain[CREDENTIALS_MAX + 1];
    size_t len = 0;
    if (text_from_base64(plain, CREDENTIALS_MAX, text, &len) != OK) {
        return ERR_INVALID;
    }
    plain[len] = '\0';
    enum err err = ERR_INVALID;
    char *colon = strchr(plain, ':');
    if (colon != NULL && memchr(plain, '\0', len) == NULL && text_is_utf8(plain, len)) {
        *ret_user = xstrndup(plain, (size_t)(colon - plain));
        *ret_password = xstrdup(colon + 1);
        err = OK;
    }
    mem_wipe(plain, sizeof(plain));
    return err;
}

const char *http_request_bearer(const struct http_request *r)
{
    const char *token = credentials(r, "Bearer");
    return token != NULL && token[0] != '\0' ? token : NULL;
}

void http_request_set_state(struct http_request *r, void *state)
{
    r->state = state;
}

void *http_request_state(const struct http_request *r)
{
    return r->state;
}

void http_request_set_user(struct http_request *r, const char *username, const char *user_id,
                           bool is_admin)
{
    free(r->user);
    free(r->user_id);
    r->user = xstrdup(username);
    r->user_id = xstrdup(user_id);
    r->is_admin = is_admin;
}

const char *http_request_user(const struct http_request *r)
{
    return r->user;
}

const char *http_request_user_id(const struct http_request *r)
{
    return r->user_id;
}

bool http_request_is_admin(const struct http_request *r)
{
    return r->is_admin;
}

bool http_request_is_alive(const struct http_request *r)
{
    if (atomic_load(&r->server->is_draining)) {
        return false;
    }
    struct pollfd p = { .fd = r->fd, .events = POLLRDHUP };
    int n = poll(&p, 1, 0);
    if (n < 0) {
        return errno == EINTR;
    }
    return n == 0;
}
