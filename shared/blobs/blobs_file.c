/* Blobs in a folder: everything but writing. */
#include "blobs/file_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "blobs/file_sidecar.h"
#include "core/text.h"
#include "core/banned.h"

/* ---- open, close, check ---- */

static enum err make_folder(const char *path, struct error *e)
{
    if (mkdir(path, 0700) != 0 && errno != EEXIST) {
        return err_set_errno(e, ERR_FAULT, errno, "blobs: make the folder %s", path);
    }
    return OK;
}

/* Of "file:FOLDER" or "file:///FOLDER". NULL when there is none; the caller frees it. */
static char *folder_of_url(const char *url)
{
    const char *text = strchr(url, ':') + 1;
    if (text_starts_with(text, "//")) {
        text = strchr(text + 2, '/');
    }
    if (text == NULL || *text == '\0') {
        return NULL;
    }
    AUTO(mem_free) char *folder = xstrdup(text);
    return text_percent_decode(folder, false) == OK ? TAKE(folder) : NULL;
}

static enum err file_open(const char *url, const char *bucket, unsigned max_parallel,
                          struct blobs **ret_blobs, struct error *e)
{
    (void)max_parallel; /* a folder takes any number */
    AUTO(mem_free) char *folder = folder_of_url(url);
    if (folder == NULL) {
        return err_set(e, ERR_INVALID, "blobs: the file: URL has no folder, or a broken escape");
    }
    enum err err = make_folder(folder, e);
    if (err != OK) {
        return err;
    }
    AUTO(mem_free) char *path = xasprintf("%s/%s", folder, bucket);
    err = make_folder(path, e);
    if (err != OK) {
        return err;
    }
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return err_set_errno(e, ERR_FAULT, errno, "blobs: open the folder %s", path);
    }
    struct file_blobs *b = xcalloc(1, sizeof(*b));
    b->base.ops = &blobs_file_ops;
    b->dir_fd = fd;
    *ret_blobs = &b->base;
    return OK;
}

static void file_close(struct blobs *b)
{
    struct file_blobs *f = CONTAINER_OF(b, struct file_blobs, base);
    (void)close(f->dir_fd);
    free(f);
}

static enum err file_check(struct blobs *b, struct error *e)
{
    struct statvfs fs;
    if (faccessat(file_dir_of(b), ".", R_OK | W_OK | X_OK, 0) != 0 ||
        fstatvfs(file_dir_of(b), &fs) != 0) {
        return err_set_errno(e, ERR_BUSY, errno, "blobs: the folder cannot be written");
    }
    if (fs.f_bavail == 0) {
        return err_set(e, ERR_BUSY, "blobs: the disk is full");
    }
    return OK;
}

/* ---- reading ---- */

/* Opens ID, else ID.part. The second look at ID is for a commit between the first two. */
static enum err open_data(struct blobs *b, const char *id, int *ret_fd, bool *ret_is_committed,
                          struct error *e)
{
    struct file_names names;
    file_names_make(&names, id);
    const char *const tries[] = { names.data, names.part, names.data };
    for (size_t i = 0; i < ARRAY_LEN(tries); i++) {
        int fd = openat(file_dir_of(b), tries[i], O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd >= 0) {
            *ret_fd = fd;
            *ret_is_committed = tries[i] == names.data;
            return OK;
        }
        if (errno != ENOENT) {
            return file_error(errno, "open a blob", e);
        }
    }
    return err_set(e, ERR_NOT_FOUND, "blobs: no such blob");
}

