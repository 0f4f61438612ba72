/* Environments of the programs that we start, and which UNREEL_* names they know. */
#ifndef UNREEL_CLI_ENVIRONMENT_H
#define UNREEL_CLI_ENVIRONMENT_H

#include <stdbool.h>
#include <stddef.h>

#include "core/error.h"

struct environment {
    char **list; /* NULL-terminated "NAME=value"; NULL while empty */
    size_t count;
};

/* Takes entry over. */
void environment_add(struct environment *env, char *entry);
/* Whether NAME or NAME_FILE is there; `entry` is "NAME=value". */
bool environment_has(const struct environment *env, const char *entry);
/* This program's own: PATH and the like, and of UNREEL_* what `names` (one per line, as a service's
 * --config-names prints them) holds, or holds without _FILE. */
void environment_inherit(struct environment *env, const char *names);
/* ERR_INVALID: an UNREEL_* variable of this program that none of the lists holds. */
enum err environment_check(char *const *names, size_t count, struct error *e) MUST_CHECK;
/* Overwrites and frees the list. */
void environment_release(char **list);

/* Where `unreel serve` keeps its things when nobody says where. The caller frees it. */
char *environment_data_folder(void) MUST_CHECK;
/* "sqlite:FOLDER/NAME". The caller frees it. */
char *environment_sqlite_url(const char *folder, const char *name) MUST_CHECK;

#endif
