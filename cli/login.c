#include "login.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/mem.h"

#include "core/banned.h"

/* The folder is made when it is missing. The caller frees the path. */
static char *session_path(void)
{
    const char *config = getenv("XDG_CONFIG_HOME");
    const char *home = getenv("HOME");
    AUTO(mem_free)
    char *base = config != NULL && config[0] == '/'
                     ? xstrdup(config)
                     : xasprintf("%s/.config", home != NULL ? home : ".");
    AUTO(mem_free) char *folder = xasprintf("%s/unreel", base);
    (void)mkdir(base, 0700);
    (void)mkdir(folder, 0700);
    return xasprintf("%s/session.json", folder);
}

enum err login_load(struct login *ret_session, struct error *e)
{
    AUTO(mem_free) char *path = session_path();
    json_t *json = json_load_file(path, JSON_REJECT_DUPLICATES, NULL);
    const char *server = NULL;
    const char *token = NULL;
    enum err rc = OK;
    if (json == NULL || json_unpack(json, "{s:s, s:s}", "server", &server, "token", &token) != 0) {
        rc = err_set(e, ERR_NOT_FOUND, "not logged in; use: unreel login http://HOST:PORT EMAIL");
    } else {
        ret_session->server = xstrdup(server);
        ret_session->token = xstrdup(token);
    }
    json_decref(json);
    return rc;
}

enum err login_save(const struct login *session, struct error *e)
{
    AUTO(mem_free) char *path = session_path();
    AUTO(mem_free) char *partial = xasprintf("%s.part", path);
    int fd = open(partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        return err_set_errno(e, ERR_FAULT, errno, "write %s", partial);
    }
    json_t *json = json_pack("{s:s, s:s}", "server", session->server, "token", session->token);
    int written = json_dumpfd(json, fd, JSON_INDENT(2));
    json_decref(json);
    if (close(fd) != 0 || written != 0 || rename(partial, path) != 0) {
        return err_set_errno(e, ERR_FAULT, errno, "write %s", path);
    }
    return OK;
}

void login_release(struct login *session)
{
    if (session->token != NULL) {
        mem_wipe(session->token, strlen(session->token));
    }
    free(session->token);
    free(session->server);
    session->token = NULL;
    session->server = NULL;
}
