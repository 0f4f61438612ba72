/* unreel user: accounts, for the operator. The work is unreel-auth's, which alone knows the
 * accounts database. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "core/mem.h"
#include "core/text.h"
#include "environment.h"
#include "program.h"

#include "core/banned.h"

/* Takes --data FOLDER out of the arguments, which unreel-auth does not know. The caller frees
 * *ret_folder; NULL: a value is missing. */
static char **take_folder(int argc, char **argv, char *path, char **ret_folder)
{
    char **arguments = xcalloc((size_t)argc + 2, sizeof(*arguments));
    int count = 0;
    arguments[count++] = path;
    for (int i = 0; i < argc; i++) {
        if (text_starts_with(argv[i], "--data=")) {
            free(*ret_folder);
            *ret_folder = xstrdup(argv[i] + strlen("--data="));
        } else if (strcmp(argv[i], "--data") == 0 && i + 1 < argc) {
            free(*ret_folder);
            *ret_folder = xstrdup(argv[++i]);
        } else {
            arguments[count++] = argv[i];
        }
    }
    return arguments;
}

/* The database: what the environment says, else that of `unreel serve`. */
static int choose_accounts(struct environment *env, const char *folder)
{
    static const char name[] = "UNREEL_ACCOUNTS_URL";
    if (folder == NULL && environment_has(env, name)) {
        return EXIT_OK;
    }
    AUTO(mem_free) char *data = folder != NULL ? xstrdup(folder) : environment_data_folder();
    AUTO(mem_free) char *database = xasprintf("%s/accounts.db", data);
    if (access(database, F_OK) != 0) {
        say_error("user: there are no accounts in %s; set UNREEL_ACCOUNTS_URL, or name the folder "
                  "of unreel serve with --data",
                  data);
        return EXIT_USAGE;
    }
    AUTO(mem_free) char *url = environment_sqlite_url(data, "accounts.db");
    environment_add(env, xasprintf("%s=%s", name, url));
    return EXIT_OK;
}

static int become_auth(int argc, char **argv)
{
    struct error e = { 0 };
    AUTO(mem_free) char *path = NULL;
    AUTO(mem_free) char *names = NULL;
    if (program_find("unreel-auth", &path, &e) != OK ||
        program_output(path, "--config-names", PROGRAM_NAMES_MAX, &names, &e) != OK) {
        say_error("%s", e.text);
        return EXIT_FAILED;
    }
    AUTO(mem_free) char *folder = NULL;
    AUTO(mem_free) char **arguments = take_folder(argc, argv, path, &folder);
    if (folder != NULL &&
        (unsetenv("UNREEL_ACCOUNTS_URL") != 0 || unsetenv("UNREEL_ACCOUNTS_URL_FILE") != 0)) {
        return EXIT_FAILED;
    }
    struct environment env = { 0 };
    environment_inherit(&env, names);
    int code = choose_accounts(&env, folder);
    if (code == EXIT_OK) {
        (void)program_become(path, arguments, env.list, &e);
        say_error("%s", e.text);
        code = EXIT_FAILED;
    }
    environment_release(env.list);
    return code;
}

static int run(const struct command *self, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            command_print_help(self);
            return EXIT_OK;
        }
    }
    if (argc < 2) {
        say_error("user: add, list, password, disable, enable or remove (see unreel user --help)");
        return EXIT_USAGE;
    }
    return become_auth(argc, argv);
}

static const struct option_spec options[] = {
    { "--data", "FOLDER", "the accounts of `unreel serve --data FOLDER`" },
    { "--admin", NULL, "with add: make an administrator" },
    { "--password-stdin", NULL, "with add and password: read the password; else one is made" },
};

const struct command command_user = {
    .name = "user",
    .arguments = "add|list|password|disable|enable|remove [EMAIL]",
    .help = "Manages accounts.\n"
            "They are in the database that UNREEL_ACCOUNTS_URL names, else in the folder of "
            "`unreel serve`.\n"
            "Disabled accounts cannot log in; a token that was given lives on for its 15 "
            "minutes.\nunreel-auth does the work; it exits with 0, 1 or 2.",
    .options = options,
    .option_count = ARRAY_LEN(options),
    .run = run,
};
