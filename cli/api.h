/* Calls of the gateway's API. What goes wrong is printed here, in the server's own words where it
 * gave any. */
#ifndef UNREEL_CLI_API_H
#define UNREEL_CLI_API_H

#include <jansson.h>
#include <stdbool.h>

#include "command.h"
#include "core/error.h"
#include "http/client.h"
#include "login.h"

/* Makes calls possible and loads the session; on failure it is said and an exit code returned. */
int api_login(struct login *ret_session);
/* The trace that the caller works on, as OpenTelemetry's tools hand it on: $TRACEPARENT; NULL:
 * none. */
const char *api_trace(void);
/* A call without a body that answers JSON. On EXIT_OK the caller owns *ret_json (NULL for 204). */
int api_json(const struct login *session, const char *method, const char *path, json_t **ret_json);
/* The exit code for an answer that is no success; says why. */
int api_refused(const struct login *session, const struct http_response *answer);
/* The exit code for a call that got no answer; says why. */
int api_unreachable(const struct login *session, enum err rc, const struct error *e);
/* Polls a job until it has ended, with a bar; a server that is away for a minute, and a login that
 * somebody renewed, are no reason to give up. On EXIT_OK and EXIT_JOB_FAILED the caller owns
 * *ret_job. */
int api_wait(struct login *session, const char *id, bool show_bar, json_t **ret_job);
/* Prints a job: a line, or JSON. */
void api_print_job(const json_t *job, bool json);

/* download.c: the MP3 of a file id, or all of a job's, to `output`: a file, or a folder, which
 * several MP3s need (NULL: here), where they have the server's names. On EXIT_OK the caller owns
 * *ret_files, an array of {"fid", "path"}. */
int api_download(const struct login *session, const char *id, const char *output,
                 json_t **ret_files);

#endif
