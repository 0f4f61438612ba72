/* What `unreel serve` needs of the machine: a folder, secrets, ports. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/id.h"
#include "core/mem.h"
#include "core/text.h"
#include "serve.h"

#include "core/banned.h"

#define SECRET_MAX 256
#define RANDOM_MAX 64
#define PORTS_MAX 16

enum err serve_make_folder(const char *path, struct error *e)
{
    char partial[PATH_MAX];
    if (path[0] == '\0' || !text_copy(partial, sizeof(partial), path)) {
        return err_set(e, ERR_INVALID, "the folder's path is empty or too long");
    }
    for (char *c = partial + 1;; c++) {
        if (*c != '/' && *c != '\0') {
            continue;
        }
        char kept = *c;
        *c = '\0';
        if (mkdir(partial, 0700) != 0 && errno != EEXIST) {
            return err_set_errno(e, ERR_FAULT, errno, "make the folder %s", partial);
        }
        if (kept == '\0') {
            return OK;
        }
        *c = kept;
    }
}

enum err serve_lock_folder(const char *folder, int *ret_fd, struct error *e)
{
    AUTO(mem_free) char *path = xasprintf("%s/lock", folder);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return err_set_errno(e, ERR_FAULT, errno, "open %s", path);
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        int reason = errno;
        (void)close(fd);
        return reason == EWOULDBLOCK
                   ? err_set(e, ERR_BUSY, "another unreel serve works in %s", folder)
                   : err_set_errno(e, ERR_FAULT, reason, "lock %s", path);
    }
    *ret_fd = fd;
    return OK;
}

static enum err read_secret(int fd, const char *path, char **ret_secret, struct error *e)
{
    char secret[SECRET_MAX];
    ssize_t len = read(fd, secret, sizeof(secret) - 1);
    secret[len > 0 ? len : 0] = '\0';
    secret[strcspn(secret, "\r\n")] = '\0';
    if (secret[0] == '\0') {
        return err_set(e, ERR_CORRUPT, "%s is empty; remove it to have a new one made", path);
    }
    *ret_secret = xstrdup(secret);
    mem_wipe(secret, sizeof(secret));
    return OK;
}

/* It is there whole or not at all: a half-written one would be found at the next start. */
static enum err write_secret(const char *path, const char *secret, struct error *e)
{
    AUTO(mem_free) char *partial = xasprintf("%s.part", path);
    (void)unlink(partial);
    int fd = open(partial, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool is_written = fd >= 0 && dprintf(fd, "%s\n", secret) > 0 && fsync(fd) == 0 &&
                      rename(partial, path) == 0;
    enum err rc = is_written ? OK : err_set_errno(e, ERR_FAULT, errno, "write %s", path);
    if (fd >= 0) {
        (void)close(fd);
    }
    return rc;
}

enum err serve_keep_secret(const char *path, const char *prefix, size_t bytes, bool url_safe,
                           char **ret_secret, struct error *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        enum err rc = read_secret(fd, path, ret_secret, e);
        (void)close(fd);
        return rc;
    }
    unsigned char random[RANDOM_MAX];
    char text[TEXT_BASE64_SIZE(RANDOM_MAX)];
    random_bytes(random, bytes);
    if (url_safe) {
        text_to_base64url(text, random, bytes);
    } else {
        text_to_base64(text, random, bytes);
    }
    AUTO(mem_free) char *secret = xasprintf("%s%s", prefix, text);
    enum err rc = write_secret(path, secret, e);
    if (rc == OK) {
        *ret_secret = TAKE(secret);
    }
    return rc;
}

static int bind_any(int fd)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t len = sizeof(address);
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) != 0) {
        return 0;
    }
    return ntohs(address.sin_port);
}

enum err serve_free_ports(int *ports, size_t count, struct error *e)
{
    int sockets[PORTS_MAX];
    size_t open_count = 0;
    enum err rc = OK;
    /* All are held until the last is known: so no two are the same. */
    while (rc == OK && open_count < count && open_count < PORTS_MAX) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        int port = fd >= 0 ? bind_any(fd) : 0;
        if (port == 0) {
            rc = err_set_errno(e, ERR_FAULT, errno, "find a free port");
        }
        if (fd >= 0) {
            ports[open_count] = port;
            sockets[open_count++] = fd;
        }
    }
    for (size_t i = 0; i < open_count; i++) {
        (void)close(sockets[i]);
    }
    return rc;
}
