/* Settings that several services have alike: rows for their tables, `offset` in their settings. */
#ifndef UNREEL_PIPELINE_CONFIG_H
#define UNREEL_PIPELINE_CONFIG_H

#include "core/config.h"

/* clang-format off */
#define PIPELINE_BLOBS_KEY(offset)                                                                 \
    { "UNREEL_BLOBS_URL", CONFIG_URL, offset, NULL, "files: mongodb://HOST/ or file:FOLDER",       \
      0, 0, NULL }
#define PIPELINE_JOBS_KEY(offset)                                                                  \
    { "UNREEL_JOBS_URL", CONFIG_URL, offset, NULL, "jobs: mongodb://HOST/ or sqlite:FILE",         \
      0, 0, NULL }
#define PIPELINE_QUEUE_KEY(offset)                                                                 \
    { "UNREEL_QUEUE_URL", CONFIG_URL, offset, NULL, "messages: amqp://HOST/ or sqlite:FILE",       \
      0, 0, NULL }
/* Whoever sees the last attempt fail decides, so all must count alike. */
#define PIPELINE_MAX_FAILURES_KEY(offset)                                                          \
    { "UNREEL_MAX_FAILURES", CONFIG_INT, offset, "5", "attempts that may fail for passing causes", \
      1, 100, NULL }
/* clang-format on */

#endif
