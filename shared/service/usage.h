/* What a service prints about itself. */
#ifndef UNREEL_SERVICE_USAGE_H
#define UNREEL_SERVICE_USAGE_H

#include "service/service.h"

/* --help, to standard output. */
void usage_print(const struct service_definition *d);

/* --config-names: for a program that starts the service (`unreel serve`). */
void usage_print_names(const struct service_definition *d);

/* NULL when there is no such command. */
const struct service_command *usage_find_command(const struct service_definition *d,
                                                 const char *name);

#endif
