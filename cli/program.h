/* Our own programs: where they are, and what they print. */
#ifndef UNREEL_CLI_PROGRAM_H
#define UNREEL_CLI_PROGRAM_H

#include <stddef.h>

#include "core/error.h"

/* Bytes of what a service's --config-names prints. */
#define PROGRAM_NAMES_MAX 16384

/* Beside this program, else on the PATH. The caller frees *ret_path. */
enum err program_find(const char *name, char **ret_path, struct error *e) MUST_CHECK;
/* Runs `path argument` without any UNREEL_* variable and returns its standard output, up to max
 * bytes. The caller frees it. */
enum err program_output(const char *path, const char *argument, size_t max, char **ret_text,
                        struct error *e) MUST_CHECK;
/* Replaces this process by `path` with argv and environment. Returns only on failure. */
enum err program_become(const char *path, char **argv, char **environment, struct error *e);

#endif
