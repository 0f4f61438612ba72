/* A service that does nothing but what its variables ask for; test_service.py drives it. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/mem.h"
#include "service/service.h"

struct settings {
    struct config_common common;
    char *flag_path;
    char *token;
    int start_mode;
    int64_t idle_after_ms;
    int64_t check_block_ms;
    bool info_fails;
};

enum start_mode { START_OK, START_FAIL, START_SLOW, START_ABORT, START_STUCK };

struct demo {
    const struct settings *settings;
    struct service *service;
    atomic_llong drained_at_ms;
};

static const struct config_key keys[] = {
    CONFIG_COMMON_KEYS("0"),
    { "UNREEL_DEMO_FLAG", CONFIG_TEXT, offsetof(struct settings, flag_path), "",
      "file without which the check fails", 0, 0, NULL },
    { "UNREEL_DEMO_TOKEN", CONFIG_SECRET, offsetof(struct settings, token), "", "a secret", 0, 0,
      NULL },
    { "UNREEL_DEMO_START", CONFIG_CHOICE, offsetof(struct settings, start_mode), "ok",
      "how the start ends", 0, 0, "ok|fail|slow|abort|stuck" },
    { "UNREEL_DEMO_IDLE_AFTER_MS", CONFIG_INT, offsetof(struct settings, idle_after_ms), "0",
      "work that is left when the drain begins", 0, 600000, NULL },
    { "UNREEL_DEMO_CHECK_BLOCK_MS", CONFIG_INT, offsetof(struct settings, check_block_ms), "0",
      "how long a check blocks", 0, 600000, NULL },
    { "UNREEL_DEMO_INFO_FAILS", CONFIG_BOOL, offsetof(struct settings, info_fails), "false",
      "whether the check that only informs fails", 0, 0, NULL },
};

static enum err check_flag(void *ctx, struct error *e)
{
    const struct demo *demo = ctx;
    const char *path = demo->settings->flag_path;

    clock_sleep_ms(demo->settings->check_block_ms);
    if (path[0] != '\0' && access(path, F_OK) != 0) {
        return err_set(e, ERR_BUSY, "the flag \"%s\" is not there", path);
    }
    /* As a check that tries twice: what it stumbled over is nothing to tell. */
    (void)err_set(e, ERR_BUSY, "the first try failed");
    return OK;
}

static enum err check_info(void *ctx, struct error *e)
{
    const struct demo *demo = ctx;

    return demo->settings->info_fails ? err_set(e, ERR_NOT_FOUND, "something is missing")
                                      : err_set(e, OK, "all of it is there");
}

static enum err start(struct service *s, void *settings, void **ret_state, struct error *e)
{
    struct settings *set = settings;

    if (set->start_mode == START_FAIL) {
        return err_set(e, ERR_FAULT, "it was asked to fail");
    }
    if (set->start_mode == START_SLOW) {
        clock_sleep_ms(1500);
    }
    struct demo *demo = xcalloc(1, sizeof(*demo));
    demo->settings = set;
    demo->service = s;
    service_add_check(s, "flag", false, check_flag, demo);
    service_add_check(s, "extra", true, check_info, demo);
    if (set->start_mode == START_ABORT) {
        service_abort(s, "it was asked to give up");
    }
    *ret_state = demo;
    return OK;
}

static void drain(void *state)
{
    struct demo *demo = state;

    atomic_store(&demo->drained_at_ms, clock_mono_ms());
}

static bool is_idle(void *state)
{
    struct demo *demo = state;

    if (!service_is_draining(demo->service)) {
        abort();
    }
    /* A main loop that hangs: liveness has to notice. */
    if (demo->settings->start_mode == START_STUCK) {
        clock_sleep_ms(13000);
    }
    return clock_mono_ms() - atomic_load(&demo->drained_at_ms) >= demo->settings->idle_after_ms;
}

static void stop(void *state)
{
    log_info("stop was called");
    free(state);
}

static int run_greet(void *settings, int argc, char **argv)
{
    const struct settings *set = settings;

    (void)printf("%s %d %s\n", argv[0], argc, set->common.bind_address);
    return 7;
}

static const struct service_command commands[] = {
    { "greet", "print a word", run_greet },
};

int main(int argc, char **argv)
{
    static const struct service_definition definition = {
        .name = "demo-service",
        .summary = "does nothing, in order",
        .keys = keys,
        .key_count = ARRAY_LEN(keys),
        .settings_size = sizeof(struct settings),
        .commands = commands,
        .command_count = ARRAY_LEN(commands),
        .start = start,
        .drain = drain,
        .is_idle = is_idle,
        .stop = stop,
    };

    return service_main(&definition, argc, argv);
}
