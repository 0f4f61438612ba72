/* Allocation that cannot fail, and pointers that free themselves.
 *
 * No allocation is sized by a request (bodies stream, text goes into a struct buf born with a
 * limit), so running out of memory is logged and aborts: in a process that lives under a limit,
 * mem_on_exhausted says how it ends instead. */
#ifndef UNREEL_CORE_MEM_H
#define UNREEL_CORE_MEM_H

#include <stddef.h>
#include <stdlib.h>

#include "core/attr.h"

/* `end` is called when there is no more memory, on whichever thread that was, and must not return;
 * NULL: abort. Before there are threads. */
void mem_on_exhausted(void (*end)(void));

void *xmalloc(size_t size) MUST_CHECK;
void *xcalloc(size_t count, size_t size) MUST_CHECK;
void *xrealloc(void *ptr, size_t size) MUST_CHECK;
char *xstrdup(const char *s) MUST_CHECK;
char *xstrndup(const char *s, size_t max) MUST_CHECK;
char *xasprintf(const char *fmt, ...) PRINTF(1, 2) MUST_CHECK;

/* AUTO(buf_free) struct buf *b = NULL;  calls buf_free(b) when b leaves its scope.
 * The function named must have been declared with DEFINE_AUTO(type, function) after its prototype.
 */
#define AUTO(func) __attribute__((cleanup(func##_auto)))
#define DEFINE_AUTO(type, func)                                                                    \
    static inline __attribute__((unused)) void func##_auto(type *p)                                \
    {                                                                                              \
        func(*p);                                                                                  \
    }

/* Moves a pointer out of an AUTO variable, which then frees nothing: return TAKE(b). */
#define TAKE(p)                                                                                    \
    __extension__({                                                                                \
        __typeof__(p) taken_ = (p);                                                                \
        (p) = NULL;                                                                                \
        taken_;                                                                                    \
    })

static inline void mem_free(void *p)
{
    free(p);
}

static inline __attribute__((unused)) void mem_free_auto(void *p)
{
    free(*(void **)p);
}

/* Overwrites a secret; not optimised away. */
void mem_wipe(void *p, size_t len);

#endif
