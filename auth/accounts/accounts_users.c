#include "accounts/accounts.h"

#include <string.h>

#include "accounts/accounts_impl.h"
#include "core/clock.h"
#include "core/text.h"

#include "core/banned.h"

#define LOCAL_MAX 64
#define LABEL_MAX 63
#define USER_COLUMNS                                                                               \
    "id, email, password_hash, is_admin, is_disabled, created_at, updated_at FROM users "

/* ---- addresses ---- */

static char lower(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return (char)(c - 'A' + 'a');
    }
    return c;
}

static bool is_alphanumeric(char c)
{
    return (lower(c) >= 'a' && lower(c) <= 'z') || (c >= '0' && c <= '9');
}

/* The dot-atom of RFC 5321: no quoting, no comments, no dot at an end or beside another. */
static bool is_local_part(const char *text, size_t len)
{
    if (len == 0 || len > LOCAL_MAX || text[0] == '.' || text[len - 1] == '.') {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '.'
                ? text[i + 1] == '.'
                : !is_alphanumeric(text[i]) && strchr("!#$%&'*+-/=?^_`{|}~", text[i]) == NULL) {
            return false;
        }
    }
    return true;
}

static bool is_domain(const char *text)
{
    size_t label_len = 0;
    for (const char *p = text;; p++) {
        if (*p == '.' || *p == '\0') {
            if (label_len == 0 || label_len > LABEL_MAX || p[-1] == '-') {
                return false;
            }
            if (*p == '\0') {
                return true;
            }
            label_len = 0;
        } else if (is_alphanumeric(*p) || (*p == '-' && label_len > 0)) {
            label_len++;
        } else {
            return false;
        }
    }
}

enum err account_normalize_email(const char *email, char ret_email[ACCOUNT_EMAIL_SIZE],
                                 struct error *e)
{
    const size_t len = strnlen(email, ACCOUNT_EMAIL_SIZE);
    if (len >= ACCOUNT_EMAIL_SIZE) {
        return err_set(e, ERR_INVALID, "an e-mail address has %d characters at most",
                       ACCOUNT_EMAIL_SIZE - 1);
    }
    const char *at = strrchr(email, '@');
    if (at == NULL || !is_local_part(email, (size_t)(at - email)) || !is_domain(at + 1)) {
        return err_set(e, ERR_INVALID, "that is no e-mail address of the form name@domain");
    }
    memcpy(ret_email, email, len + 1);
    for (char *p = ret_email + (at - email); *p != '\0'; p++) {
        *p = lower(*p);
    }
    return OK;
}

/* By which addresses are told apart and ordered: the address in lower case. False when it is longer
 * than any stored one: a prefix of it must not be found instead. */
static bool email_to_key(char dst[ACCOUNT_EMAIL_SIZE], const char *email)
{
    const bool is_whole = text_copy(dst, ACCOUNT_EMAIL_SIZE, email);
    for (char *p = dst; *p != '\0'; p++) {
        *p = lower(*p);
    }
    return is_whole;
}

/* ---- verbs ---- */

enum err accounts_add(struct accounts *a, const char *email, const char *password_hash,
                      bool is_admin, struct account *ret_account, struct error *e)
{
    struct account account = { .is_admin = is_admin, .created_at_ms = clock_wall_ms() };
    const enum err code = account_normalize_email(email, account.email, e);
    if (code != OK) {
        return code;
    }
    if (password_hash[0] == '\0' ||
        !text_copy(account.password_hash, sizeof(account.password_hash), password_hash)) {
        return err_set(e, ERR_INVALID, "the password hash is empty or too long");
    }
    id_new(account.id);
    account.updated_at_ms = account.created_at_ms;
    char key[ACCOUNT_EMAIL_SIZE];
    (void)email_to_key(key, account.email);
    const struct accounts_value params[] = {
        { account.id, 0 },
        { account.email, 0 },
        { key, 0 },
        { account.password_hash, 0 },
        { NULL, is_admin ? 1 : 0 },
        { NULL, account.created_at_ms },
        { NULL, account.updated_at_ms },
    };
    const struct accounts_query query = {
        .sql = "INSERT INTO users (id, email, email_key, password_hash, is_admin, is_disabled, "
               "created_at, updated_at) VALUES (?, ?, ?, ?, ?, 0, ?, ?)",
        .params = params,
        .param_count = ARRAY_LEN(params),
    };
    const enum err added = a->ops->run(a, &query, 1, e);
    if (added == ERR_EXISTS) {
        return err_set(e, ERR_EXISTS, "there is an account with this address already");
    }
    if (added == OK && ret_account != NULL) {
        *ret_account = account;
    }
    return added;
}

/* Rows as they come in: `row` is where the columns are bound to. */
struct account_reader {
    struct account row;
    int64_t is_admin;
    int64_t is_disabled;
    struct account *list;
    size_t max;
    size_t count;
};

