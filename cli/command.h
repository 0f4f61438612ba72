/* The subcommands of `unreel`, and what they share. */
#ifndef UNREEL_CLI_COMMAND_H
#define UNREEL_CLI_COMMAND_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/attr.h"

/* Exit codes of every command; printed by --help. */
enum exit_code {
    EXIT_OK = 0,
    EXIT_FAILED = 1,     /* something went wrong here or at the server */
    EXIT_USAGE = 2,      /* wrong arguments or configuration */
    EXIT_DENIED = 3,     /* not logged in, or not allowed */
    EXIT_NOT_FOUND = 4,  /* no such job or file */
    EXIT_JOB_FAILED = 5, /* the file cannot be converted, or its job failed or was cancelled */
    EXIT_UNAVAILABLE = 6 /* the server cannot be reached or is not ready */
};

struct option_spec {
    const char *name;     /* "--output" */
    const char *argument; /* "FILE"; NULL: a switch */
    const char *help;
};

struct command {
    const char *name;
    const char *arguments; /* "FILE...", for the usage line */
    const char *help;      /* its first line is the command's line in `unreel --help` */
    const struct option_spec *options;
    size_t option_count;
    /* argv[0] is the command's name. Returns an exit code. */
    int (*run)(const struct command *self, int argc, char **argv);
};

extern const struct command command_serve, command_convert, command_probe, command_login,
    command_upload, command_jobs, command_download, command_watch, command_user, command_dlq;

/* Walks over the arguments of a command: options of its table (and --json, --help, which all know),
 * and the rest. */
struct arguments {
    const struct command *command;
    int argc;
    char **argv;
    int next;
    bool json;
    bool has_failed;    /* an error was printed */
    bool only_operands; /* after "--" */
};

enum argument_kind { ARGUMENT_END, ARGUMENT_OPTION, ARGUMENT_OPERAND };

void arguments_init(struct arguments *a, const struct command *command, int argc, char **argv);
/* The next one: an option with *ret_index in the command's table and its value (NULL for a switch),
 * or an operand. --help prints and exits; a mistake is printed, has_failed is set and ARGUMENT_END
 * returned. */
enum argument_kind arguments_next(struct arguments *a, size_t *ret_index, const char **ret_value);

/* Prints the command's help to standard output. */
void command_print_help(const struct command *command);
/* The same as a section of the help of all commands. */
void command_print_section(const struct command *command);
/* "unreel: ..." on standard error; red on a terminal. */
void say_error(const char *fmt, ...) PRINTF(1, 2);
/* One line on standard output. */
void print_json(const json_t *json);

#endif
