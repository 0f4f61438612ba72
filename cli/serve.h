/* What `unreel serve` prepares before it starts the four services on the embedded engines. */
#ifndef UNREEL_CLI_SERVE_H
#define UNREEL_CLI_SERVE_H

#include <stdbool.h>

#include "core/error.h"
#include "supervisor.h"

/* The order of starting; they are stopped in the reverse: nothing new comes in first, and who tells
 * of a job outlives who works on it. */
enum { SERVE_AUTH, SERVE_NOTIFIER, SERVE_CONVERTER, SERVE_GATEWAY, SERVE_COUNT };

struct serve_plan {
    char *folder; /* absolute */
    int lock;     /* of the folder; -1: none */
    const char *bind_address;
    char *url; /* of the gateway, from this machine */
    int port;  /* of the gateway */
    int auth_port;
    char *ready_urls[SERVE_COUNT];
    int ops_ports[SERVE_COUNT];
    bool is_first_start;
    const char *admin_email;
    char *admin_password; /* NULL: the caller's environment gives it */
    char *login_file;     /* where the password made at the first start is kept */
    char *webhook_secret;
    struct child children[SERVE_COUNT];
};

/* Makes the folder and its secrets, locks it, picks free ports, and builds each service's
 * environment: what the plan says, and what of the caller's UNREEL_* variables the service knows.
 * ERR_INVALID: a variable that none of them knows; ERR_BUSY: the folder is in use. */
enum err serve_plan_make(const char *folder, const char *bind_address, int port,
                         struct serve_plan *ret_plan, struct error *e) MUST_CHECK;
void serve_plan_release(struct serve_plan *plan);

/* serve_files.c: makes the folder and those above it. */
enum err serve_make_folder(const char *path, struct error *e) MUST_CHECK;
/* ERR_BUSY: another process has it. On OK *ret_fd holds the lock until it is closed. */
enum err serve_lock_folder(const char *folder, int *ret_fd, struct error *e) MUST_CHECK;
/* The secret in the file, made of `prefix` and random bytes when there is none. The caller frees
 * it. */
enum err serve_keep_secret(const char *path, const char *prefix, size_t bytes, bool url_safe,
                           char **ret_secret, struct error *e) MUST_CHECK;
/* Free ports of the loopback address, all different. Another program may take one before our child
 * does; then the child says so. */
enum err serve_free_ports(int *ports, size_t count, struct error *e) MUST_CHECK;

#endif
