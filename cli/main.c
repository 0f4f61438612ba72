/* unreel: the command that people type. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "core/attr.h"

#include "core/banned.h"

static const struct command *const commands[] = {
    &command_serve,    &command_convert, &command_login, &command_upload, &command_jobs,
    &command_download, &command_watch,   &command_user,  &command_dlq,
};

static void print_help(void)
{
    (void)printf("Usage: unreel COMMAND [OPTION]... [ARGUMENT]...\n\n"
                 "Turns videos into MP3 files.\n\nCommands:\n");
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        (void)printf("  %-10s %.*s\n", commands[i]->name, (int)strcspn(commands[i]->help, "\n"),
                     commands[i]->help);
    }
    (void)printf(
        "\nOptions:\n"
        "  --help     print this help; after a command, its help\n"
        "  --version  print the version\n\n"
        "Exit codes:\n"
        "  0 done   1 failed   2 wrong usage   3 not logged in or not allowed   4 not found\n"
        "  5 the conversion failed or was cancelled   6 the server cannot be reached\n");
}

int main(int argc, char **argv)
{
    (void)signal(SIGPIPE, SIG_IGN);
    if (argc < 2) {
        print_help();
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        print_help();
        return EXIT_OK;
    }
    if (strcmp(argv[1], "--version") == 0) {
        (void)printf("unreel %s\n", UNREEL_VERSION);
        return EXIT_OK;
    }
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        if (strcmp(commands[i]->name, argv[1]) == 0) {
            return commands[i]->run(commands[i], argc - 1, argv + 1);
        }
    }
    say_error("there is no command %s (see unreel --help)", argv[1]);
    return EXIT_USAGE;
}
