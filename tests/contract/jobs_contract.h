/* What the files of the job store's contract suite share. */
#ifndef UNREEL_TESTS_JOBS_CONTRACT_H
#define UNREEL_TESTS_JOBS_CONTRACT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/clock.h"
#include "core/text.h"
#include "jobs/jobs.h"

#define LEASE_MS 60000
#define OWNER "ann@example.org"

/* The store of the engine under test, emptied after each case, and its URL. */
extern struct jobs *store;
extern const char *store_url;

#define assert_err(expected, call) assert_string_equal(err_name(expected), err_name(call))
#define assert_ok(call) assert_err(OK, call)

/* Cases, registered with their names. */
#define CASE(name) cmocka_unit_test_teardown(name, remove_all)
int remove_all(void **state);

/* A queued job, stored. */
struct job new_job(const char *owner);
/* The same in another state; `claimed` copies stay valid. */
struct job new_running(int64_t lease_ms);
struct job new_ended(enum job_state state);
struct job reload(const struct job *j);
/* Every member of the records. */
void assert_same(const struct job *a, const struct job *b);

/* Runs `body` in eight threads at once with arguments 0..7. */
void in_eight_threads(void *(*body)(void *));

/* Uses files of its own in `folder`. Returns how many cases failed. */
int run_open_cases(char *folder);

extern const struct CMUnitTest state_cases[];
extern const size_t state_case_count;
extern const struct CMUnitTest output_cases[];
extern const size_t output_case_count;
extern const struct CMUnitTest same_cases[];
extern const size_t same_case_count;
extern const struct CMUnitTest due_cases[];
extern const size_t due_case_count;
extern const struct CMUnitTest thread_cases[];
extern const size_t thread_case_count;
extern const struct CMUnitTest proxy_cases[];
extern const size_t proxy_case_count;

#endif
