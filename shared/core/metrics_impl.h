/* Between metrics.c and metrics_process.c. */
#ifndef UNREEL_CORE_METRICS_IMPL_H
#define UNREEL_CORE_METRICS_IMPL_H

#include "core/buf.h"

/* unreel_build_info and process_*, read from /proc at each call. */
enum err metrics_render_process(struct buf *out) MUST_CHECK;

#endif
