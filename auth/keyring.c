#include "auth/keyring.h"

#include <jansson.h>
#include <pthread.h>
#include <string.h>

#include "core/clock.h"
#include "core/text.h"

#include "core/banned.h"

/* A key set of 16 is the most that verifiers take. */
#define PUBLISHED_MAX 8
#define NEVER INT64_MIN

struct ring_key {
    struct token_key *key;
    int64_t activates_at_ms;
};

/* Replaced as a whole. */
struct ring {
    size_t count;
    struct ring_key keys[ACCOUNTS_KEYS_MAX];
};

struct keyring {
    struct keyring_options options;
    pthread_mutex_t refresh_lock; /* one thread loads */
    pthread_rwlock_t lock;        /* of what follows */
    struct ring *ring;            /* NULL: nothing was loaded yet */
    int64_t loaded_at_ms;         /* monotonic */
};

static void ring_free(struct ring *ring)
{
    if (ring == NULL) {
        return;
    }
    for (size_t i = 0; i < ring->count; i++) {
        token_key_free(ring->keys[i].key);
    }
    free(ring);
}

DEFINE_AUTO(struct ring *, ring_free)

enum err keyring_new(const struct keyring_options *options, struct keyring **ret_keyring,
                     struct error *e)
{
    struct ring *ring = NULL;
    if (options->fixed_pem != NULL && options->fixed_pem[0] != '\0') {
        struct token_key *key = NULL;
        const enum err code = token_key_from_pem(options->fixed_pem, &key, e);
        if (code != OK) {
            return code;
        }
        ring = xcalloc(1, sizeof(*ring));
        ring->keys[0].key = key;
        ring->count = 1;
    }
    struct keyring *k = xcalloc(1, sizeof(*k));
    k->options = *options;
    k->options.fixed_pem = NULL; /* borrowed for this call only */
    k->options.wall_ms = options->wall_ms == NULL ? clock_wall_ms : options->wall_ms;
    k->options.mono_ms = options->mono_ms == NULL ? clock_mono_ms : options->mono_ms;
    k->ring = ring;
    k->loaded_at_ms = ring == NULL ? NEVER : INT64_MAX;
    pthread_mutex_init(&k->refresh_lock, NULL);
    pthread_rwlock_init(&k->lock, NULL);
    *ret_keyring = k;
    return OK;
}

void keyring_free(struct keyring *k)
{
    if (k == NULL) {
        return;
    }
    ring_free(k->ring);
    pthread_rwlock_destroy(&k->lock);
    pthread_mutex_destroy(&k->refresh_lock);
    free(k);
}

/* ---- the database's keys ---- */

/* Adds the key of `generation`. ERR_CONFLICT: another process did so first, which is as good. */
static enum err add_generation(struct accounts *a, int64_t generation, int64_t now_ms,
                               int64_t activates_at_ms, struct signing_key *ret_key,
                               struct error *e)
{
    AUTO(token_key_free) struct token_key *key = NULL;
    enum err code = token_key_generate(&key, e);
    if (code != OK) {
        return code;
    }
    struct signing_key stored = { .generation = generation,
                                  .created_at_ms = now_ms,
                                  .activates_at_ms = activates_at_ms };
    (void)text_copy(stored.kid, sizeof(stored.kid), token_key_kid(key));
    char *pem = token_key_to_pem(key);
    const bool is_whole = text_copy(stored.pem, sizeof(stored.pem), pem);
    mem_wipe(pem, strlen(pem));
    free(pem);
    code = is_whole ? accounts_add_key(a, &stored, activates_at_ms + KEYRING_OVERLAP_MS, e)
                    : err_set(e, ERR_FAULT, "the key's PEM is too long");
    mem_wipe(stored.pem, sizeof(stored.pem));
    if (code == OK && ret_key != NULL) {
        *ret_key = stored;
    }
    return code;
}

/* Adds the successor of the newest of `keys`, as they were read: ERR_CONFLICT when that has changed
 * since. */
static enum err add_successor(struct accounts *a, const struct signing_key *keys, size_t count,
                              int64_t now_ms, struct signing_key *ret_key, struct error *e)
{
    if (count == 0) {
        return add_generation(a, 1, now_ms, now_ms, ret_key, e);
    }
    const struct signing_key *newest = &keys[count - 1];
    if (newest->activates_at_ms > now_ms) {
        return err_set(e, ERR_EXISTS, "a new key starts to sign in %lld s already",
                       (long long)(newest->activates_at_ms - now_ms + 999) / 1000);
    }
    if (count >= PUBLISHED_MAX) {
        return err_set(e, ERR_EXISTS,
                       "%zu keys are published already; the oldest ones end when their tokens have "
                       "expired",
                       count);
    }
    return add_generation(a, newest->generation + 1, now_ms, now_ms + KEYRING_PUBLISH_MS, ret_key,
                          e);
}

enum err keyring_rotate(struct accounts *a, int64_t now_ms, struct signing_key *ret_key,
                        struct error *e)
{
    struct signing_key keys[ACCOUNTS_KEYS_MAX];
    size_t count = 0;
    enum err code = accounts_prune_keys(a, now_ms, e);
    if (code == OK) {
        code = accounts_list_keys(a, keys, &count, e);
    }
    if (code == OK) {
        code = add_successor(a, keys, count, now_ms, ret_key, e);
    }
    mem_wipe(keys, sizeof(keys));
    return code;
}

