/* A queue as a command line, for tests that restart the broker under it: `queue_shell URL`, then
 * one command per line on standard input, one answer per line on standard output. It consumes
 * "video", one message at a time. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "queue/queue.h"

struct shell {
    struct queue *queue;
    struct queue_consumer *consumer;
    struct queue_message *message; /* in hand */
};

static void answer(enum err err, const char *more)
{
    (void)printf("%s%s\n", err_name(err), more);
    (void)fflush(stdout);
}

static void take(struct shell *s, const char *timeout)
{
    struct error e = { 0 };
    enum err err = queue_take(s->consumer, strtoll(timeout, NULL, 10), &s->message, &e);

    if (err == OK) {
        size_t len = 0;
        const char *body = queue_message_body(s->message, &len);
        char *more = xasprintf(" %.*s %s", (int)len, body,
                               queue_message_is_redelivered(s->message) ? "again" : "new");
        answer(err, more);
        free(more);
    } else {
        answer(err, "");
    }
}

static void finish(struct shell *s, const char *how)
{
    enum queue_verdict verdict = QUEUE_DONE;
    struct queue_message *m = TAKE(s->message);

    if (strcmp(how, "retry") == 0) {
        verdict = QUEUE_RETRY;
    } else if (strcmp(how, "dead") == 0) {
        verdict = QUEUE_DEAD;
    }
    answer(queue_finish(m, verdict, NULL), "");
}

static void run(struct shell *s, const char *command, const char *argument)
{
    if (strcmp(command, "put") == 0) {
        answer(queue_put(s->queue, "video", argument, strlen(argument), NULL, NULL), "");
    } else if (strcmp(command, "take") == 0) {
        take(s, argument);
    } else if (strcmp(command, "extend") == 0 && s->message != NULL) {
        answer(queue_extend(s->message, NULL), "");
    } else if (strcmp(command, "finish") == 0 && s->message != NULL) {
        finish(s, argument);
    } else if (strcmp(command, "event") == 0) {
        answer(queue_publish_event(s->queue, "job.running", argument, strlen(argument), NULL, NULL),
               "");
    } else if (strcmp(command, "check") == 0) {
        answer(queue_check(s->queue, NULL), "");
    } else {
        (void)printf("what?\n");
        (void)fflush(stdout);
    }
}

int main(int argc, char **argv)
{
    struct shell s = { 0 };
    char line[256];
    struct error e = { 0 };

    if (argc != 2 || queue_open(argv[1], &s.queue, &e) != OK ||
        queue_consume(s.queue, "video", 1, &s.consumer, &e) != OK) {
        (void)fprintf(stderr, "queue_shell: %s\n", e.text);
        return 1;
    }
    while (fgets(line, sizeof(line), stdin) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        char *argument = strchr(line, ' ');
        if (argument != NULL) {
            *argument = '\0';
            argument++;
        }
        run(&s, line, argument == NULL ? "" : argument);
    }
    queue_message_free(s.message);
    queue_consumer_close(s.consumer);
    queue_close(s.queue);
    return 0;
}
