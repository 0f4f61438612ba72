/* A progress bar on a terminal; nothing anywhere else. */
#ifndef UNREEL_CLI_PROGRESS_H
#define UNREEL_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    const char *label; /* "upload" */
    bool is_shown;     /* standard error is a terminal, and nobody asked for quiet */
    bool is_drawn;     /* the cursor stands behind a bar */
    int64_t drawn_ms;
};

void progress_init(struct progress *p, const char *label, bool is_wanted);
/* Draws at most ten times a second. percent < 0: unknown. `note` is short text behind the bar. */
void progress_update(struct progress *p, double percent, const char *note);
/* A full bar, and the end of its line. */
void progress_done(struct progress *p, const char *note);
/* The end of the line, as it is: before something else is said. */
void progress_break(struct progress *p);

#endif
