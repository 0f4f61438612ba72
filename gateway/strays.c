#include "strays.h"

#include "core/clock.h"
#include "core/log.h"
#include "core/text.h"

#include "core/banned.h"

#define PAGE_MAX 1000    /* files listed at once */
#define LISTED_MAX 10000 /* in one look */
#define SUSPECTS_MAX 500 /* removed in one look */

static const int64_t nap_ms = 100;

struct suspects {
    struct blob_entry files[SUSPECTS_MAX];
    size_t count;
    size_t named; /* old files that have a record */
};

static struct blobs *bucket_of(struct gateway *g, enum strays_bucket bucket)
{
    return bucket == STRAYS_VIDEOS ? g->videos : g->mp3s;
}

static bool is_away(enum err rc)
{
    return rc == ERR_BUSY || rc == ERR_TIMEOUT;
}

static void note(struct error *ret_first, const struct error *e)
{
    if (ret_first->code == OK) {
        *ret_first = *e;
    }
}

/* ERR_NOT_FOUND: no record names the file. */
static enum err find_record(struct gateway *g, enum strays_bucket bucket, const char *fid,
                            struct error *e)
{
    struct job job;
    return bucket == STRAYS_VIDEOS ? jobs_get_by_upload(g->jobs, fid, &job, e)
                                   : jobs_get_by_mp3(g->jobs, fid, NULL, &job, e);
}

/* Looks up the files of a page that are old. Returns how many of the page are done with. */
static size_t look_up(struct gateway *g, const struct strays_look *look,
                      const struct blob_entry *page, size_t count, struct suspects *s,
                      struct error *ret_first)
{
    size_t i = 0;
    for (; i < count && s->count < SUSPECTS_MAX && !atomic_load(look->is_stopping); i++) {
        struct error e = { 0 };
        if (page[i].committed_at_ms == 0 || page[i].committed_at_ms >= look->before_ms) {
            continue;
        }
        enum err rc = find_record(g, look->bucket, page[i].id, &e);
        if (rc == ERR_NOT_FOUND) {
            s->files[s->count++] = page[i];
            continue;
        }
        s->named += rc == OK || rc == ERR_CORRUPT;
        if (rc != OK) {
            note(ret_first, &e);
        }
        if (is_away(rc)) {
            break;
        }
    }
    return i;
}

/* False: the store could not be asked. */
static bool gather(struct gateway *g, const struct strays_look *look, char cursor[ID_SIZE],
                   struct suspects *s, struct error *ret_first)
{
    AUTO(mem_free) struct blob_entry *page = xcalloc(PAGE_MAX, sizeof(*page));
    size_t listed = 0;
    bool goes_on = true;
    while (goes_on && listed < LISTED_MAX) {
        size_t count = 0;
        char from[ID_SIZE];
        struct error e = { 0 };
        (void)text_copy(from, sizeof(from), cursor);
        if (blobs_list(bucket_of(g, look->bucket), cursor, page, PAGE_MAX, &count, &e) != OK) {
            note(ret_first, &e);
            return false;
        }
        size_t done = look_up(g, look, page, count, s, ret_first);
        if (done < count) {
            (void)text_copy(cursor, ID_SIZE, done > 0 ? page[done - 1].id : from);
        }
        listed += count;
        goes_on = done == count && cursor[0] != '\0';
    }
    return true;
}

/* A crash leaves few strays beside many files; a job store that is another system's, or empty,
 * makes strays of all. */
static bool is_plausible(const struct suspects *s)
{
    if (s->count > s->named) {
        log_error("%zu files without a job's record, and %zu with one: nothing is removed; is "
                  "UNREEL_JOBS_URL the right one?",
                  s->count, s->named);
        return false;
    }
    return true;
}

static void sleep_unless_stopping(int64_t pause_ms, const atomic_bool *is_stopping)
{
    int64_t end_ms = clock_mono_ms() + pause_ms;
    while (clock_mono_ms() < end_ms && !atomic_load(is_stopping)) {
        clock_sleep_ms(nap_ms);
    }
}

/* ERR_EXISTS: it has a record now. */
static enum err remove_stray(struct gateway *g, enum strays_bucket bucket,
                             const struct blob_entry *file, struct error *e)
{
    enum err rc = find_record(g, bucket, file->id, e);
    if (rc == ERR_NOT_FOUND) {
        rc = blobs_remove(bucket_of(g, bucket), file->id, e);
    } else if (rc == OK) {
        return ERR_EXISTS;
    }
    if (rc == OK) {
        log_info("file %s of %lld bytes among the %s removed: committed %lld s ago, and no job's "
                 "record names it",
                 file->id, (long long)file->size_bytes, bucket == STRAYS_VIDEOS ? "videos" : "mp3s",
                 (long long)((clock_wall_ms() - file->committed_at_ms) / 1000));
    }
    return rc;
}

size_t strays_sweep(struct gateway *g, const struct strays_look *look, char cursor[ID_SIZE],
                    int64_t *ret_left, struct error *ret_first)
{
    AUTO(mem_free) struct suspects *s = xcalloc(1, sizeof(*s));
    if (!gather(g, look, cursor, s, ret_first)) {
        return 0;
    }
    size_t removed = 0;
    size_t settled = 0; /* named meanwhile, or gone */
    if (s->count > 0 && is_plausible(s)) {
        sleep_unless_stopping(look->pause_ms, look->is_stopping);
        for (size_t i = 0; i < s->count && !atomic_load(look->is_stopping); i++) {
            struct error e = { 0 };
            enum err rc = remove_stray(g, look->bucket, &s->files[i], &e);
            removed += rc == OK;
            settled += rc == ERR_EXISTS || rc == ERR_NOT_FOUND;
            if (rc != OK && rc != ERR_EXISTS && rc != ERR_NOT_FOUND) {
                note(ret_first, &e);
            }
            if (is_away(rc)) {
                break; /* the next look is soon enough */
            }
        }
    }
    *ret_left = (int64_t)(s->count - removed - settled);
    return removed;
}
