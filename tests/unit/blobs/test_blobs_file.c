/* The folder engine when something is wrong with the folder. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "blobs/blobs.h"
#include "core/clock.h"

static char folder[64];
static struct blobs *blobs;
static char id[ID_SIZE];

static const char *path_of(const char *suffix)
{
    static char path[256];
    (void)snprintf(path, sizeof(path), "%s/videos/%s%s", folder, id, suffix);
    return path;
}

static int count_files(void)
{
    char path[128];
    int count = 0;
    (void)snprintf(path, sizeof(path), "%s/videos", folder);
    DIR *dir = opendir(path);
    assert_non_null(dir);
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        count += entry->d_name[0] != '.';
    }
    (void)closedir(dir);
    return count;
}

static void make_file(const char *suffix, const char *text)
{
    FILE *file = fopen(path_of(suffix), "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static int set_up(void **state)
{
    char url[128];
    (void)state;
    (void)snprintf(folder, sizeof(folder), "/tmp/unreel-file-XXXXXX");
    if (mkdtemp(folder) == NULL) {
        return 1;
    }
    (void)snprintf(url, sizeof(url), "file:%s", folder);
    id_new(id);
    return blobs_open(url, "videos", 1, &blobs, NULL) == OK ? 0 : 1;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int tear_down(void **state)
{
    (void)state;
    blobs_close(blobs);
    blobs = NULL;
    return nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static struct blob_writer *write_text(const char *text)
{
    struct blob_writer *w = NULL;
    assert_int_equal(blobs_create(blobs, id, NULL, &w, NULL), OK);
    assert_int_equal(blob_write(w, text, strlen(text), NULL), OK);
    return w;
}

static size_t list_orphans(void)
{
    char ids[8][ID_SIZE];
    size_t count = 0;
    assert_int_equal(blobs_list_orphans(blobs, clock_wall_ms() + 60000, ids, 8, &count, NULL), OK);
    return count;
}

static void check_names(void **state)
{
    struct stat st;
    (void)state;
    struct blob_writer *w = write_text("hello");
    assert_int_equal(access(path_of(".part"), F_OK), 0);
    assert_int_equal(access(path_of(".json"), F_OK), 0);
    assert_int_equal(count_files(), 2);
    assert_int_equal(blob_commit(w, NULL, NULL), OK);
    assert_int_equal(count_files(), 2);
    assert_int_equal(stat(path_of(""), &st), 0);
    assert_int_equal(st.st_size, 5);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(blobs_remove(blobs, id, NULL), OK);
    assert_int_equal(count_files(), 0);
}

/* A write that fails in the middle leaves only abort and suspend. */
static void check_full_disk(void **state)
{
    static char bytes[300000];
    struct rlimit old;
    struct rlimit tight;
    struct error e = { .code = OK };
    (void)state;
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    tight = old;
    tight.rlim_cur = 100000;
    struct blob_writer *w = write_text("hello");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    enum err err = blob_write(w, bytes, sizeof(bytes), &e);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(err, ERR_FAULT);
    assert_int_equal(blob_writer_size(w), 5);
    assert_int_equal(blob_write(w, bytes, 1, NULL), ERR_FAULT);
    assert_int_equal(blob_rewrite(w, 0, bytes, 1, NULL), ERR_FAULT);
    assert_int_equal(blob_commit(w, NULL, NULL), ERR_FAULT);
    blob_abort(w);
    assert_int_equal(count_files(), 0);
}

/* Somebody put a file under the final name: it stays as it is. */
static void check_no_overwrite(void **state)
{
    char text[8] = "";
    size_t len = 0;
    (void)state;
    struct blob_writer *w = write_text("mine");
    make_file("", "theirs");
    assert_int_equal(blob_commit(w, NULL, NULL), ERR_EXISTS);
    blob_abort(w);
    assert_int_equal(blobs_pread(blobs, id, 0, text, sizeof(text), &len, NULL), OK);
    assert_int_equal(len, 6);
    assert_memory_equal(text, "theirs", 6);
}

static void check_foreign_file(void **state)
{
    struct blob_stat st;
    (void)state;
    make_file("", "just a file");
    assert_int_equal(blobs_stat(blobs, id, &st, NULL), OK);
    assert_true(st.is_committed);
    assert_int_equal(st.size_bytes, 11);
    assert_string_equal(st.sha256, "");
    struct blob_entry entry;
    char cursor[ID_SIZE] = "";
    size_t count = 0;
    assert_int_equal(blobs_list(blobs, cursor, &entry, 1, &count, NULL), OK);
    assert_true(count == 1 && entry.size_bytes == 11 && entry.committed_at_ms == 0);
    make_file(".json", "{ broken");
    assert_int_equal(blobs_stat(blobs, id, &st, NULL), ERR_CORRUPT);
}

