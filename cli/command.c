#include "command.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/mem.h"
#include "escape.h"

#include "core/banned.h"

#define ERROR_MAX 1024

static const struct option_spec shared_options[] = {
    { "--json", NULL, "print JSON for programs, an object per line; errors stay text" },
    { "--help", NULL, "print this help" },
};

void say_error(const char *fmt, ...)
{
    bool colour = isatty(STDERR_FILENO) && getenv("NO_COLOR") == NULL;
    char text[ERROR_MAX];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    AUTO(mem_free) char *clean = escape_controls(text);
    (void)fprintf(stderr, colour ? "\033[31munreel:\033[0m %s\n" : "unreel: %s\n", clean);
}

void print_json(const json_t *json)
{
    (void)json_dumpf(json, stdout, JSON_COMPACT);
    (void)fputc('\n', stdout);
    (void)fflush(stdout);
}

static void print_option(const struct option_spec *option)
{
    char left[64];
    (void)snprintf(left, sizeof(left), "%s%s%s", option->name, option->argument != NULL ? " " : "",
                   option->argument != NULL ? option->argument : "");
    (void)printf("  %-22s  %s\n", left, option->help);
}

static void print_options(const struct command *command)
{
    for (size_t i = 0; i < command->option_count; i++) {
        print_option(&command->options[i]);
    }
}

static void print_usage(const struct command *command)
{
    (void)printf("unreel %s [OPTION]...%s%s", command->name,
                 command->arguments[0] != '\0' ? " " : "", command->arguments);
}

void command_print_help(const struct command *command)
{
    (void)printf("Usage: ");
    print_usage(command);
    (void)printf("\n\n%s\n\nOptions:\n", command->help);
    print_options(command);
    for (size_t i = 0; i < ARRAY_LEN(shared_options); i++) {
        print_option(&shared_options[i]);
    }
}

void command_print_section(const struct command *command)
{
    print_usage(command);
    (void)printf(":\n");
    for (const char *line = command->help; *line != '\0';) {
        size_t len = strcspn(line, "\n");
        if (len > 0) {
            (void)printf("  %.*s\n", (int)len, line);
        } else {
            (void)printf("\n");
        }
        line += len + (line[len] == '\n' ? 1 : 0);
    }
    if (command->option_count > 0) {
        (void)printf("\n");
    }
    print_options(command);
    (void)printf("\n");
}

void arguments_init(struct arguments *a, const struct command *command, int argc, char **argv)
{
    memset(a, 0, sizeof(*a));
    a->command = command;
    a->argc = argc;
    a->argv = argv;
    a->next = 1;
}

static enum argument_kind fail(struct arguments *a, const char *what, const char *which)
{
    say_error("%s: %s %s (see unreel %s --help)", a->command->name, what, which, a->command->name);
    a->has_failed = true;
    return ARGUMENT_END;
}

/* "--name", "--name=value" or "--name value" against the table. */
static enum argument_kind read_option(struct arguments *a, const char *text, size_t *ret_index,
                                      const char **ret_value)
{
    const char *equals = strchr(text, '=');
    size_t len = equals != NULL ? (size_t)(equals - text) : strlen(text);
    for (size_t i = 0; i < a->command->option_count; i++) {
        const struct option_spec *option = &a->command->options[i];
        if (strlen(option->name) != len || strncmp(option->name, text, len) != 0) {
            continue;
        }
        *ret_index = i;
        *ret_value = equals != NULL ? equals + 1 : NULL;
        if (option->argument == NULL && equals != NULL) {
            return fail(a, "no value belongs to", option->name);
        }
        if (option->argument != NULL && equals == NULL) {
            if (a->next >= a->argc) {
                return fail(a, "a value is missing after", option->name);
            }
            *ret_value = a->argv[a->next++];
        }
        return ARGUMENT_OPTION;
    }
    return fail(a, "unknown option", text);
}

enum argument_kind arguments_next(struct arguments *a, size_t *ret_index, const char **ret_value)
{
    while (a->next < a->argc) {
        const char *text = a->argv[a->next++];
        if (a->only_operands || text[0] != '-' || text[1] == '\0') {
            *ret_value = text;
            return ARGUMENT_OPERAND;
        }
        if (strcmp(text, "--") == 0) {
            a->only_operands = true;
        } else if (strcmp(text, "--json") == 0) {
            a->json = true;
        } else if (strcmp(text, "--help") == 0 || strcmp(text, "-h") == 0) {
            command_print_help(a->command);
            exit(EXIT_OK);
        } else {
            return read_option(a, text, ret_index, ret_value);
        }
    }
    return ARGUMENT_END;
}
