#include "login.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/mem.h"
#include "partial.h"

#include "core/banned.h"

/* ~/.config, or what XDG_CONFIG_HOME says. */
static char *config_folder(void)
{
    const char *config = getenv("XDG_CONFIG_HOME");
    const char *home = getenv("HOME");
    return config != NULL && config[0] == '/' ? xstrdup(config)
                                              : xasprintf("%s/.config", home != NULL ? home : ".");
}

enum err login_load(struct login *ret_session, struct error *e)
{
    AUTO(mem_free) char *base = config_folder();
    AUTO(mem_free) char *path = xasprintf("%s/unreel/session.json", base);
    json_t *json = json_load_file(path, JSON_REJECT_DUPLICATES, NULL);
    const char *server = NULL;
    const char *user = NULL;
    const char *token = NULL;
    enum err rc = OK;
    if (json == NULL || json_unpack(json, "{s:s, s:s, s:s}", "server", &server, "user", &user,
                                    "token", &token) != 0) {
        rc = err_set(e, ERR_NOT_FOUND, "not logged in; use: unreel login http://HOST:PORT EMAIL");
    } else {
        ret_session->server = xstrdup(server);
        ret_session->user = xstrdup(user);
        ret_session->token = xstrdup(token);
    }
    json_decref(json);
    return rc;
}

enum err login_save(const struct login *session, struct error *e)
{
    AUTO(mem_free) char *base = config_folder();
    AUTO(mem_free) char *folder = xasprintf("%s/unreel", base);
    AUTO(mem_free) char *path = xasprintf("%s/session.json", folder);
    (void)mkdir(base, 0700);
    (void)mkdir(folder, 0700);
    struct partial file;
    enum err rc = partial_open(path, &file, e);
    if (rc != OK) {
        return rc;
    }
    json_t *json = json_pack("{s:s, s:s, s:s}", "server", session->server, "user", session->user,
                             "token", session->token);
    bool is_written = json != NULL && fchmod(file.fd, 0600) == 0 &&
                      json_dumpfd(json, file.fd, JSON_INDENT(2)) == 0;
    json_decref(json);
    if (!is_written) {
        partial_abort(&file);
        return err_set(e, ERR_FAULT, "%s cannot be written", path);
    }
    return partial_commit(&file, e);
}

bool login_renew(struct login *session)
{
    struct login stored = { 0 };
    if (login_load(&stored, NULL) != OK) {
        return false;
    }
    bool is_new = strcmp(stored.server, session->server) == 0 &&
                  strcmp(stored.token, session->token) != 0;
    if (is_new) {
        struct login former = *session;
        *session = stored;
        stored = former;
    }
    login_release(&stored);
    return is_new;
}

void login_release(struct login *session)
{
    if (session->token != NULL) {
        mem_wipe(session->token, strlen(session->token));
    }
    free(session->token);
    free(session->user);
    free(session->server);
    *session = (struct login){ 0 };
}
