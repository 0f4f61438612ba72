/* What the files of the contract suite of accounts.h share. */
#ifndef UNREEL_TESTS_ACCOUNTS_CONTRACT_H
#define UNREEL_TESTS_ACCOUNTS_CONTRACT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdatomic.h>
#include <stdbool.h>

#include "accounts/accounts.h"

#define THREADS 8
#define HASH "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$aGFzaA"

/* Each case has a database of its own. */
struct fixture {
    char folder[64];
    char url[512];
    struct accounts *a;
};

/* Which engine the cases run on. */
bool is_mysql(void);
enum err open_accounts(struct fixture *f);
/* Runs a statement on a connection of its own. */
void run_sql(struct fixture *f, const char *sql);

/* What threads that do the same have brought about. */
struct race {
    struct accounts *a;
    atomic_int won;
    atomic_int wrong;
};

/* Runs work(arg) in THREADS threads and waits for them. */
void run_threads(void *(*work)(void *), void *arg);
struct signing_key key_of(int64_t generation, const char *kid);

void test_add_and_find(void **state);
void test_codes(void **state);
void test_update(void **state);
void test_list(void **state);
void test_longest_texts(void **state);
void test_unique_under_threads(void **state);
void test_keys(void **state);
void test_keys_under_threads(void **state);
void test_throttle(void **state);
void test_throttle_under_threads(void **state);
void test_migrate_twice(void **state);
void test_migrate_in_four_processes(void **state);
void test_schema_behind(void **state);
void test_reconnect(void **state);
void test_server_away(void **state);
void test_urls(void **state);
void test_sqlite_file_is_private(void **state);

#endif
