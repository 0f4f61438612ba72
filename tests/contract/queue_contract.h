/* What the files of the queue's contract suite share. */
#ifndef UNREEL_TESTS_QUEUE_CONTRACT_H
#define UNREEL_TESTS_QUEUE_CONTRACT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "queue/queue.h"

/* The queue of the engine under test: a new one for each case, and its URL. */
extern struct queue *queue;
extern const char *queue_url;
extern bool is_amqp;
/* After this a message that was taken by a consumer that is gone has come again. */
extern const int64_t lost_after_ms;

#define assert_err(expected, call) assert_string_equal(err_name(expected), err_name(call))
#define assert_ok(call) assert_err(OK, call)

/* Cases, registered with their names; a slow one has time to show that it is idle. */
#define CASE(name) cmocka_unit_test_setup_teardown(name, open_queue, close_queue)
#define SLOW_CASE(name) cmocka_unit_test_setup_teardown(name, open_idle_queue, close_queue)
int open_queue(void **state);
/* With a heartbeat of 2 s, or a visibility of 1 s. */
int open_idle_queue(void **state);
int close_queue(void **state);

void put(const char *name, const char *body);
struct queue_consumer *consume(const char *name, unsigned prefetch);
/* The next message, which must come within 10 s. */
struct queue_message *take(struct queue_consumer *c);
/* Nothing comes within 300 ms. */
void assert_empty(struct queue_consumer *c);
/* Takes the next message, which must have this body, and finishes it. */
void take_and_finish(struct queue_consumer *c, const char *body, enum queue_verdict verdict);
void assert_body(const struct queue_message *m, const char *body);
/* Waits until this many dead letters are there. */
void wait_for_dead(const char *name, size_t count, struct queue_dead *ret_first);

/* The command line of a helper process: argv[1] names one of these. */
int child_main(int argc, char **argv);

extern const struct CMUnitTest message_cases[];
extern const size_t message_case_count;
extern const struct CMUnitTest dead_cases[];
extern const size_t dead_case_count;
extern const struct CMUnitTest event_cases[];
extern const size_t event_case_count;
extern const struct CMUnitTest process_cases[];
extern const size_t process_case_count;
extern const struct CMUnitTest amqp_cases[];
extern const size_t amqp_case_count;

/* queue_contract_amqp.c: removes what a run with this URL has made on the broker. */
void amqp_remove_all(const char *url);

#endif
