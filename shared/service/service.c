#include "service/service.h"

#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/version.h"
#include "service/checks.h"
#include "service/exporter.h"
#include "service/ops.h"
#include "service/usage.h"

#include "core/banned.h"

#define EXIT_USAGE 2
#define TICK_MS 200
#define DRAIN_TICK_MS 20
/* A terminal's Ctrl-C reaches the service and its supervisor, who sends another signal: signals
 * this close together are one wish. */
#define SAME_SIGNAL_MS 300
#define CHECK_STOP_MS 8000

struct service {
    const struct service_definition *definition;
    struct checks *checks;
    struct ops *ops;
    void *state;
    sigset_t signals;
    atomic_bool is_draining;
    atomic_bool is_aborted;
};

void service_add_check(struct service *s, const char *name, bool info_only,
                       enum err (*check)(void *ctx, struct error *e), void *ctx)
{
    checks_add(s->checks, name, info_only, check, ctx);
}

bool service_is_draining(const struct service *s)
{
    return atomic_load(&s->is_draining);
}

void service_abort(struct service *s, const char *why)
{
    if (!atomic_exchange(&s->is_aborted, true)) {
        log_error("giving up: %s", why);
    }
}

static void block_signals(struct service *s)
{
    struct sigaction ignore = { .sa_handler = SIG_IGN };

    (void)sigaction(SIGPIPE, &ignore, NULL);
    (void)sigemptyset(&s->signals);
    (void)sigaddset(&s->signals, SIGTERM);
    (void)sigaddset(&s->signals, SIGINT);
    (void)sigaddset(&s->signals, SIGHUP);
    (void)pthread_sigmask(SIG_BLOCK, &s->signals, NULL);
}

/* Waits for a tick; returns whether a signal asks to stop. */
static bool wait_for_stop_signal(struct service *s, int64_t tick_ms)
{
    struct timespec tick = { .tv_nsec = tick_ms * 1000000 };
    int signum = sigtimedwait(&s->signals, NULL, &tick);

    ops_tick(s->ops);
    if (signum == SIGHUP) {
        log_info("SIGHUP does nothing: the configuration is read at start only");
    }
    return signum == SIGTERM || signum == SIGINT;
}

static void serve(struct service *s)
{
    ops_tick(s->ops);
    ops_set_phase(s->ops, OPS_RUNNING);
    while (!atomic_load(&s->is_aborted)) {
        if (wait_for_stop_signal(s, TICK_MS)) {
            return;
        }
    }
}

static bool is_idle(const struct service *s)
{
    return s->definition->is_idle == NULL || s->definition->is_idle(s->state);
}

/* False when a second signal cut it short. Work left after the drain time is given back by stop. */
static bool drain(struct service *s, int64_t timeout_s)
{
    int64_t began_ms = clock_mono_ms();
    int64_t deadline_ms = began_ms + timeout_s * 1000;

    log_info("draining, for %lld s at most", (long long)timeout_s);
    atomic_store(&s->is_draining, true);
    ops_set_phase(s->ops, OPS_DRAINING);
    checks_cancel(s->checks);
    if (s->definition->drain != NULL) {
        s->definition->drain(s->state);
    }
    while (!is_idle(s)) {
        if (clock_mono_ms() >= deadline_ms) {
            log_warn("the drain time is over, and work is left");
            return true;
        }
        if (wait_for_stop_signal(s, DRAIN_TICK_MS) && clock_mono_ms() - began_ms > SAME_SIGNAL_MS) {
            log_warn("a second signal: ending with work left");
            return false;
        }
    }
    return true;
}

/* From here on a signal ends the process, so that a stop that hangs can be ended by hand. */
static void restore_signals(const struct service *s)
{
    (void)pthread_sigmask(SIG_UNBLOCK, &s->signals, NULL);
}

static int stop(struct service *s, int exit_code)
{
    ops_set_phase(s->ops, OPS_STOPPING);
    restore_signals(s);
    if (!checks_stop(s->checks, CHECK_STOP_MS)) {
        /* The check still uses what stop would free. Whatever is killed, whenever: nothing is lost
         * by going without it. */
        log_error("a check does not return: leaving without a stop in order");
        _exit(EXIT_FAILURE);
    }
    if (s->definition->stop != NULL) {
        s->definition->stop(s->state);
    }
    return exit_code;
}

