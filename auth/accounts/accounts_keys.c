#include "accounts/accounts.h"

#include "accounts/accounts_impl.h"

#include "core/banned.h"

struct key_reader {
    struct signing_key row;
    struct signing_key *list;
    size_t count;
};

static void take_row(void *ctx)
{
    struct key_reader *reader = ctx;
    /* By generation, so that rows that come twice do no harm. */
    if (reader->count == ACCOUNTS_KEYS_MAX ||
        (reader->count > 0 &&
         reader->list[reader->count - 1].generation >= reader->row.generation)) {
        return;
    }
    reader->list[reader->count] = reader->row;
    reader->count++;
}

enum err accounts_list_keys(struct accounts *a, struct signing_key ret_keys[ACCOUNTS_KEYS_MAX],
                            size_t *ret_count, struct error *e)
{
    struct key_reader reader = { .list = ret_keys };
    struct signing_key *row = &reader.row;
    const struct accounts_column columns[] = {
        { NULL, 0, &row->generation },        { row->kid, sizeof(row->kid), NULL },
        { row->pem, sizeof(row->pem), NULL }, { NULL, 0, &row->created_at_ms },
        { NULL, 0, &row->activates_at_ms },   { NULL, 0, &row->retires_at_ms },
    };
    const struct accounts_value limit = { NULL, ACCOUNTS_KEYS_MAX };
    const struct accounts_query query = {
        .sql = "SELECT generation, kid, pem, created_at, activates_at, retires_at "
               "FROM signing_keys ORDER BY generation LIMIT ?",
        .params = &limit,
        .param_count = 1,
        .columns = columns,
        .column_count = ARRAY_LEN(columns),
        .row = take_row,
        .ctx = &reader,
    };
    const enum err code = a->ops->run(a, &query, 1, e);
    mem_wipe(&reader.row, sizeof(reader.row));
    if (code == OK) {
        *ret_count = reader.count;
    }
    return code;
}

enum err accounts_add_key(struct accounts *a, const struct signing_key *key,
                          int64_t previous_retires_at_ms, struct error *e)
{
    const struct accounts_value retire[] = {
        { NULL, previous_retires_at_ms },
        { NULL, key->generation - 1 },
    };
    const struct accounts_value insert[] = {
        { NULL, key->generation },
        { key->kid, 0 },
        { key->pem, 0 },
        { NULL, key->created_at_ms },
        { NULL, key->activates_at_ms },
    };
    struct accounts_query queries[2] = { 0 };
    queries[0].sql = "UPDATE signing_keys SET retires_at = ? WHERE generation = ?";
    queries[0].params = retire;
    queries[0].param_count = ARRAY_LEN(retire);
    queries[0].if_none = ERR_CONFLICT;
    queries[1].sql = "INSERT INTO signing_keys (generation, kid, pem, created_at, activates_at, "
                     "retires_at) VALUES (?, ?, ?, ?, ?, 0)";
    queries[1].params = insert;
    queries[1].param_count = ARRAY_LEN(insert);
    /* The first key has no predecessor. */
    const size_t first = key->generation == 1 ? 1 : 0;
    const enum err code = a->ops->run(a, queries + first, ARRAY_LEN(queries) - first, e);
    if (code == ERR_EXISTS || code == ERR_CONFLICT) {
        return err_set(e, ERR_CONFLICT, "another process changed the signing keys first");
    }
    return code;
}

enum err accounts_prune_keys(struct accounts *a, int64_t now_ms, struct error *e)
{
    const struct accounts_value param = { NULL, now_ms };
    const struct accounts_query query = {
        .sql = "DELETE FROM signing_keys WHERE retires_at <> 0 AND retires_at < ?",
        .params = &param,
        .param_count = 1,
    };
    return a->ops->run(a, &query, 1, e);
}
