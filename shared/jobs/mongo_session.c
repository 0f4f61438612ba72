#include "jobs/mongo_session.h"

#include <mongoc/mongoc.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>

#include "core/clock.h"
#include "db/mongo_pool.h"
#include "core/banned.h"

#define DATABASE "unreel"
#define COLLECTION "jobs"
/* Clients beyond one for each caller: for readiness and metrics. */
#define SPARE_CLIENTS 4

struct mongo_jobs {
    struct jobs base;
    struct mongo_pool *pool;
    char database[MONGO_DATABASE_SIZE];
    pthread_mutex_t lock; /* of what follows */
    bool has_indexes;
    int64_t failed_at_ms; /* when making them last failed; 0: never */
};

static struct mongo_jobs *self_of(struct jobs *s)
{
    return CONTAINER_OF(s, struct mongo_jobs, base);
}

/* "key" is unique among all jobs: a job without an idempotency key stands there with its id. So
 * servers without partial indexes do as well. */
static const char indexes_json[] =
    "{'createIndexes': '" COLLECTION "', 'indexes': ["
    "{'name': 'key', 'key': {'key': 1}, 'unique': true},"
    "{'name': 'owner', 'key': {'owner': 1, 'created_at': -1, '_id': -1}},"
    "{'name': 'content', 'key': {'owner': 1, 'sha256': 1, 'created_at': -1, '_id': -1}},"
    "{'name': 'age', 'key': {'created_at': -1, '_id': -1}},"
    "{'name': 'state', 'key': {'state': 1, 'created_at': -1, '_id': -1}},"
    "{'name': 'video', 'key': {'video_fid': 1}},"
    "{'name': 'cover', 'key': {'cover_fid': 1}},"
    "{'name': 'mp3', 'key': {'mp3_fid': 1}},"
    "{'name': 'output', 'key': {'outputs.file_id': 1}},"
    "{'name': 'due', 'key': {'due_reason': 1, 'due_at': 1}},"
    "{'name': 'notice', 'key': {'notice_reason': 1, 'notice_at': 1}}"
    "]}";

static enum err make_indexes(const struct mongo_session *q, struct error *e)
{
    AUTO(mem_free) char *json = xstrdup(indexes_json);
    for (char *c = json; *c != '\0'; c++) {
        if (*c == '\'') {
            *c = '"';
        }
    }
    bson_error_t error;
    bson_t *command = bson_new_from_json((const uint8_t *)json, -1, &error);
    if (command == NULL) {
        return err_set(e, ERR_FAULT, "jobs: indexes: %s", error.message);
    }
    bool is_made = mongoc_client_write_command_with_opts(q->client, q->self->database, command,
                                                         NULL, NULL, &error);
    bson_destroy(command);
    return is_made ? OK : mongo_error(&error, "jobs: indexes", e);
}

/* Once per process, by the first caller. When the server is down all callers wait for one failure,
 * not each for its own. */
static enum err need_indexes(const struct mongo_session *q, struct error *e)
{
    struct mongo_jobs *self = q->self;
    int64_t asked_at_ms = clock_mono_ms();
    enum err err = OK;
    (void)pthread_mutex_lock(&self->lock);
    if (!self->has_indexes && self->failed_at_ms > asked_at_ms) {
        err = err_set(e, ERR_BUSY, "jobs: the indexes could not be made just now");
    } else if (!self->has_indexes) {
        err = make_indexes(q, e);
        self->has_indexes = err == OK;
        self->failed_at_ms = clock_mono_ms();
    }
    (void)pthread_mutex_unlock(&self->lock);
    return err;
}

void mongo_session_close(struct mongo_session *q)
{
    mongoc_collection_destroy(q->jobs);
    mongo_pool_push(q->self->pool, q->client);
}

enum err mongo_session_open(struct mongo_session *q, struct jobs *s, struct error *e)
{
    *q = (struct mongo_session){ .self = self_of(s) };
    enum err err = mongo_pool_pop(q->self->pool, &q->client, e);
    if (err != OK) {
        return err;
    }
    q->jobs = mongoc_client_get_collection(q->client, q->self->database, COLLECTION);
    mongoc_read_concern_t *majority = mongoc_read_concern_new();
    (void)mongoc_read_concern_set_level(majority, MONGOC_READ_CONCERN_LEVEL_MAJORITY);
    mongoc_collection_set_read_concern(q->jobs, majority);
    mongoc_read_concern_destroy(majority);
    mongoc_read_prefs_t *primary = mongoc_read_prefs_new(MONGOC_READ_PRIMARY);
    mongoc_collection_set_read_prefs(q->jobs, primary);
    mongoc_read_prefs_destroy(primary);

    err = need_indexes(q, e);
    if (err != OK) {
        mongo_session_close(q);
    }
    return err;
}

enum err mongo_session_start(const char *url, unsigned max_parallel, struct jobs **ret_jobs,
                             struct error *e)
{
    struct mongo_pool *pool = NULL;
    enum err err = mongo_pool_open(url, max_parallel + SPARE_CLIENTS, &pool, e);
    if (err != OK) {
        return err;
    }
    struct mongo_jobs *self = xcalloc(1, sizeof(*self));
    self->base.ops = &jobs_mongo;
    self->pool = pool;
    (void)mongo_pool_database(pool, DATABASE, self->database);
    (void)pthread_mutex_init(&self->lock, NULL);
    *ret_jobs = &self->base;
    return OK;
}

void mongo_session_stop(struct jobs *s)
{
    struct mongo_jobs *self = self_of(s);
    mongo_pool_close(self->pool);
    (void)pthread_mutex_destroy(&self->lock);
    free(self);
}

enum err mongo_session_ping(struct jobs *s, struct error *e)
{
    return mongo_pool_ping(self_of(s)->pool, e);
}