static int run_started(struct service *s, const struct config_common *common)
{
    struct error e = { 0 };

    if (checks_start(s->checks, &e) != OK) {
        service_abort(s, e.text);
    }
    serve(s);
    bool is_in_order = drain(s, common->drain_timeout_s);
    bool is_failed = atomic_load(&s->is_aborted) || !is_in_order;
    return stop(s, is_failed ? EXIT_FAILURE : EXIT_SUCCESS);
}

static void log_start(const struct service *s, const void *settings)
{
    const struct service_definition *d = s->definition;
    const struct config_common *common = settings;
    AUTO(mem_free) char *text = config_describe(d->keys, d->key_count, settings);

    log_info("started version %s, ops port %s:%d, %s", version_text(), common->bind_address,
             ops_port(s->ops), text);
}

/* Off unless there is an address to send them to. */
static enum err start_exporter(const char *name, const struct config_common *common,
                               struct exporter **ret_exporter, struct error *e)
{
    const struct exporter_options options = { .url = common->otlp_url,
                                              .service = name,
                                              .sample_percent = (int)common->trace_percent };

    exporter_register();
    return common->otlp_url[0] == '\0' ? OK : exporter_start(&options, ret_exporter, e);
}

static int run_service(const struct service_definition *d, void *settings)
{
    const struct config_common *common = settings;
    struct service s = { .definition = d };
    struct error e = { 0 };
    struct exporter *exporter = NULL;
    int exit_code = EXIT_FAILURE;

    block_signals(&s);
    /* Before threads: jansson would seed its hashes at the first use, on whichever thread. */
    json_object_seed(0);
    s.checks = checks_new();
    if (ops_start(d->name, s.checks, common->bind_address, (int)common->ops_port, &s.ops, &e) !=
        OK) {
        log_failure(LOG_LEVEL_ERROR, err_name(e.code), "ops port: %s", e.text);
    } else if (start_exporter(d->name, common, &exporter, &e) != OK) {
        log_failure(LOG_LEVEL_ERROR, err_name(e.code), "traces: %s", e.text);
    } else if (d->start(&s, settings, &s.state, &e) != OK) {
        log_failure(LOG_LEVEL_ERROR, err_name(e.code), "start: %s", e.text);
    } else {
        log_start(&s, settings);
        exit_code = run_started(&s, common);
    }
    exporter_stop(exporter);
    ops_stop(s.ops);
    checks_free(s.checks);
    log_info("stopped");
    return exit_code;
}

/* Loads the settings and runs the command, or the service when it is NULL. */
static int run_configured(const struct service_definition *d, const struct service_command *command,
                          int argc, char **argv)
{
    AUTO(mem_free) void *settings = xcalloc(1, d->settings_size);
    struct error e = { 0 };

    log_init(d->name, LOG_LEVEL_INFO, LOG_FORMAT_AUTO);
    if (config_load(d->keys, d->key_count, settings, &e) != OK) {
        log_failure(LOG_LEVEL_ERROR, err_name(e.code),
                    "configuration: %s (%s --help lists all variables)", e.text, d->name);
        return EXIT_USAGE;
    }
    const struct config_common *common = settings;
    log_init(d->name, (enum log_level)common->log_level, (enum log_format)common->log_format);
    int exit_code = command == NULL ? run_service(d, settings) : command->run(settings, argc, argv);
    config_release(d->keys, d->key_count, settings);
    return exit_code;
}

/* A full disk or a closed pipe must not look like success. */
static int flush_output(void)
{
    return fflush(stdout) == 0 && ferror(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int service_main(const struct service_definition *definition, int argc, char **argv)
{
    const struct service_definition *d = definition;

    if (argc < 2) {
        return run_configured(d, NULL, argc, argv);
    }
    if (strcmp(argv[1], "--help") == 0) {
        usage_print(d);
        return flush_output();
    }
    if (strcmp(argv[1], "--version") == 0) {
        (void)printf("%s %s\n", d->name, version_text());
        return flush_output();
    }
    if (strcmp(argv[1], "--config-names") == 0) {
        usage_print_names(d);
        return flush_output();
    }
    if (strcmp(argv[1], "--config-markdown") == 0) {
        config_print_markdown(d->keys, d->key_count);
        return flush_output();
    }
    const struct service_command *command = usage_find_command(d, argv[1]);
    if (command != NULL) {
        return run_configured(d, command, argc - 1, argv + 1);
    }
    (void)fprintf(stderr, "%s: unknown argument %s (%s --help shows the usage)\n", d->name, argv[1],
                  d->name);
    return EXIT_USAGE;
}
