/* What the two halves of the folder engine share: blobs_file.c reads, file_writer.c writes.
 *
 * ID is a committed blob, ID.part one that is being written, ID.json describes either. Naming the
 * data ID is the commit. All names are made of ids, never of what users sent. */
#ifndef UNREEL_BLOBS_FILE_FOLDER_H
#define UNREEL_BLOBS_FILE_FOLDER_H

#include "blobs/blobs_impl.h"

struct file_blobs {
    struct blobs base;
    int dir_fd;
};

#define FILE_NAME_SIZE (ID_SIZE + 16)

/* The names of one blob. */
struct file_names {
    char data[ID_SIZE];
    char part[FILE_NAME_SIZE];
    char json[FILE_NAME_SIZE];
    char json_temporary[FILE_NAME_SIZE];
};

/* The folder's descriptor. */
int file_dir_of(struct blobs *b);
void file_names_make(struct file_names *names, const char *id);
/* Everything but the committed data. */
void file_names_remove(int dir_fd, const struct file_names *names);
bool file_has_name(int dir_fd, const char *name);
/* Up to len bytes; *ret_len < len only at the end of the file. */
enum err file_read_at(int fd, int64_t offset, void *dst, size_t len, size_t *ret_len,
                      struct error *e) MUST_CHECK;
/* ERR_BUSY when the disk is full, ERR_NOT_FOUND for ENOENT, ERR_EXISTS for EEXIST, else
 * ERR_FAULT. */
enum err file_error(int errnum, const char *what, struct error *e);

/* file_writer.c: the slots of struct blobs_ops of the same names. */
enum err file_writer_create(struct blobs *b, const char *id, const struct blob_meta *meta,
                            struct blob_writer **ret_writer, struct error *e);
enum err file_writer_resume(struct blobs *b, const char *id, struct blob_writer **ret_writer,
                            struct error *e);
enum err file_writer_write(struct blob_writer *w, const void *bytes, size_t len, struct error *e);
enum err file_writer_rewrite(struct blob_writer *w, int64_t offset, const void *bytes, size_t len,
                             struct error *e);
enum err file_writer_read_back(struct blob_writer *w, int64_t offset, void *dst, size_t len,
                               struct error *e);
enum err file_writer_settle(struct blob_writer *w, struct error *e);
enum err file_writer_publish(struct blob_writer *w, const char *sha256, struct error *e);
enum err file_writer_keep(struct blob_writer *w, struct error *e);
void file_writer_discard(struct blob_writer *w);
void file_writer_release(struct blob_writer *w);

#endif
