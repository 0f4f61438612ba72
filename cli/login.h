/* Which server one is logged in to: ~/.config/unreel/session.json, readable by its owner only. */
#ifndef UNREEL_CLI_LOGIN_H
#define UNREEL_CLI_LOGIN_H

#include <stdbool.h>

#include "core/error.h"

struct login {
    char *server; /* "http://127.0.0.1:8080", without a slash at the end */
    char *user;   /* e-mail */
    char *token;
};

/* ERR_NOT_FOUND: not logged in. On OK the caller releases it. */
enum err login_load(struct login *ret_session, struct error *e) MUST_CHECK;
enum err login_save(const struct login *session, struct error *e) MUST_CHECK;
/* Whether somebody has logged in to the same server again meanwhile; then it is loaded. */
bool login_renew(struct login *session);
void login_release(struct login *session);

#endif
