/* An accounts database in a folder of its own, for the tests. */
#ifndef UNREEL_TESTS_STORE_H
#define UNREEL_TESTS_STORE_H

#include "accounts/accounts.h"

struct store {
    char folder[64];
    char url[128];
    struct accounts *accounts;
};

/* Aborts when it cannot. */
void store_open(struct store *s);
void store_close(struct store *s);

/* A case whose *state is a store. An assertion that fails leaves the test where it stands, and only
 * the teardown still runs: what a case closes itself would stay behind. */
int store_set_up(void **state);
int store_tear_down(void **state);
#define STORE_CASE(name) cmocka_unit_test_setup_teardown(name, store_set_up, store_tear_down)

#endif
