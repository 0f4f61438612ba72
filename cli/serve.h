/* What `unreel serve` prepares before it starts the four services on the embedded engines. */
#ifndef UNREEL_CLI_SERVE_H
#define UNREEL_CLI_SERVE_H

#include <stdbool.h>

#include "core/error.h"
#include "supervisor.h"

enum { SERVE_AUTH, SERVE_CONVERTER, SERVE_NOTIFIER, SERVE_GATEWAY, SERVE_COUNT };

struct serve_plan {
    char *folder; /* absolute */
    const char *bind_address;
    int port; /* of the gateway */
    int gateway_ops_port;
    bool is_first_start;
    const char *admin_email;
    char *admin_password; /* NULL: made at an earlier start, or given by the caller's environment */
    char *login_file;     /* where the password made at the first start is kept */
    struct child children[SERVE_COUNT];
};

/* Makes the folder and its secrets, picks free ports, and builds each service's environment: what
 * the plan says, and what of the caller's UNREEL_* variables the service knows. ERR_INVALID: a
 * variable that none of them knows. */
enum err serve_plan_make(const char *folder, const char *bind_address, int port,
                         struct serve_plan *ret_plan, struct error *e) MUST_CHECK;
void serve_plan_release(struct serve_plan *plan);

#endif
