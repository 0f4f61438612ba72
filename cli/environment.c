#include "environment.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/mem.h"
#include "core/text.h"

#include "core/banned.h"

static const char file_suffix[] = "_FILE";

void environment_add(struct environment *env, char *entry)
{
    env->list = xrealloc(env->list, (env->count + 2) * sizeof(*env->list));
    env->list[env->count++] = entry;
    env->list[env->count] = NULL;
}

bool environment_has(const struct environment *env, const char *entry)
{
    size_t len = strcspn(entry, "=");
    for (size_t i = 0; i < env->count; i++) {
        const char *rest = env->list[i] + len;
        if (strncmp(env->list[i], entry, len) != 0) {
            continue;
        }
        if (rest[0] == '=' || text_starts_with(rest, "_FILE=")) {
            return true;
        }
    }
    return false;
}

static bool holds(const char *names, const char *name, size_t len)
{
    for (const char *line = names; *line != '\0';) {
        size_t line_len = strcspn(line, "\n");
        if (line_len == len && strncmp(line, name, len) == 0) {
            return true;
        }
        line += line_len + (line[line_len] == '\n' ? 1 : 0);
    }
    return false;
}

static bool knows(const char *names, const char *name, size_t len)
{
    size_t suffix = strlen(file_suffix);
    bool is_file = len > suffix && strncmp(name + len - suffix, file_suffix, suffix) == 0;
    return holds(names, name, len) || (is_file && holds(names, name, len - suffix));
}

static bool is_ours(const char *entry)
{
    return text_starts_with(entry, "UNREEL_") && !text_starts_with(entry, "UNREEL_TEST_");
}

void environment_inherit(struct environment *env, const char *names)
{
    for (char **entry = environ; *entry != NULL; entry++) {
        if (!is_ours(*entry) || knows(names, *entry, strcspn(*entry, "="))) {
            environment_add(env, xstrdup(*entry));
        }
    }
    /* As in our images: MongoDB's driver shall not print plain text between our lines. */
    static const char no_counters[] = "MONGOC_DISABLE_SHM=1";
    if (!environment_has(env, no_counters)) {
        environment_add(env, xstrdup(no_counters));
    }
}

enum err environment_check(char *const *names, size_t count, struct error *e)
{
    for (char **entry = environ; *entry != NULL; entry++) {
        size_t len = strcspn(*entry, "=");
        bool is_known = !is_ours(*entry);
        for (size_t i = 0; i < count && !is_known; i++) {
            is_known = knows(names[i], *entry, len);
        }
        if (!is_known) {
            return err_set(e, ERR_INVALID, "no service knows the variable %.*s", (int)len, *entry);
        }
    }
    return OK;
}

void environment_release(char **list)
{
    for (char **entry = list; entry != NULL && *entry != NULL; entry++) {
        mem_wipe(*entry, strlen(*entry));
        free(*entry);
    }
    free(list);
}

char *environment_data_folder(void)
{
    const char *data = getenv("XDG_DATA_HOME");
    const char *home = getenv("HOME");
    if (data != NULL && data[0] == '/') {
        return xasprintf("%s/unreel", data);
    }
    return xasprintf("%s/.local/share/unreel", home != NULL ? home : ".");
}

char *environment_sqlite_url(const char *folder, const char *name)
{
    return xasprintf("sqlite:%s/%s", folder, name);
}
