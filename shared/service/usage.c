#include "service/usage.h"

#include <stdio.h>
#include <string.h>

#include "core/banned.h"

static void print_row(const char *name, const char *help)
{
    (void)printf("  %-20s  %s\n", name, help);
}

void usage_print(const struct service_definition *d)
{
    (void)printf("%s: %s\n\n", d->name, d->summary);
    (void)printf("Usage: %s\n  or:  %s --help | --version | --config-markdown | --config-names\n",
                 d->name, d->name);
    for (size_t i = 0; i < d->command_count; i++) {
        (void)printf("  or:  %s %s\n", d->name, d->commands[i].name);
    }

    (void)printf("\nWithout arguments it serves until SIGTERM or SIGINT, which drain it; a second "
                 "one ends it.\nIt is configured by environment variables; their defaults stand in "
                 "brackets.\n");
    if (d->command_count > 0) {
        (void)printf("\nCommands:\n");
    }
    for (size_t i = 0; i < d->command_count; i++) {
        print_row(d->commands[i].name, d->commands[i].help);
    }

    (void)printf("\nOptions:\n");
    print_row("--help", "print this text");
    print_row("--version", "print the version");
    print_row("--config-markdown", "print the configuration as a Markdown table");
    print_row("--config-names", "print the names of the configuration, one per line");

    (void)printf("\nEnvironment:\n");
    config_print_help(d->keys, d->key_count);

    (void)printf("\nExit codes:\n");
    print_row("0", "stopped in order");
    print_row("1", "a failure, or stopped before work in hand was finished");
    print_row("2", "wrong usage or configuration");
}

void usage_print_names(const struct service_definition *d)
{
    for (size_t i = 0; i < d->key_count; i++) {
        (void)printf("%s\n", d->keys[i].name);
    }
}

const struct service_command *usage_find_command(const struct service_definition *d,
                                                 const char *name)
{
    for (size_t i = 0; i < d->command_count; i++) {
        if (strcmp(d->commands[i].name, name) == 0) {
            return &d->commands[i];
        }
    }
    return NULL;
}
