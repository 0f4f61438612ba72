/* The operator's commands: unreel-auth migrate [--wait SECONDS] | user ... | rotate-key. They
 * return exit codes: 0 done; 1 it failed; 2 wrong usage. */
#ifndef UNREEL_AUTH_COMMANDS_H
#define UNREEL_AUTH_COMMANDS_H

#include "auth/auth.h"

int commands_migrate(void *settings, int argc, char **argv);
int commands_rotate_key(void *settings, int argc, char **argv);
/* user add | list | password | remove | disable | enable */
int commands_user(void *settings, int argc, char **argv);

/* Opens the accounts of the settings, after the migrations when UNREEL_MIGRATE is set. Says on
 * standard error why it could not. */
struct accounts *commands_open(const struct settings *settings);
/* Prints the error and returns 1. */
int commands_fail(const char *what, const struct error *e);

#endif
