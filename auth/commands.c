#include "auth/commands.h"

#include <stdio.h>

#include "core/clock.h"

#include "core/banned.h"

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

int commands_migrate(void *settings, int argc, char **argv)
{
    (void)argv;
    const struct settings *s = settings;
    if (argc != 1) {
        (void)fputs("usage: unreel-auth migrate\n", stderr);
        return 2;
    }
    struct error e = { 0 };
    int applied = 0;
    if (accounts_migrate(s->accounts_url, &applied, &e) != OK) {
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
