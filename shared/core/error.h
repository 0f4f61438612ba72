/* The closed list of errors, and an error with its text.
 *
 * The code is decided where the driver's error is known; above that it only travels. The text
 * belongs to the caller and is for the log; what a user reads is a problem (problem.h). Functions
 * that can fail return enum err and take a `struct error *e` last; e may be NULL. Out parameters
 * are named ret_x and written on OK only. */
#ifndef UNREEL_CORE_ERROR_H
#define UNREEL_CORE_ERROR_H

#include <stdarg.h>
#include <stdbool.h>

#include "core/attr.h"

enum err {
    OK = 0,
    ERR_INVALID,   /* the input is wrong; trying again with the same input is pointless */
    ERR_NOT_FOUND, /* there is no such thing, or not for this caller */
    ERR_EXISTS,    /* it is there already, or has ended already */
    ERR_DENIED,    /* the caller may not */
    ERR_TOO_BIG,   /* over a named limit */
    ERR_CONFLICT,  /* a compare-and-set lost: somebody else changed it first */
    ERR_BUSY,      /* a dependency is down or slow; the same call may work later */
    ERR_TIMEOUT,   /* nothing happened within the given time; not a failure by itself */
    ERR_CORRUPT,   /* stored or received data is broken */
    ERR_CANCELLED, /* the caller or a user asked to stop */
    ERR_FAULT,     /* anything else: a bug, or a system call that failed */
    ERR_MAX
};

struct error {
    enum err code;
    char text[256];
};

/* "ok", "invalid", "not_found", ...: the code's name in logs and metrics. Never NULL. */
const char *err_name(enum err code);

/* One sentence for the code. Never NULL. */
const char *err_text(enum err code);

/* Sets *e (e may be NULL) and returns code, so that `return err_set(e, ERR_X, "...")` works.
 * Truncates. */
enum err err_set(struct error *e, enum err code, const char *fmt, ...) PRINTF(3, 4);

/* The same with the text of the errno value `errnum` appended: "open x: No such file or directory".
 */
enum err err_set_errno(struct error *e, enum err code, int errnum, const char *fmt, ...)
    PRINTF(4, 5);

/* Whether the same call may succeed later with nothing changed (BUSY, TIMEOUT, CONFLICT, FAULT). */
bool err_is_transient(enum err code);

#endif
