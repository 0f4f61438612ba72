#include "core/error.h"

#include <stdio.h>
#include <string.h>

#include "core/text.h"

#include "core/banned.h"

static const struct {
    const char *name;
    const char *text;
} errors[ERR_MAX] = {
    [OK] = { "ok", "no error" },
    [ERR_INVALID] = { "invalid", "the input is not valid" },
    [ERR_NOT_FOUND] = { "not_found", "there is no such thing" },
    [ERR_EXISTS] = { "exists", "it is there already" },
    [ERR_DENIED] = { "denied", "the caller may not do this" },
    [ERR_TOO_BIG] = { "too_big", "a limit is exceeded" },
    [ERR_CONFLICT] = { "conflict", "somebody else changed it first" },
    [ERR_BUSY] = { "busy", "a dependency does not answer" },
    [ERR_TIMEOUT] = { "timeout", "nothing happened in time" },
    [ERR_CORRUPT] = { "corrupt", "the data is broken" },
    [ERR_CANCELLED] = { "cancelled", "it was asked to stop" },
    [ERR_FAULT] = { "fault", "an internal failure" },
};

static bool is_member(enum err code)
{
    return (unsigned)code < ERR_MAX;
}

const char *err_name(enum err code)
{
    return is_member(code) ? errors[code].name : "unknown";
}

const char *err_text(enum err code)
{
    return is_member(code) ? errors[code].text : "an unknown error";
}

/* A cut in the middle of a character would make the text unfit for JSON. */
static void drop_half_character(char *text)
{
    size_t len = strlen(text);
    size_t last = len == 0 ? 0 : len - 1;

    while (last > 0 && ((unsigned char)text[last] & 0xc0) == 0x80) {
        last--;
    }
    if (text_utf8_next(text + last, len - last, NULL) != len - last) {
        text[last] = '\0';
    }
}

enum err err_set(struct error *e, enum err code, const char *fmt, ...)
{
    va_list args;

    if (e == NULL) {
        return code;
    }
    e->code = code;
    va_start(args, fmt);
    (void)vsnprintf(e->text, sizeof(e->text), fmt, args);
    va_end(args);
    drop_half_character(e->text);
    return code;
}

enum err err_set_errno(struct error *e, enum err code, int errnum, const char *fmt, ...)
{
    va_list args;
    char reason[96];

    if (e == NULL) {
        return code;
    }
    e->code = code;
    va_start(args, fmt);
    (void)vsnprintf(e->text, sizeof(e->text), fmt, args);
    va_end(args);

    size_t used = strlen(e->text);
    (void)snprintf(e->text + used, sizeof(e->text) - used, ": %s",
                   strerror_r(errnum, reason, sizeof(reason)));
    drop_half_character(e->text);
    return code;
}

bool err_is_transient(enum err code)
{
    return code == ERR_BUSY || code == ERR_TIMEOUT || code == ERR_CONFLICT || code == ERR_FAULT;
}