static enum err file_stat(struct blobs *b, const char *id, struct blob_stat *ret_stat,
                          struct error *e)
{
    int fd = -1;
    enum err err = open_data(b, id, &fd, &ret_stat->is_committed, e);
    if (err != OK) {
        return err;
    }
    struct stat st;
    int failed = fstat(fd, &st);
    int errnum = errno;
    (void)close(fd);
    if (failed != 0) {
        return file_error(errnum, "look at a blob", e);
    }
    struct file_names names;
    file_names_make(&names, id);
    struct sidecar sidecar = { .size_bytes = st.st_size,
                               .created_at_ms = (int64_t)st.st_mtim.tv_sec * 1000 };
    err = sidecar_read(file_dir_of(b), names.json, &sidecar, e);
    if (err != OK && err != ERR_NOT_FOUND) {
        return err; /* without one, it is a file that somebody put here: its bytes are all we know
                     */
    }
    if (ret_stat->is_committed && sidecar.size_bytes != st.st_size) {
        return err_set(e, ERR_CORRUPT, "blobs: a file of %lld bytes should have %lld",
                       (long long)st.st_size, (long long)sidecar.size_bytes);
    }
    ret_stat->size_bytes = st.st_size;
    ret_stat->created_at_ms = sidecar.created_at_ms;
    (void)text_copy(ret_stat->owner, sizeof(ret_stat->owner), sidecar.owner);
    (void)text_copy(ret_stat->filename, sizeof(ret_stat->filename), sidecar.filename);
    (void)text_copy(ret_stat->sha256, sizeof(ret_stat->sha256),
                    ret_stat->is_committed ? sidecar.sha256 : "");
    return OK;
}

static enum err file_pread(struct blobs *b, const char *id, int64_t offset, void *dst, size_t len,
                           size_t *ret_len, struct error *e)
{
    int fd = -1;
    bool is_committed = false;
    enum err err = open_data(b, id, &fd, &is_committed, e);
    if (err != OK) {
        return err;
    }
    err = file_read_at(fd, offset, dst, len, ret_len, e);
    (void)close(fd);
    return err;
}

static enum err file_descriptor(struct blobs *b, const char *id, int *ret_fd, struct error *e)
{
    int fd = openat(file_dir_of(b), id, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return file_error(errno, "open a blob", e);
    }
    *ret_fd = fd;
    return OK;
}

/* ---- removing ---- */

static enum err file_remove(struct blobs *b, const char *id, struct error *e)
{
    struct file_names names;
    file_names_make(&names, id);
    int dir_fd = file_dir_of(b);
    bool was_there = unlinkat(dir_fd, names.data, 0) == 0;
    if (!was_there && errno != ENOENT) {
        return file_error(errno, "remove a blob", e);
    }
    was_there = file_has_name(dir_fd, names.part) || was_there;
    file_names_remove(dir_fd, &names);
    if (file_has_name(dir_fd, names.part)) {
        return err_set(e, ERR_FAULT, "remove a blob: %s is still there", names.part);
    }
    return was_there ? OK : err_set(e, ERR_NOT_FOUND, "blobs: no such blob");
}

/* Whether the entry is ID + suffix; ret_id is filled then. */
static bool is_name(const char *name, const char *suffix, char ret_id[ID_SIZE])
{
    char id[ID_SIZE];
    if (strlen(name) != ID_LEN + strlen(suffix) || strcmp(name + ID_LEN, suffix) != 0) {
        return false;
    }
    memcpy(id, name, ID_LEN);
    id[ID_LEN] = '\0';
    if (!id_is_valid(id)) {
        return false;
    }
    memcpy(ret_id, id, ID_SIZE);
    return true;
}

static int64_t changed_ms(const struct stat *st)
{
    return (int64_t)st->st_mtim.tv_sec * 1000 + st->st_mtim.tv_nsec / 1000000;
}

static bool is_older(int dir_fd, const char *name, int64_t before_ms)
{
    struct stat st;
    return fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && changed_ms(&st) < before_ms;
}

/* NULL: errno says why. */
static DIR *open_listing(int dir_fd)
{
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (dir == NULL && fd >= 0) {
        int errnum = errno;
        (void)close(fd);
        errno = errnum;
    }
    return dir;
}

/* Whether the entry shows an orphan. On the way it clears what crashes leave behind: the ID.part of
 * a create that found ID, and a description without data. */
static bool is_orphan(int dir_fd, const char *name, int64_t before_ms, char ret_id[ID_SIZE])
{
    struct file_names names;
    if (is_name(name, ".part", ret_id) && is_older(dir_fd, name, before_ms)) {
        file_names_make(&names, ret_id);
        if (!file_has_name(dir_fd, names.data)) {
            return true;
        }
        (void)unlinkat(dir_fd, names.part, 0);
    } else if (is_name(name, ".json", ret_id) && is_older(dir_fd, name, before_ms)) {
        file_names_make(&names, ret_id);
        if (!file_has_name(dir_fd, names.part) && !file_has_name(dir_fd, names.data)) {
            file_names_remove(dir_fd, &names);
        }
    }
    return false;
}

