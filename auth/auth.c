#include "auth/auth.h"

#include <unistd.h>

#include "auth/passwords.h"
#include "auth/routes.h"
#include "core/clock.h"
#include "core/log.h"

#include "core/banned.h"

#define PRUNE_EVERY_MS (3600LL * 1000)

/* ---- what waits for the database ---- */

static enum err migrate(struct auth *auth, struct error *e)
{
    int applied = 0;
    const enum err code = accounts_migrate(auth->settings->accounts_url, &applied, e);
    if (code == OK) {
        auth->is_migrated = true;
        log_info("the schema of the accounts is up to date, %d migrations applied", applied);
    }
    return code;
}

static enum err make_admin(struct auth *auth, struct error *e)
{
    const char *email = auth->settings->admin_email;
    struct account account;
    enum err code = accounts_find(auth->accounts, email, &account, e);
    if (code == ERR_NOT_FOUND) {
        char hash[ACCOUNT_HASH_SIZE];
        code = passwords_hash(auth->settings->admin_password, hash, e);
        if (code == OK) {
            code = accounts_add(auth->accounts, email, hash, true, NULL, e);
        }
        if (code == OK) {
            char masked[LOG_MASK_SIZE];
            log_info("made the first admin %s", log_mask_email(masked, email));
        }
    }
    /* Another auth process may have been faster. */
    if (code == OK || code == ERR_EXISTS) {
        auth->has_admin = true;
        return OK;
    }
    return code;
}

static void prune(struct auth *auth)
{
    const int64_t now_ms = clock_mono_ms();
    if (now_ms - auth->pruned_at_ms < PRUNE_EVERY_MS) {
        return;
    }
    auth->pruned_at_ms = now_ms;
    struct error e;
    if (accounts_prune_throttle(auth->accounts, clock_wall_ms() - THROTTLE_MEMORY_MS, &e) != OK) {
        log_failure(LOG_LEVEL_WARN, err_name(e.code), "old login failures were not removed: %s",
                    e.text);
    }
}

enum err auth_check_accounts(void *ctx, struct error *e)
{
    struct auth *auth = ctx;
    enum err code = auth->is_migrated ? OK : migrate(auth, e);
    if (code == OK) {
        code = accounts_check(auth->accounts, e);
    }
    if (code == OK && !auth->has_admin) {
        code = make_admin(auth, e);
    }
    if (code == OK) {
        prune(auth);
    }
    return code;
}

static enum err check_keys(void *ctx, struct error *e)
{
    struct auth *auth = ctx;
    return keyring_refresh(auth->keyring, e);
}

/* ---- life ---- */

static enum err check_admin_settings(const struct settings *s, struct error *e)
{
    if (s->admin_email[0] == '\0') {
        return OK;
    }
    struct error why;
    char email[ACCOUNT_EMAIL_SIZE];
    if (account_normalize_email(s->admin_email, email, &why) != OK) {
        return err_set(e, ERR_INVALID, "UNREEL_ADMIN_EMAIL: %.200s", why.text);
    }
    if (passwords_check(s->admin_password, email, &why) != OK) {
        return err_set(e, ERR_INVALID, "UNREEL_ADMIN_PASSWORD: %.200s", why.text);
    }
    return OK;
}

static unsigned hash_slots(const struct settings *s)
{
    if (s->hash_slots > 0) {
        return (unsigned)s->hash_slots;
    }
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores < 1 ? 1 : (unsigned)cores;
}

static enum err make_parts(struct auth *auth, struct error *e)
{
    const struct settings *s = auth->settings;
    enum err code = address_list_parse(s->trusted_proxies, &auth->trusted, e);
    if (code != OK) {
        return code;
    }
    code = accounts_open(s->accounts_url, (unsigned)s->accounts_connections, &auth->accounts, e);
    if (code != OK) {
        return code;
    }
    const struct keyring_options keys = { .accounts = auth->accounts,
                                          .fixed_pem = s->signing_key,
                                          .rotation_ms = s->key_rotation_s * 1000 };
    code = keyring_new(&keys, &auth->keyring, e);
    if (code != OK) {
        return code;
    }
    code = token_verifier_new(s->issuer, s->audience, keyring_jwks, auth->keyring, &auth->verifier,
                              e);
    if (code != OK) {
        return code;
    }
    auth->gate = gate_new(hash_slots(s), (unsigned)s->hash_queue);
    auth->login.accounts = auth->accounts;
    auth->login.gate = auth->gate;
    auth->login.limits = (struct throttle_limits){
        .account_failures = s->account_failures,
        .account_lock_max_ms = s->account_lock_max_s * 1000,
        .address_failures = s->address_failures,
    };
    return login_init(&auth->login, e);
}

static void free_parts(struct auth *auth)
{
    if (auth == NULL) {
        return;
    }
    token_verifier_free(auth->verifier);
    keyring_free(auth->keyring);
    gate_free(auth->gate);
    accounts_close(auth->accounts);
    address_list_free(auth->trusted);
    free(auth);
}

DEFINE_AUTO(struct auth *, free_parts)

/* Makes the database ready at once when it is there, so that the first request finds it so; when it
 * is not, the readiness check goes on trying. */
static enum err first_checks(struct auth *auth, struct error *e)
{
    struct error why = { 0 };
    enum err code = auth_check_accounts(auth, &why);
    if (code == OK) {
        code = keyring_refresh(auth->keyring, &why);
    }
    if (code == ERR_INVALID || code == ERR_CORRUPT) {
        return err_set(e, code, "%s", why.text);
    }
    if (code != OK) {
        log_failure(LOG_LEVEL_WARN, err_name(why.code), "the accounts are not ready yet: %s",
                    why.text);
    }
    return OK;
}

enum err auth_start(struct service *service, void *settings, void **ret_state, struct error *e)
{
    const struct settings *s = settings;
    AUTO(free_parts) struct auth *auth = xcalloc(1, sizeof(*auth));
    auth->settings = s;
    auth->is_migrated = !s->migrate;
    auth->has_admin = s->admin_email[0] == '\0';
    auth->pruned_at_ms = clock_mono_ms();
    enum err code = check_admin_settings(s, e);
    if (code == OK) {
        code = make_parts(auth, e);
    }
    if (code == OK) {
        code = first_checks(auth, e);
    }
    if (code == OK) {
        code = routes_serve(auth, e);
    }
    if (code != OK) {
        return code;
    }
    log_info("listening on %s port %d", s->common.bind_address, http_server_port(auth->server));
    service_add_check(service, "accounts", false, auth_check_accounts, auth);
    service_add_check(service, "signing_key", false, check_keys, auth);
    *ret_state = TAKE(auth);
    return OK;
}

void auth_drain(void *state)
{
    struct auth *auth = state;
    http_server_drain(auth->server);
}

bool auth_is_idle(void *state)
{
    struct auth *auth = state;
    return http_server_in_flight(auth->server) == 0;
}

void auth_stop(void *state)
{
    struct auth *auth = state;
    http_server_stop(auth->server, 0);
    free_parts(auth);
}
