#include "serve.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/mem.h"
#include "core/text.h"
#include "environment.h"
#include "program.h"

#include "core/banned.h"

static const char *const programs[SERVE_COUNT] = { "unreel-auth", "unreel-notifier",
                                                   "unreel-converter", "unreel-gateway" };

/* What the plan decides alone: the services find each other by it. */
static const char *const reserved[] = { "UNREEL_PORT", "UNREEL_OPS_PORT", "UNREEL_BIND" };

static bool is_reserved(const char *entry)
{
    for (size_t i = 0; i < ARRAY_LEN(reserved); i++) {
        size_t len = strlen(reserved[i]);
        if (strncmp(entry, reserved[i], len) == 0 && entry[len] == '=') {
            return true;
        }
    }
    return false;
}

/* The plan's settings for one service. */
static void wish(const struct serve_plan *plan, int which, struct environment *env)
{
    environment_add(env, xasprintf("UNREEL_OPS_PORT=%d", plan->ops_ports[which]));
    environment_add(env, xstrdup("UNREEL_LOG_LEVEL=warn"));
    AUTO(mem_free) char *accounts = environment_sqlite_url(plan->folder, "accounts.db");
    AUTO(mem_free) char *jobs = environment_sqlite_url(plan->folder, "jobs.db");
    AUTO(mem_free) char *queue = environment_sqlite_url(plan->folder, "queue.db");
    if (which == SERVE_AUTH) {
        environment_add(env, xasprintf("UNREEL_PORT=%d", plan->auth_port));
        environment_add(env, xasprintf("UNREEL_ACCOUNTS_URL=%s", accounts));
        environment_add(env, xasprintf("UNREEL_ADMIN_EMAIL=%s", plan->admin_email));
        if (plan->admin_password != NULL) {
            environment_add(env, xasprintf("UNREEL_ADMIN_PASSWORD=%s", plan->admin_password));
        }
        return;
    }
    environment_add(env, xasprintf("UNREEL_JOBS_URL=%s", jobs));
    environment_add(env, xasprintf("UNREEL_QUEUE_URL=%s", queue));
    if (which == SERVE_NOTIFIER) {
        environment_add(env, xasprintf("UNREEL_PUBLIC_URL=%s", plan->url));
        environment_add(env, xasprintf("UNREEL_WEBHOOK_SECRET=%s", plan->webhook_secret));
        return;
    }
    environment_add(env, xasprintf("UNREEL_BLOBS_URL=file:%s/files", plan->folder));
    if (which == SERVE_CONVERTER) {
        long cores = sysconf(_SC_NPROCESSORS_ONLN);
        environment_add(env, xasprintf("UNREEL_SLOTS=%ld", cores < 1    ? 1
                                                           : cores > 64 ? 64
                                                                        : cores));
        return;
    }
    environment_add(env, xasprintf("UNREEL_PORT=%d", plan->port));
    environment_add(env, xasprintf("UNREEL_BIND=%s", plan->bind_address));
    environment_add(env, xasprintf("UNREEL_AUTH_URL=http://127.0.0.1:%d", plan->auth_port));
}

/* What the caller's environment says comes first, but for what is reserved. */
static char **make_environment(const struct serve_plan *plan, int which, const char *names)
{
    struct environment inherited = { 0 };
    struct environment wanted = { 0 };
    struct environment env = { 0 };
    environment_inherit(&inherited, names);
    wish(plan, which, &wanted);
    for (size_t i = 0; i < inherited.count; i++) {
        if (!is_reserved(inherited.list[i])) {
            environment_add(&env, xstrdup(inherited.list[i]));
        }
    }
    for (size_t i = 0; i < wanted.count; i++) {
        if (!environment_has(&env, wanted.list[i])) {
            environment_add(&env, xstrdup(wanted.list[i]));
        }
    }
    environment_release(inherited.list);
    environment_release(wanted.list);
    return env.list;
}

static enum err plan_children(struct serve_plan *plan, struct error *e)
{
    char *names[SERVE_COUNT] = { 0 };
    enum err rc = OK;
    for (int i = 0; i < SERVE_COUNT && rc == OK; i++) {
        struct child *c = &plan->children[i];
        c->name = programs[i];
        c->last_code = -1;
        rc = program_find(programs[i], &c->path, e);
        if (rc == OK) {
            rc = program_output(c->path, "--config-names", PROGRAM_NAMES_MAX, &names[i], e);
        }
    }
    if (rc == OK) {
        rc = environment_check(names, SERVE_COUNT, e);
    }
    for (int i = 0; i < SERVE_COUNT && rc == OK; i++) {
        plan->children[i].environment = make_environment(plan, i, names[i]);
    }
    for (int i = 0; i < SERVE_COUNT; i++) {
        free(names[i]);
    }
    return rc;
}

