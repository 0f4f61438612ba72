#include "auth/commands.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "auth/passwords.h"
#include "auth/throttle.h"
#include "core/clock.h"
#include "core/text.h"

#include "core/banned.h"

#define PAGE 100
#define UPDATE_TRIES 5

static const char USAGE[] =
    "usage: unreel-auth user add EMAIL [--admin] [--password-stdin] [--json]\n"
    "       unreel-auth user password EMAIL [--password-stdin] [--json]\n"
    "       unreel-auth user list [--json]\n"
    "       unreel-auth user remove|disable|enable EMAIL [--json]\n";

enum { FLAG_ADMIN = 1 << 0, FLAG_PASSWORD_STDIN = 1 << 1, FLAG_JSON = 1 << 2 };

struct request {
    struct accounts *accounts;
    const char *email;
    unsigned flags;
};

/* ---- passwords ---- */

/* The first line of standard input. */
static enum err read_password(char *ret_password, size_t size, struct error *e)
{
    if (fgets(ret_password, (int)size, stdin) == NULL) {
        return err_set(e, ERR_INVALID, "no password on standard input");
    }
    ret_password[strcspn(ret_password, "\r\n")] = '\0';
    return OK;
}

/* Reads or makes the password, checks it, and hashes it. */
static enum err new_password(const struct request *q, char *ret_password, size_t size,
                             char ret_hash[ACCOUNT_HASH_SIZE], struct error *e)
{
    enum err code = OK;
    if ((q->flags & FLAG_PASSWORD_STDIN) != 0) {
        code = read_password(ret_password, size, e);
    } else {
        passwords_generate(ret_password);
    }
    if (code == OK) {
        code = passwords_check(ret_password, q->email, e);
    }
    return code == OK ? passwords_hash(ret_password, ret_hash, e) : code;
}

/* A password that was read is not said again. */
static void print_account(const struct request *q, const struct account *account, const char *done,
                          const char *password)
{
    const bool is_new = (q->flags & FLAG_PASSWORD_STDIN) == 0;
    if ((q->flags & FLAG_JSON) == 0) {
        printf("%s %s\n", done, account->email);
        if (is_new) {
            printf("password: %s\n", password);
        }
        return;
    }
    json_auto_t *json = json_pack("{s:s, s:s, s:b, s:s*}", "id", account->id, "email",
                                  account->email, "admin", account->is_admin ? 1 : 0, "password",
                                  is_new ? password : NULL);
    (void)json_dumpf(json, stdout, JSON_COMPACT);
    (void)putchar('\n');
}

/* ---- add, password ---- */

static int add(const struct request *q)
{
    char password[PASSWORD_MAX_LEN + 16] = "";
    char hash[ACCOUNT_HASH_SIZE];
    struct account account;
    struct error e = { 0 };
    enum err code = new_password(q, password, sizeof(password), hash, &e);
    if (code == OK) {
        code = accounts_add(q->accounts, q->email, hash, (q->flags & FLAG_ADMIN) != 0, &account,
                            &e);
    }
    if (code == OK) {
        print_account(q, &account, "added", password);
    }
    mem_wipe(password, sizeof(password));
    return code == OK ? 0 : commands_fail("user add", &e);
}

/* Changes an account that others may change at the same time. hash may be NULL; is_disabled is -1
 * for "as it is". */
static enum err change(const struct request *q, const char *hash, int is_disabled,
                       struct account *ret_account, struct error *e)
{
    enum err code = ERR_CONFLICT;
    for (int i = 0; code == ERR_CONFLICT && i < UPDATE_TRIES; i++) {
        code = accounts_find(q->accounts, q->email, ret_account, e);
        if (code != OK) {
            break;
        }
        if (hash != NULL) {
            (void)text_copy(ret_account->password_hash, sizeof(ret_account->password_hash), hash);
        }
        if (is_disabled >= 0) {
            ret_account->is_disabled = is_disabled != 0;
        }
        code = accounts_update(q->accounts, ret_account, e);
    }
    return code;
}

static int set_password(const struct request *q)
{
    char password[PASSWORD_MAX_LEN + 16] = "";
    char hash[ACCOUNT_HASH_SIZE];
    struct account account;
    struct error e = { 0 };
    enum err code = new_password(q, password, sizeof(password), hash, &e);
    if (code == OK) {
        code = change(q, hash, -1, &account, &e);
    }
    if (code == OK) {
        /* Whoever forgot the old one may have locked the account by trying. */
        code = throttle_clear(q->accounts, THROTTLE_ACCOUNT, account.email, &e);
    }
    if (code == OK) {
        print_account(q, &account, "changed the password of", password);
    }
    mem_wipe(password, sizeof(password));
    return code == OK ? 0 : commands_fail("user password", &e);
}

/* ---- list, remove, disable, enable ---- */

