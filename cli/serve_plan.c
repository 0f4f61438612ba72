#include "serve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/id.h"
#include "core/mem.h"
#include "core/text.h"
#include "program.h"

#include "core/banned.h"

#define SECRET_MAX 256
#define NAMES_MAX 16384

extern char **environ;

static const char *const programs[SERVE_COUNT] = { "unreel-auth", "unreel-converter",
                                                   "unreel-notifier", "unreel-gateway" };

static enum err make_folder(const char *path, struct error *e)
{
    char partial[PATH_MAX];
    if (!text_copy(partial, sizeof(partial), path)) {
        return err_set(e, ERR_INVALID, "the folder's path is too long");
    }
    for (char *c = partial + 1;; c++) {
        if (*c != '/' && *c != '\0') {
            continue;
        }
        char kept = *c;
        *c = '\0';
        if (mkdir(partial, 0700) != 0 && errno != EEXIST) {
            return err_set_errno(e, ERR_FAULT, errno, "make the folder %s", partial);
        }
        if (kept == '\0') {
            return OK;
        }
        *c = kept;
    }
}

/* A free port of the loopback address. Another program may take it before our child does; then the
 * child says so. */
static int free_port(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t len = sizeof(address);
    int port = 0;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
        getsockname(fd, (struct sockaddr *)&address, &len) == 0) {
        port = ntohs(address.sin_port);
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return port;
}

/* The secret in the file, made with `prefix` and random bytes when there is none. */
static enum err keep_secret(const char *path, const char *prefix, size_t bytes, bool url_safe,
                            char ret_secret[SECRET_MAX], bool *ret_is_new, struct error *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    *ret_is_new = fd < 0;
    if (fd >= 0) {
        ssize_t len = read(fd, ret_secret, SECRET_MAX - 1);
        (void)close(fd);
        if (len <= 0) {
            return err_set(e, ERR_CORRUPT, "%s is empty; remove it to have a new one made", path);
        }
        ret_secret[len] = '\0';
        ret_secret[strcspn(ret_secret, "\r\n")] = '\0';
        return OK;
    }
    unsigned char random[64];
    char text[TEXT_BASE64_SIZE(sizeof(random))];
    random_bytes(random, bytes);
    if (url_safe) {
        text_to_base64url(text, random, bytes);
    } else {
        text_to_base64(text, random, bytes);
    }
    (void)snprintf(ret_secret, SECRET_MAX, "%s%s", prefix, text);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || dprintf(fd, "%s\n", ret_secret) < 0 || fsync(fd) != 0) {
        int reason = errno;
        if (fd >= 0) {
            (void)close(fd);
        }
        return err_set_errno(e, ERR_FAULT, reason, "write %s", path);
    }
    (void)close(fd);
    return OK;
}

/* ---- environments ---- */

struct environment {
    char **list;
    size_t count;
};

static void env_add(struct environment *env, char *entry)
{
    env->list = xrealloc(env->list, (env->count + 2) * sizeof(*env->list));
    env->list[env->count++] = entry;
    env->list[env->count] = NULL;
}

static bool env_has(const struct environment *env, const char *name, size_t len)
{
    for (size_t i = 0; i < env->count; i++) {
        if (strncmp(env->list[i], name, len) == 0 && env->list[i][len] == '=') {
            return true;
        }
    }
    return false;
}

/* Whether `names` (one per line) holds the name, or the name without _FILE. */
static bool knows(const char *names, const char *name, size_t len)
{
    if (len > 5 && strncmp(name + len - 5, "_FILE", 5) == 0 && knows(names, name, len - 5)) {
        return true;
    }
    for (const char *line = names; line != NULL && *line != '\0';) {
        if (strncmp(line, name, len) == 0 && (line[len] == '\n' || line[len] == '\0')) {
            return true;
        }
        line = strchr(line, '\n');
        line = line != NULL ? line + 1 : NULL;
    }
    return false;
}

/* The plan's settings for one service; what the caller's environment says of the same name comes
 * first. */
static void env_plan(struct environment *env, const struct serve_plan *plan, int which,
                     const int ports[SERVE_COUNT], int auth_port, const char *webhook_secret)
{
    const char *folder = plan->folder;
    env_add(env, xasprintf("UNREEL_OPS_PORT=%d", ports[which]));
    env_add(env, xasprintf("UNREEL_LOG_LEVEL=%s", "warn"));
    if (which == SERVE_AUTH) {
        env_add(env, xasprintf("UNREEL_PORT=%d", auth_port));
        env_add(env, xasprintf("UNREEL_ACCOUNTS_URL=sqlite:%s/accounts.db", folder));
        if (plan->admin_password != NULL) {
            env_add(env, xasprintf("UNREEL_ADMIN_EMAIL=%s", plan->admin_email));
            env_add(env, xasprintf("UNREEL_ADMIN_PASSWORD=%s", plan->admin_password));
        }
        return;
    }
    env_add(env, xasprintf("UNREEL_JOBS_URL=sqlite:%s/jobs.db", folder));
    env_add(env, xasprintf("UNREEL_QUEUE_URL=sqlite:%s/queue.db", folder));
    if (which == SERVE_NOTIFIER) {
        env_add(env, xasprintf("UNREEL_PUBLIC_URL=http://127.0.0.1:%d", plan->port));
        env_add(env, xasprintf("UNREEL_WEBHOOK_SECRET=%s", webhook_secret));
        return;
    }
    env_add(env, xasprintf("UNREEL_BLOBS_URL=file:%s/files", folder));
    if (which == SERVE_CONVERTER) {
        long cores = sysconf(_SC_NPROCESSORS_ONLN);
        env_add(env, xasprintf("UNREEL_SLOTS=%ld", cores < 1 ? 1 : cores > 64 ? 64 : cores));
        return;
    }
    env_add(env, xasprintf("UNREEL_PORT=%d", plan->port));
    env_add(env, xasprintf("UNREEL_BIND=%s", plan->bind_address));
    env_add(env, xasprintf("UNREEL_AUTH_URL=http://127.0.0.1:%d", auth_port));
}

