/* unreel user: accounts, for the operator. The work is unreel-auth's, which alone knows the
 * accounts database. */
#include <string.h>

#include "command.h"
#include "core/mem.h"
#include "program.h"

#include "core/banned.h"

static int run(const struct command *self, int argc, char **argv)
{
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        command_print_help(self);
        return argc < 2 ? EXIT_USAGE : EXIT_OK;
    }
    struct error e = { 0 };
    AUTO(mem_free) char *path = NULL;
    if (program_find("unreel-auth", &path, &e) != OK) {
        say_error("%s", e.text);
        return EXIT_FAILED;
    }
    char **arguments = xcalloc((size_t)argc + 2, sizeof(*arguments));
    arguments[0] = path;
    memcpy(&arguments[1], argv, (size_t)argc * sizeof(*argv));
    (void)program_become(path, arguments, &e);
    free(arguments);
    say_error("%s", e.text);
    return EXIT_FAILED;
}

const struct command command_user = {
    .name = "user",
    .arguments = "add|list|password|disable|enable|remove [EMAIL]",
    .help = "Manages accounts in the database that UNREEL_ACCOUNTS_URL names.\n\n"
            "  add EMAIL [--admin] [--password-stdin]   makes an account; prints a password if "
            "none is given\n"
            "  list                                     lists the accounts\n"
            "  password EMAIL [--password-stdin]        sets a new password\n"
            "  disable EMAIL, enable EMAIL              forbids and allows logins\n"
            "  remove EMAIL                             removes an account",
    .options = NULL,
    .option_count = 0,
    .run = run,
};
