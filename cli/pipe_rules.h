/* What cannot be done with pipes, said before any work. */
#ifndef UNREEL_CLI_PIPE_RULES_H
#define UNREEL_CLI_PIPE_RULES_H

#include <stdbool.h>

#include "core/error.h"
#include "jobs/options.h"

/* Whether one output with these options can be made of an input that cannot be read twice, or be
 * written where nothing can be changed later. ERR_INVALID says which option is in the way, and what
 * would help. */
enum err pipe_rules_check(const struct job_options *options, bool is_input_pipe,
                          bool is_output_pipe, struct error *e) MUST_CHECK;

#endif
