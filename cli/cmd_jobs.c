/* unreel jobs: the list, one job, and what can be done to it. */
#include <stdio.h>

#include "api.h"
#include "core/mem.h"
#include "escape.h"

#include "core/banned.h"

enum {
    OPTION_STATE,
    OPTION_TAG,
    OPTION_LIMIT,
    OPTION_AFTER,
    OPTION_CANCEL,
    OPTION_RETRY,
    OPTION_DELETE
};

static const struct option_spec options[] = {
    { "--state", "STATE", "only queued, running, succeeded, failed or cancelled ones" },
    { "--tag", "TEXT", "only those with this tag" },
    { "--limit", "COUNT", "at most so many (default: 20)" },
    { "--after", "CURSOR", "go on where a list ended: `next` of its JSON" },
    { "--cancel", NULL, "cancel the jobs named" },
    { "--retry", NULL, "run the failed or cancelled jobs named again" },
    { "--delete", NULL, "delete the jobs named, and their files" },
};

/* Of the options up to --after. */
static const char *const query_names[] = { "state", "tag", "limit", "after" };

struct action {
    const char *method, *suffix;
};

/* Of the options from --cancel on. */
static const struct action actions[] = { { "POST", "/cancel" },
                                         { "POST", "/retry" },
                                         { "DELETE", "" } };

struct wishes {
    const char **ids;
    size_t id_count;
    char *query;
    const struct action *action; /* NULL: show them */
    bool json;
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
        print_json(answer);
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

static int act(const struct login *session, const char *id, const struct wishes *w)
{
    AUTO(mem_free) char *escaped = escape_query(id);
    AUTO(mem_free)
    char *path = xasprintf("/v1/jobs/%s%s", escaped, w->action != NULL ? w->action->suffix : "");
    json_t *job = NULL;
    int code = api_json(session, w->action != NULL ? w->action->method : "GET", path, &job);
    if (code == EXIT_OK && job != NULL) {
        api_print_job(job, w->json);
    } else if (code == EXIT_OK && w->json) {
        (void)printf("{\"id\":\"%s\",\"deleted\":true}\n", escaped);
    } else if (code == EXIT_OK) {
        (void)printf("%s deleted\n", escaped);
    }
    json_decref(job);
    return code;
}

/* False: a mistake was said. */
static bool read_wishes(struct arguments *a, struct wishes *w)
{
    size_t option = 0;
    const char *value = NULL;
    enum argument_kind kind = ARGUMENT_END;
    while ((kind = arguments_next(a, &option, &value)) != ARGUMENT_END) {
        if (kind == ARGUMENT_OPERAND) {
            w->ids[w->id_count++] = value;
        } else if (option < OPTION_CANCEL) {
            AUTO(mem_free) char *escaped = escape_query(value);
            char *longer = xasprintf("%s%s=%s&", w->query, query_names[option], escaped);
            free(w->query);
            w->query = longer;
        } else if (w->action != NULL && w->action != &actions[option - OPTION_CANCEL]) {
            say_error("jobs: one of --cancel, --retry and --delete at a time");
            return false;
        } else {
            w->action = &actions[option - OPTION_CANCEL];
        }
    }
    w->json = a->json;
    if (a->has_failed) {
        return false;
    }
    if (w->action != NULL && w->id_count == 0) {
        say_error("jobs: name the jobs");
        return false;
    }
    if (w->query[0] != '\0' && w->id_count > 0) {
        say_error("jobs: --state, --tag, --limit and --after go with the list only");
        return false;
    }
    return true;
}

static int run(const struct command *self, int argc, char **argv)
{
    struct arguments a;
    AUTO(mem_free) const char **ids = xcalloc((size_t)argc, sizeof(*ids));
    struct wishes w = { .ids = ids, .query = xstrdup("") };
    arguments_init(&a, self, argc, argv);
    if (!read_wishes(&a, &w)) {
        free(w.query);
        return EXIT_USAGE;
    }
    struct login session = { 0 };
    int code = api_login(&session);
    int worst = code;
    if (code == EXIT_OK && w.id_count == 0) {
        worst = list(&session, w.query, w.json);
    }
    for (size_t i = 0; code == EXIT_OK && i < w.id_count; i++) {
        int one = act(&session, ids[i], &w);
        worst = one > worst ? one : worst;
    }
    login_release(&session);
    free(w.query);
    return worst;
}

const struct command command_jobs = {
    .name = "jobs",
    .arguments = "[ID]...",
    .help = "Lists your jobs, newest first, or shows, cancels, retries or deletes those named.",
    .options = options,
    .option_count = ARRAY_LEN(options),
    .run = run,
};
