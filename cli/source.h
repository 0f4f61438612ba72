/* The video that is converted: a file, or a pipe ("-" is standard input). */
#ifndef UNREEL_CLI_SOURCE_H
#define UNREEL_CLI_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

struct pipe_input;

struct source {
    int fd;                  /* -1: nothing is open */
    int64_t size_bytes;      /* -1: a pipe's, which nobody knows */
    struct pipe_input *pipe; /* NULL: a file, read by position */
};

/* On OK the caller releases it. Standard input from a file is a file. ERR_NOT_FOUND: it cannot be
 * opened; ERR_INVALID: a folder, a terminal, a device. */
enum err source_open(const char *path, struct source *ret_source, struct error *e) MUST_CHECK;
/* Also of one that is not open. */
void source_release(struct source *s);

/* As engine_job.read. ERR_INVALID, in the user's terms: a pipe that would have to go back. */
enum err source_read(struct source *s, int64_t offset, void *dst, size_t len, size_t *ret_len,
                     struct error *e) MUST_CHECK;

#endif
