/* The gateway's routes and the options of a job, as JSON, for what is compared with them. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "jobs/options.h"
#include "routes.h"

int main(void)
{
    json_t *routes = json_array();
    for (size_t i = 0; i < gateway_route_count; i++) {
        const struct http_route *r = &gateway_routes[i];
        json_array_append_new(routes, json_pack("{s:s, s:s, s:s, s:b}", "method", r->method, "path",
                                                r->path, "summary", r->summary, "public",
                                                r->access == HTTP_PUBLIC));
    }
    size_t count = 0;
    const struct job_option_info *table = job_option_table(&count);
    json_t *options = json_array();
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(options,
                              json_pack("{s:s, s:s, s:s}", "name", table[i].name, "values",
                                        table[i].values, "default", table[i].default_value));
    }
    json_t *tables = json_pack("{s:o, s:o}", "routes", routes, "options", options);
    int written = json_dumpf(tables, stdout, JSON_INDENT(1));
    json_decref(tables);
    return written == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
