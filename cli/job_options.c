#include "job_options.h"

#include <string.h>

#include "core/text.h"

#include "core/banned.h"

const char *job_option_name(char dst[JOB_OPTION_NAME_SIZE], const struct option_spec *spec)
{
    (void)text_copy(dst, JOB_OPTION_NAME_SIZE, spec->name + strlen("--"));
    for (char *c = strchr(dst, '-'); c != NULL; c = strchr(c, '-')) {
        *c = '_';
    }
    return dst;
}
