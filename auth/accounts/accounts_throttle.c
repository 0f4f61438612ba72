#include "accounts/accounts.h"

#include "accounts/accounts_impl.h"
#include "core/clock.h"

#include "core/banned.h"

static void take_row(void *ctx)
{
    /* One row at most: the columns are bound to the state itself. */
    (void)ctx;
}

enum err accounts_get_throttle(struct accounts *a, const char *subject,
                               struct throttle_state *ret_state, struct error *e)
{
    struct throttle_state state = { 0 };
    const struct accounts_column columns[] = {
        { NULL, 0, &state.version },
        { NULL, 0, &state.failures },
        { NULL, 0, &state.window_started_at_ms },
        { NULL, 0, &state.locked_until_ms },
    };
    const struct accounts_value param = { subject, 0 };
    const struct accounts_query query = {
        .sql = "SELECT version, failures, window_started_at, locked_until FROM login_throttle "
               "WHERE subject = ?",
        .params = &param,
        .param_count = 1,
        .columns = columns,
        .column_count = ARRAY_LEN(columns),
        .row = take_row,
    };
    const enum err code = a->ops->run(a, &query, 1, e);
    if (code == OK) {
        *ret_state = state;
    }
    return code;
}

static enum err insert_state(struct accounts *a, const char *subject,
                             const struct throttle_state *state, struct error *e)
{
    const struct accounts_value params[] = {
        { subject, 0 },
        { NULL, state->failures },
        { NULL, state->window_started_at_ms },
        { NULL, state->locked_until_ms },
        { NULL, clock_wall_ms() },
    };
    const struct accounts_query query = {
        .sql = "INSERT INTO login_throttle (subject, version, failures, window_started_at, "
               "locked_until, updated_at) VALUES (?, 1, ?, ?, ?, ?)",
        .params = params,
        .param_count = ARRAY_LEN(params),
    };
    const enum err code = a->ops->run(a, &query, 1, e);
    return code == ERR_EXISTS ? err_set(e, ERR_CONFLICT, "the state was stored meanwhile") : code;
}

enum err accounts_put_throttle(struct accounts *a, const char *subject,
                               const struct throttle_state *state, struct error *e)
{
    if (state->version == 0) {
        return insert_state(a, subject, state, e);
    }
    const struct accounts_value params[] = {
        { NULL, state->failures },
        { NULL, state->window_started_at_ms },
        { NULL, state->locked_until_ms },
        { NULL, clock_wall_ms() },
        { subject, 0 },
        { NULL, state->version },
    };
    const struct accounts_query query = {
        .sql = "UPDATE login_throttle SET version = version + 1, failures = ?, "
               "window_started_at = ?, locked_until = ?, updated_at = ? "
               "WHERE subject = ? AND version = ?",
        .params = params,
        .param_count = ARRAY_LEN(params),
        .if_none = ERR_CONFLICT,
    };
    return a->ops->run(a, &query, 1, e);
}

enum err accounts_clear_throttle(struct accounts *a, const char *subject, struct error *e)
{
    const struct accounts_value param = { subject, 0 };
    const struct accounts_query query = {
        .sql = "DELETE FROM login_throttle WHERE subject = ?",
        .params = &param,
        .param_count = 1,
    };
    return a->ops->run(a, &query, 1, e);
}

enum err accounts_prune_throttle(struct accounts *a, int64_t before_ms, struct error *e)
{
    const struct accounts_value param = { NULL, before_ms };
    const struct accounts_query query = {
        .sql = "DELETE FROM login_throttle WHERE updated_at < ?",
        .params = &param,
        .param_count = 1,
    };
    return a->ops->run(a, &query, 1, e);
}
