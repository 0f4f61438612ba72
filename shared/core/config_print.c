/* The configuration table as people read it: --help, the README, the log line at start. */
#include "core/config.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/buf.h"
#include "core/mem.h"

#include "core/banned.h"

#define WIDTH 100
#define DESCRIPTION_MAX 16384

/* "64MiB" where that is exact. */
static void format_size(char *dst, size_t size, int64_t bytes)
{
    static const char *const suffixes[] = { "", "KiB", "MiB", "GiB", "TiB" };
    size_t unit = 0;

    while (bytes != 0 && bytes % 1024 == 0 && unit + 1 < ARRAY_LEN(suffixes)) {
        bytes /= 1024;
        unit++;
    }
    (void)snprintf(dst, size, "%" PRId64 "%s", bytes, suffixes[unit]);
}

/* "a|b|c" -> "a, b or c" */
static char *words_of(const char *choices)
{
    struct buf words;
    enum err err = OK;

    buf_init(&words, DESCRIPTION_MAX);
    for (const char *at = choices; *at != '\0' && err == OK;) {
        size_t len = strcspn(at, "|");
        const char *next = at[len] == '|' ? at + len + 1 : at + len;
        const char *separator = strchr(next, '|') == NULL ? " or " : ", ";
        err = buf_appendf(&words, "%.*s%s", (int)len, at, *next == '\0' ? "" : separator);
        at = next;
    }
    return buf_detach(&words);
}

/* What may be given: "1 to 65535", "auto, json or text"; "" where anything goes. */
static char *allowed_values(const struct config_key *key)
{
    char least[32];
    char most[32];

    switch (key->type) {
    case CONFIG_INT:
        return xasprintf("%" PRId64 " to %" PRId64, key->min, key->max);
    case CONFIG_SIZE:
        format_size(least, sizeof(least), key->min);
        format_size(most, sizeof(most), key->max);
        return xasprintf("%s to %s", least, most);
    case CONFIG_BOOL:
        return xstrdup("true or false");
    case CONFIG_CHOICE:
        return words_of(key->choices);
    case CONFIG_SECRET:
    case CONFIG_URL:
        return xasprintf("or %s_FILE", key->name);
    case CONFIG_TEXT:
        break;
    }
    return xstrdup("");
}

/* The meaning with what may be given: "port to listen on (1 to 65535)". */
static char *meaning(const struct config_key *key)
{
    AUTO(mem_free) char *allowed = allowed_values(key);

    return allowed[0] == '\0' ? xstrdup(key->help) : xasprintf("%s (%s)", key->help, allowed);
}

/* The same with its default, as --help shows it: "... (1 to 65535) [8080]". */
static char *meaning_and_default(const struct config_key *key)
{
    AUTO(mem_free) char *text = meaning(key);

    if (key->default_value == NULL) {
        return xasprintf("%s [required]", text);
    }
    return key->default_value[0] == '\0' ? TAKE(text)
                                         : xasprintf("%s [%s]", text, key->default_value);
}

/* Prints words from column `indent` on, wrapped; the cursor is at `indent` already. */
static void print_wrapped(const char *text, size_t indent)
{
    size_t column = indent;

    while (*text != '\0') {
        size_t len = strcspn(text, " ");
        if (column > indent && column + 1 + len > WIDTH) {
            (void)printf("\n%*s", (int)indent, "");
            column = indent;
        } else if (column > indent) {
            (void)putchar(' ');
            column++;
        }
        (void)printf("%.*s", (int)len, text);
        column += len;
        text += len;
        text += strspn(text, " ");
    }
    (void)putchar('\n');
}

void config_print_help(const struct config_key *keys, size_t key_count)
{
    size_t name_width = 0;

    for (size_t i = 0; i < key_count; i++) {
        size_t name_len = strlen(keys[i].name);
        name_width = name_len > name_width ? name_len : name_width;
    }
    for (size_t i = 0; i < key_count; i++) {
        AUTO(mem_free) char *text = meaning_and_default(&keys[i]);
        (void)printf("  %-*s  ", (int)name_width, keys[i].name);
        print_wrapped(text, 2 + name_width + 2);
    }
}

/* A bar would end the table's cell. */
static void print_cell(const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '|') {
            (void)putchar('\\');
        }
        (void)putchar(*text);
    }
}

void config_print_markdown(const struct config_key *keys, size_t key_count)
{
    (void)printf("| name | default | meaning |\n|---|---|---|\n");
    for (size_t i = 0; i < key_count; i++) {
        AUTO(mem_free) char *text = meaning(&keys[i]);
        const char *default_value = keys[i].default_value;
        (void)printf("| `%s` | ", keys[i].name);
        if (default_value == NULL) {
            (void)printf("required");
        } else if (default_value[0] != '\0') {
            (void)printf("`");
            print_cell(default_value);
            (void)printf("`");
        }
        (void)printf(" | ");
        print_cell(text);
        (void)printf(" |\n");
    }
}

/* Without the user info, and without the query, whose values may be secrets as well. A password
 * with an unescaped slash must not escape either, so everything up to the last '@' goes. */
static enum err describe_url(struct buf *out, const char *url)
{
    size_t len = strcspn(url, "?");
    const char *rest = strstr(url, "://");
    const char *at = strrchr(url, '@');
    enum err err = OK;

    if (rest != NULL && at != NULL && at > rest) {
        err = buf_append(out, url, (size_t)(rest - url) + 3);
        url = at + 1;
        len = strcspn(url, "?");
    }
    if (err == OK) {
        err = buf_append(out, url, len);
    }
    return err == OK && url[len] == '?' ? buf_append_text(out, "?***") : err;
}

static enum err describe_choice(struct buf *out, const char *choices, int index)
{
    for (int i = 0; i < index; i++) {
        choices += strcspn(choices, "|") + 1;
    }
    return buf_append(out, choices, strcspn(choices, "|"));
}

static enum err describe_value(struct buf *out, const struct config_key *key, const void *value)
{
    const char *text = NULL;

    switch (key->type) {
    case CONFIG_INT:
    case CONFIG_SIZE:
        return buf_appendf(out, "%" PRId64, *(const int64_t *)value);
    case CONFIG_BOOL:
        return buf_append_text(out, *(const bool *)value ? "true" : "false");
    case CONFIG_CHOICE:
        return describe_choice(out, key->choices, *(const int *)value);
    case CONFIG_TEXT:
    case CONFIG_SECRET:
    case CONFIG_URL:
        break;
    }
    text = *(char *const *)value;
    if (text == NULL || text[0] == '\0') {
        return OK;
    }
    if (key->type == CONFIG_SECRET) {
        return buf_append_text(out, "***");
    }
    return key->type == CONFIG_URL ? describe_url(out, text) : buf_append_text(out, text);
}

char *config_describe(const struct config_key *keys, size_t key_count, const void *settings)
{
    struct buf out;
    enum err err = OK;

    buf_init(&out, DESCRIPTION_MAX);
    for (size_t i = 0; i < key_count && err == OK; i++) {
        err = buf_appendf(&out, "%s%s=", i == 0 ? "" : " ", keys[i].name);
        if (err == OK) {
            err = describe_value(&out, &keys[i], (const char *)settings + keys[i].offset);
        }
    }
    return buf_detach(&out);
}
