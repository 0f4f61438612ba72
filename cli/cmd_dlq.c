/* unreel dlq: messages that could not be handled, for the operator. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "core/clock.h"
#include "core/mem.h"
#include "queue/queue.h"

#include "core/banned.h"

#define SHOWN_MAX 200

enum { OPTION_URL };

static const struct option_spec options[] = {
    {"--queue-url", "URL", "the queue (default: the variable UNREEL_QUEUE_URL)"},
};

static const char *const queues[] = { "video", "mp3" };

static json_t *describe(const char *queue, const struct queue_dead *dead)
{
    char died[CLOCK_TEXT_SIZE] = "";
    if (dead->died_at_ms > 0) {
        clock_format(died, dead->died_at_ms);
    }
    return json_pack("{s:s, s:s, s:s, s:s, s:s}", "queue", queue, "id", dead->id, "reason",
                     dead->reason, "died_at", died, "body", dead->body);
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
            (void)printf("%-6s %-24s %-20s %s\n", name,
                         json_string_value(json_object_get(one, "died_at")), dead[i].reason,
                         dead[i].body);
        }
        (void)json_array_append_new(list, one);
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
        (void)json_dumpf(list, stdout, JSON_COMPACT);
        (void)fputc('\n', stdout);
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

static int run(const struct command *self, int argc, char **argv)
{
    struct arguments a;
    const char *verb = NULL;
    const char *url = getenv("UNREEL_QUEUE_URL");
    size_t option = 0;
    const char *value = NULL;
    enum argument_kind kind = ARGUMENT_END;
    arguments_init(&a, self, argc, argv);
    while ((kind = arguments_next(&a, &option, &value)) != ARGUMENT_END) {
        if (kind == ARGUMENT_OPERAND) {
            verb = value;
        } else {
            url = value;
        }
    }
    bool is_known = verb != NULL && (strcmp(verb, "list") == 0 || strcmp(verb, "requeue") == 0 ||
                                     strcmp(verb, "purge") == 0);
    if (a.has_failed || !is_known || url == NULL) {
        if (!a.has_failed) {
            say_error(is_known ? "dlq: set UNREEL_QUEUE_URL or give --queue-url"
                               : "dlq: list, requeue or purge");
        }
        return EXIT_USAGE;
    }
    struct error e = { 0 };
    AUTO(queue_close) struct queue *q = NULL;
    enum err rc = queue_open(url, &q, &e);
    if (rc == OK) {
        rc = strcmp(verb, "list") == 0 ? list_all(q, a.json, &e) : act_all(q, verb, a.json, &e);
    }
    if (rc != OK) {
        say_error("dlq: %s", e.text);
        return rc == ERR_BUSY ? EXIT_UNAVAILABLE : EXIT_FAILED;
    }
    return EXIT_OK;
}

const struct command command_dlq = {
    .name = "dlq",
    .arguments = "list|requeue|purge",
    .help = "Shows, replays or removes messages that could not be handled.",
    .options = options,
    .option_count = ARRAY_LEN(options),
    .run = run,
};
