/* unreel jobs: the list, one job, and what can be done to it. */
#include <stdio.h>
#include <string.h>

#include "api.h"
#include "core/mem.h"

#include "core/banned.h"

enum { OPTION_STATE, OPTION_TAG, OPTION_LIMIT, OPTION_CANCEL, OPTION_RETRY, OPTION_DELETE };

static const struct option_spec options[] = {
    {"--state",   "STATE", "only queued, running, succeeded, failed or cancelled ones"},
    { "--tag",    "TEXT",  "only those with this tag"                                 },
    { "--limit",  "COUNT", "at most so many (default: 20)"                            },
    { "--cancel", NULL,    "cancel the jobs named"                                    },
    { "--retry",  NULL,    "run the failed or cancelled jobs named again"             },
    { "--delete", NULL,    "delete the jobs named, and their files"                   },
};

static int list(const struct login *session, const char *query, bool json)
{
    AUTO(mem_free) char *path = xasprintf("/v1/jobs?%s", query);
    json_t *answer = NULL;
    int code = api_json(session, "GET", path, &answer);
    if (code != EXIT_OK) {
        return code;
    }
    if (json) {
        (void)json_dumpf(answer, stdout, JSON_COMPACT);
        (void)fputc('\n', stdout);
    } else {
        size_t i = 0;
        json_t *job = NULL;
        json_array_foreach(json_object_get(answer, "jobs"), i, job)
        {
            api_print_job(job, false);
        }
    }
    json_decref(answer);
    return EXIT_OK;
}

static int act(const struct login *session, const char *id, const char *method, const char *suffix,
               bool json)
{
    AUTO(mem_free) char *escaped = api_escape(id);
    AUTO(mem_free) char *path = xasprintf("/v1/jobs/%s%s", escaped, suffix);
    json_t *job = NULL;
    int code = api_json(session, method, path, &job);
    if (code == EXIT_OK && job != NULL) {
        api_print_job(job, json);
    } else if (code == EXIT_OK && json) {
        (void)printf("{\"id\":\"%s\",\"deleted\":true}\n", escaped);
    } else if (code == EXIT_OK) {
        (void)printf("%s deleted\n", escaped);
    }
    json_decref(job);
    return code;
}

static int run(const struct command *self, int argc, char **argv)
{
    struct arguments a;
    AUTO(mem_free) const char **ids = xcalloc((size_t)argc, sizeof(*ids));
    AUTO(mem_free) char *query = xstrdup("");
    size_t id_count = 0;
    const char *method = "GET";
    const char *suffix = "";
    bool has_action = false;
    size_t option = 0;
    const char *value = NULL;
    enum argument_kind kind = ARGUMENT_END;
    arguments_init(&a, self, argc, argv);
    while ((kind = arguments_next(&a, &option, &value)) != ARGUMENT_END) {
        if (kind == ARGUMENT_OPERAND) {
            ids[id_count++] = value;
        } else if (option <= OPTION_LIMIT) {
            static const char *const names[] = { "state", "tag", "limit" };
            AUTO(mem_free) char *escaped = api_escape(value);
            char *longer = xasprintf("%s%s=%s&", query, names[option], escaped);
            free(query);
            query = longer;
        } else {
            has_action = true;
            static const char *const methods[] = { "POST", "POST", "DELETE" };
            static const char *const suffixes[] = { "/cancel", "/retry", "" };
            method = methods[option - OPTION_CANCEL];
            suffix = suffixes[option - OPTION_CANCEL];
        }
    }
    if (a.has_failed) {
        return EXIT_USAGE;
    }
    if (has_action && id_count == 0) {
        say_error("jobs: name the jobs");
        return EXIT_USAGE;
    }
    struct login session = { 0 };
    struct error e = { 0 };
    int code = http_client_init(&e) == OK ? api_login(&session) : EXIT_FAILED;
    if (code == EXIT_OK && id_count == 0) {
        code = list(&session, query, a.json);
    }
    for (size_t i = 0; code == EXIT_OK && i < id_count; i++) {
        code = act(&session, ids[i], method, suffix, a.json);
    }
    login_release(&session);
    return code;
}

const struct command command_jobs = {
    .name = "jobs",
    .arguments = "[ID]...",
    .help = "Lists your jobs, newest first, or shows, cancels, retries or deletes those named.",
    .options = options,
    .option_count = ARRAY_LEN(options),
    .run = run,
};
