#include "intake.h"

#include <pthread.h>
#include <string.h>

#include "core/log.h"
#include "core/text.h"

#include "core/banned.h"

#define MAGIC_MAX_BYTES 8

/* The picture beside the file. */
struct cover {
    struct blob_writer *writer;
    int64_t size_bytes;
    unsigned char head[MAGIC_MAX_BYTES]; /* held back until it is known what they begin */
    bool is_committed;
    char sha256[BLOB_SHA256_SIZE];
};

struct intake {
    struct gateway *gateway;
    struct job job;
    struct blob_writer *writer; /* NULL before the first byte and after commit */
    struct cover cover;
    bool is_committed;
    bool is_accepted;
};

/* ---- slots: a short list of the users who are uploading now ---- */

struct upload_slot {
    struct upload_slot *next;
    int64_t count;
    char owner[JOB_OWNER_SIZE];
};

struct upload_slots {
    pthread_mutex_t lock;
    struct upload_slot *first;
};

struct upload_slots *upload_slots_new(void)
{
    struct upload_slots *s = xcalloc(1, sizeof(*s));
    (void)pthread_mutex_init(&s->lock, NULL);
    return s;
}

void upload_slots_free(struct upload_slots *s)
{
    if (s == NULL) {
        return;
    }
    while (s->first != NULL) {
        struct upload_slot *slot = s->first;
        s->first = slot->next;
        free(slot);
    }
    (void)pthread_mutex_destroy(&s->lock);
    free(s);
}

static bool slot_take(struct upload_slots *s, const char *owner, int64_t max)
{
    bool taken = false;
    (void)pthread_mutex_lock(&s->lock);
    struct upload_slot *slot = s->first;
    while (slot != NULL && strcmp(slot->owner, owner) != 0) {
        slot = slot->next;
    }
    if (slot == NULL) {
        slot = xcalloc(1, sizeof(*slot));
        (void)text_copy(slot->owner, sizeof(slot->owner), owner);
        slot->next = s->first;
        s->first = slot;
    }
    if (slot->count < max) {
        slot->count++;
        taken = true;
    }
    (void)pthread_mutex_unlock(&s->lock);
    return taken;
}

static void slot_give_back(struct upload_slots *s, const char *owner)
{
    (void)pthread_mutex_lock(&s->lock);
    struct upload_slot **link = &s->first;
    while (*link != NULL && strcmp((*link)->owner, owner) != 0) {
        link = &(*link)->next;
    }
    struct upload_slot *slot = *link;
    if (slot != NULL && --slot->count == 0) {
        *link = slot->next;
        free(slot);
    }
    (void)pthread_mutex_unlock(&s->lock);
}

/* ---- the upload ---- */

enum err intake_new(struct gateway *g, const char *owner, struct intake **ret_intake,
                    struct error *e)
{
    if (!slot_take(g->slots, owner, g->settings->max_uploads_per_user)) {
        return err_set(e, ERR_BUSY, "%lld uploads at once",
                       (long long)g->settings->max_uploads_per_user);
    }
    struct intake *in = xcalloc(1, sizeof(*in));
    in->gateway = g;
    job_init(&in->job, owner);
    (void)text_copy(in->job.video_fid, sizeof(in->job.video_fid), in->job.id);
    metric_add(&metric_uploads_in_flight, 0, 1);
    *ret_intake = in;
    return OK;
}

struct job *intake_job(struct intake *in)
{
    return &in->job;
}

enum err intake_write(struct intake *in, const void *bytes, size_t len, struct error *e)
{
    if (in->job.size_bytes + (int64_t)len > in->gateway->settings->max_upload_bytes) {
        return err_set(e, ERR_TOO_BIG, "the file is larger than %lld bytes",
                       (long long)in->gateway->settings->max_upload_bytes);
    }
    if (in->writer == NULL) {
        struct blob_meta meta = { .owner = in->job.owner,
                                  .filename = in->job.filename,
                                  .content_type = "application/octet-stream" };
        enum err rc = blobs_create(in->gateway->videos, in->job.id, &meta, &in->writer, e);
        if (rc != OK) {
            return rc;
        }
    }
    enum err rc = blob_write(in->writer, bytes, len, e);
    if (rc == OK) {
        in->job.size_bytes += (int64_t)len;
        metric_add(&metric_upload_bytes, 0, (int64_t)len);
    }
    return rc;
}

int64_t intake_size(const struct intake *in)
{
    return in->job.size_bytes;
}

/* ---- the cover ---- */

