/* The MP3s that `unreel convert` writes: the first under the name that was given, the others with
 * their number before its extension (song.mp3, song-2.mp3, ...). All appear when all are whole. Or
 * the only one to standard output. */
#ifndef UNREEL_CLI_MP3_FILES_H
#define UNREEL_CLI_MP3_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "jobs/job.h"
#include "partial.h"

struct mp3_files {
    bool is_standard;             /* to standard output */
    bool is_stream;               /* which is a pipe: what was written cannot be changed */
    const char *path;             /* of the first; the caller's */
    char *paths[JOB_OUTPUTS_MAX]; /* by number; NULL: there is none */
    struct partial files[JOB_OUTPUTS_MAX];
    bool is_open[JOB_OUTPUTS_MAX];
    bool has_bytes[JOB_OUTPUTS_MAX];
};

/* Opens the first at once: a folder that cannot be written is told before any work. "-" is standard
 * output; into an empty file it is no stream. ERR_INVALID: the path is there and no regular file,
 * or standard output is a terminal. */
enum err mp3_files_open(struct mp3_files *m, const char *path, struct error *e) MUST_CHECK;
enum err mp3_files_write(struct mp3_files *m, int number, const void *bytes, size_t len,
                         struct error *e) MUST_CHECK;
enum err mp3_files_rewrite(struct mp3_files *m, int number, int64_t offset, const void *bytes,
                           size_t len, struct error *e) MUST_CHECK;
/* Takes back what was written. */
enum err mp3_files_restart(struct mp3_files *m, int number, struct error *e) MUST_CHECK;
/* Gives all their names; those that have one by then keep it when a later one fails. */
enum err mp3_files_commit(struct mp3_files *m, struct error *e) MUST_CHECK;
/* Removes what has no name yet, and frees all. */
void mp3_files_release(struct mp3_files *m);

#endif
