/* A file that appears whole or not at all: it is written beside its place and renamed. A signal
 * that ends this program takes unfinished files away, PARTIALS_MAX of them. One thread. */
#ifndef UNREEL_CLI_PARTIAL_H
#define UNREEL_CLI_PARTIAL_H

#include "core/error.h"

#define PARTIALS_MAX 64

struct partial {
    char *target;
    char *path; /* of the unfinished file */
    int fd;
};

/* On OK the caller ends it with partial_commit or partial_abort. ERR_INVALID: the target is there
 * and is no regular file. */
enum err partial_open(const char *target, struct partial *ret_partial, struct error *e) MUST_CHECK;
/* Closes it and puts it into its place; on failure it is removed. */
enum err partial_commit(struct partial *p, struct error *e) MUST_CHECK;
void partial_abort(struct partial *p);

#endif
