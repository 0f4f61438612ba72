#include "db/mongo_pool.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <mongoc/mongoc.h>

#include "core/buf.h"
#include "core/text.h"
#include "core/banned.h"

/* A database's name is 63 bytes at most, and our longest is "unreel". */
#define PREFIX_MAX 40
#define URL_MAX 8192

struct mongo_pool {
    mongoc_client_pool_t *clients;
    char prefix[PREFIX_MAX + 1];
};

/* What the URL gets unless it says something else. */
static const struct {
    const char *key;
    const char *value;
} default_options[] = {
    { "serverSelectionTimeoutMS", "5000" },
    { "connectTimeoutMS", "5000" },
    { "socketTimeoutMS", "30000" },
    { "waitQueueTimeoutMS", "5000" },
    { "w", "majority" },
    { "journal", "true" },
    { "wtimeoutMS", "30000" },
    { "appname", "unreel" },
};

static pthread_once_t init_once = PTHREAD_ONCE_INIT;

static void init_driver(void)
{
    mongoc_init();
    /* What matters comes back as an error; shared/ does not log. */
    mongoc_log_set_handler(NULL, NULL);
}

/* The pieces of a URL: everything before the query, and the query without its "?" ("" when none).
 */
struct parts {
    char *base;
    char *query;
};

static void parts_release(struct parts *p)
{
    free(p->base);
    free(p->query);
}

static bool option_is(const char *option, size_t len, const char *key)
{
    size_t key_len = strlen(key);
    return len > key_len && option[key_len] == '=' && strncasecmp(option, key, key_len) == 0;
}

static bool has_option(const char *query, const char *key)
{
    for (const char *at = query; *at != '\0';) {
        size_t len = strcspn(at, "&;");
        if (option_is(at, len, key)) {
            return true;
        }
        at += len;
        at += *at != '\0';
    }
    return false;
}

/* The driver wants a slash between the hosts and the query, which people leave out. */
static struct parts split_url(const char *url)
{
    struct parts p;
    const char *question = strchr(url, '?');
    size_t base_len = question != NULL ? (size_t)(question - url) : strlen(url);
    p.base = xstrndup(url, base_len);
    p.query = xstrdup(question != NULL ? question + 1 : "");
    const char *authority = strstr(p.base, "://");
    if (authority != NULL && strchr(authority + 3, '/') == NULL) {
        char *with_slash = xasprintf("%s/", p.base);
        free(p.base);
        p.base = with_slash;
    }
    return p;
}

static bool is_prefix_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
}

static enum err take_prefix(const char *value, size_t len, char prefix[PREFIX_MAX + 1],
                            struct error *e)
{
    if (len > PREFIX_MAX) {
        return err_set(e, ERR_INVALID, "mongodb URL: prefix is longer than %d bytes", PREFIX_MAX);
    }
    for (size_t i = 0; i < len; i++) {
        if (!is_prefix_char(value[i])) {
            return err_set(e, ERR_INVALID,
                           "mongodb URL: prefix may hold letters, digits, _ and - only");
        }
    }
    memcpy(prefix, value, len);
    prefix[len] = '\0';
    return OK;
}

/* Copies the options to `out` without ours. */
static enum err copy_options(const char *query, struct buf *out, char prefix[PREFIX_MAX + 1],
                             struct error *e)
{
    for (const char *at = query; *at != '\0';) {
        size_t len = strcspn(at, "&;");
        enum err err = OK;
        if (option_is(at, len, "prefix")) {
            err = take_prefix(at + strlen("prefix="), len - strlen("prefix="), prefix, e);
        } else if (len > 0) {
            err = buf_appendf(out, "%.*s&", (int)len, at);
        }
        if (err != OK) {
            return err;
        }
        at += len;
        at += *at != '\0';
    }
    return OK;
}

/* The URL as the driver gets it: with our defaults, without our prefix. */
static enum err make_driver_url(const char *url, unsigned max_clients, struct buf *out,
                                char prefix[PREFIX_MAX + 1], struct error *e)
{
    if (strlen(url) > URL_MAX / 2) {
        return err_set(e, ERR_TOO_BIG, "mongodb URL is too long");
    }
    struct parts p = split_url(url);
    enum err err = buf_appendf(out, "%s?", p.base);
    if (err == OK) {
        err = copy_options(p.query, out, prefix, e);
    }
    for (size_t i = 0; err == OK && i < ARRAY_LEN(default_options); i++) {
        if (!has_option(p.query, default_options[i].key)) {
            err = buf_appendf(out, "%s=%s&", default_options[i].key, default_options[i].value);
        }
    }
    if (err == OK && !has_option(p.query, "maxPoolSize")) {
        err = buf_appendf(out, "maxPoolSize=%u&", max_clients > 0 ? max_clients : 1);
    }
    if (err == OK) {
        out->data[--out->len] = '\0'; /* the last "&" */
    }
    parts_release(&p);
    return err;
}

