#include <stdio.h>
#include <string.h>

#include "core/text.h"
#include "core/url.h"
#include "queue/rabbit_conn.h"
#include "core/banned.h"

#define PREFIX_MAX 64
#define HEARTBEAT_S 10
#define SYSTEM_CA_FILE "/etc/ssl/certs/ca-certificates.crt"

/* The first of the two that is not NULL, as a copy. */
static char *or_default(const char *value, const char *default_value)
{
    return xstrdup(value != NULL ? value : default_value);
}

/* No path and a lone slash both mean the default virtual host, whose name is "/". */
static char *vhost_of(const struct url *u)
{
    return xstrdup(strlen(u->path) > 1 ? u->path + 1 : "/");
}

static enum err read_options(struct rabbit_settings *s, const struct url *u, struct error *e)
{
    AUTO(mem_free) char *prefix = url_query_value(u, "prefix");
    AUTO(mem_free) char *ca_file = url_query_value(u, "cacertfile");
    AUTO(mem_free) char *heartbeat = url_query_value(u, "heartbeat");
    int64_t heartbeat_s = HEARTBEAT_S;

    if (prefix != NULL && strlen(prefix) > PREFIX_MAX) {
        return err_set(e, ERR_INVALID, "the queue URL's prefix is longer than %d", PREFIX_MAX);
    }
    if (heartbeat != NULL && text_to_int64(heartbeat, 1, 600, &heartbeat_s) != OK) {
        return err_set(e, ERR_INVALID, "the queue URL's heartbeat must be between 1 and 600");
    }
    s->prefix = or_default(prefix, "");
    s->ca_file = or_default(ca_file, SYSTEM_CA_FILE);
    s->heartbeat_s = (int)heartbeat_s;
    return OK;
}

enum err rabbit_settings_parse(const char *url, struct rabbit_settings **ret_settings,
                               struct error *e)
{
    AUTO(rabbit_settings_free) struct rabbit_settings *s = xcalloc(1, sizeof(*s));
    AUTO(url_free) struct url *u = NULL;
    enum err err = url_parse(url, &u, e);

    if (err != OK) {
        return err;
    }
    if (u->host == NULL || u->host[0] == '\0') {
        return err_set(e, ERR_INVALID, "the queue URL names no host");
    }
    s->is_tls = strcmp(u->scheme, "amqps") == 0;
    s->host = xstrdup(u->host);
    s->port = u->port != 0 ? u->port : (s->is_tls ? 5671 : 5672);
    s->user = or_default(u->user, "guest");
    s->password = or_default(u->password, "guest");
    s->vhost = vhost_of(u);
    err = read_options(s, u, e);
    if (err != OK) {
        return err;
    }
    *ret_settings = TAKE(s);
    return OK;
}

void rabbit_settings_free(struct rabbit_settings *s)
{
    if (s == NULL) {
        return;
    }
    if (s->password != NULL) {
        mem_wipe(s->password, strlen(s->password));
    }
    free(s->host);
    free(s->user);
    free(s->password);
    free(s->vhost);
    free(s->prefix);
    free(s->ca_file);
    free(s);
}

amqp_bytes_t rabbit_name(char dst[RABBIT_NAME_SIZE], const struct rabbit_settings *s,
                         const char *name, const char *suffix)
{
    (void)snprintf(dst, RABBIT_NAME_SIZE, "%s%s%s", s->prefix, name, suffix);
    return amqp_cstring_bytes(dst);
}

amqp_bytes_t rabbit_exchange_name(char dst[RABBIT_NAME_SIZE], const struct rabbit_settings *s)
{
    return rabbit_name(dst, s, QUEUE_EVENTS, "");
}
