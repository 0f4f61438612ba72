/* What auth answers over HTTP, and its metrics. */
#ifndef UNREEL_AUTH_ROUTES_H
#define UNREEL_AUTH_ROUTES_H

#include "auth/auth.h"
#include "core/error.h"

/* Registers the metrics and starts auth->server. Once per process. */
enum err routes_serve(struct auth *auth, struct error *e) MUST_CHECK;

#endif
