#include "core/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/text.h"

#include "core/banned.h"

#define LINE_MAX_BYTES 8192
/* Kept free for what follows the message: the context, error.code, the closing brace, the newline.
 */
#define TAIL_BYTES 320
#define TRACE_LEN 32
#define JOB_LEN 24
#define USER_LEN 48
#define CODE_LEN 48
#define SOURCE_SIZE 64

struct line {
    char text[LINE_MAX_BYTES];
    size_t len;
    size_t limit;
};

struct entry {
    enum log_level level;
    const char *source; /* NULL: this process */
    const char *text;
    char code[CODE_LEN + 1]; /* "" */
};

/* Written by log_init before there are threads. */
static const char *service_name = "unreel";
static enum log_level least_level = LOG_LEVEL_INFO;
static bool is_text;
static bool is_coloured;

static _Thread_local struct {
    char trace_id[TRACE_LEN + 1];
    char job_id[JOB_LEN + 1];
    char user_id[USER_LEN + 1];
    int attempt;
} context;

static const struct {
    const char *name;
    const char *short_name;
    const char *colour;
} levels[] = {
    [LOG_LEVEL_DEBUG] = { "debug", "DEBUG", "\033[2m" },
    [LOG_LEVEL_INFO] = { "info", "INFO ", "\033[32m" },
    [LOG_LEVEL_WARN] = { "warn", "WARN ", "\033[33m" },
    [LOG_LEVEL_ERROR] = { "error", "ERROR", "\033[31m" },
};

static bool is_set(const char *name)
{
    const char *value = secure_getenv(name);

    return value != NULL && value[0] != '\0';
}

void log_init(const char *service, enum log_level level, enum log_format format)
{
    bool is_terminal = isatty(STDERR_FILENO) == 1;

    service_name = service;
    least_level = level;
    is_text = format == LOG_FORMAT_TEXT || (format == LOG_FORMAT_AUTO && is_terminal);
    is_coloured = is_text && is_terminal && !is_set("NO_COLOR");
}

/* Keeps ids harmless in both formats without escaping them on every line. */
static void copy_id(char *dst, size_t size, const char *id)
{
    (void)text_copy(dst, size, id == NULL ? "" : id);
    for (char *c = dst; *c != '\0'; c++) {
        if (*c <= ' ' || *c > '~' || *c == '"' || *c == '\\') {
            *c = '?';
        }
    }
}

void log_context(const char *trace_id, const char *job_id)
{
    copy_id(context.trace_id, sizeof(context.trace_id), trace_id);
    log_context_job(job_id);
    log_context_user(NULL);
    log_context_attempt(0);
}

void log_context_job(const char *job_id)
{
    copy_id(context.job_id, sizeof(context.job_id), job_id);
}

void log_context_user(const char *user_id)
{
    copy_id(context.user_id, sizeof(context.user_id), user_id);
}

void log_context_attempt(int attempt)
{
    context.attempt = attempt;
}

/* All or nothing, so that a cut never leaves half an escape or half a character. */
static bool put(struct line *l, const char *bytes, size_t len)
{
    if (len > l->limit - l->len) {
        return false;
    }
    memcpy(l->text + l->len, bytes, len);
    l->len += len;
    return true;
}

static bool put_text(struct line *l, const char *text)
{
    return put(l, text, strlen(text));
}

static PRINTF(2, 3) void putf(struct line *l, const char *fmt, ...)
{
    char text[256];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    (void)put_text(l, text);
}

/* C0, DEL and C1: they break lines or steer a terminal. */
static bool is_control(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code <= 0x9f);
}

static bool put_escaped_char(struct line *l, uint32_t code)
{
    char escape[12];

    switch (code) {
    case '\n':
        return put_text(l, "\\n");
    case '\r':
        return put_text(l, "\\r");
    case '\t':
        return put_text(l, "\\t");
    case '"':
        return put_text(l, "\\\"");
    case '\\':
        return put_text(l, "\\\\");
    default:
        (void)snprintf(escape, sizeof(escape), "\\u%04x", (unsigned)code);
        return put_text(l, escape);
    }
}

static void put_escaped(struct line *l, const char *text)
{
    size_t len = strlen(text);
    bool fits = true;

    for (size_t i = 0; i < len && fits;) {
        uint32_t code = 0;
        size_t width = text_utf8_next(text + i, len - i, &code);
        bool is_quoted = !is_text && (code == '"' || code == '\\');
        if (width == 0) {
            fits = put_text(l, "\\ufffd");
            width = 1;
        } else if (is_control(code) || is_quoted) {
            fits = put_escaped_char(l, code);
        } else {
            fits = put(l, text + i, width);
        }
        i += width;
    }
}