static enum err parse_keys(const struct signing_key *keys, size_t count, int64_t now_ms,
                           struct ring **ret_ring, struct error *e)
{
    AUTO(ring_free) struct ring *ring = xcalloc(1, sizeof(*ring));
    for (size_t i = 0; i < count; i++) {
        if (keys[i].retires_at_ms != 0 && keys[i].retires_at_ms <= now_ms) {
            continue;
        }
        struct ring_key *slot = &ring->keys[ring->count];
        const enum err code = token_key_from_pem(keys[i].pem, &slot->key, e);
        if (code != OK) {
            return err_set(e, ERR_CORRUPT, "signing key %.43s in the database is broken",
                           keys[i].kid);
        }
        slot->activates_at_ms = keys[i].activates_at_ms;
        ring->count++;
    }
    if (ring->count == 0) {
        return err_set(e, ERR_BUSY, "there is no signing key");
    }
    *ret_ring = TAKE(ring);
    return OK;
}

/* Reads the keys, after making the one that is due. */
static enum err load(struct keyring *k, struct ring **ret_ring, struct error *e)
{
    struct signing_key keys[ACCOUNTS_KEYS_MAX];
    size_t count = 0;
    const int64_t now_ms = k->options.wall_ms();
    enum err code = accounts_list_keys(k->options.accounts, keys, &count, e);
    if (code == OK &&
        (count == 0 || keys[count - 1].activates_at_ms + k->options.rotation_ms <= now_ms)) {
        const enum err added = add_successor(k->options.accounts, keys, count, now_ms, NULL, e);
        if (added == OK || added == ERR_CONFLICT) {
            /* Ours, or that of a process that was faster. */
            (void)!accounts_prune_keys(k->options.accounts, now_ms, NULL);
            code = accounts_list_keys(k->options.accounts, keys, &count, e);
        } else if (count == 0) {
            code = added; /* otherwise the old key goes on signing */
        }
    }
    if (code == OK) {
        code = parse_keys(keys, count, now_ms, ret_ring, e);
    }
    mem_wipe(keys, sizeof(keys));
    return code;
}

static bool is_fresh(struct keyring *k, bool *ret_is_loaded)
{
    pthread_rwlock_rdlock(&k->lock);
    *ret_is_loaded = k->ring != NULL;
    const bool is_fixed = k->loaded_at_ms == INT64_MAX;
    const bool is_fresh = is_fixed || (k->loaded_at_ms != NEVER &&
                                       k->options.mono_ms() - k->loaded_at_ms < KEYRING_REFRESH_MS);
    pthread_rwlock_unlock(&k->lock);
    return is_fresh;
}

enum err keyring_refresh(struct keyring *k, struct error *e)
{
    bool is_loaded = false;
    if (is_fresh(k, &is_loaded)) {
        return OK;
    }
    if (!is_loaded) {
        pthread_mutex_lock(&k->refresh_lock);
    } else if (pthread_mutex_trylock(&k->refresh_lock) != 0) {
        return OK; /* somebody is at it; the keys in hand will do */
    }
    enum err code = OK;
    if (!is_fresh(k, &is_loaded)) {
        struct ring *ring = NULL;
        code = load(k, &ring, e);
        pthread_rwlock_wrlock(&k->lock);
        struct ring *old = NULL;
        if (code == OK) {
            old = k->ring;
            k->ring = ring;
        }
        if (k->ring != NULL) {
            /* After a failure too: the next try is a minute away, not in the next request. */
            k->loaded_at_ms = k->options.mono_ms();
            code = OK;
        }
        pthread_rwlock_unlock(&k->lock);
        ring_free(old);
    }
    pthread_mutex_unlock(&k->refresh_lock);
    return code;
}

/* ---- using them ---- */

/* The key that became active last. A host whose clock is behind may know none: then the oldest. */
static const struct token_key *signer(const struct ring *ring, int64_t now_ms)
{
    const struct ring_key *best = &ring->keys[0];
    for (size_t i = 1; i < ring->count; i++) {
        const struct ring_key *key = &ring->keys[i];
        if (key->activates_at_ms <= now_ms && key->activates_at_ms >= best->activates_at_ms) {
            best = key;
        }
    }
    return best->key;
}

enum err keyring_sign(struct keyring *k, const char *issuer, const char *audience,
                      const struct token_claims *claims, char **ret_token, struct error *e)
{
    enum err code = keyring_refresh(k, e);
    if (code != OK) {
        return code;
    }
    pthread_rwlock_rdlock(&k->lock);
    code = token_sign(signer(k->ring, k->options.wall_ms()), issuer, audience, claims, ret_token,
                      e);
    pthread_rwlock_unlock(&k->lock);
    return code;
}

enum err keyring_jwks(void *keyring, char **ret_json, struct error *e)
{
    struct keyring *k = keyring;
    const enum err code = keyring_refresh(k, e);
    if (code != OK) {
        return code;
    }
    json_auto_t *root = json_pack("{s:[]}", "keys");
    pthread_rwlock_rdlock(&k->lock);
    for (size_t i = 0; i < k->ring->count; i++) {
        json_array_append_new(json_object_get(root, "keys"),
                              token_key_to_jwk(k->ring->keys[i].key));
    }
    pthread_rwlock_unlock(&k->lock);
    *ret_json = json_dumps(root, JSON_COMPACT);
    return *ret_json == NULL ? err_set(e, ERR_FAULT, "out of memory") : OK;
}
