/* The users. */
#include "accounts_contract.h"

#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/id.h"
#include "core/text.h"

void test_add_and_find(void **state)
{
    const struct fixture *f = *state;
    struct account added;
    const int64_t before_ms = clock_wall_ms();
    assert_int_equal(accounts_add(f->a, "Ann.B+c@Example.ORG", HASH, true, &added, NULL), OK);
    assert_true(id_is_valid(added.id));
    assert_string_equal(added.email, "Ann.B+c@example.org");
    assert_true(added.created_at_ms >= before_ms && added.created_at_ms <= clock_wall_ms());

    static const char *const spellings[] = { "Ann.B+c@example.org", "ann.b+c@example.org",
                                             "ANN.B+C@EXAMPLE.ORG" };
    for (size_t i = 0; i < ARRAY_LEN(spellings); i++) {
        struct account found;
        assert_int_equal(accounts_find(f->a, spellings[i], &found, NULL), OK);
        assert_string_equal(found.id, added.id);
        assert_string_equal(found.email, added.email);
        assert_string_equal(found.password_hash, HASH);
        assert_true(found.is_admin);
        assert_false(found.is_disabled);
        assert_int_equal(found.created_at_ms, added.created_at_ms);
        assert_int_equal(found.updated_at_ms, added.updated_at_ms);
    }
    struct account by_id;
    assert_int_equal(accounts_find_id(f->a, added.id, &by_id, NULL), OK);
    assert_string_equal(by_id.email, added.email);
}

void test_codes(void **state)
{
    const struct fixture *f = *state;
    struct account account;
    assert_int_equal(accounts_add(f->a, "ann@example.org", HASH, false, &account, NULL), OK);
    assert_int_equal(accounts_add(f->a, "ann@example.org", HASH, false, NULL, NULL), ERR_EXISTS);
    assert_int_equal(accounts_add(f->a, "ANN@EXAMPLE.org", HASH, false, NULL, NULL), ERR_EXISTS);
    assert_int_equal(accounts_add(f->a, "no address", HASH, false, NULL, NULL), ERR_INVALID);
    assert_int_equal(accounts_add(f->a, "bob@example.org", "", false, NULL, NULL), ERR_INVALID);

    struct account none;
    assert_int_equal(accounts_find(f->a, "bob@example.org", &none, NULL), ERR_NOT_FOUND);
    assert_int_equal(accounts_find(f->a, "", &none, NULL), ERR_NOT_FOUND);
    assert_int_equal(accounts_find(f->a, "x' OR '1'='1", &none, NULL), ERR_NOT_FOUND);
    assert_int_equal(accounts_find(f->a, "ann@example.or_", &none, NULL), ERR_NOT_FOUND);
    assert_int_equal(accounts_find(f->a, "ann%", &none, NULL), ERR_NOT_FOUND);
    /* MySQL compares as if texts were padded with spaces: each spelling would be counted as an
     * account of its own by the limit of failed logins. */
    assert_int_equal(accounts_find(f->a, "ann@example.org ", &none, NULL), ERR_NOT_FOUND);
    assert_int_equal(accounts_find(f->a, "ann@example.org   ", &none, NULL), ERR_NOT_FOUND);
    assert_int_equal(accounts_find(f->a, " ann@example.org", &none, NULL), ERR_NOT_FOUND);
    assert_int_equal(accounts_find_id(f->a, "000000000000000000000000", &none, NULL),
                     ERR_NOT_FOUND);

    struct account gone = account;
    assert_int_equal(accounts_remove(f->a, account.id, NULL), OK);
    assert_int_equal(accounts_remove(f->a, account.id, NULL), ERR_NOT_FOUND);
    assert_int_equal(accounts_update(f->a, &gone, NULL), ERR_NOT_FOUND);
    assert_int_equal(accounts_find(f->a, "ann@example.org", &none, NULL), ERR_NOT_FOUND);
    assert_int_equal(accounts_add(f->a, "ann@example.org", HASH, false, NULL, NULL), OK);
}