static void put_field(struct line *l, const char *name, const char *value)
{
    putf(l, ",\"%s\":\"", name);
    put_escaped(l, value);
    (void)put_text(l, "\"");
}

static void put_id(struct line *l, const char *name, const char *id)
{
    if (id[0] != '\0') {
        putf(l, ",\"%s\":\"%s\"", name, id);
    }
}

static void build_json(struct line *l, const struct entry *entry)
{
    char now[CLOCK_TEXT_SIZE];

    clock_format(now, clock_wall_ms());
    putf(l, "{\"time\":\"%s\",\"level\":\"%s\"", now, levels[entry->level].name);
    put_field(l, "service", service_name);
    if (entry->source != NULL) {
        put_field(l, "source", entry->source);
    }
    (void)put_text(l, ",\"msg\":\"");
    put_escaped(l, entry->text);
    l->limit = LINE_MAX_BYTES;
    (void)put_text(l, "\"");
    put_id(l, "trace_id", context.trace_id);
    put_id(l, "job_id", context.job_id);
    put_id(l, "user_id", context.user_id);
    if (context.attempt != 0) {
        putf(l, ",\"attempt\":%d", context.attempt);
    }
    put_id(l, "error.code", entry->code);
    (void)put_text(l, "}\n");
}

static void put_shown(struct line *l, const char *name, const char *value)
{
    if (value[0] != '\0') {
        putf(l, "%s %s=%s%s", is_coloured ? "\033[2m" : "", name, value,
             is_coloured ? "\033[0m" : "");
    }
}

static void build_text(struct line *l, const struct entry *entry)
{
    const char *level = levels[entry->level].short_name;
    char now[CLOCK_TEXT_SIZE];

    clock_format(now, clock_wall_ms());
    if (is_coloured) {
        putf(l, "\033[2m%s\033[0m %s%s\033[0m %s", now, levels[entry->level].colour, level,
             service_name);
    } else {
        putf(l, "%s %s %s", now, level, service_name);
    }
    if (entry->source != NULL) {
        (void)put_text(l, "/");
        put_escaped(l, entry->source);
    }
    (void)put_text(l, ": ");
    put_escaped(l, entry->text);
    l->limit = LINE_MAX_BYTES;
    put_shown(l, "trace", context.trace_id);
    put_shown(l, "job", context.job_id);
    put_shown(l, "error", entry->code);
    (void)put_text(l, "\n");
}

static void write_line(const struct entry *entry)
{
    struct line l = { .limit = LINE_MAX_BYTES - TAIL_BYTES };

    if (is_text) {
        build_text(&l, entry);
    } else {
        build_json(&l, entry);
    }
    ssize_t written = -1;
    do {
        written = write(STDERR_FILENO, l.text, l.len);
    } while (written < 0 && errno == EINTR);
}

static PRINTF(3, 0) void log_args(enum log_level level, const char *code, const char *fmt,
                                  va_list args)
{
    int saved_errno = errno;
    char text[LINE_MAX_BYTES];
    struct entry entry = { .level = level, .text = text };

    if (level >= least_level) {
        (void)vsnprintf(text, sizeof(text), fmt, args);
        copy_id(entry.code, sizeof(entry.code), code);
        write_line(&entry);
    }
    errno = saved_errno;
}

void log_at(enum log_level level, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    log_args(level, NULL, fmt, args);
    va_end(args);
}

void log_failure(enum log_level level, const char *code, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    log_args(level, code, fmt, args);
    va_end(args);
}

void log_line_from(const char *source, enum log_level level, const char *text)
{
    int saved_errno = errno;
    char short_source[SOURCE_SIZE];

    if (level >= least_level) {
        const struct entry entry = { .level = level, .source = short_source, .text = text };
        (void)text_copy(short_source, sizeof(short_source), source);
        write_line(&entry);
    }
    errno = saved_errno;
}

const char *log_mask_email(char dst[LOG_MASK_SIZE], const char *email)
{
    const char *at = strrchr(email, '@');
    size_t first = text_utf8_next(email, strlen(email), NULL);

    if (at == NULL || first == 0 || email + first > at) {
        (void)text_copy(dst, LOG_MASK_SIZE, "…");
        return dst;
    }
    (void)snprintf(dst, LOG_MASK_SIZE, "%.*s…", (int)first, email);
    size_t len = strlen(dst);
    (void)text_copy(dst + len, LOG_MASK_SIZE - len, at);
    return dst;
}