/* The ports, and where everybody is reached from this machine. */
static enum err plan_addresses(struct serve_plan *plan, int port, struct error *e)
{
    int ports[SERVE_COUNT + 2];
    enum err rc = serve_free_ports(ports, ARRAY_LEN(ports), e);
    if (rc != OK) {
        return rc;
    }
    plan->auth_port = ports[SERVE_COUNT];
    plan->port = port != 0 ? port : ports[SERVE_COUNT + 1];
    const char *bind = plan->bind_address;
    bool is_any = strcmp(bind, "0.0.0.0") == 0 || strcmp(bind, "::") == 0 || bind[0] == '\0';
    bool is_v6 = strchr(bind, ':') != NULL;
    AUTO(mem_free)
    char *host = is_any ? xstrdup("127.0.0.1") : xasprintf(is_v6 ? "[%s]" : "%s", bind);
    plan->url = xasprintf("http://%s:%d", host, plan->port);
    for (int i = 0; i < SERVE_COUNT; i++) {
        plan->ops_ports[i] = ports[i];
        plan->ready_urls[i] = xasprintf("http://%s:%d/readyz",
                                        i == SERVE_GATEWAY ? host : "127.0.0.1", ports[i]);
    }
    return OK;
}

static enum err plan_secrets(struct serve_plan *plan, struct error *e)
{
    AUTO(mem_free) char *accounts = xasprintf("%s/accounts.db", plan->folder);
    AUTO(mem_free) char *webhook_file = xasprintf("%s/webhook-secret", plan->folder);
    const char *email = getenv("UNREEL_ADMIN_EMAIL");
    plan->is_first_start = access(accounts, F_OK) != 0;
    plan->login_file = xasprintf("%s/admin-password", plan->folder);
    plan->admin_email = email != NULL ? email : "admin@unreel.local";
    enum err rc = serve_keep_secret(webhook_file, "whsec_", 32, false, &plan->webhook_secret, e);
    bool has_password = getenv("UNREEL_ADMIN_PASSWORD") != NULL ||
                        getenv("UNREEL_ADMIN_PASSWORD_FILE") != NULL;
    if (rc == OK && !has_password) {
        rc = serve_keep_secret(plan->login_file, "", 12, true, &plan->admin_password, e);
    }
    return rc;
}

static enum err plan_folder(struct serve_plan *plan, const char *folder, struct error *e)
{
    enum err rc = serve_make_folder(folder, e);
    if (rc != OK) {
        return rc;
    }
    plan->folder = realpath(folder, NULL);
    if (plan->folder == NULL) {
        return err_set_errno(e, ERR_FAULT, errno, "find %s", folder);
    }
    if (strchr(plan->folder, '?') != NULL) {
        return err_set(e, ERR_INVALID, "a folder with a question mark in its name cannot be used");
    }
    AUTO(mem_free) char *files = xasprintf("%s/files", plan->folder);
    rc = serve_lock_folder(plan->folder, &plan->lock, e);
    return rc == OK ? serve_make_folder(files, e) : rc;
}

enum err serve_plan_make(const char *folder, const char *bind_address, int port,
                         struct serve_plan *ret_plan, struct error *e)
{
    struct serve_plan plan = { .bind_address = bind_address, .lock = -1 };
    enum err rc = plan_folder(&plan, folder, e);
    if (rc == OK) {
        rc = plan_secrets(&plan, e);
    }
    if (rc == OK) {
        rc = plan_addresses(&plan, port, e);
    }
    if (rc == OK) {
        rc = plan_children(&plan, e);
    }
    if (rc != OK) {
        serve_plan_release(&plan);
        return rc;
    }
    *ret_plan = plan;
    return OK;
}

static void release_secret(char *secret)
{
    if (secret != NULL) {
        mem_wipe(secret, strlen(secret));
    }
    free(secret);
}

void serve_plan_release(struct serve_plan *plan)
{
    for (int i = 0; i < SERVE_COUNT; i++) {
        environment_release(plan->children[i].environment);
        free(plan->children[i].path);
        free(plan->ready_urls[i]);
    }
    release_secret(plan->admin_password);
    release_secret(plan->webhook_secret);
    free(plan->login_file);
    free(plan->url);
    free(plan->folder);
    if (plan->lock >= 0) {
        (void)close(plan->lock);
    }
    memset(plan, 0, sizeof(*plan));
    plan->lock = -1;
}
