/* The MongoDB engine's connection: its pool, its collection and its indexes. For this folder's
 * MongoDB engine. */
#ifndef UNREEL_JOBS_MONGO_SESSION_H
#define UNREEL_JOBS_MONGO_SESSION_H

#include "jobs/jobs_impl.h"

struct _mongoc_client_t;
struct _mongoc_collection_t;
struct mongo_jobs;

/* A client of the pool and the collection on it, for one call. */
struct mongo_session {
    struct mongo_jobs *self;
    struct _mongoc_client_t *client;
    struct _mongoc_collection_t *jobs;
};

/* ERR_BUSY when no client is free, or the server does not answer; then there is nothing to close.
 */
enum err mongo_session_open(struct mongo_session *q, struct jobs *s, struct error *e) MUST_CHECK;
void mongo_session_close(struct mongo_session *q);

/* Three of the engine's functions. */
enum err mongo_session_start(const char *url, unsigned max_parallel, struct jobs **ret_jobs,
                             struct error *e) MUST_CHECK;
void mongo_session_stop(struct jobs *s);
enum err mongo_session_ping(struct jobs *s, struct error *e) MUST_CHECK;

#endif