static void print_row(const struct account *account, bool is_json)
{
    char created[CLOCK_TEXT_SIZE];
    clock_format(created, account->created_at_ms);
    if (!is_json) {
        printf("%s  %-5s  %-8s  %s\n", created, account->is_admin ? "admin" : "user",
               account->is_disabled ? "disabled" : "enabled", account->email);
        return;
    }
    json_auto_t *json = json_pack("{s:s, s:s, s:b, s:b, s:s}", "id", account->id, "email",
                                  account->email, "admin", account->is_admin ? 1 : 0, "disabled",
                                  account->is_disabled ? 1 : 0, "created_at", created);
    (void)json_dumpf(json, stdout, JSON_COMPACT);
}

static int list(const struct request *q)
{
    const bool is_json = (q->flags & FLAG_JSON) != 0;
    AUTO(mem_free) struct account *page = xcalloc(PAGE, sizeof(*page));
    char after[ACCOUNT_EMAIL_SIZE] = "";
    struct error e = { 0 };
    size_t total = 0;
    size_t count = PAGE;
    if (is_json) {
        (void)putchar('[');
    }
    while (count == PAGE) {
        if (accounts_list(q->accounts, after, page, PAGE, &count, &e) != OK) {
            return commands_fail("user list", &e);
        }
        for (size_t i = 0; i < count; i++) {
            if (is_json && total > 0) {
                (void)putchar(',');
            }
            print_row(&page[i], is_json);
            (void)text_copy(after, sizeof(after), page[i].email);
            total++;
        }
    }
    if (is_json) {
        (void)puts("]");
    }
    return 0;
}

/* What was done to an account whose password nobody needs to hear. */
static void print_done(const struct request *q, const struct account *account, const char *done)
{
    if ((q->flags & FLAG_JSON) == 0) {
        printf("%s %s\n", done, account->email);
        return;
    }
    json_auto_t *json = json_pack("{s:s, s:s, s:b}", "id", account->id, "email", account->email,
                                  done, 1);
    (void)json_dumpf(json, stdout, JSON_COMPACT);
    (void)putchar('\n');
}

static int remove_user(const struct request *q)
{
    struct account account;
    struct error e = { 0 };
    enum err code = accounts_find(q->accounts, q->email, &account, &e);
    if (code == OK) {
        code = accounts_remove(q->accounts, account.id, &e);
    }
    if (code != OK) {
        return commands_fail("user remove", &e);
    }
    print_done(q, &account, "removed");
    return 0;
}

static int set_disabled(const struct request *q, int is_disabled)
{
    struct account account;
    struct error e = { 0 };
    if (change(q, NULL, is_disabled, &account, &e) != OK) {
        return commands_fail(is_disabled != 0 ? "user disable" : "user enable", &e);
    }
    print_done(q, &account, is_disabled != 0 ? "disabled" : "enabled");
    return 0;
}

static int disable(const struct request *q)
{
    return set_disabled(q, 1);
}

static int enable(const struct request *q)
{
    return set_disabled(q, 0);
}

/* ---- the table ---- */

static const struct {
    const char *name;
    int (*run)(const struct request *q);
    bool needs_email;
    unsigned flags; /* those it takes */
} verbs[] = {
    { "add", add, true, FLAG_ADMIN | FLAG_PASSWORD_STDIN | FLAG_JSON },
    { "password", set_password, true, FLAG_PASSWORD_STDIN | FLAG_JSON },
    { "list", list, false, FLAG_JSON },
    { "remove", remove_user, true, FLAG_JSON },
    { "disable", disable, true, FLAG_JSON },
    { "enable", enable, true, FLAG_JSON },
};

static unsigned flag_of(const char *text)
{
    static const struct {
        const char *text;
        unsigned flag;
    } flags[] = { { "--admin", FLAG_ADMIN },
                  { "--password-stdin", FLAG_PASSWORD_STDIN },
                  { "--json", FLAG_JSON } };

    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        if (strcmp(text, flags[i].text) == 0) {
            return flags[i].flag;
        }
    }
    return 0;
}

/* Reads what follows the verb. False: wrong usage. */
static bool parse(struct request *q, bool needs_email, unsigned allowed, int argc, char **argv)
{
    for (int i = 2; i < argc; i++) {
        if (argv[i][0] != '-' && needs_email && q->email == NULL) {
            q->email = argv[i];
            continue;
        }
        const unsigned flag = flag_of(argv[i]);
        if ((flag & allowed) == 0) {
            return false;
        }
        q->flags |= flag;
    }
    return !needs_email || q->email != NULL;
}

int commands_user(void *settings, int argc, char **argv)
{
    struct request q = { 0 };
    for (size_t i = 0; argc > 1 && i < ARRAY_LEN(verbs); i++) {
        if (strcmp(argv[1], verbs[i].name) != 0) {
            continue;
        }
        if (!parse(&q, verbs[i].needs_email, verbs[i].flags, argc, argv)) {
            break;
        }
        AUTO(accounts_close) struct accounts *a = commands_open(settings);
        if (a == NULL) {
            return 1;
        }
        q.accounts = a;
        return verbs[i].run(&q);
    }
    (void)fputs(USAGE, stderr);
    return 2;
}
