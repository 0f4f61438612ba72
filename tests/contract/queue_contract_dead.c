/* Dead letters. */
#include "queue_contract.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"

static void retries_end_in_the_dead_letters(void **state)
{
    (void)state;
    struct queue_consumer *c = consume("video", 1);
    struct queue_dead dead;
    put("video", "poison");
    for (int i = 0; i < QUEUE_DELIVERY_LIMIT + 1; i++) {
        take_and_finish(c, "poison", QUEUE_RETRY);
    }
    wait_for_dead("video", 1, &dead);
    assert_string_equal(dead.reason, "delivery_limit");
    assert_string_equal(dead.body, "poison");
    assert_empty(c);
    queue_consumer_close(c);
}

static void consumers_that_go_count_as_deliveries(void **state)
{
    (void)state;
    put("video", "poison");
    for (int i = 0; i < QUEUE_DELIVERY_LIMIT + 1; i++) {
        struct queue_consumer *c = consume("video", 1);
        struct queue_message *m = take(c);
        /* Otherwise what is given back may come to the same consumer again before it is closed. */
        queue_consumer_cancel(c);
        queue_message_free(m);
        queue_consumer_close(c);
    }
    wait_for_dead("video", 1, NULL);
}

static void a_dead_letter_lets_the_next_one_run(void **state)
{
    (void)state;
    struct queue_consumer *c = consume("mp3", 1);
    struct queue_dead dead;
    put("mp3", "not json");
    put("mp3", "{}");
    take_and_finish(c, "not json", QUEUE_DEAD);
    take_and_finish(c, "{}", QUEUE_DONE);
    wait_for_dead("mp3", 1, &dead);
    assert_string_equal(dead.reason, "rejected");
    assert_string_equal(dead.body, "not json");
    assert_true(dead.id[0] != '\0');
    assert_in_range(clock_wall_ms() - dead.died_at_ms, 0, 60000);
    queue_consumer_close(c);
}

static void listing_leaves_the_dead_where_they_are(void **state)
{
    (void)state;
    struct queue_consumer *c = consume("video", 1);
    struct queue_dead dead[16];
    size_t count = 0;
    put("video", "1");
    put("video", "2");
    put("video", "3");
    take_and_finish(c, "1", QUEUE_DEAD);
    take_and_finish(c, "2", QUEUE_DEAD);
    take_and_finish(c, "3", QUEUE_DEAD);
    queue_consumer_close(c);
    wait_for_dead("video", 3, NULL);
    for (int i = 0; i < 3; i++) {
        /* What the last look held returns when its connection is gone. */
        wait_for_dead("video", 3, NULL);
        assert_ok(queue_list_dead(queue, "video", dead, 16, &count, NULL));
    }
    wait_for_dead("video", 3, &dead[0]);
    assert_string_equal(dead[0].body, "1");
    assert_ok(queue_list_dead(queue, "video", dead, 2, &count, NULL));
    assert_int_equal(count, 2);
    wait_for_dead("video", 3, NULL);
    assert_ok(queue_list_dead(queue, "mp3", dead, 16, &count, NULL));
    assert_int_equal(count, 0);
}

static void the_dead_are_put_back(void **state)
{
    (void)state;
    struct queue_consumer *c = consume("video", 1);
    struct queue_dead dead[16];
    size_t count = 9;
    assert_ok(queue_requeue_dead(queue, "video", &count, NULL));
    assert_int_equal(count, 0);
    put("video", "1");
    put("video", "2");
    take_and_finish(c, "1", QUEUE_DEAD);
    take_and_finish(c, "2", QUEUE_DEAD);
    wait_for_dead("video", 2, NULL);
    (void)usleep(200000);
    assert_ok(queue_requeue_dead(queue, "video", &count, NULL));
    assert_int_equal(count, 2);
    take_and_finish(c, "1", QUEUE_DONE);
    take_and_finish(c, "2", QUEUE_RETRY);
    take_and_finish(c, "2", QUEUE_DONE);
    assert_ok(queue_list_dead(queue, "video", dead, 16, &count, NULL));
    assert_int_equal(count, 0);
    queue_consumer_close(c);
}

static void the_dead_are_purged(void **state)
{
    (void)state;
    struct queue_consumer *c = consume("video", 1);
    struct queue_dead dead[16];
    size_t count = 9;
    put("video", "1");
    put("video", "stays");
    take_and_finish(c, "1", QUEUE_DEAD);
    wait_for_dead("video", 1, NULL);
    (void)usleep(200000);
    assert_ok(queue_purge_dead(queue, "video", &count, NULL));
    assert_int_equal(count, 1);
    assert_ok(queue_list_dead(queue, "video", dead, 16, &count, NULL));
    assert_int_equal(count, 0);
    take_and_finish(c, "stays", QUEUE_DONE);
    queue_consumer_close(c);
}

static void a_long_body_is_listed_cut(void **state)
{
    (void)state;
    struct queue_consumer *c = consume("video", 1);
    struct queue_dead dead;
    char body[1001];
    memset(body, 'y', 1000);
    body[1000] = '\0';
    put("video", body);
    take_and_finish(c, body, QUEUE_DEAD);
    wait_for_dead("video", 1, &dead);
    assert_int_equal(strlen(dead.body), sizeof(dead.body) - 1);
    queue_consumer_close(c);
}

const struct CMUnitTest dead_cases[] = {
    CASE(retries_end_in_the_dead_letters),
    CASE(consumers_that_go_count_as_deliveries),
    CASE(a_dead_letter_lets_the_next_one_run),
    CASE(listing_leaves_the_dead_where_they_are),
    CASE(the_dead_are_put_back),
    CASE(the_dead_are_purged),
    CASE(a_long_body_is_listed_cut),
};
const size_t dead_case_count = ARRAY_LEN(dead_cases);
