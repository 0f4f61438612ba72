/* Why a conversion failed, in the user's terms; what the parent is told. */
#ifndef UNREEL_CONVERTER_ENGINE_FAILURE_H
#define UNREEL_CONVERTER_ENGINE_FAILURE_H

#include "core/error.h"
#include "core/problem.h"
#include "jobs/job.h"

/* Functions here return an enum err and fill one of these: ERR_INVALID with a problem of the input,
 * or ERR_FAULT with PROBLEM_INTERNAL. ERR_CANCELLED alone: the parent is gone, nobody to tell. */
struct failure {
    enum problem problem;
    char detail[JOB_DETAIL_SIZE];
};

/* Fills *f and returns the code that belongs to the problem. */
enum err failure_set(struct failure *f, enum problem problem, const char *fmt, ...) PRINTF(3, 4);

#endif