static bool is_ours(const char *entry)
{
    return text_starts_with(entry, "UNREEL_") && !text_starts_with(entry, "UNREEL_TEST_");
}

/* PATH and the like for all; UNREEL_* for those who know the name. */
static void env_inherit(struct environment *env, const char *names)
{
    for (char **entry = environ; *entry != NULL; entry++) {
        size_t len = strcspn(*entry, "=");
        if (!is_ours(*entry) || knows(names, *entry, len)) {
            env_add(env, xstrdup(*entry));
        }
    }
}

static enum err refuse_unknown(char *const names[SERVE_COUNT], struct error *e)
{
    for (char **entry = environ; *entry != NULL; entry++) {
        size_t len = strcspn(*entry, "=");
        bool is_known = !is_ours(*entry);
        for (int i = 0; i < SERVE_COUNT && !is_known; i++) {
            is_known = knows(names[i], *entry, len);
        }
        if (!is_known) {
            return err_set(e, ERR_INVALID, "no service knows the variable %.*s", (int)len, *entry);
        }
    }
    return OK;
}

static enum err plan_children(struct serve_plan *plan, const char *webhook_secret, struct error *e)
{
    char *names[SERVE_COUNT] = { 0 };
    int ports[SERVE_COUNT];
    int auth_port = free_port();
    enum err rc = OK;
    for (int i = 0; i < SERVE_COUNT && rc == OK; i++) {
        plan->children[i].name = programs[i];
        ports[i] = free_port();
        rc = program_find(programs[i], &plan->children[i].path, e);
        if (rc == OK) {
            rc = program_output(plan->children[i].path, "--config-names", NAMES_MAX, &names[i], e);
        }
    }
    if (rc == OK) {
        rc = refuse_unknown(names, e);
    }
    plan->gateway_ops_port = ports[SERVE_GATEWAY];
    for (int i = 0; i < SERVE_COUNT && rc == OK; i++) {
        struct environment wanted = { 0 };
        struct environment env = { 0 };
        env_inherit(&env, names[i]);
        env_plan(&wanted, plan, i, ports, auth_port, webhook_secret);
        for (size_t k = 0; k < wanted.count; k++) {
            size_t len = strcspn(wanted.list[k], "=");
            /* Ports belong to the plan: the services find each other by them. */
            bool is_port = len >= 5 && strncmp(wanted.list[k] + len - 5, "_PORT", 5) == 0;
            if (is_port || !env_has(&env, wanted.list[k], len)) {
                env_add(&env, wanted.list[k]);
            } else {
                free(wanted.list[k]);
            }
        }
        free(wanted.list);
        plan->children[i].environment = env.list;
    }
    for (int i = 0; i < SERVE_COUNT; i++) {
        free(names[i]);
    }
    return rc;
}

static enum err plan_admin(struct serve_plan *plan, struct error *e)
{
    AUTO(mem_free) char *accounts = xasprintf("%s/accounts.db", plan->folder);
    plan->is_first_start = access(accounts, F_OK) != 0;
    plan->login_file = xasprintf("%s/admin-password", plan->folder);
    if (getenv("UNREEL_ADMIN_EMAIL") != NULL) {
        plan->admin_email = getenv("UNREEL_ADMIN_EMAIL");
        return OK;
    }
    plan->admin_email = "admin@unreel.local";
    char password[SECRET_MAX];
    bool is_new = false;
    enum err rc = keep_secret(plan->login_file, "", 12, true, password, &is_new, e);
    if (rc == OK) {
        plan->admin_password = xstrdup(password);
    }
    mem_wipe(password, sizeof(password));
    return rc;
}

enum err serve_plan_make(const char *folder, const char *bind_address, int port,
                         struct serve_plan *ret_plan, struct error *e)
{
    struct serve_plan plan = { .bind_address = bind_address, .port = port };
    enum err rc = make_folder(folder, e);
    if (rc == OK) {
        plan.folder = realpath(folder, NULL);
        rc = plan.folder != NULL ? OK : err_set_errno(e, ERR_FAULT, errno, "find %s", folder);
    }
    if (rc == OK) {
        rc = plan_admin(&plan, e);
    }
    if (rc == OK) {
        AUTO(mem_free) char *files = xasprintf("%s/files", plan.folder);
        AUTO(mem_free) char *path = xasprintf("%s/webhook-secret", plan.folder);
        char secret[SECRET_MAX];
        bool is_new = false;
        plan.port = port != 0 ? port : free_port();
        rc = make_folder(files, e);
        if (rc == OK) {
            rc = keep_secret(path, "whsec_", 32, false, secret, &is_new, e);
        }
        if (rc == OK) {
            rc = plan_children(&plan, secret, e);
        }
    }
    if (rc != OK) {
        serve_plan_release(&plan);
        return rc;
    }
    *ret_plan = plan;
    return OK;
}

void serve_plan_release(struct serve_plan *plan)
{
    for (int i = 0; i < SERVE_COUNT; i++) {
        struct child *c = &plan->children[i];
        for (char **entry = c->environment; entry != NULL && *entry != NULL; entry++) {
            mem_wipe(*entry, strlen(*entry));
            free(*entry);
        }
        free(c->environment);
        free(c->path);
    }
    free(plan->folder);
    free(plan->admin_password);
    free(plan->login_file);
    memset(plan, 0, sizeof(*plan));
}
