#include "core/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/mem.h"
#include "core/text.h"

#include "core/banned.h"

#define PREFIX "UNREEL_"
#define TEST_PREFIX "UNREEL_TEST_"
#define FILE_SUFFIX "_FILE"
#define SECRET_FILE_MAX 65536
#define NAME_SIZE 96

/* NULL when unset. */
static const char *find_variable(const char *name)
{
    size_t len = strlen(name);

    for (char **entry = environ; entry != NULL && *entry != NULL; entry++) {
        if (strncmp(*entry, name, len) == 0 && (*entry)[len] == '=') {
            return *entry + len + 1;
        }
    }
    return NULL;
}

static bool is_owned_text(const struct config_key *key)
{
    return key->type == CONFIG_TEXT || key->type == CONFIG_SECRET || key->type == CONFIG_URL;
}

static bool may_be_in_file(const struct config_key *key)
{
    return key->type == CONFIG_SECRET || key->type == CONFIG_URL;
}

static void *field(void *settings, const struct config_key *key)
{
    return (char *)settings + key->offset;
}

/* The index of `word` in "a|b|c"; -1 when it is none of them. */
static int choice_index(const char *choices, const char *word)
{
    size_t word_len = strlen(word);
    int index = 0;

    for (const char *at = choices;; index++) {
        size_t len = strcspn(at, "|");
        if (len == word_len && strncmp(at, word, len) == 0) {
            return index;
        }
        if (at[len] == '\0') {
            return -1;
        }
        at += len + 1;
    }
}

static enum err set_text(const struct config_key *key, void *settings, const char *value,
                         struct error *e)
{
    if (value[0] == '\0' && key->default_value == NULL) {
        return err_set(e, ERR_INVALID, "%s must not be empty", key->name);
    }
    *(char **)field(settings, key) = xstrdup(value);
    return OK;
}

static enum err set_number(const struct config_key *key, void *settings, const char *value,
                           struct error *e)
{
    bool is_size = key->type == CONFIG_SIZE;
    enum err err = is_size ? text_to_size(value, key->min, key->max, field(settings, key))
                           : text_to_int64(value, key->min, key->max, field(settings, key));

    if (err != OK) {
        return err_set(e, ERR_INVALID, "%s must be %s from %lld to %lld, not \"%.40s\"", key->name,
                       is_size ? "a size in bytes (or KiB, MiB, GiB)" : "a number",
                       (long long)key->min, (long long)key->max, value);
    }
    return OK;
}

static enum err set_bool(const struct config_key *key, void *settings, const char *value,
                         struct error *e)
{
    bool is_true = strcmp(value, "true") == 0 || strcmp(value, "1") == 0;
    bool is_false = strcmp(value, "false") == 0 || strcmp(value, "0") == 0;

    if (!is_true && !is_false) {
        return err_set(e, ERR_INVALID, "%s must be true or false, not \"%.40s\"", key->name, value);
    }
    *(bool *)field(settings, key) = is_true;
    return OK;
}

static enum err set_choice(const struct config_key *key, void *settings, const char *value,
                           struct error *e)
{
    int index = choice_index(key->choices, value);

    if (index < 0) {
        return err_set(e, ERR_INVALID, "%s must be one of %s, not \"%.40s\"", key->name,
                       key->choices, value);
    }
    *(int *)field(settings, key) = index;
    return OK;
}

static enum err set_value(const struct config_key *key, void *settings, const char *value,
                          struct error *e)
{
    switch (key->type) {
    case CONFIG_INT:
    case CONFIG_SIZE:
        return set_number(key, settings, value, e);
    case CONFIG_BOOL:
        return set_bool(key, settings, value, e);
    case CONFIG_CHOICE:
        return set_choice(key, settings, value, e);
    case CONFIG_TEXT:
    case CONFIG_SECRET:
    case CONFIG_URL:
        break;
    }
    return set_text(key, settings, value, e);
}

/* Reads up to SECRET_FILE_MAX bytes into dst, which has one byte more. */
static enum err read_all(int fd, char *dst, size_t *ret_len)
{
    size_t len = 0;

    while (len <= SECRET_FILE_MAX) {
        ssize_t got = read(fd, dst + len, SECRET_FILE_MAX + 1 - len);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return ERR_FAULT;
        }
        if (got == 0) {
            *ret_len = len;
            return OK;
        }
        len += (size_t)got;
    }
    return ERR_TOO_BIG;
}

