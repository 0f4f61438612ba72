/* URLs of the configuration: scheme://user:password@host:port/path?key=value, and scheme:/path. */
#ifndef UNREEL_CORE_URL_H
#define UNREEL_CORE_URL_H

#include "core/error.h"
#include "core/mem.h"

struct url {
    char *scheme;   /* lower case; never NULL */
    char *user;     /* percent-decoded; NULL when absent */
    char *password; /* percent-decoded; NULL when absent */
    char *host;     /* without brackets; NULL for scheme:/path; several ("a:1,b:2") as written */
    int port;       /* 0 when absent */
    char *path;     /* percent-decoded, with its leading slash if it has one; "" when absent */
    char *query;    /* as written; NULL when absent */
};

/* On OK the caller owns *ret_url (url_free). ERR_INVALID otherwise; the text never contains the
 * password. */
enum err url_parse(const char *text, struct url **ret_url, struct error *e) MUST_CHECK;
void url_free(struct url *u);
DEFINE_AUTO(struct url *, url_free)

/* The value of `key` in the query, percent-decoded; NULL when absent. The caller frees it. */
char *url_query_value(const struct url *u, const char *key);
/* Whether text begins with "scheme:". */
bool url_has_scheme(const char *text, const char *scheme);

#endif
