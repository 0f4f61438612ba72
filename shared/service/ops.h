/* The ops port: /livez, /readyz, /metrics, /version. Nothing here touches a dependency. */
#ifndef UNREEL_SERVICE_OPS_H
#define UNREEL_SERVICE_OPS_H

#include <stdint.h>

#include "core/error.h"
#include "core/mem.h"
#include "service/checks.h"

struct ops;

enum ops_phase {
    OPS_STARTING,
    OPS_RUNNING,
    OPS_DRAINING,
    OPS_STOPPING /* like draining, but the main loop ticks no more */
};

/* Listens at once; alive, not ready. `name` and checks must outlive it. On OK the caller owns
 * *ret_ops. */
enum err ops_start(const char *name, struct checks *checks, const char *bind_address, int port,
                   struct ops **ret_ops, struct error *e) MUST_CHECK;
/* NULL is fine. */
void ops_stop(struct ops *o);
DEFINE_AUTO(struct ops *, ops_stop)

int ops_port(const struct ops *o);
void ops_set_phase(struct ops *o, enum ops_phase phase);
enum ops_phase ops_phase(const struct ops *o);
/* The main loop's sign of life, at least once in 10 s while running or draining. */
void ops_tick(struct ops *o);

#endif