static enum err file_list_orphans(struct blobs *b, int64_t before_ms, char (*ret_ids)[ID_SIZE],
                                  size_t max, size_t *ret_count, struct error *e)
{
    int dir_fd = file_dir_of(b);
    DIR *dir = open_listing(dir_fd);
    if (dir == NULL) {
        return file_error(errno, "list the folder of blobs", e);
    }
    size_t count = 0;
    while (count < max) {
        const struct dirent *entry = readdir(dir); /* NOLINT(concurrency-mt-unsafe): own DIR */
        if (entry == NULL) {
            break;
        }
        count += is_orphan(dir_fd, entry->d_name, before_ms, ret_ids[count]);
    }
    (void)closedir(dir);
    *ret_count = count;
    return OK;
}

/* Keeps the first max ids, in order; the rest of an entry is not yet known. Returns the count. */
static size_t keep_first(struct blob_entry *entries, size_t count, size_t max, const char *id)
{
    size_t at = count;
    while (at > 0 && strcmp(entries[at - 1].id, id) > 0) {
        at--;
    }
    if (at == max) {
        return count;
    }
    count += count < max;
    memmove(&entries[at + 1], &entries[at], (count - at - 1) * sizeof(*entries));
    memcpy(entries[at].id, id, ID_SIZE);
    return count;
}

/* False: it has gone meanwhile, or is no file. The description is written at the commit, the data
 * maybe long before; what somebody put here has none. */
static bool describe_entry(int dir_fd, struct blob_entry *entry)
{
    struct file_names names;
    struct stat st;
    file_names_make(&names, entry->id);
    if (fstatat(dir_fd, names.data, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode)) {
        return false;
    }
    entry->size_bytes = st.st_size;
    entry->committed_at_ms = fstatat(dir_fd, names.json, &st, AT_SYMLINK_NOFOLLOW) == 0
                                 ? changed_ms(&st)
                                 : 0;
    return true;
}

static enum err file_list(struct blobs *b, char cursor[ID_SIZE], struct blob_entry *ret_entries,
                          size_t max, size_t *ret_count, struct error *e)
{
    int dir_fd = file_dir_of(b);
    DIR *dir = open_listing(dir_fd);
    if (dir == NULL) {
        return file_error(errno, "list the folder of blobs", e);
    }
    size_t found = 0;
    const struct dirent *entry = NULL;
    while ((entry = readdir(dir)) != NULL) { /* NOLINT(concurrency-mt-unsafe): own DIR */
        char id[ID_SIZE];
        if (is_name(entry->d_name, "", id) && strcmp(id, cursor) > 0) {
            found = keep_first(ret_entries, found, max, id);
        }
    }
    (void)closedir(dir);
    (void)text_copy(cursor, ID_SIZE, found == max ? ret_entries[max - 1].id : "");
    size_t count = 0;
    for (size_t i = 0; i < found; i++) {
        struct blob_entry listed = ret_entries[i];
        if (describe_entry(dir_fd, &listed)) {
            ret_entries[count++] = listed;
        }
    }
    *ret_count = count;
    return OK;
}

const struct blobs_ops blobs_file_ops = {
    .has_fast_read_back = true,
    .open = file_open,
    .close = file_close,
    .check = file_check,
    .create = file_writer_create,
    .resume = file_writer_resume,
    .write = file_writer_write,
    .rewrite = file_writer_rewrite,
    .read_back = file_writer_read_back,
    .settle = file_writer_settle,
    .publish = file_writer_publish,
    .keep = file_writer_keep,
    .discard = file_writer_discard,
    .release = file_writer_release,
    .stat = file_stat,
    .pread = file_pread,
    .remove = file_remove,
    .descriptor = file_descriptor,
    .list_orphans = file_list_orphans,
    .list = file_list,
};