static void check_cut_file(void **state)
{
    struct blob_stat st;
    (void)state;
    assert_int_equal(blob_commit(write_text("hello"), NULL, NULL), OK);
    assert_int_equal(truncate(path_of(""), 3), 0);
    assert_int_equal(blobs_stat(blobs, id, &st, NULL), ERR_CORRUPT);
}

/* What a crash leaves is cleared, or listed; never is a committed blob listed. */
static void check_leftovers(void **state)
{
    (void)state;
    assert_int_equal(blob_commit(write_text("hello"), NULL, NULL), OK);
    make_file(".part", "");
    assert_int_equal(list_orphans(), 0);
    assert_int_equal(count_files(), 2);
    assert_int_equal(blobs_remove(blobs, id, NULL), OK);
    id_new(id);
    make_file(".json", "{}");
    assert_int_equal(list_orphans(), 0);
    assert_int_equal(count_files(), 0);
    make_file(".part", "beginning");
    make_file(".json.new", "{");
    assert_int_equal(list_orphans(), 1);
    assert_int_equal(blobs_remove(blobs, id, NULL), OK);
    assert_int_equal(count_files(), 0);
}

/* Root may remove any file, so it is a folder that refuses here. */
static void check_remove_that_fails(void **state)
{
    (void)state;
    assert_int_equal(mkdir(path_of(".part"), 0700), 0);
    assert_int_equal(blobs_remove(blobs, id, NULL), ERR_FAULT);
    assert_int_equal(rmdir(path_of(".part")), 0);
    assert_int_equal(blobs_remove(blobs, id, NULL), ERR_NOT_FOUND);
}

/* The process died before it described the blob. */
static void check_resume_without_description(void **state)
{
    struct blob_writer *w = NULL;
    struct blob_stat st;
    int64_t offset = 0;
    (void)state;
    make_file(".part", "beginning");
    assert_int_equal(blobs_resume(blobs, id, &w, &offset, NULL), OK);
    assert_int_equal(offset, 9);
    assert_int_equal(blob_commit(w, NULL, NULL), OK);
    assert_int_equal(blobs_stat(blobs, id, &st, NULL), OK);
    assert_true(st.created_at_ms > 0);
    assert_int_equal(st.size_bytes, 9);
}

static void check_links_are_not_followed(void **state)
{
    struct blob_stat st;
    int fd = -1;
    (void)state;
    assert_int_equal(symlink("/etc/passwd", path_of("")), 0);
    assert_int_equal(blobs_stat(blobs, id, &st, NULL), ERR_FAULT);
    assert_int_equal(blobs_descriptor(blobs, id, &fd, NULL), ERR_FAULT);
    assert_int_equal(blobs_remove(blobs, id, NULL), OK);
}

static void check_urls(void **state)
{
    static const struct {
        const char *format;
        enum err err;
    } cases[] = {
        { "file:%s/a", OK },
        { "file://%s/b", OK },
        { "file:%s/c%%20d", OK },
        { "file:%s/%%zz", ERR_INVALID },
        { "file:", ERR_INVALID },
        { "file://host", ERR_INVALID },
        { "file:%s/no/such", ERR_FAULT },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char url[256];
        struct blobs *b = NULL;
        const char *at = strstr(cases[i].format, "%s");
        int before = at != NULL ? (int)(at - cases[i].format) : (int)strlen(cases[i].format);
        (void)snprintf(url, sizeof(url), "%.*s%s%s", before, cases[i].format,
                       at != NULL ? folder : "", at != NULL ? at + 2 : "");
        for (char *p = strstr(url, "%%"); p != NULL; p = strstr(url, "%%")) {
            memmove(p, p + 1, strlen(p));
        }
        assert_int_equal(blobs_open(url, "videos", 1, &b, NULL), cases[i].err);
        blobs_close(b);
    }
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest cases[] = {
        CASE(check_names),
        CASE(check_full_disk),
        CASE(check_no_overwrite),
        CASE(check_foreign_file),
        CASE(check_cut_file),
        CASE(check_leftovers),
        CASE(check_remove_that_fails),
        CASE(check_resume_without_description),
        CASE(check_links_are_not_followed),
        CASE(check_urls),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
