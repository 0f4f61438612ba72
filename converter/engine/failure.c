#include "failure.h"

#include <stdarg.h>
#include <stdio.h>

#include "core/text.h"

#include "core/banned.h"

enum err failure_set(struct failure *f, enum problem problem, const char *fmt, ...)
{
    char text[2 * JOB_DETAIL_SIZE];
    va_list args;
    va_start(args, fmt);
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): va_start is above. */
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    f->problem = problem;
    (void)text_copy(f->detail, sizeof(f->detail), text);
    return problem == PROBLEM_INTERNAL ? ERR_FAULT : ERR_INVALID;
}