enum err mongo_pool_open(const char *url, unsigned max_clients, struct mongo_pool **ret_pool,
                         struct error *e)
{
    if (!text_starts_with(url, "mongodb://") && !text_starts_with(url, "mongodb+srv://")) {
        return err_set(e, ERR_INVALID, "not a mongodb:// URL");
    }
    (void)pthread_once(&init_once, init_driver);

    AUTO(mongo_pool_close) struct mongo_pool *p = xcalloc(1, sizeof(*p));
    AUTO(buf_release) struct buf text;
    buf_init(&text, URL_MAX);
    enum err err = make_driver_url(url, max_clients, &text, p->prefix, e);
    if (err != OK) {
        return err;
    }
    /* The driver's own texts quote the URL, which may hold a password. */
    bson_error_t error;
    mongoc_uri_t *uri = mongoc_uri_new_with_error(buf_text(&text), &error);
    if (uri == NULL) {
        return err_set(e, ERR_INVALID, "the driver cannot read the mongodb URL");
    }
    p->clients = mongoc_client_pool_new_with_error(uri, &error);
    mongoc_uri_destroy(uri);
    if (p->clients == NULL) {
        return err_set(e, ERR_INVALID, "the driver refuses the mongodb URL (%u.%u)", error.domain,
                       error.code);
    }
    (void)mongoc_client_pool_set_error_api(p->clients, MONGOC_ERROR_API_VERSION_2);
    *ret_pool = TAKE(p);
    return OK;
}

const char *mongo_pool_database(const struct mongo_pool *p, const char *base,
                                char dst[MONGO_DATABASE_SIZE])
{
    (void)snprintf(dst, MONGO_DATABASE_SIZE, "%s%s", p->prefix, base);
    return dst;
}

void mongo_pool_close(struct mongo_pool *p)
{
    if (p == NULL) {
        return;
    }
    if (p->clients != NULL) {
        mongoc_client_pool_destroy(p->clients);
    }
    free(p);
}

enum err mongo_pool_pop(struct mongo_pool *p, struct _mongoc_client_t **ret_client, struct error *e)
{
    mongoc_client_t *client = mongoc_client_pool_pop(p->clients);
    if (client == NULL) {
        return err_set(e, ERR_BUSY, "mongodb: no free connection within the waiting time");
    }
    *ret_client = client;
    return OK;
}

void mongo_pool_push(struct mongo_pool *p, struct _mongoc_client_t *client)
{
    if (client != NULL) {
        mongoc_client_pool_push(p->clients, client);
    }
}

enum err mongo_pool_ping(struct mongo_pool *p, struct error *e)
{
    mongoc_client_t *client = NULL;
    enum err err = mongo_pool_pop(p, &client, e);
    if (err != OK) {
        return err;
    }
    bson_t command = BSON_INITIALIZER;
    bson_error_t error;
    BSON_APPEND_INT32(&command, "ping", 1);
    if (!mongoc_client_command_simple(client, "admin", &command, NULL, NULL, &error)) {
        err = mongo_error(&error, "ping", e);
    }
    bson_destroy(&command);
    mongo_pool_push(p, client);
    return err;
}

/* Server codes that say "not now": no primary, a step-down, a time limit, a write concern. */
static bool is_busy_code(uint32_t code)
{
    switch (code) {
    case 6:     /* HostUnreachable */
    case 7:     /* HostNotFound */
    case 50:    /* MaxTimeMSExpired */
    case 64:    /* WriteConcernFailed */
    case 89:    /* NetworkTimeout */
    case 91:    /* ShutdownInProgress */
    case 112:   /* WriteConflict */
    case 133:   /* FailedToSatisfyReadPreference */
    case 189:   /* PrimarySteppedDown */
    case 262:   /* ExceededTimeLimit */
    case 9001:  /* SocketException */
    case 10107: /* NotWritablePrimary */
    case 11600: /* InterruptedAtShutdown */
    case 11602: /* InterruptedDueToReplStateChange */
    case 13435: /* NotPrimaryNoSecondaryOk */
    case 13436: /* NotPrimaryOrSecondary */
        return true;
    default:
        return false;
    }
}

enum err mongo_error(const struct _bson_error_t *error, const char *what, struct error *e)
{
    enum err err = ERR_FAULT;
    if (error->domain == MONGOC_ERROR_STREAM || error->domain == MONGOC_ERROR_SERVER_SELECTION ||
        error->domain == MONGOC_ERROR_WRITE_CONCERN) {
        err = ERR_BUSY;
    } else if (error->domain == MONGOC_ERROR_SERVER || error->domain == MONGOC_ERROR_COLLECTION) {
        if (error->code == MONGOC_ERROR_DUPLICATE_KEY) {
            err = ERR_EXISTS;
        } else if (is_busy_code(error->code)) {
            err = ERR_BUSY;
        }
    }
    return err_set(e, err, "mongodb: %s: %s", what, error->message);
}
