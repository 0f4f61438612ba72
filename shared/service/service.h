/* What every service's main shares: configuration, log, signals, the ops port, start in order,
 * drain, stop in reverse.
 *
 * service_main blocks SIGTERM, SIGINT and SIGHUP before any thread, ignores SIGPIPE, handles
 * --help, --version, --config-markdown, --config-names and commands, loads the configuration,
 * starts the ops port (alive, not ready), calls start, is ready when all checks pass, and waits for
 * SIGTERM or SIGINT; then readyz answers 503, drain is called, it waits until is_idle or the drain
 * time is over, and stop is called. A second signal during the drain calls stop at once, and one
 * more ends the process. Exit codes: 0 stopped in order; 1 a failure, or cut short by a second
 * signal; 2 wrong usage or configuration.
 *
 * Children inherit the blocked signals: whoever starts one resets its mask. */
#ifndef UNREEL_SERVICE_SERVICE_H
#define UNREEL_SERVICE_SERVICE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/config.h"
#include "core/error.h"
#include "core/metrics.h"

struct service;

struct service_command {
    const char *name; /* "migrate" */
    const char *help;
    /* Runs with the settings loaded; returns the exit code. argv[0] is the command's name. */
    int (*run)(void *settings, int argc, char **argv);
};

struct service_definition {
    const char *name;    /* "unreel-gateway" */
    const char *summary; /* one line of --help */
    const struct config_key *keys;
    size_t key_count;
    size_t settings_size; /* the settings struct begins with struct config_common */
    const struct service_command *commands;
    size_t command_count;
    /* Starts everything; may add checks and metrics. A dependency that is down is no failure:
     * readiness says so. */
    enum err (*start)(struct service *s, void *settings, void **ret_state, struct error *e);
    /* Stop taking new work; returns at once. May be NULL. */
    void (*drain)(void *state);
    /* May be NULL: always. */
    bool (*is_idle)(void *state);
    /* Ends what is left, joins threads, frees. No check runs any more. May be NULL. */
    void (*stop)(void *state);
};

int service_main(const struct service_definition *definition, int argc, char **argv);

/* A dependency for /readyz: called by a thread of the service every few seconds, never by a
 * request; may block for 5 s. The answer carries {"status","details":{name:{"status","detail"}}}.
 * A check that passes may set a detail too, by err_set(e, OK, ...). `info` checks never make it
 * unready (a kernel without Landlock). */
void service_add_check(struct service *s, const char *name, bool info_only,
                       enum err (*check)(void *ctx, struct error *e), void *ctx);
/* True once SIGTERM has come. Thread-safe. */
bool service_is_draining(const struct service *s);
/* Ends the service as if SIGTERM had come, with exit code 1: for a failure nothing can mend. */
void service_abort(struct service *s, const char *why);

#endif
