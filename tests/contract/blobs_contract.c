/* The contract of blobs.h: the same cases for every engine and both buckets.
 *
 * Called with a role it is another process of a case:
 *   write URL BUCKET ID SEED FROM TO   makes (FROM 0) or resumes a blob, writes up to TO, suspends
 *   killed ...                         the same, but is killed instead of suspending
 *   read ...                           checks that FROM..TO is there and right
 *   finish ...                         resumes at FROM, writes up to TO, commits
 *   put URL BUCKET ID, get URL BUCKET ID   from standard input, to standard output */
#include "blobs_support.h"

#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mongoc/mongoc.h>

#include "core/text.h"
#include "db/mongo_pool.h"

/* ---- roles ---- */

struct span {
    const char *id;
    unsigned seed;
    int64_t from;
    int64_t to;
};

static struct blob_writer *writer_at(struct blobs *b, const struct span *s)
{
    struct blob_writer *w = NULL;
    int64_t offset = 0;
    enum err err = s->from == 0 ? blobs_create(b, s->id, &meta, &w, NULL)
                                : blobs_resume(b, s->id, &w, &offset, NULL);
    return err == OK && offset == s->from ? w : NULL;
}

static int role_write(struct blobs *b, const struct span *s, const char *role)
{
    struct blob_writer *w = writer_at(b, s);
    if (w == NULL || write_span(w, s->seed, s->from, s->to, 50000) != OK) {
        return 1;
    }
    if (strcmp(role, "killed") == 0) {
        (void)kill(getpid(), SIGKILL);
    }
    if (strcmp(role, "finish") == 0) {
        return blob_commit(w, NULL, NULL) == OK ? 0 : 2;
    }
    return blob_suspend(w, NULL) == OK ? 0 : 2;
}

static int role_read(struct blobs *b, const struct span *s)
{
    size_t len = (size_t)(s->to - s->from);
    size_t got = 0;
    uint8_t *bytes = xmalloc(len + 1);
    int code = blobs_pread(b, s->id, s->from, bytes, len + 1, &got, NULL) == OK && got == len &&
                       is_filled(s->seed, s->from, bytes, len)
                   ? 0
                   : 1;
    free(bytes);
    return code;
}

static int role_put(struct blobs *b, const char *id)
{
    struct blob_writer *w = NULL;
    char bytes[8192];
    if (blobs_create(b, id, &meta, &w, NULL) != OK) {
        return 1;
    }
    for (size_t n = fread(bytes, 1, sizeof(bytes), stdin); n > 0;
         n = fread(bytes, 1, sizeof(bytes), stdin)) {
        if (blob_write(w, bytes, n, NULL) != OK) {
            return 1;
        }
    }
    return blob_commit(w, NULL, NULL) == OK ? 0 : 1;
}

static int role_get(struct blobs *b, const char *id)
{
    struct error e;
    static char bytes[300000];
    size_t got = 1;
    for (int64_t offset = 0; got > 0; offset += (int64_t)got) {
        if (blobs_pread(b, id, offset, bytes, sizeof(bytes), &got, &e) != OK) {
            (void)fprintf(stderr, "%s\n", e.text);
            return 1;
        }
        if (fwrite(bytes, 1, got, stdout) != got) {
            return 1;
        }
    }
    return 0;
}

static int play(int argc, char **argv)
{
    const char *role = argv[1];
    struct blobs *b = NULL;
    struct span s = { .id = argv[4] };
    int64_t seed = 0;
    int code = 125;
    if (blobs_open(argv[2], argv[3], 2, &b, NULL) != OK) {
        return code;
    }
    if (argc == 5) {
        code = strcmp(role, "put") == 0 ? role_put(b, s.id) : role_get(b, s.id);
    } else if (argc == 8 && text_to_int64(argv[5], 0, UINT32_MAX, &seed) == OK &&
               text_to_int64(argv[6], 0, INT64_MAX, &s.from) == OK &&
               text_to_int64(argv[7], 0, INT64_MAX, &s.to) == OK) {
        s.seed = (unsigned)seed;
        code = strcmp(role, "read") == 0 ? role_read(b, &s) : role_write(b, &s, role);
    }
    blobs_close(b);
    return code;
}

/* ---- engines ---- */

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void drop_database(const char *url, const char *bucket)
{
    struct mongo_pool *pool = NULL;
    mongoc_client_t *client = NULL;
    char name[MONGO_DATABASE_SIZE];
    if (mongo_pool_open(url, 1, &pool, NULL) == OK && mongo_pool_pop(pool, &client, NULL) == OK) {
        mongoc_database_t *database = mongoc_client_get_database(
            client, mongo_pool_database(pool, bucket, name));
        (void)mongoc_database_drop(database, NULL);
        mongoc_database_destroy(database);
        mongo_pool_push(pool, client);
    }
    mongo_pool_close(pool);
}

static int run_bucket(const char *bucket)
{
    struct error e = { .code = OK };
    engine.bucket = bucket;
    (void)printf("== blobs: engine %s, bucket %s\n", engine.name, bucket);
    if (blobs_open(engine.url, bucket, 10, &engine.blobs, &e) != OK ||
        blobs_open(engine.url, bucket, 10, &engine.other, &e) != OK) {
        (void)fprintf(stderr, "cannot open: %s\n", e.text);
        return 1;
    }
    int failed = run_basic_cases() + run_list_cases() + run_shared_cases();
    if (engine.folder == NULL) {
        failed += run_gridfs_cases();
    }
    blobs_close(engine.blobs);
    blobs_close(engine.other);
    return failed;
}

static int run_folder(void)
{
    char folder[] = "/tmp/unreel-blobs-XXXXXX";
    if (mkdtemp(folder) == NULL) {
        return 1;
    }
    engine = (struct engine){ .name = "folder", .folder = folder };
    engine.url = xasprintf("file:%s/new", folder);
    engine.folder = xasprintf("%s/new", folder);
    int failed = run_bucket("videos") + run_bucket("mp3s");
    (void)nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    free(engine.folder);
    free(engine.url);
    return failed;
}

static int run_gridfs(const char *url)
{
    char id[ID_SIZE];
    id_new(id);
    engine = (struct engine){ .name = "gridfs" };
    engine.url = xasprintf("%s%cprefix=t%.8s_", url, strchr(url, '?') != NULL ? '&' : '?', id);
    int failed = run_bucket("videos") + run_bucket("mp3s");
    drop_database(engine.url, "videos");
    drop_database(engine.url, "mp3s");
    free(engine.url);
    return failed;
}

int main(int argc, char **argv)
{
    if (argc > 4) {
        return play(argc, argv);
    }
    const char *url = getenv("UNREEL_TEST_MONGODB_URL");
    int failed = run_folder();
    if (url != NULL && *url != '\0') {
        failed += run_gridfs(url);
    } else {
        (void)printf("== blobs: engine gridfs SKIPPED: UNREEL_TEST_MONGODB_URL is not set\n");
    }
    return failed == 0 ? 0 : 1;
}
