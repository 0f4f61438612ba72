/* The auth service: its settings, its parts, and their life. */
#ifndef UNREEL_AUTH_AUTH_H
#define UNREEL_AUTH_AUTH_H

#include <stdbool.h>
#include <stdint.h>

#include "accounts/accounts.h"
#include "auth/keyring.h"
#include "auth/login.h"
#include "core/config.h"
#include "core/error.h"
#include "http/server.h"
#include "service/service.h"
#include "token/verifier.h"

struct settings {
    struct config_common common;
    int64_t port;
    char *accounts_url;
    bool migrate;
    int64_t accounts_connections;
    char *issuer;
    char *audience;
    int64_t token_life_s;
    char *signing_key;
    int64_t key_rotation_s;
    char *admin_email;
    char *admin_password;
    char *trusted_proxies;
    int64_t account_failures;
    int64_t account_lock_max_s;
    int64_t address_failures;
    int64_t hash_slots;
    int64_t hash_queue;
    int64_t max_connections;
};

struct auth {
    const struct settings *settings;
    struct accounts *accounts;
    struct keyring *keyring;
    struct token_verifier *verifier;
    struct address_list *trusted;
    struct gate *gate;
    struct login login;
    struct http_server *server;

    /* What auth_check_accounts has done; one thread calls it. */
    bool is_migrated;
    bool has_admin;
    int64_t pruned_at_ms;
};

/* The callbacks of struct service_definition; state is a struct auth. */
enum err auth_start(struct service *s, void *settings, void **ret_state, struct error *e);
void auth_drain(void *state);
bool auth_is_idle(void *state);
void auth_stop(void *state);

/* The readiness check "accounts", which also does what waits for the database to be there: the
 * migrations when UNREEL_MIGRATE is set, the first admin, and forgetting old throttle states. ctx
 * is a struct auth. */
enum err auth_check_accounts(void *ctx, struct error *e) MUST_CHECK;

#endif
