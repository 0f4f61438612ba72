/* A pool of MongoDB clients with our timeouts and write concern. Wraps mongoc for blobs and jobs.
 *
 * A client is used by one thread at a time. mongoc_init runs once per process, on the first open.
 */
#ifndef UNREEL_DB_MONGO_POOL_H
#define UNREEL_DB_MONGO_POOL_H

#include "core/error.h"
#include "core/mem.h"

struct _mongoc_client_t;
struct _bson_error_t;
struct mongo_pool;

/* Opens "mongodb://...": serverSelectionTimeoutMS 5000, connectTimeoutMS 5000, socketTimeoutMS
 * 30000, waitQueueTimeoutMS 5000, maxPoolSize `max_clients`, w=majority, journal=true, wtimeoutMS
 * 30000, retryWrites as the URL says; what the URL sets itself is kept. Does not connect. */
enum err mongo_pool_open(const char *url, unsigned max_clients, struct mongo_pool **ret_pool,
                         struct error *e) MUST_CHECK;
/* A `prefix=NAME` option in the URL's query is ours: it is put before the names of databases, so
 * that several installations (or test runs) can share a server. Writes PREFIX + base, e.g.
 * "videos", into dst. */
#define MONGO_DATABASE_SIZE 64
const char *mongo_pool_database(const struct mongo_pool *p, const char *base,
                                char dst[MONGO_DATABASE_SIZE]);
/* All clients must have been pushed back. NULL is fine. */
void mongo_pool_close(struct mongo_pool *p);
DEFINE_AUTO(struct mongo_pool *, mongo_pool_close)

/* ERR_BUSY when none is free in time. */
enum err mongo_pool_pop(struct mongo_pool *p, struct _mongoc_client_t **ret_client,
                        struct error *e) MUST_CHECK;
void mongo_pool_push(struct mongo_pool *p, struct _mongoc_client_t *client);
/* `ping` on a client of the pool: for readiness. Blocks for the server selection timeout at most.
 */
enum err mongo_pool_ping(struct mongo_pool *p, struct error *e) MUST_CHECK;
/* Maps a driver error: duplicate key EXISTS, network and server selection BUSY, else FAULT. */
enum err mongo_error(const struct _bson_error_t *error, const char *what, struct error *e);

#endif
