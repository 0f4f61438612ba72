#include "accounts/accounts.h"

#include "accounts/accounts_impl.h"
#include "core/url.h"

#include "core/banned.h"

static const struct accounts_ops *const engines[] = { &accounts_mysql, &accounts_sqlite };

static const struct accounts_ops *engine_for(const char *url)
{
    for (size_t i = 0; i < ARRAY_LEN(engines); i++) {
        if (url_has_scheme(url, engines[i]->scheme)) {
            return engines[i];
        }
    }
    return NULL;
}

enum err accounts_open(const char *url, unsigned max_parallel, struct accounts **ret_accounts,
                       struct error *e)
{
    const struct accounts_ops *engine = engine_for(url);
    if (engine == NULL) {
        return err_set(e, ERR_INVALID, "the accounts URL is neither mysql:// nor sqlite:");
    }
    return engine->open(url, max_parallel == 0 ? 1 : max_parallel, ret_accounts, e);
}

void accounts_close(struct accounts *a)
{
    if (a != NULL) {
        a->ops->close(a);
    }
}

enum err accounts_check(struct accounts *a, struct error *e)
{
    return a->ops->check(a, e);
}

enum err accounts_migrate(const char *url, int *ret_applied, struct error *e)
{
    const struct accounts_ops *engine = engine_for(url);
    if (engine == NULL) {
        return err_set(e, ERR_INVALID, "the accounts URL is neither mysql:// nor sqlite:");
    }
    int applied = 0;
    const enum err code = engine->migrate(url, &applied, e);
    if (code == OK && ret_applied != NULL) {
        *ret_applied = applied;
    }
    return code;
}
