/* unreel watch: follows jobs until they have ended. */
#include "api.h"
#include "core/mem.h"

#include "core/banned.h"

static int run(const struct command *self, int argc, char **argv)
{
    struct arguments a;
    AUTO(mem_free) const char **ids = xcalloc((size_t)argc, sizeof(*ids));
    size_t count = 0;
    size_t option = 0;
    const char *value = NULL;
    arguments_init(&a, self, argc, argv);
    while (arguments_next(&a, &option, &value) == ARGUMENT_OPERAND) {
        ids[count++] = value;
    }
    if (a.has_failed || count == 0) {
        if (!a.has_failed) {
            say_error("watch: name a job");
        }
        return EXIT_USAGE;
    }
    struct login session = { 0 };
    int code = api_login(&session);
    int worst = code;
    for (size_t i = 0; code == EXIT_OK && i < count; i++) {
        json_t *job = NULL;
        int one = api_wait(&session, ids[i], !a.json, &job);
        if (job != NULL) {
            api_print_job(job, a.json);
            json_decref(job);
        }
        worst = one > worst ? one : worst;
    }
    login_release(&session);
    return worst;
}

const struct command command_watch = {
    .name = "watch",
    .arguments = "ID...",
    .help = "Shows the progress of jobs until they have ended.\n"
            "A login lasts for 15 minutes. When it ends before the jobs do: log in again, in "
            "another\n"
            "terminal meanwhile (this goes on), or afterwards (this ends with 3, the jobs do not).",
    .options = NULL,
    .option_count = 0,
    .run = run,
};