static void take_row(void *ctx)
{
    struct account_reader *reader = ctx;
    if (reader->count == reader->max) {
        return;
    }
    reader->row.is_admin = reader->is_admin != 0;
    reader->row.is_disabled = reader->is_disabled != 0;
    reader->list[reader->count] = reader->row;
    reader->count++;
}

static enum err read_accounts(struct accounts *a, const char *sql,
                              const struct accounts_value *params, size_t param_count,
                              struct account *ret_accounts, size_t max, size_t *ret_count,
                              struct error *e)
{
    struct account_reader reader = { .list = ret_accounts, .max = max };
    struct account *row = &reader.row;
    const struct accounts_column columns[] = {
        { row->id, sizeof(row->id), NULL },
        { row->email, sizeof(row->email), NULL },
        { row->password_hash, sizeof(row->password_hash), NULL },
        { NULL, 0, &reader.is_admin },
        { NULL, 0, &reader.is_disabled },
        { NULL, 0, &row->created_at_ms },
        { NULL, 0, &row->updated_at_ms },
    };
    const struct accounts_query query = {
        .sql = sql,
        .params = params,
        .param_count = param_count,
        .columns = columns,
        .column_count = ARRAY_LEN(columns),
        .row = take_row,
        .ctx = &reader,
    };
    const enum err code = a->ops->run(a, &query, 1, e);
    if (code == OK) {
        *ret_count = reader.count;
    }
    return code;
}

static enum err find_one(struct accounts *a, const char *sql, const char *value,
                         struct account *ret_account, struct error *e)
{
    const struct accounts_value param = { value, 0 };
    struct account found;
    size_t count = 0;
    const enum err code = read_accounts(a, sql, &param, 1, &found, 1, &count, e);
    if (code != OK) {
        return code;
    }
    if (count == 0) {
        return err_set(e, ERR_NOT_FOUND, "there is no such account");
    }
    *ret_account = found;
    return OK;
}

enum err accounts_find(struct accounts *a, const char *email, struct account *ret_account,
                       struct error *e)
{
    char key[ACCOUNT_EMAIL_SIZE];
    if (!email_to_key(key, email)) {
        return err_set(e, ERR_NOT_FOUND, "there is no such account");
    }
    struct account found;
    const enum err code = find_one(a, "SELECT " USER_COLUMNS "WHERE email_key = ?", key, &found, e);
    if (code != OK) {
        return code;
    }
    /* MySQL overlooks spaces at the end: such a spelling must not reach the account past the limit
     * of failed logins, which counts spellings. */
    if (!text_equals_nocase(found.email, email)) {
        return err_set(e, ERR_NOT_FOUND, "there is no such account");
    }
    *ret_account = found;
    return OK;
}

enum err accounts_find_id(struct accounts *a, const char *id, struct account *ret_account,
                          struct error *e)
{
    return find_one(a, "SELECT " USER_COLUMNS "WHERE id = ?", id, ret_account, e);
}

enum err accounts_update(struct accounts *a, const struct account *account, struct error *e)
{
    /* The new time must differ from the old one, or a second change in the same millisecond would
     * not notice the first. */
    const int64_t now_ms = clock_wall_ms();
    const int64_t updated_at_ms = now_ms > account->updated_at_ms ? now_ms
                                                                  : account->updated_at_ms + 1;
    const struct accounts_value params[] = {
        { account->password_hash, 0 },
        { NULL, account->is_admin ? 1 : 0 },
        { NULL, account->is_disabled ? 1 : 0 },
        { NULL, updated_at_ms },
        { account->id, 0 },
        { NULL, account->updated_at_ms },
    };
    const struct accounts_query query = {
        .sql = "UPDATE users SET password_hash = ?, is_admin = ?, is_disabled = ?, updated_at = ? "
               "WHERE id = ? AND updated_at = ?",
        .params = params,
        .param_count = ARRAY_LEN(params),
        .if_none = ERR_CONFLICT,
    };
    const enum err code = a->ops->run(a, &query, 1, e);
    if (code != ERR_CONFLICT) {
        return code;
    }
    struct account now;
    const enum err found = accounts_find_id(a, account->id, &now, e);
    return found == OK ? err_set(e, ERR_CONFLICT, "the account was changed meanwhile") : found;
}

enum err accounts_list(struct accounts *a, const char *after, struct account *ret_accounts,
                       size_t max, size_t *ret_count, struct error *e)
{
    char key[ACCOUNT_EMAIL_SIZE];
    (void)email_to_key(key, after);
    const struct accounts_value params[] = { { key, 0 }, { NULL, (int64_t)max } };
    return read_accounts(a, "SELECT " USER_COLUMNS "WHERE email_key > ? ORDER BY email_key LIMIT ?",
                         params, ARRAY_LEN(params), ret_accounts, max, ret_count, e);
}

enum err accounts_remove(struct accounts *a, const char *id, struct error *e)
{
    const struct accounts_value param = { id, 0 };
    const struct accounts_query query = {
        .sql = "DELETE FROM users WHERE id = ?",
        .params = &param,
        .param_count = 1,
        .if_none = ERR_NOT_FOUND,
    };
    return a->ops->run(a, &query, 1, e);
}
