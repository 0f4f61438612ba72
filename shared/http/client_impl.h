/* What the outgoing calls share. Only for this folder. */
#ifndef UNREEL_HTTP_CLIENT_IMPL_H
#define UNREEL_HTTP_CLIENT_IMPL_H

#include <curl/curl.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "core/error.h"

/* A handle with the options that every call wants: no signals, no proxy, the error buffer. Handles
 * are kept with their connections for the next call. NULL when libcurl has no memory. */
CURL *client_take_handle(char error_buffer[CURL_ERROR_SIZE]);
void client_give_handle(CURL *curl);

/* The error that a failed transfer stands for, with libcurl's text. */
enum err client_error(CURLcode code, const char *error_buffer, struct error *e);
/* Whether a text can go into a header or a command: no control characters. */
bool client_is_one_line(const char *text);

/* Has the handle refuse addresses that are not public. *ret_denied is set when it did. */
void egress_guard(CURL *curl, bool *ret_denied);
bool egress_is_private(const struct sockaddr *address);

#endif
