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

#endif