/* A file made with an editor or `echo` ends in a newline that is no part of the secret. */
static void strip_newline(char *text, size_t len)
{
    text[len] = '\0';
    if (len > 0 && text[len - 1] == '\n') {
        text[--len] = '\0';
    }
    if (len > 0 && text[len - 1] == '\r') {
        text[len - 1] = '\0';
    }
}

static enum err set_from_file(const struct config_key *key, void *settings, const char *path,
                              struct error *e)
{
    char *content = NULL;
    size_t len = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        return err_set_errno(e, ERR_INVALID, errno, "%s" FILE_SUFFIX ": open %s", key->name, path);
    }
    content = xmalloc(SECRET_FILE_MAX + 2);
    enum err err = read_all(fd, content, &len);
    if (err == ERR_TOO_BIG) {
        err = err_set(e, ERR_INVALID, "%s" FILE_SUFFIX ": %s is larger than 64 KiB", key->name,
                      path);
    } else if (err != OK) {
        err = err_set_errno(e, ERR_INVALID, errno, "%s" FILE_SUFFIX ": read %s", key->name, path);
    } else if (memchr(content, '\0', len) != NULL) {
        err = err_set(e, ERR_INVALID, "%s" FILE_SUFFIX ": %s has a NUL byte", key->name, path);
    } else {
        strip_newline(content, len);
        err = set_text(key, settings, content, e);
    }
    mem_wipe(content, SECRET_FILE_MAX + 2);
    free(content);
    (void)close(fd);
    return err;
}

static enum err load_key(const struct config_key *key, void *settings, struct error *e)
{
    const char *value = find_variable(key->name);
    const char *path = NULL;

    if (may_be_in_file(key)) {
        char file_name[NAME_SIZE];
        (void)snprintf(file_name, sizeof(file_name), "%s" FILE_SUFFIX, key->name);
        path = find_variable(file_name);
    }
    if (value != NULL && path != NULL) {
        return err_set(e, ERR_INVALID, "%s and %s" FILE_SUFFIX " are both set", key->name,
                       key->name);
    }
    if (path != NULL) {
        return set_from_file(key, settings, path, e);
    }
    if (value == NULL && key->default_value == NULL) {
        return err_set(e, ERR_INVALID, "%s is required: %s", key->name, key->help);
    }
    return set_value(key, settings, value == NULL ? key->default_value : value, e);
}

static bool is_known(const struct config_key *keys, size_t key_count, const char *name, size_t len)
{
    for (size_t i = 0; i < key_count; i++) {
        size_t key_len = strlen(keys[i].name);
        if (len < key_len || strncmp(name, keys[i].name, key_len) != 0) {
            continue;
        }
        bool is_file = may_be_in_file(&keys[i]) && len == key_len + strlen(FILE_SUFFIX) &&
                       strncmp(name + key_len, FILE_SUFFIX, strlen(FILE_SUFFIX)) == 0;
        if (len == key_len || is_file) {
            return true;
        }
    }
    return false;
}

/* A misspelt name would otherwise leave a default in force without a word. */
static enum err refuse_unknown(const struct config_key *keys, size_t key_count, struct error *e)
{
    for (char **entry = environ; entry != NULL && *entry != NULL; entry++) {
        if (!text_starts_with(*entry, PREFIX) || text_starts_with(*entry, TEST_PREFIX)) {
            continue;
        }
        size_t len = strcspn(*entry, "=");
        if (!is_known(keys, key_count, *entry, len)) {
            return err_set(e, ERR_INVALID, "unknown variable %.*s",
                           (int)(len > NAME_SIZE ? NAME_SIZE : len), *entry);
        }
    }
    return OK;
}

enum err config_load(const struct config_key *keys, size_t key_count, void *settings,
                     struct error *e)
{
    enum err err = refuse_unknown(keys, key_count, e);

    for (size_t i = 0; i < key_count && err == OK; i++) {
        err = load_key(&keys[i], settings, e);
    }
    if (err != OK) {
        config_release(keys, key_count, settings);
    }
    return err;
}

void config_release(const struct config_key *keys, size_t key_count, void *settings)
{
    for (size_t i = 0; i < key_count; i++) {
        if (!is_owned_text(&keys[i])) {
            continue;
        }
        char **text = field(settings, &keys[i]);
        if (*text != NULL && may_be_in_file(&keys[i])) {
            mem_wipe(*text, strlen(*text));
        }
        free(*text);
        *text = NULL;
    }
}