void test_update(void **state)
{
    const struct fixture *f = *state;
    struct account first;
    assert_int_equal(accounts_add(f->a, "ann@example.org", HASH, false, &first, NULL), OK);
    struct account second = first;
    (void)text_copy(second.password_hash, sizeof(second.password_hash), "another");
    second.is_admin = true;
    second.is_disabled = true;
    assert_int_equal(accounts_update(f->a, &second, NULL), OK);

    struct account found;
    assert_int_equal(accounts_find(f->a, "ann@example.org", &found, NULL), OK);
    assert_string_equal(found.password_hash, "another");
    assert_true(found.is_admin && found.is_disabled);
    assert_int_equal(found.created_at_ms, first.created_at_ms);
    assert_true(found.updated_at_ms > first.updated_at_ms);

    /* Read before that change: refused, and nothing of it is written. */
    assert_int_equal(accounts_update(f->a, &first, NULL), ERR_CONFLICT);
    assert_int_equal(accounts_find(f->a, "ann@example.org", &found, NULL), OK);
    assert_string_equal(found.password_hash, "another");
    assert_int_equal(accounts_update(f->a, &found, NULL), OK);
}

void test_list(void **state)
{
    const struct fixture *f = *state;
    struct account list[4];
    size_t count = 99;
    assert_int_equal(accounts_list(f->a, "", list, 4, &count, NULL), OK);
    assert_int_equal(count, 0);
    static const char *const emails[] = { "delta@x.org", "Alpha@x.org", "bravo@x.org", "Echo@x.org",
                                          "charlie@x.org" };
    for (size_t i = 0; i < ARRAY_LEN(emails); i++) {
        assert_int_equal(accounts_add(f->a, emails[i], HASH, false, NULL, NULL), OK);
    }
    static const char *const ordered[] = { "Alpha@x.org", "bravo@x.org", "charlie@x.org",
                                           "delta@x.org", "Echo@x.org" };
    char after[ACCOUNT_EMAIL_SIZE] = "";
    size_t seen = 0;
    do {
        assert_int_equal(accounts_list(f->a, after, list, 2, &count, NULL), OK);
        assert_true(count <= 2);
        for (size_t i = 0; i < count; i++, seen++) {
            assert_string_equal(list[i].email, ordered[seen]);
            (void)text_copy(after, sizeof(after), list[i].email);
        }
    } while (count > 0);
    assert_int_equal(seen, ARRAY_LEN(ordered));
}

void test_longest_texts(void **state)
{
    const struct fixture *f = *state;
    char email[ACCOUNT_EMAIL_SIZE];
    (void)snprintf(email, sizeof(email), "%.64s@%.63s.%.63s.%.61s",
                   "llllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllll",
                   "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                   "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
                   "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc");
    assert_int_equal(strlen(email), 254);
    char hash[ACCOUNT_HASH_SIZE];
    memset(hash, 'h', sizeof(hash) - 1);
    hash[sizeof(hash) - 1] = '\0';
    assert_int_equal(accounts_add(f->a, email, hash, false, NULL, NULL), OK);
    struct account found;
    assert_int_equal(accounts_find(f->a, email, &found, NULL), OK);
    assert_string_equal(found.email, email);
    assert_string_equal(found.password_hash, hash);

    /* A longer one is not cut to one that is there. */
    char longer[ACCOUNT_EMAIL_SIZE + 2];
    (void)snprintf(longer, sizeof(longer), "%sx", email);
    assert_int_equal(accounts_find(f->a, longer, &found, NULL), ERR_NOT_FOUND);
}

static void *add_same(void *arg)
{
    struct race *race = arg;
    for (int i = 0; i < 20; i++) {
        char email[64];
        (void)snprintf(email, sizeof(email), "user%d@example.org", i);
        const enum err code = accounts_add(race->a, email, HASH, false, NULL, NULL);
        if (code == OK) {
            atomic_fetch_add(&race->won, 1);
        } else if (code != ERR_EXISTS) {
            atomic_fetch_add(&race->wrong, 1);
        }
    }
    return NULL;
}

void test_unique_under_threads(void **state)
{
    const struct fixture *f = *state;
    struct race race = { .a = f->a };
    run_threads(add_same, &race);
    assert_int_equal(atomic_load(&race.wrong), 0);
    assert_int_equal(atomic_load(&race.won), 20);
    struct account list[50];
    size_t count = 0;
    assert_int_equal(accounts_list(f->a, "", list, 50, &count, NULL), OK);
    assert_int_equal(count, 20);
}
