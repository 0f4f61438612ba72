/* unreel dlq: messages that could not be handled, for the operator. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "core/clock.h"
#include "core/mem.h"
#include "environment.h"
#include "escape.h"
#include "queue/queue.h"

#include "core/banned.h"

#define SHOWN_MAX 200

#define URL_MAX 4096

enum { OPTION_DATA, OPTION_URL };

static const struct option_spec options[] = {
    { "--data", "FOLDER", "the queue of `unreel serve --data FOLDER`" },
    { "--queue-url", "URL", "the queue at this URL" },
};

static const char *const queues[] = { "video", "mp3" };

static json_t *describe(const char *queue, const struct queue_dead *dead)
{
    char died[CLOCK_TEXT_SIZE] = "";
    if (dead->died_at_ms > 0) {
        clock_format(died, dead->died_at_ms);
    }
    AUTO(mem_free) char *id = escape_controls(dead->id);
    AUTO(mem_free) char *reason = escape_controls(dead->reason);
    AUTO(mem_free) char *body = escape_controls(dead->body);
    return json_pack("{s:s, s:s, s:s, s:s, s:s}", "queue", queue, "id", id, "reason", reason,
                     "died_at", died, "body", body);
}

static void print_line(json_t *one)
{
    const char *queue = NULL;
    const char *died = NULL;
    const char *reason = NULL;
    const char *body = NULL;
    if (json_unpack(one, "{s:s, s:s, s:s, s:s}", "queue", &queue, "died_at", &died, "reason",
                    &reason, "body", &body) == 0) {
        (void)printf("%-6s %-24s %-20s %s\n", queue, died, reason, body);
    }
}

static enum err list_queue(struct queue *q, const char *name, json_t *list, bool json,
                           struct error *e)
{
    AUTO(mem_free) struct queue_dead *dead = xcalloc(SHOWN_MAX, sizeof(*dead));
    size_t count = 0;
    enum err rc = queue_list_dead(q, name, dead, SHOWN_MAX, &count, e);
    for (size_t i = 0; rc == OK && i < count; i++) {
        json_t *one = describe(name, &dead[i]);
        if (!json) {
            print_line(one);
        }
        (void)json_array_append_new(list, one);
    }
    if (count == SHOWN_MAX) {
        say_error("of %s, the first %d are shown; there may be more", name, SHOWN_MAX);
    }
    return rc;
}

static enum err list_all(struct queue *q, bool json, struct error *e)
{
    json_t *list = json_array();
    enum err rc = OK;
    for (size_t i = 0; i < ARRAY_LEN(queues) && rc == OK; i++) {
        rc = list_queue(q, queues[i], list, json, e);
    }
    if (rc == OK && json) {
        print_json(list);
    } else if (rc == OK && json_array_size(list) == 0) {
        (void)printf("no dead letters\n");
    }
    json_decref(list);
    return rc;
}

static enum err act_all(struct queue *q, const char *verb, bool json, struct error *e)
{
    size_t total = 0;
    enum err rc = OK;
    for (size_t i = 0; i < ARRAY_LEN(queues) && rc == OK; i++) {
        size_t count = 0;
        rc = strcmp(verb, "requeue") == 0 ? queue_requeue_dead(q, queues[i], &count, e)
                                          : queue_purge_dead(q, queues[i], &count, e);
        total += rc == OK ? count : 0;
    }
    if (rc == OK) {
        (void)printf(json ? "{\"%s\":%zu}\n" : "%s: %zu\n", verb, total);
    }
    return rc;
}

/* The URL of the environment, else of `unreel serve`; the caller frees it. NULL: said why not. */
static char *find_queue(const char *folder)
{
    const char *url = getenv("UNREEL_QUEUE_URL");
    const char *path = getenv("UNREEL_QUEUE_URL_FILE");
    if (folder == NULL && url != NULL) {
        return xstrdup(url);
    }
    if (folder == NULL && path != NULL) {
        char line[URL_MAX] = "";
        FILE *file = fopen(path, "re");
        bool is_read = file != NULL && fgets(line, sizeof(line), file) != NULL;
        if (file != NULL) {
            (void)fclose(file);
        }
        line[strcspn(line, "\r\n")] = '\0';
        if (!is_read) {
            say_error("dlq: %s, which UNREEL_QUEUE_URL_FILE names, cannot be read", path);
        }
        return is_read ? xstrdup(line) : NULL;
    }
    AUTO(mem_free) char *data = folder != NULL ? xstrdup(folder) : environment_data_folder();
    AUTO(mem_free) char *database = xasprintf("%s/queue.db", data);
    if (access(database, F_OK) != 0) {
        say_error("dlq: there is no queue in %s; set UNREEL_QUEUE_URL, or name the folder of "
                  "unreel serve with --data",
                  data);
        return NULL;
    }
    return environment_sqlite_url(data, "queue.db");
}

static int act(const char *verb, const char *url, bool json)
{
    struct error e = { 0 };
    AUTO(queue_close) struct queue *q = NULL;
    enum err rc = queue_open(url, &q, &e);
    if (rc == OK) {
        rc = strcmp(verb, "list") == 0 ? list_all(q, json, &e) : act_all(q, verb, json, &e);
    }
    if (rc != OK) {
        bool is_away = rc == ERR_BUSY || rc == ERR_TIMEOUT;
        say_error("dlq: %s", e.text);
        return is_away ? EXIT_UNAVAILABLE : rc == ERR_INVALID ? EXIT_USAGE : EXIT_FAILED;
    }
    return EXIT_OK;
}

static int run(const struct command *self, int argc, char **argv)
{
    struct arguments a;
    const char *verb = NULL;
    const char *folder = NULL;
    const char *given = NULL;
    size_t count = 0;
    size_t option = 0;
    const char *value = NULL;
    enum argument_kind kind = ARGUMENT_END;
    arguments_init(&a, self, argc, argv);
    while ((kind = arguments_next(&a, &option, &value)) != ARGUMENT_END) {
        if (kind == ARGUMENT_OPERAND) {
            verb = value;
            count++;
        } else if (option == OPTION_DATA) {
            folder = value;
        } else {
            given = value;
        }
    }
    if (a.has_failed) {
        return EXIT_USAGE;
    }
    bool is_known = count == 1 && (strcmp(verb, "list") == 0 || strcmp(verb, "requeue") == 0 ||
                                   strcmp(verb, "purge") == 0);
    if (!is_known) {
        say_error("dlq: list, requeue or purge");
        return EXIT_USAGE;
    }
    AUTO(mem_free) char *url = given != NULL ? xstrdup(given) : find_queue(folder);
    return url != NULL ? act(verb, url, a.json) : EXIT_USAGE;
}

const struct command command_dlq = {
    .name = "dlq",
    .arguments = "list|requeue|purge",
    .help = "Shows, replays or removes messages that could not be handled.\n"
            "They are in the queue that UNREEL_QUEUE_URL (or UNREEL_QUEUE_URL_FILE) names, else in "
            "the folder of `unreel serve`.",
    .options = options,
    .option_count = ARRAY_LEN(options),
    .run = run,
};
