/* What request.c and request_json.c share. */
#ifndef UNREEL_JOBS_REQUEST_IMPL_H
#define UNREEL_JOBS_REQUEST_IMPL_H

#include <jansson.h>
#include <stddef.h>

#include "core/error.h"
#include "jobs/request.h"

/* Of `len` bytes; "" as well. */
enum err request_set_tag(struct job_tags *tags, const char *name, const char *text, size_t len,
                         struct error *e) MUST_CHECK;
/* An array of `min` to JOB_REQUEST_OUTPUTS_MAX objects. Their values are those that they give
 * themselves: option_inherit is still to come. Changes nothing on errors. */
enum err request_read_outputs(struct job_request *r, const json_t *array, size_t min,
                              struct error *e) MUST_CHECK;
/* Puts "outputs[index]" before the error's text, and returns its code. */
enum err request_name_output(size_t index, enum err code, struct error *e);

#endif
