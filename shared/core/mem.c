#include "core/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/log.h"

#include "core/banned.h"

static void (*on_exhausted)(void);

void mem_on_exhausted(void (*end)(void))
{
    on_exhausted = end;
}

static NORETURN void out_of_memory(size_t size)
{
    log_error("out of memory: %zu bytes", size);
    if (on_exhausted != NULL) {
        on_exhausted();
    }
    abort();
}

void *xmalloc(size_t size)
{
    void *p = malloc(size == 0 ? 1 : size);

    if (p == NULL) {
        out_of_memory(size);
    }
    return p;
}

void *xcalloc(size_t count, size_t size)
{
    void *p = count == 0 || size == 0 ? calloc(1, 1) : calloc(count, size);

    if (p == NULL) {
        out_of_memory(size);
    }
    return p;
}

void *xrealloc(void *ptr, size_t size)
{
    void *p = realloc(ptr, size == 0 ? 1 : size);

    if (p == NULL) {
        out_of_memory(size);
    }
    return p;
}

char *xstrdup(const char *s)
{
    return xstrndup(s, strlen(s));
}

char *xstrndup(const char *s, size_t max)
{
    size_t len = strnlen(s, max);
    char *copy = xmalloc(len + 1);

    memcpy(copy, s, len);
    copy[len] = '\0';
    return copy;
}

char *xasprintf(const char *fmt, ...)
{
    va_list args;
    char *text = NULL;

    va_start(args, fmt);
    int len = vasprintf(&text, fmt, args);
    va_end(args);
    if (len < 0) {
        out_of_memory(0);
    }
    return text;
}

void mem_wipe(void *p, size_t len)
{
    if (p != NULL) {
        explicit_bzero(p, len);
    }
}