static const char *cover_type(const unsigned char head[MAGIC_MAX_BYTES])
{
    static const unsigned char png[] = { 0x89, 'P', 'N', 'G', 0x0d, 0x0a, 0x1a, 0x0a };
    static const unsigned char jpeg[] = { 0xff, 0xd8, 0xff };
    if (memcmp(head, png, sizeof(png)) == 0) {
        return "image/png";
    }
    return memcmp(head, jpeg, sizeof(jpeg)) == 0 ? "image/jpeg" : NULL;
}

static enum err begin_cover(struct intake *in, struct error *e)
{
    const char *type = cover_type(in->cover.head);
    if (type == NULL) {
        return err_set(e, ERR_INVALID, "neither JPEG nor PNG");
    }
    struct blob_meta meta = { .owner = in->job.owner, .filename = "cover", .content_type = type };
    id_new(in->job.cover_fid);
    enum err rc = blobs_create(in->gateway->videos, in->job.cover_fid, &meta, &in->cover.writer, e);
    return rc == OK ? blob_write(in->cover.writer, in->cover.head, sizeof(in->cover.head), e) : rc;
}

static void drop_cover(struct intake *in)
{
    blob_abort(in->cover.writer);
    in->cover.writer = NULL;
    in->job.cover_fid[0] = '\0';
}

static enum err write_cover(struct intake *in, const unsigned char *bytes, size_t len,
                            struct error *e)
{
    struct cover *c = &in->cover;
    if (c->size_bytes + (int64_t)len > in->gateway->settings->max_cover_bytes) {
        return err_set(e, ERR_TOO_BIG, "the picture is larger than %lld bytes",
                       (long long)in->gateway->settings->max_cover_bytes);
    }
    enum err rc = OK;
    while (rc == OK && len > 0 && c->size_bytes < MAGIC_MAX_BYTES) {
        c->head[c->size_bytes++] = *bytes++;
        len--;
        rc = c->size_bytes == MAGIC_MAX_BYTES ? begin_cover(in, e) : OK;
    }
    if (rc == OK && len > 0) {
        rc = blob_write(c->writer, bytes, len, e);
        c->size_bytes += (int64_t)len;
    }
    return rc;
}

enum err intake_write_cover(struct intake *in, const void *bytes, size_t len, struct error *e)
{
    enum err rc = write_cover(in, bytes, len, e);
    if (rc != OK) {
        drop_cover(in);
    }
    return rc;
}

static enum err commit_cover(struct intake *in, struct error *e)
{
    if (in->cover.writer == NULL) {
        return OK;
    }
    enum err rc = blob_commit(in->cover.writer, in->cover.sha256, e);
    if (rc == OK) {
        in->cover.writer = NULL;
        in->cover.is_committed = true;
    }
    return rc;
}

enum err intake_is_same_cover(struct intake *in, const struct job *job, bool *ret_is_same,
                              struct error *e)
{
    struct blob_stat stat = { 0 };
    if (job->cover_fid[0] != '\0') {
        enum err rc = blobs_stat(in->gateway->videos, job->cover_fid, &stat, e);
        if (rc != OK) {
            return rc;
        }
    }
    *ret_is_same = strcmp(stat.sha256, in->cover.sha256) == 0;
    return OK;
}

/* ---- the end ---- */

enum err intake_commit(struct intake *in, struct error *e)
{
    enum err rc = commit_cover(in, e);
    if (rc != OK) {
        return rc;
    }
    rc = blob_commit(in->writer, in->job.sha256, e);
    if (rc == OK) {
        in->writer = NULL;
        in->is_committed = true;
    }
    return rc;
}

void intake_accept(struct intake *in)
{
    in->is_accepted = true;
}

static void remove_blob(struct intake *in, const char *id)
{
    struct error e = { 0 };
    if (blobs_remove(in->gateway->videos, id, &e) != OK) {
        log_failure(LOG_LEVEL_WARN, err_name(e.code),
                    "an upload that was not accepted could not be removed: %s", e.text);
    }
}

void intake_free(struct intake *in)
{
    if (in == NULL) {
        return;
    }
    blob_abort(in->writer);
    blob_abort(in->cover.writer);
    if (in->is_committed && !in->is_accepted) {
        remove_blob(in, in->job.id);
    }
    if (in->cover.is_committed && !in->is_accepted) {
        remove_blob(in, in->job.cover_fid);
    }
    slot_give_back(in->gateway->slots, in->job.owner);
    metric_add(&metric_uploads_in_flight, 0, -1);
    free(in);
}
