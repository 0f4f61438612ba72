/* unreel-auth: accounts, logins, tokens. */
#include <stddef.h>

#include "auth/auth.h"
#include "auth/commands.h"
#include "core/attr.h"
#include "service/service.h"

#include "core/banned.h"

#define FIELD(name) offsetof(struct settings, name)

/* clang-format off */
static const struct config_key keys[] = {
    CONFIG_COMMON_KEYS("9101"),
    { "UNREEL_PORT", CONFIG_INT, FIELD(port), "5000", "port to listen on; 0 picks a free one", 0,
      65535, NULL },
    { "UNREEL_ACCOUNTS_URL", CONFIG_URL, FIELD(accounts_url), NULL,
      "where the accounts are: mysql://user:password@host/database (?tls=require, ?tls=verify and "
      "tls_ca=FILE), or sqlite:PATH",
      0, 0, NULL },
    { "UNREEL_MIGRATE", CONFIG_BOOL, FIELD(migrate), "false",
      "bring the schema of the accounts up to date at start, as unreel-auth migrate does", 0, 0,
      NULL },
    { "UNREEL_ACCOUNTS_CONNECTIONS", CONFIG_INT, FIELD(accounts_connections), "16",
      "most connections to MySQL", 1, 1000, NULL },
    { "UNREEL_ISSUER", CONFIG_TEXT, FIELD(issuer), "unreel", "iss of the tokens", 0, 0, NULL },
    { "UNREEL_AUDIENCE", CONFIG_TEXT, FIELD(audience), "unreel", "aud of the tokens", 0, 0, NULL },
    { "UNREEL_TOKEN_LIFE_S", CONFIG_INT, FIELD(token_life_s), "900",
      "seconds that a token is valid", 60, TOKEN_LIFE_MAX_S, NULL },
    { "UNREEL_SIGNING_KEY", CONFIG_SECRET, FIELD(signing_key), "",
      "a fixed signing key (P-256, PEM); without it the keys are made and kept in the accounts "
      "database",
      0, 0, NULL },
    { "UNREEL_KEY_ROTATION_S", CONFIG_INT, FIELD(key_rotation_s), "2592000",
      "seconds that a key signs before its successor does", 86400, 31536000, NULL },
    { "UNREEL_ADMIN_EMAIL", CONFIG_SECRET, FIELD(admin_email), "",
      "an admin that is made at start when there is no account with this address", 0, 0, NULL },
    { "UNREEL_ADMIN_PASSWORD", CONFIG_SECRET, FIELD(admin_password), "", "that admin's password", 0,
      0, NULL },
    { "UNREEL_TRUSTED_PROXIES", CONFIG_TEXT, FIELD(trusted_proxies), "127.0.0.0/8,::1",
      "networks whose X-Forwarded-For is believed, the gateway's among them", 0, 0, NULL },
    { "UNREEL_LOGIN_ACCOUNT_FAILURES", CONFIG_INT, FIELD(account_failures), "5",
      "failed logins of an account before it is locked, for 1 s, 2 s, 4 s, ...", 1, 1000, NULL },
    { "UNREEL_LOGIN_LOCK_MAX_S", CONFIG_INT, FIELD(account_lock_max_s), "900",
      "longest lock of an account in seconds", 1, 86400, NULL },
    { "UNREEL_LOGIN_ADDRESS_FAILURES", CONFIG_INT, FIELD(address_failures), "20",
      "failed logins a minute from one address", 1, 1000000, NULL },
    { "UNREEL_HASH_SLOTS", CONFIG_INT, FIELD(hash_slots), "0",
      "passwords hashed at once, 19 MiB each; 0: one per core", 0, 256, NULL },
    { "UNREEL_HASH_QUEUE", CONFIG_INT, FIELD(hash_queue), "32",
      "logins that wait for one of these; more are answered 503", 0, 1024, NULL },
    { "UNREEL_MAX_CONNECTIONS", CONFIG_INT, FIELD(max_connections), "256",
      "connections at once; over it idle and slow ones give way, at twice as many new ones are "
      "refused", 1, 10000, NULL },
};

static const struct service_command commands[] = {
    { "migrate",
      "bring the schema of the accounts up to date; --wait SECONDS: as soon as the server is there",
      commands_migrate },
    { "user", "add | list | password | remove | disable | enable an account", commands_user },
    { "rotate-key", "make a new signing key, which takes over in 11 minutes", commands_rotate_key },
};

/* clang-format on */

int main(int argc, char **argv)
{
    const struct service_definition definition = {
        .name = "unreel-auth",
        .summary = "accounts, logins and tokens of Unreel",
        .keys = keys,
        .key_count = ARRAY_LEN(keys),
        .settings_size = sizeof(struct settings),
        .commands = commands,
        .command_count = ARRAY_LEN(commands),
        .start = auth_start,
        .drain = auth_drain,
        .is_idle = auth_is_idle,
        .stop = auth_stop,
    };
    return service_main(&definition, argc, argv);
}
