#include "blobs_support.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mongoc/mongoc.h>
#include <openssl/evp.h>

#include "core/text.h"
#include "db/mongo_pool.h"

struct engine engine;
const struct blob_meta meta = { .owner = "ann@example.org",
                                .filename = "holiday \"1\" \xc3\xbc.mp4",
                                .content_type = "video/mp4" };

static uint8_t byte_at(unsigned seed, int64_t offset)
{
    uint64_t x = (uint64_t)(offset / 4096) * 0x9e3779b97f4a7c15ULL + seed;
    x ^= x >> 29;
    return (uint8_t)(x * 31 + (uint64_t)offset * 7 + (uint64_t)(offset >> 8));
}

void fill(unsigned seed, int64_t offset, uint8_t *dst, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        dst[i] = byte_at(seed, offset + (int64_t)i);
    }
}

bool is_filled(unsigned seed, int64_t offset, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] != byte_at(seed, offset + (int64_t)i)) {
            return false;
        }
    }
    return true;
}

void sha256_of(const void *bytes, size_t len, char ret_sha256[BLOB_SHA256_SIZE])
{
    unsigned char digest[32];
    if (EVP_Digest(bytes, len, digest, NULL, EVP_sha256(), NULL) != 1) {
        abort();
    }
    text_to_hex(ret_sha256, digest, sizeof(digest));
}

void expected_sha256(unsigned seed, int64_t size, char ret_sha256[BLOB_SHA256_SIZE])
{
    uint8_t *bytes = xmalloc((size_t)size + 1);
    fill(seed, 0, bytes, (size_t)size);
    sha256_of(bytes, (size_t)size, ret_sha256);
    free(bytes);
}

enum err write_span(struct blob_writer *w, unsigned seed, int64_t from, int64_t to, size_t slice)
{
    uint8_t *bytes = xmalloc(slice);
    enum err err = OK;
    while (from < to && err == OK) {
        size_t len = to - from < (int64_t)slice ? (size_t)(to - from) : slice;
        fill(seed, from, bytes, len);
        err = blob_write(w, bytes, len, NULL);
        from += (int64_t)len;
    }
    free(bytes);
    return err;
}

enum err put_blob(struct blobs *b, const char *id, unsigned seed, int64_t size, size_t slice)
{
    struct blob_writer *w = NULL;
    enum err err = blobs_create(b, id, &meta, &w, NULL);
    if (err != OK) {
        return err;
    }
    err = write_span(w, seed, 0, size, slice);
    if (err == OK) {
        err = blob_commit(w, NULL, NULL);
    }
    if (err != OK) {
        blob_abort(w);
    }
    return err;
}

bool has_bytes(struct blobs *b, const char *id, unsigned seed, int64_t size)
{
    struct blob_stat st;
    size_t room = (size_t)size + 1;
    uint8_t *bytes = xmalloc(room);
    size_t got = 0;
    bool is_right = blobs_stat(b, id, &st, NULL) == OK && st.size_bytes == size &&
                    blobs_pread(b, id, 0, bytes, room, &got, NULL) == OK && got == (size_t)size &&
                    is_filled(seed, 0, bytes, got);
    free(bytes);
    return is_right;
}

static bool folder_has_trace(const char *id)
{
    char path[512];
    bool is_found = false;
    (void)snprintf(path, sizeof(path), "%s/%s", engine.folder, engine.bucket);
    DIR *dir = opendir(path);
    assert_non_null(dir);
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        is_found = is_found || strncmp(entry->d_name, id, ID_LEN) == 0;
    }
    (void)closedir(dir);
    return is_found;
}

static int64_t count_documents(mongoc_client_t *client, const char *database, const char *name,
                               const char *key, const char *id)
{
    bson_error_t error;
    bson_oid_t oid;
    bson_t filter = BSON_INITIALIZER;
    bson_oid_init_from_string(&oid, id);
    BSON_APPEND_OID(&filter, key, &oid);
    mongoc_collection_t *collection = mongoc_client_get_collection(client, database, name);
    int64_t count = mongoc_collection_count_documents(collection, &filter, NULL, NULL, NULL,
                                                      &error);
    mongoc_collection_destroy(collection);
    bson_destroy(&filter);
    assert_true(count >= 0);
    return count;
}

static bool database_has_trace(const char *id)
{
    struct mongo_pool *pool = NULL;
    mongoc_client_t *client = NULL;
    char database[MONGO_DATABASE_SIZE];
    assert_int_equal(mongo_pool_open(engine.url, 1, &pool, NULL), OK);
    assert_int_equal(mongo_pool_pop(pool, &client, NULL), OK);
    (void)mongo_pool_database(pool, engine.bucket, database);
    int64_t count = count_documents(client, database, "fs.files", "_id", id) +
                    count_documents(client, database, "fs.uploads", "_id", id) +
                    count_documents(client, database, "fs.chunks", "files_id", id);
    mongo_pool_push(pool, client);
    mongo_pool_close(pool);
    return count > 0;
}

bool store_has_trace(const char *id)
{
    return engine.folder != NULL ? folder_has_trace(id) : database_has_trace(id);
}

int run_role(const char *role, const char *id, unsigned seed, int64_t from, int64_t to)
{
    char texts[3][32];
    int status = 0;
    (void)snprintf(texts[0], sizeof(texts[0]), "%u", seed);
    (void)snprintf(texts[1], sizeof(texts[1]), "%lld", (long long)from);
    (void)snprintf(texts[2], sizeof(texts[2]), "%lld", (long long)to);
    pid_t pid = fork();
    if (pid == 0) {
        (void)execl("/proc/self/exe", "blobs_contract", role, engine.url, engine.bucket, id,
                    texts[0], texts[1], texts[2], (char *)NULL);
        _exit(126);
    }
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
