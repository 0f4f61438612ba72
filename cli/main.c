/* unreel: the command that people type. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "core/version.h"

#include "core/banned.h"

static const struct command *const commands[] = {
    &command_serve, &command_convert,  &command_probe, &command_login, &command_upload,
    &command_jobs,  &command_download, &command_watch, &command_user,  &command_dlq,
};

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        if (strcmp(commands[i]->name, name) == 0) {
            return commands[i];
        }
    }
    return NULL;
}

static void print_help(bool all)
{
    (void)printf("Usage: unreel COMMAND [OPTION]... [ARGUMENT]...\n"
                 "  or:  unreel help [COMMAND|all]\n\n"
                 "Turns videos into MP3 files: on this machine, or as the client of a server.\n\n"
                 "Commands:\n");
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        (void)printf("  %-10s  %.*s\n", commands[i]->name, (int)strcspn(commands[i]->help, "\n"),
                     commands[i]->help);
    }
    (void)printf(
        "\nOptions:\n"
        "  --help     print this help; after a command, its help\n"
        "  --version  print the version\n"
        "  --json     after a command: print JSON for programs, an object per line; errors "
        "stay text\n\n");
    for (size_t i = 0; all && i < ARRAY_LEN(commands); i++) {
        command_print_section(commands[i]);
    }
    (void)printf("Exit codes:\n"
                 "  0  done\n"
                 "  1  something failed, here or at the server\n"
                 "  2  wrong usage or configuration\n"
                 "  3  not logged in, the login has expired, or not allowed\n"
                 "  4  there is no such job or file\n"
                 "  5  the file cannot be converted, or its job failed or was cancelled\n"
                 "  6  the server cannot be reached or is not ready\n");
}

static int run(int argc, char **argv)
{
    if (argc < 2) {
        print_help(false);
        return EXIT_USAGE;
    }
    const char *name = argv[1];
    if (strcmp(name, "--version") == 0) {
        (void)printf("unreel %s\n", version_text());
        return EXIT_OK;
    }
    bool is_help = strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0;
    if (is_help || (strcmp(name, "help") == 0 && argc < 3)) {
        print_help(false);
        return EXIT_OK;
    }
    if (strcmp(name, "help") == 0) {
        name = argv[2];
        if (strcmp(name, "all") == 0) {
            print_help(true);
            return EXIT_OK;
        }
        is_help = true;
    }
    const struct command *command = find_command(name);
    if (command == NULL) {
        say_error("there is no command %s (see unreel --help)", name);
        return EXIT_USAGE;
    }
    if (is_help) {
        command_print_help(command);
        return EXIT_OK;
    }
    return command->run(command, argc - 1, argv + 1);
}

int main(int argc, char **argv)
{
    (void)signal(SIGPIPE, SIG_IGN);
    int code = run(argc, argv);
    /* A full disk or a closed pipe must not look like success. */
    if ((fflush(stdout) != 0 || ferror(stdout) != 0) && code == EXIT_OK) {
        say_error("standard output cannot be written");
        code = EXIT_FAILED;
    }
    return code;
}
