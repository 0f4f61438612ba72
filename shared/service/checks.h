/* The checks behind /readyz: one thread runs them, everybody else reads the last results.
 *
 * No request ever waits for a dependency. Thread-safe. */
#ifndef UNREEL_SERVICE_CHECKS_H
#define UNREEL_SERVICE_CHECKS_H

#include <jansson.h>
#include <stdbool.h>

#include "core/error.h"
#include "core/mem.h"

struct checks;

struct checks *checks_new(void) MUST_CHECK;
/* The thread must have ended (checks_stop). NULL is fine. */
void checks_free(struct checks *c);

/* `name` must stay valid. Aborts when there are too many. */
void checks_add(struct checks *c, const char *name, bool info_only,
                enum err (*run)(void *ctx, struct error *e), void *ctx);

/* Starts the thread: every check at once, then every 5 s, or every second while one that
 * counts fails. */
enum err checks_start(struct checks *c, struct error *e) MUST_CHECK;
/* No check begins after this. Returns at once. */
void checks_cancel(struct checks *c);
/* Cancels, and waits up to timeout_ms for the check in hand. False when it does not return: then
 * what it uses must not be freed, and neither must c. Without a thread: true. */
bool checks_stop(struct checks *c, int64_t timeout_ms) MUST_CHECK;

/* Whether every check that counts has been run and passed. */
bool checks_are_up(struct checks *c);
/* {name: {"status": "up" | "down" | "warn" | "unknown", "detail": text}}; the caller owns it. */
json_t *checks_report(struct checks *c);

#endif
