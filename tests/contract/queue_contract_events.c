/* Events. */
#include "queue_contract.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"

static struct queue_subscription *subscribe(const char *pattern)
{
    struct queue_subscription *s = NULL;

    assert_ok(queue_subscribe(queue, pattern, &s, NULL));
    return s;
}

static void publish(const char *key, const char *body)
{
    assert_ok(queue_publish_event(queue, key, body, strlen(body), NULL, NULL));
}

static void assert_event(struct queue_subscription *s, const char *key, const char *body)
{
    char got_key[QUEUE_NAME_MAX];
    char *got = NULL;
    size_t len = 0;
    struct error e = { 0 };

    if (queue_next_event(s, 5000, got_key, &got, &len, &e) != OK) {
        fail_msg("event %s: %s", key, e.text);
    }
    assert_string_equal(got_key, key);
    assert_int_equal(strlen(body), len);
    assert_memory_equal(body, got, len);
    free(got);
}

static void assert_no_event(struct queue_subscription *s)
{
    char key[QUEUE_NAME_MAX];
    char *body = NULL;
    size_t len = 0;
    int64_t began_ms = clock_mono_ms();

    assert_err(ERR_TIMEOUT, queue_next_event(s, 300, key, &body, &len, NULL));
    assert_in_range(clock_mono_ms() - began_ms, 290, 1500);
}

static void events_reach_those_whose_pattern_fits(void **state)
{
    (void)state;
    struct queue_subscription *all = subscribe("job.#");
    struct queue_subscription *ended = subscribe("job.succeeded");
    publish("job.running", "1");
    publish("job.progress.fine", "2");
    publish("job.succeeded", "3");
    publish("other.succeeded", "4");
    assert_event(all, "job.running", "1");
    assert_event(all, "job.progress.fine", "2");
    assert_event(all, "job.succeeded", "3");
    assert_event(ended, "job.succeeded", "3");
    assert_no_event(all);
    assert_no_event(ended);
    queue_unsubscribe(all);
    queue_unsubscribe(ended);
}

static void events_before_the_subscription_are_not_seen(void **state)
{
    (void)state;
    publish("job.running", "early");
    struct queue_subscription *s = subscribe("job.*");
    publish("job.running", "late");
    assert_event(s, "job.running", "late");
    assert_no_event(s);
    queue_unsubscribe(s);
}

/* The slow subscriber loses old events, and neither the publisher nor the memory suffers. */
static void many_events_do_not_pile_up(void **state)
{
    (void)state;
    struct queue_subscription *s = subscribe("#");
    char key[QUEUE_NAME_MAX];
    char *body = NULL;
    size_t len = 0;
    int64_t began_ms = clock_mono_ms();
    char text[16];
    for (int i = 0; i < 1500; i++) {
        (void)snprintf(text, sizeof(text), "%d", i);
        publish("job.progress", text);
    }
    assert_in_range(clock_mono_ms() - began_ms, 0, 30000);
    assert_ok(queue_next_event(s, 5000, key, &body, &len, NULL));
    int last = (int)strtol(body, NULL, 10);
    free(body);
    while (queue_next_event(s, 500, key, &body, &len, NULL) == OK) {
        int number = (int)strtol(body, NULL, 10);
        assert_true(number > last);
        last = number;
        free(body);
    }
    assert_int_equal(last, 1499);
    queue_unsubscribe(s);
}

static void keys_are_checked(void **state)
{
    (void)state;
    struct queue_subscription *s = NULL;
    assert_err(ERR_INVALID, queue_publish_event(queue, "", "x", 1, NULL, NULL));
    assert_err(ERR_INVALID, queue_publish_event(queue, "job.*", "x", 1, NULL, NULL));
    assert_err(ERR_INVALID, queue_subscribe(queue, "", &s, NULL));
}

const struct CMUnitTest event_cases[] = {
    CASE(events_reach_those_whose_pattern_fits),
    CASE(events_before_the_subscription_are_not_seen),
    CASE(many_events_do_not_pile_up),
    CASE(keys_are_checked),
};
const size_t event_case_count = ARRAY_LEN(event_cases);
