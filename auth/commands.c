#include "auth/commands.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/text.h"

#include "core/banned.h"

#define WAIT_MAX_S 86400
#define WAIT_PAUSE_MS 1000

int commands_fail(const char *what, const struct error *e)
{
    (void)fprintf(stderr, "unreel-auth: %s: %s\n", what, e->text);
    return 1;
}

struct accounts *commands_open(const struct settings *settings)
{
    struct error e = { 0 };
    struct accounts *a = NULL;
    if (settings->migrate && accounts_migrate(settings->accounts_url, NULL, &e) != OK) {
        (void)commands_fail("migrate", &e);
        return NULL;
    }
    if (accounts_open(settings->accounts_url, 1, &a, &e) != OK) {
        (void)commands_fail("open the accounts", &e);
        return NULL;
    }
    if (accounts_check(a, &e) != OK) {
        (void)commands_fail("the accounts are not ready", &e);
        accounts_close(a);
        return NULL;
    }
    return a;
}

/* "migrate", or "migrate --wait SECONDS". */
static bool read_wait(int argc, char **argv, int64_t *ret_wait_s)
{
    *ret_wait_s = 0;
    return argc == 1 || (argc == 3 && strcmp(argv[1], "--wait") == 0 &&
                         text_to_int64(argv[2], 1, WAIT_MAX_S, ret_wait_s) == OK);
}

/* Tries again while the server is not there or does not know its user yet; says so once per reason.
 */
static enum err migrate_within(const char *url, int64_t wait_s, int *ret_applied, struct error *e)
{
    int64_t deadline_ms = clock_mono_ms() + wait_s * 1000;
    struct error said = { 0 };

    for (;;) {
        enum err code = accounts_migrate(url, ret_applied, e);
        if (code != ERR_BUSY || clock_mono_ms() >= deadline_ms) {
            return code;
        }
        if (strcmp(e->text, said.text) != 0) {
            (void)fprintf(stderr, "unreel-auth: migrate: waiting: %s\n", e->text);
            said = *e;
        }
        clock_sleep_ms(WAIT_PAUSE_MS);
    }
}

int commands_migrate(void *settings, int argc, char **argv)
{
    const struct settings *s = settings;
    int64_t wait_s = 0;
    if (!read_wait(argc, argv, &wait_s)) {
        (void)fputs("usage: unreel-auth migrate [--wait SECONDS]\n", stderr);
        return 2;
    }
    struct error e = { 0 };
    int applied = 0;
    if (migrate_within(s->accounts_url, wait_s, &applied, &e) != OK) {
        return commands_fail("migrate", &e);
    }
    printf("the schema is up to date, %d migrations applied\n", applied);
    return 0;
}

int commands_rotate_key(void *settings, int argc, char **argv)
{
    (void)argv;
    if (argc != 1) {
        (void)fputs("usage: unreel-auth rotate-key\n", stderr);
        return 2;
    }
    const struct settings *s = settings;
    struct error e = { 0 };
    if (s->signing_key[0] != '\0') {
        (void)err_set(&e, ERR_INVALID, "the key is fixed by UNREEL_SIGNING_KEY");
        return commands_fail("rotate-key", &e);
    }
    AUTO(accounts_close) struct accounts *a = commands_open(s);
    if (a == NULL) {
        return 1;
    }
    struct signing_key key;
    if (keyring_rotate(a, clock_wall_ms(), &key, &e) != OK) {
        return commands_fail("rotate-key", &e);
    }
    char text[CLOCK_TEXT_SIZE];
    clock_format(text, key.activates_at_ms);
    printf("key %s signs from %s\n", key.kid, text);
    return 0;
}
